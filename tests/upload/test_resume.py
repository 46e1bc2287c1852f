"""An upload that was broken off is continued."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dss_client.upload import StagingError, UploadError
from dss_client.upload.errors import LostUpload
from dss_client.upload.journal import Journal
from tests.upload.service import Counting, Place, fill

UUID = "11111111-aaaa-4bbb-8ccc-222222222222"
CONTENT = bytes(range(250)) * 20  # 5 parts of 1000
STEP = 1000


class Killed(BaseException):
    """As an interrupt is: nothing catches it."""


def when(wanted: tuple[str, object], error: BaseException) -> Callable[[tuple[str, object]], None]:
    def fail(call: tuple[str, object]) -> None:
        if call == wanted:
            raise error

    return fail


def from_part(first: int) -> Callable[[tuple[str, object]], None]:
    """Fail from a part on: one that waits for a thread when another fails is still sent."""

    def fail(call: tuple[str, object]) -> None:
        if call[0] == "part" and isinstance(call[1], int) and call[1] >= first:
            raise Killed

    return fail


def when_kind(kind: str) -> Callable[[tuple[str, object]], None]:
    def fail(call: tuple[str, object]) -> None:
        if call[0] == kind:
            raise Killed

    return fail


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return fill(tmp_path / "src", {"a": b"small", "big": CONTENT})


@pytest.fixture
def broken(place: Place, src: Path) -> Counting:
    """A bucket that has file ``a`` and three parts of ``big``, and its call count reset."""
    staging = place.staging()
    staging.fail.append(from_part(4))
    with pytest.raises(Killed):
        place.upload(src, staging, step=STEP, threads=1)
    staging.fail.clear()
    assert staging.of("part")[:4] == [1, 2, 3, 4]
    staging.calls.clear()
    return staging


def test_nothing_is_sent_twice(place: Place, src: Path, broken: Counting, state: Path) -> None:
    report = place.upload(src, broken, step=STEP, threads=1)
    assert broken.of("put") == []
    assert broken.of("begin") == []
    assert broken.of("part") == [4, 5]
    assert [file.state for file in report.files] == ["reused", "uploaded"]
    assert place.names(report) == {"a": b"small", "big": CONTENT}
    assert [path for path in state.rglob("*") if path.is_file()] == []
    broken.calls.clear()
    other = place.upload(src, broken, step=STEP)
    assert other.bundle_uuid != report.bundle_uuid
    assert len(broken.of("put")) == 1


def test_broken_off_again_and_again(place: Place, src: Path) -> None:
    staging = place.staging()
    for each in (when_kind("put"), *map(from_part, range(1, 6)), when_kind("complete")):
        staging.fail[:] = [each]
        with pytest.raises(Killed):
            place.upload(src, staging, step=STEP, threads=1)
    staging.fail.clear()
    report = place.upload(src, staging, step=STEP, threads=1)
    assert place.names(report) == {"a": b"small", "big": CONTENT}
    assert staging.there == [1, 2, 3, 4, 5]
    assert len(staging.of("begin")) == 1


def test_death_at_every_step(place: Place, src: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of the journal is the last one once; nothing that it tells of is sent again."""
    write = Journal._write
    reports = []
    for last in range(1, 20):
        left = [last]

        def dying(journal: Journal, text: bytes, left: list[int] = left) -> None:
            if not left[0]:
                raise Killed
            left[0] -= 1
            write(journal, text)

        staging = place.staging()
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "_write", dying)
            try:
                reports.append(place.upload(src, staging, step=STEP, threads=1))
                break
            except Killed:
                pass
        (noted,) = noted_parts(src.parent)
        report = place.upload(src, staging, step=STEP, threads=1)
        assert set(staging.there) == {1, 2, 3, 4, 5}
        assert {staging.there.count(number) for number in noted} <= {1}
        assert place.names(report) == {"a": b"small", "big": CONTENT}
        reports.append(report)
    assert left[0] == 0
    assert len(reports) > 10
    bundles = place.client.get_bundles_all(replica="aws").bundles
    assert {each.uuid for each in bundles} == {report.bundle_uuid for report in reports}


