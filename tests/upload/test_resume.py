"""An upload that was broken off is continued."""

import errno
import os
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dss_client import DSSError
from dss_client.upload import UploadError
from tests.upload.service import UUID, VERSION, Call, Counting, Place, fill

CONTENT = bytes(range(250)) * 20  # 5 parts
FILES = {"a": b"small", "big": CONTENT}

pytestmark = pytest.mark.usefixtures("small_parts")


def at(kind: str, first: int = 0) -> Callable[[Call], None]:
    """Interrupt at calls of a kind; for parts from a number on: others may wait for a thread."""

    def interrupt(call: Call) -> None:
        if call[0] == kind and (kind != "part" or int(str(call[1])) >= first):
            raise KeyboardInterrupt

    return interrupt


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return fill(tmp_path / "src", FILES)


@pytest.fixture
def broken(place: Place, src: Path) -> Counting:
    """A bucket that has file ``a`` and three parts of ``big``, and whose calls are forgotten."""
    staging = place.staging()
    staging.before.append(at("part", 4))
    with pytest.raises(KeyboardInterrupt):
        place.upload(src, staging, threads=1)
    assert staging.of("part")[:4] == [1, 2, 3, 4]
    staging.before.clear()
    staging.calls.clear()
    return staging


def test_nothing_is_sent_twice(place: Place, src: Path, broken: Counting) -> None:
    report = place.upload(src, broken, threads=1)
    assert broken.calls == [("part", 4), ("part", 5), ("complete", "big")]
    assert [file.state for file in report.files] == ["reused", "uploaded"]
    assert (report.count("reused"), report.bytes_uploaded) == (1, len(CONTENT))
    assert place.files(report) == FILES
    other = place.upload(src, broken)  # that one is over
    assert other.bundle_uuid != report.bundle_uuid
    assert other.count("uploaded") == 2


def test_broken_off_again_and_again(place: Place, src: Path) -> None:
    staging = place.staging()
    parts = [at("part", number) for number in range(1, 6)]
    for each in (at("put"), at("begin"), *parts, at("complete")):
        staging.before[:] = [each]
        with pytest.raises(KeyboardInterrupt) as caught:
            place.upload(src, staging, threads=1)
        assert "continues from there" in caught.value.__notes__[0]
    staging.before.clear()
    report = place.upload(src, staging, threads=1)
    assert place.files(report) == FILES
    assert len(staging.of("begin")) == 2
    assert place.bundles() == [report.bundle_uuid]


def test_what_vanished_from_the_bucket_is_sent_anew(
    place: Place, src: Path, broken: Counting
) -> None:
    place.clear()
    report = place.upload(src, broken, threads=1)
    assert [file.state for file in report.files] == ["reused", "uploaded"]  # the service has `a`
    assert broken.of("part") == [1, 2, 3, 4, 5]
    assert place.files(report) == FILES


@pytest.mark.parametrize(
    "how", [{"fresh": True}, {"bundle_uuid": UUID}, {"version": VERSION}, {"creator_uid": 9}]
)
def test_fresh_or_another_bundle_starts_over(
    place: Place, src: Path, broken: Counting, how: dict[str, object]
) -> None:
    report = place.upload(src, broken, threads=1, **how)
    assert report.count("uploaded") == 2
    assert broken.of("part") == [1, 2, 3, 4, 5]
    assert broken.of("abort") == ["big"]


def test_another_bucket_or_directory_is_another_upload(
    place: Place, src: Path, broken: Counting, tmp_path: Path
) -> None:
    other = fill(tmp_path / "copy", {"a": b"small"})
    assert place.upload(other, broken).count("uploaded") == 1
    assert place.upload(src, broken, replica="gcp").count("uploaded") == 2
    assert place.upload(src, broken).count("reused") == 1


def test_a_file_that_changed_is_sent_anew(place: Place, src: Path, broken: Counting) -> None:
    (src / "big").write_bytes(CONTENT[:-1] + b"!")
    report = place.upload(src, broken, threads=1)
    assert broken.of("part") == [1, 2, 3, 4, 5]
    assert broken.of("abort") == ["big"]
    assert broken.of("put") == []
    assert place.files(report)["big"] == CONTENT[:-1] + b"!"


def test_a_part_that_changed_unseen_is_sent_anew(place: Place, src: Path, broken: Counting) -> None:
    before = (src / "big").stat()
    (src / "big").write_bytes(CONTENT[:1500] + b"!" + CONTENT[1501:])
    os.utime(src / "big", ns=(before.st_atime_ns, before.st_mtime_ns))
    report = place.upload(src, broken, threads=1)
    assert broken.of("part") == [2, 4, 5]
    assert place.files(report)["big"] == (src / "big").read_bytes()


