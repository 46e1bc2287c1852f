"""What the service makes of what it is asked for, and how its faults are seen through."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dss_client import (
    Conflict,
    DSSConnectionError,
    NotFound,
    ProgressEvent,
    ServerError,
    Unprocessable,
)
from dss_client.upload import UploadError
from tests.drive import Driver
from tests.upload.service import BUCKET, Place, fill, running

VERSION = "2019-01-01T000000.000000Z"
UUID = "11111111-aaaa-4bbb-8ccc-222222222222"
FILES = {"a.json": b"{}", "b": b"b" * 5000, "c": b"c" * 6000}


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return fill(tmp_path / "src", FILES)


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A service that copies all over 1000 bytes later, and answers 404 six times until then."""
    monkeypatch.setattr("dss_client.upload.commit._FIRST_WAIT", 0.002)
    yield from running(tmp_path / "slow", copy_threshold=1000, copy_polls=6)


def after(name: str, act: Callable[[], object]) -> Callable[[ProgressEvent], None]:
    """Return what does something when a file has been put."""

    def watch(event: ProgressEvent) -> None:
        if (event.kind, event.name) == ("finished", name):
            act()

    return watch


class TestLargeFiles:
    def test_are_waited_for(self, slow: Place, src: Path) -> None:
        assert slow.files(slow.upload(src)) == FILES

    def test_faults_meanwhile_are_put_up_with(self, slow: Place, src: Path) -> None:
        slow.server.faults = [{"on": "head_file", "nth": {"from": 1, "to": 6}, "status": 503}]
        assert slow.files(slow.upload(src)) == FILES

    def test_waiting_ends_and_goes_on(self, slow: Place, src: Path) -> None:
        staging = slow.staging()
        with pytest.raises(UploadError, match=r"'b': .* and 1 more in 0.001 s") as caught:
            slow.upload(src, staging, timeout_seconds=0.001)
        assert caught.value.cause is None
        report = slow.upload(src, staging)
        assert len(staging.calls) == 3
        assert report.count("reused") == 3

    def test_no_time_to_wait(self, slow: Place, tmp_path: Path) -> None:
        src = fill(tmp_path / "one", {"b": b"b" * 5000})
        with pytest.raises(UploadError, match=r"'b': the service has not copied it in 0 s"):
            slow.upload(src, timeout_seconds=0)

    def test_a_copy_that_fails(self, slow: Place, src: Path) -> None:
        def spoil() -> None:
            (path,) = slow.folder.glob("*/b")
            path.write_bytes(b"B" * 5000)

        with pytest.raises(UploadError, match=r"'b': the service could not copy it") as caught:
            slow.upload(src, progress=after("b", spoil))
        assert isinstance(caught.value.cause, Unprocessable)


LOST_ANSWERS: dict[str, list[dict[str, Any]]] = {
    # The transport's own tries are used up (2), each after the service did its part.
    "reset": [{"nth": {"from": 1, "to": 2}, "reset": "start"}],
    "closed": [{"nth": {"from": 1, "to": 2}, "close": "start"}],
    "then 500": [{"nth": 1, "reset": "start"}, {"nth": 2, "status": 500}],
    "then 504": [{"nth": 1, "reset": "start"}, {"nth": 2, "status": 504}],
    "then 409": [{"nth": 1, "reset": "start"}, {"nth": 2, "status": 409}],
}


@pytest.mark.parametrize("operation", ["put_file", "put_bundle"])
@pytest.mark.parametrize("faults", LOST_ANSWERS.values(), ids=LOST_ANSWERS)
def test_an_answer_is_lost(
    place: Place, src: Path, operation: str, faults: list[dict[str, Any]]
) -> None:
    place.server.faults = [{"on": operation, **each} for each in faults]
    report = place.upload(src, threads=1)
    assert place.bundles() == [report.bundle_uuid]
    assert place.files(report) == FILES


def test_an_asynchronous_client_sees_through_faults_too(
    drive: Driver, place: Place, src: Path
) -> None:
    place.server.faults = [
        {"on": "put_file", "nth": {"from": 1, "to": 3}, "reset": "start"},
        {"on": "put_bundle", "nth": {"from": 1, "to": 3}, "reset": "start"},
    ]
    client = drive(url=place.server.url, options={"token": place.server.mint_token()})
    staging = place.staging()
    report = client.call(
        "upload", src_dir=src, replica="aws", staging_bucket=BUCKET, staging=staging, threads=1
    )
    assert place.bundles() == [report.bundle_uuid]


@pytest.mark.parametrize(("status", "kind"), [(500, ServerError), (409, Conflict)])
def test_a_file_is_refused_and_not_stored(
    place: Place, src: Path, status: int, kind: type[Exception]
) -> None:
    place.server.faults = [{"on": "put_file", "status": status}]
    staging = place.staging()
    with pytest.raises(UploadError, match=str(status)) as caught:
        place.upload(src, staging)
    assert caught.value.name == "a.json"
    assert isinstance(caught.value.cause, kind)
    assert staging.calls == [("put", "a.json")]
    place.server.faults = None
    assert place.upload(src).count("reused") == 1


def test_the_bundle_never_came(place: Place, src: Path) -> None:
    place.server.faults = [{"on": "put_bundle", "status": 500}]
    with pytest.raises(ServerError):
        place.upload(src)
    place.server.faults = None
    assert place.upload(src).count("reused") == 3


def test_the_bundle_exists_with_other_files(place: Place, src: Path) -> None:
    place.upload(src, version=VERSION, bundle_uuid=UUID)
    for creator_uid in (0, 2):
        with pytest.raises(UploadError, match="exists with other files") as caught:
            place.upload(src, version=VERSION, bundle_uuid=UUID, creator_uid=creator_uid)
        assert caught.value.name == f"{UUID}.{VERSION}"
        assert isinstance(caught.value.cause, Conflict)


def test_the_file_exists_with_something_else(place: Place, src: Path) -> None:
    """It was put, then changed without a trace, and the service does not tell at first."""
    place.server.faults = [{"on": "put_bundle", "status": 500}]
    with pytest.raises(ServerError):
        place.upload(src)
    before = (src / "a.json").stat()
    (src / "a.json").write_bytes(b"[]")
    os.utime(src / "a.json", ns=(before.st_atime_ns, before.st_mtime_ns))
    for folder in place.folder.iterdir():
        shutil.rmtree(folder)
    place.server.faults = [{"on": "head_file", "nth": {"from": 1, "to": 2}, "status": 503}]
    with pytest.raises(UploadError, match=r"'a.json': .* another sha256, sha1") as caught:
        place.upload(src, threads=1)
    assert isinstance(caught.value.cause, Conflict)
    assert "fresh=True" in str(caught.value)


def test_a_service_that_cannot_be_reached(src: Path, tmp_path: Path) -> None:
    for place in running(tmp_path / "stopped"):
        place.server.stop()
        with pytest.raises(UploadError) as caught:
            place.upload(src)
        assert isinstance(caught.value.cause, DSSConnectionError)


def test_a_staging_bucket_that_the_service_cannot_read(place: Place, src: Path) -> None:
    with pytest.raises(UploadError, match="other-bucket") as caught:
        place.upload(src, staging_bucket="other-bucket")
    assert isinstance(caught.value.cause, NotFound)