def noted_parts(folder: Path) -> list[set[int]]:
    """Return the parts that each journal tells of."""
    found: list[set[int]] = []
    for path in folder.rglob("*.left"):
        journal = Journal.parse(path, path.read_bytes())
        assert journal is not None
        found.append({number for state in journal.files.values() for number in state.parts})
    return found


def test_fresh_starts_over(place: Place, src: Path, broken: Counting) -> None:
    report = place.upload(src, broken, step=STEP, threads=1, fresh=True)
    assert report.count("uploaded") == 2
    assert broken.of("part") == [1, 2, 3, 4, 5]
    assert len(broken.of("abort")) == 1


@pytest.mark.parametrize(
    "how", [{"bundle_uuid": UUID}, {"version": "2019-01-01T000000.000000Z"}, {"creator_uid": 9}]
)
def test_another_bundle_starts_over(
    place: Place, src: Path, broken: Counting, how: dict[str, object]
) -> None:
    report = place.upload(src, broken, step=STEP, threads=1, **how)
    assert broken.of("part") == [1, 2, 3, 4, 5]
    assert report.count("reused") == 0
    if "bundle_uuid" in how:
        assert report.bundle_uuid == UUID


def test_another_bucket_or_directory_is_another_upload(
    place: Place, src: Path, broken: Counting, tmp_path: Path
) -> None:
    other = fill(tmp_path / "copy", {"a": b"small"})
    assert place.upload(other, broken).count("uploaded") == 1
    assert place.upload(src, broken, step=STEP, replica="gcp").count("uploaded") == 2
    assert place.upload(src, broken, step=STEP).count("reused") == 1


def test_a_file_that_changed_is_sent_anew(place: Place, src: Path, broken: Counting) -> None:
    changed = CONTENT[:-1] + b"!"
    (src / "big").write_bytes(changed)
    report = place.upload(src, broken, step=STEP, threads=1)
    assert broken.of("part") == [1, 2, 3, 4, 5]
    assert len(broken.of("abort")) == 1
    assert place.names(report)["big"] == changed
    assert broken.of("put") == []


def test_a_part_that_changed_unseen_is_noticed(place: Place, src: Path, broken: Counting) -> None:
    before = (src / "big").stat()
    with (src / "big").open("r+b") as stream:
        stream.seek(1500)
        stream.write(b"!")
    os.utime(src / "big", ns=(before.st_atime_ns, before.st_mtime_ns))
    report = place.upload(src, broken, step=STEP, threads=1)
    assert broken.of("part") == [1, 2, 3, 4, 5]
    assert place.names(report)["big"] == (src / "big").read_bytes()


def test_files_that_come_and_go(place: Place, src: Path, broken: Counting) -> None:
    (src / "a").unlink()
    fill(src, {"new": b"1"})
    report = place.upload(src, broken, step=STEP, threads=1)
    assert place.names(report) == {"big": CONTENT, "new": b"1"}
    assert broken.of("part") == [4, 5]


def test_parts_that_the_bucket_lost_are_sent_anew(
    place: Place, src: Path, broken: Counting
) -> None:
    lost = [True]

    def lose(call: tuple[str, object]) -> None:
        if call == ("part", 4) and lost.pop():
            lost.append(False)
            raise LostUpload("here", "gone")

    broken.fail.append(lose)
    report = place.upload(src, broken, step=STEP, threads=1)
    assert broken.of("part")[-5:] == [1, 2, 3, 4, 5]
    assert place.names(report)["big"] == CONTENT


def test_lost_parts_are_no_endless_loop(place: Place, src: Path, broken: Counting) -> None:
    broken.fail.append(when(("part", 5), LostUpload("here", "gone")))
    with pytest.raises(UploadError, match="here: gone"):
        place.upload(src, broken, step=STEP, threads=1)
    assert len(broken.of("begin")) == 1