def test_files_that_come_and_go(place: Place, src: Path, broken: Counting) -> None:
    (src / "a").unlink()
    fill(src, {"new": b"1"})
    report = place.upload(src, broken, threads=1)
    assert place.files(report) == {"big": CONTENT, "new": b"1"}
    assert broken.of("part") == [4, 5]


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_the_bundle_may_be_there(place: Place, src: Path, there: bool, changed: bool) -> None:
    """The run did not learn whether it is. If the files are others now, they make another one."""
    place.server.faults = [
        {"on": "put_bundle", **({"reset": "start"} if there else {"status": 500})},
        {"on": "get_bundle", "status": 503},
    ]
    with pytest.raises(DSSError, match="PUT"):
        place.upload(src)
    place.server.faults = None
    place.clear()  # what the service has is not needed any more
    before = place.bundles()
    assert len(before) == there
    if changed:
        fill(src, {"more": b"1"})
    report = place.upload(src)
    assert report.count("reused") == (0 if there and changed else 2)
    assert set(place.bundles()) == {*before, report.bundle_uuid}
    assert len(place.bundles()) == 1 + (there and changed)
    assert place.files(report) == {path.name: path.read_bytes() for path in src.iterdir()}


def test_many_go_on_at_once(place: Place, src: Path, broken: Counting) -> None:
    """Only one of them gets what was left."""
    reports = []
    work = [threading.Thread(target=lambda: reports.append(place.upload(src))) for _ in range(4)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert len({report.bundle_uuid for report in reports}) == 4
    assert sum(report.count("reused") for report in reports) == 1
    for report in reports:
        assert place.files(report) == FILES


def fail_from(patch: pytest.MonkeyPatch, call: str, code: int, below: Path, allowed: int) -> None:
    """Let a call of the system fail for what is written below a directory, after some uses."""
    original = getattr(os, call)
    uses = count()

    def failing(what: Any, *how: Any, **more: Any) -> Any:
        if isinstance(what, int):
            opened = [path.stat().st_ino for path in below.rglob("*.part")]
            is_below = os.fstat(what).st_ino in opened
        else:
            is_below = below in Path(what).parents
        if is_below and next(uses) >= allowed:
            raise OSError(code, os.strerror(code))
        return original(what, *how, **more)

    patch.setattr(os, call, failing)


def left(state: Path) -> Path:
    """Return the file that a run has left to the next one."""
    (path,) = state.rglob("*.state")
    return path


def test_state_of_another_host(place: Place, src: Path, broken: Counting, state: Path) -> None:
    """Nobody can tell whether that run is alive."""
    path = left(state)
    upload, _, _ = path.name.partition(".")
    path.rename(path.with_name(f"{upload}.0a0b0c0d-1-1-0a0b0c0d.state"))
    assert place.upload(src).count("reused") == 0
    left(state).rename(path)  # that run has ended
    assert place.upload(src).count("reused") == 1


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_damaged_state(place: Place, tmp_path: Path, state: Path, data: st.DataObject) -> None:
    """It counts for nothing, whatever is wrong with it."""
    src, staging = fill(tmp_path / "one", {"a": b"1", "b": b"2"}), place.staging()
    staging.before.append(lambda call: at("put")(call) if len(staging.calls) > 1 else None)
    with pytest.raises(KeyboardInterrupt):
        place.upload(src, staging)
    path = left(state)
    text = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(text) - 1))
    if data.draw(st.booleans()):
        del text[position:]
    else:
        text[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(text)
    assert place.upload(src).count("reused") == 0
    assert list(state.rglob("*.state")) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_every_write_of_state_fails_once(
    place: Place,
    src: Path,
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    code: int,
) -> None:
    """What earlier runs had is kept, and the error names the remedy."""
    staging = place.staging()
    sent = 0
    for allowed in (0, 1, 0):  # it is written at the start, and when `big` begins
        sent += allowed
        with monkeypatch.context() as patch:
            fail_from(patch, call, code, state, allowed)
            with pytest.raises(UploadError, match=os.strerror(code)) as caught:
                place.upload(src, staging, threads=1)
        assert "DSS_STATE_DIR" in str(caught.value)
        assert str(state) in caught.value.name
        assert staging.of("put") == ["a"] * sent
    with monkeypatch.context() as patch:
        fail_from(patch, call, code, state, 2)
        report = place.upload(src, staging, threads=1)
    assert staging.of("put") == ["a"]
    assert place.files(report) == FILES


def test_no_place_for_state(place: Place, src: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSS_STATE_DIR", str(src / "a"))
    staging = place.staging()
    with pytest.raises(UploadError, match="DSS_STATE_DIR"):
        place.upload(src, staging)
    assert staging.calls == []
