"""An upload that was broken off is continued."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dss_client.upload import LostUpload, UploadError
from tests.upload.service import BUCKET, Call, Counting, Place, fill

ROOT = Path(__file__).parents[2]
UUID = "11111111-aaaa-4bbb-8ccc-222222222222"
CONTENT = bytes(range(250)) * 20  # 5 parts
FILES = {"a": b"small", "big": CONTENT}

pytestmark = pytest.mark.usefixtures("small_parts")


class Killed(BaseException):
    """As an interrupt is: nothing catches it."""


def at(kind: str, first: int = 0, error: BaseException | None = None) -> Callable[[Call], None]:
    """Fail at calls of a kind; for parts from a number on, since others may wait for a thread."""

    def fail(call: Call) -> None:
        if call[0] == kind and (kind != "part" or int(str(call[1])) >= first):
            raise error or Killed

    return fail


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return fill(tmp_path / "src", FILES)


@pytest.fixture
def broken(place: Place, src: Path) -> Counting:
    """A bucket that has file ``a`` and three parts of ``big``, and whose calls are forgotten."""
    staging = place.staging()
    staging.before.append(at("part", 4))
    with pytest.raises(Killed):
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
    broken.calls.clear()
    other = place.upload(src, broken)
    assert other.bundle_uuid != report.bundle_uuid
    assert len(broken.of("put")) == 1


def test_broken_off_again_and_again(place: Place, src: Path) -> None:
    staging = place.staging()
    parts = [at("part", number) for number in range(1, 6)]
    for each in (at("put"), at("begin"), *parts, at("complete")):
        staging.before[:] = [each]
        with pytest.raises(Killed):
            place.upload(src, staging, threads=1)
    staging.before.clear()
    report = place.upload(src, staging, threads=1)
    assert place.files(report) == FILES
    assert len(staging.of("begin")) == 2
    assert place.bundles() == [report.bundle_uuid]


def test_what_the_service_has_needs_no_bucket(place: Place, src: Path) -> None:
    place.server.faults = [{"on": "put_bundle", "status": 500}]
    with pytest.raises(Exception, match="500"):
        place.upload(src)
    place.server.faults = None
    for folder in place.folder.iterdir():
        shutil.rmtree(folder)
    staging = place.staging()
    report = place.upload(src, staging)
    assert staging.of("put") == staging.of("part") == []
    assert report.count("reused") == 2
    assert place.files(report) == FILES


def test_what_vanished_from_the_bucket_is_sent_anew(place: Place, src: Path) -> None:
    place.server.faults = [{"on": "put_file", "status": 500}]
    staging = place.staging()
    with pytest.raises(UploadError, match=r"'a': .*500"):
        place.upload(src, staging)
    place.server.faults = None
    staging.before.append(at("part", 4))
    with pytest.raises(Killed):
        place.upload(src, staging)
    assert staging.of("put") == ["a"]
    for folder in place.folder.iterdir():
        shutil.rmtree(folder)
    staging.before.clear()
    staging.calls.clear()
    report = place.upload(src, staging)
    assert [file.state for file in report.files] == ["reused", "uploaded"]  # the service has `a`
    assert sorted(map(str, staging.of("part"))) == list("12345")
    assert place.files(report) == FILES


def test_parts_that_are_lost_meanwhile_are_sent_anew_once(
    place: Place, src: Path, broken: Counting
) -> None:
    lose = at("part", 4, LostUpload("here", "gone"))
    broken.before.append(lose)
    with pytest.raises(UploadError, match="here: gone"):
        place.upload(src, broken, threads=1)
    assert len(broken.of("begin")) == 1  # no endless loop
    broken.before.clear()
    report = place.upload(src, broken, threads=1)
    assert place.files(report) == FILES


def test_fresh_starts_over(place: Place, src: Path, broken: Counting) -> None:
    report = place.upload(src, broken, threads=1, fresh=True)
    assert report.count("uploaded") == 2
    assert broken.of("part") == [1, 2, 3, 4, 5]
    assert broken.of("abort") == ["big"]


@pytest.mark.parametrize(
    "how", [{"bundle_uuid": UUID}, {"version": "2019-01-01T000000.000000Z"}, {"creator_uid": 9}]
)
def test_another_bundle_starts_over(
    place: Place, src: Path, broken: Counting, how: dict[str, object]
) -> None:
    report = place.upload(src, broken, threads=1, **how)
    assert broken.of("part") == [1, 2, 3, 4, 5]
    assert report.count("reused") == 0


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
    with (src / "big").open("r+b") as stream:
        stream.seek(1500)
        stream.write(b"!")
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
def test_the_bundle_may_be_there(place: Place, src: Path, changed: bool) -> None:
    """It is, and the run did not learn that. If the files are others now, they make another one."""
    place.server.faults = [
        {"on": "put_bundle", "reset": "start"},
        {"on": "get_bundle", "status": 503},
    ]
    with pytest.raises(Exception, match="PUT"):
        place.upload(src)
    place.server.faults = None
    before = place.bundles()
    if changed:
        fill(src, {"more": b"1"})
    report = place.upload(src)
    assert report.count("reused") == (0 if changed else 2)
    assert set(place.bundles()) == {*before, report.bundle_uuid}
    assert len(place.bundles()) == 1 + changed


def test_two_at_once(place: Place, src: Path) -> None:
    """The second sees that the first is alive, and leaves its state alone."""
    staging, other = place.staging(), place.staging()
    reports = []

    def meanwhile(call: Call) -> None:
        if call == ("part", 3):
            staging.before.clear()
            reports.append(place.upload(src, other))

    staging.before.append(meanwhile)
    reports.append(place.upload(src, staging, threads=1))
    assert sorted(map(str, other.of("part"))) == list("12345")
    assert len({report.bundle_uuid for report in reports}) == 2
    for report in reports:
        assert place.files(report) == FILES


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


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_run_that_lives_is_left_alone_until_it_is_killed(place: Place, src: Path) -> None:
    """Another process uploads; it is known to be over when it is, and not before."""
    script = (
        "import sys, time; from pathlib import Path; from dss_client import DSSClient;"
        " from dss_client.upload import DirectoryStaging;"
        " dss = DSSClient(sys.argv[1], token=sys.argv[2]);"
        " dss.upload(src_dir=sys.argv[3], replica='aws', staging_bucket=sys.argv[4], threads=1,"
        " staging=DirectoryStaging(Path(sys.argv[5])),"
        " progress=lambda e: (print(e.kind, flush=True), e.kind == 'finished' and time.sleep(60)))"
    )
    url, token = place.server.url, place.server.mint_token()
    words = [sys.executable, "-c", script, url, token, src, BUCKET, place.folder]
    with subprocess.Popen(
        list(map(str, words)), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert next(line for line in process.stdout if line.startswith("finished"))
        assert place.upload(src).count("reused") == 0
        process.send_signal(signal.SIGKILL)
    assert place.upload(src).count("reused") == 1


def fail_from(patch: pytest.MonkeyPatch, call: str, code: int, below: Path, allowed: int) -> None:
    """Let a call of the operating system fail below a directory, after some that are allowed."""
    original = getattr(os, call)
    opened: set[int] = set()
    left = [allowed]

    def failing(what: Any, *how: Any, **more: Any) -> Any:
        is_temporary = str(what).endswith(".part") and str(what).startswith(str(below))
        if is_temporary or what in opened:
            if not left[0]:
                raise OSError(code, os.strerror(code))
            left[0] -= 1
        return original(what, *how, **more)

    if call == "fsync":
        open_file = os.open

        def noting(path: Any, *how: Any, **more: Any) -> int:
            descriptor = open_file(path, *how, **more)
            (opened.add if str(path).startswith(str(below)) else opened.discard)(descriptor)
            return descriptor

        patch.setattr(os, "open", noting)
    patch.setattr(os, call, failing)


class TestState:
    """The file that a run leaves to the next one."""

    @staticmethod
    def left(state: Path) -> Path:
        (path,) = state.rglob("*.state")
        return path

    def test_of_another_machine(
        self, place: Place, src: Path, broken: Counting, state: Path
    ) -> None:
        """Nobody can tell whether that run is alive."""
        path = self.left(state)
        upload, _, _ = path.name.partition(".")
        path.rename(path.with_name(f"{upload}.0a0b0c0d-1-1-0a0b0c0d.state"))
        assert place.upload(src).count("reused") == 0
        (again,) = state.rglob("*.state")
        again.rename(path)  # that run has ended
        assert place.upload(src).count("reused") == 1

    @settings(
        max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(st.data())
    def test_damaged(self, place: Place, tmp_path: Path, state: Path, data: st.DataObject) -> None:
        """It counts for nothing, whatever is wrong with it."""
        src, staging = fill(tmp_path / "one", {"a": b"1", "b": b"2"}), place.staging()
        staging.before.append(lambda call: at("put")(call) if len(staging.calls) > 1 else None)
        with pytest.raises(Killed):
            place.upload(src, staging)
        path = self.left(state)
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
    def test_every_write_fails_once(
        self,
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

    def test_where_it_cannot_be(
        self, place: Place, src: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("DSS_STATE_DIR", str(tmp_path / "file"))
        staging = place.staging()
        with pytest.raises(UploadError, match="DSS_STATE_DIR"):
            place.upload(src, staging)
        assert staging.calls == []