def test_joined_already(place: Place, src: Path) -> None:
    """The bucket joined the parts, and the run died before it noted that."""
    staging = place.staging()
    complete = staging.inner.complete

    class Dying(Counting):
        def complete(self, key: str, *how: object) -> None:
            complete(key, *how)  # type: ignore[arg-type]
            raise Killed

    with pytest.raises(Killed):
        place.upload(src, Dying(staging.inner), step=STEP, threads=1)
    report = place.upload(src, staging, step=STEP, threads=1)
    assert staging.of("part") == []
    assert place.names(report)["big"] == CONTENT


def test_killed_around_the_bundle(place: Place, src: Path) -> None:
    """The bundle is there, and the run died before it knew."""
    place.server.faults = [
        {"on": "put_bundle", "reset": "start"},
        {"on": "get_bundle", "status": 503},
    ]
    staging = place.staging()
    with pytest.raises(Exception, match="PUT"):
        place.upload(src, staging)
    place.server.faults = None
    staging.calls.clear()
    report = place.upload(src, staging)
    assert staging.calls == []
    assert report.count("reused") == 2
    bundles = place.client.get_bundles_all(replica="aws").bundles
    assert [each.uuid for each in bundles] == [report.bundle_uuid]


def test_after_the_bundle_may_be_there_a_change_makes_another(place: Place, src: Path) -> None:
    place.server.faults = [
        {"on": "put_bundle", "reset": "start"},
        {"on": "get_bundle", "status": 503},
    ]
    staging = place.staging()
    with pytest.raises(Exception, match="PUT"):
        place.upload(src, staging)
    place.server.faults = None
    fill(src, {"more": b"1"})
    report = place.upload(src, staging)
    assert report.count("uploaded") == 3
    assert len(place.client.get_bundles_all(replica="aws").bundles) == 2


def test_what_vanished_from_the_bucket_is_sent_anew(place: Place, src: Path) -> None:
    place.server.faults = [{"on": "put_file", "status": 500}]
    staging = place.staging()
    with pytest.raises(UploadError, match="500"):
        place.upload(src, staging, step=STEP, threads=1)
    place.server.faults = None
    for folder in place.folder.iterdir():
        shutil.rmtree(folder)
    staging.calls.clear()
    report = place.upload(src, staging, step=STEP)
    assert {file.state for file in report.files} == {"uploaded"}
    assert len(staging.of("put")) == 1
    assert place.names(report) == {"a": b"small", "big": CONTENT}


def test_two_at_once(place: Place, src: Path) -> None:
    """The second finds the journal of a run that is alive, and leaves it alone."""
    staging, other = place.staging(), place.staging()
    reports = []

    def meanwhile(call: tuple[str, object]) -> None:
        if call == ("part", 3):
            staging.fail.clear()
            reports.append(place.upload(src, other, step=STEP))

    staging.fail.append(meanwhile)
    reports.append(place.upload(src, staging, step=STEP, threads=1))
    assert sorted(map(str, other.of("part"))) == ["1", "2", "3", "4", "5"]
    assert reports[0].bundle_uuid != reports[1].bundle_uuid
    for report in reports:
        assert place.names(report) == {"a": b"small", "big": CONTENT}


def test_a_journal_that_cannot_be_written(
    place: Place, src: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DSS_STATE_DIR", str(tmp_path / "file"))
    with pytest.raises(UploadError, match="DSS_STATE_DIR"):
        place.upload(src)


def test_the_disk_of_the_journal_is_full(
    place: Place, src: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    left = [400]

    def full(descriptor: int, data: bytes) -> int:
        left[0] -= len(data)
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr("dss_client.upload.journal.os.write", full)
        with pytest.raises(UploadError, match="No space left on device"):
            place.upload(src)
    assert place.upload(src).count("uploaded") == 2


def test_errors_of_staging_are_dss_errors() -> None:
    assert str(StagingError("place", "why")) == "place: why"
