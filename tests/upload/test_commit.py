"""What the service makes of what it is asked for, and how its faults are seen through."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dss_client import (
    Conflict,
    DSSClient,
    DSSConnectionError,
    NotFound,
    ProgressEvent,
    ServerError,
    Unprocessable,
)
from dss_client.upload import UploadError
from tests.drive import Driver
from tests.upload.service import BUCKET, INSTANT, UUID, VERSION, Place, fill, running

FILES = {"a.json": b"{}", "b": b"b" * 5000, "c": b"c" * 6000}


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return fill(tmp_path / "src", FILES)


class TestLargeFiles:
    @pytest.fixture
    def slow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
        """A service that copies all over 1000 bytes later, and answers 404 six times until then."""
        monkeypatch.setattr("dss_client.upload.commit._FIRST_WAIT", 0.002)
        yield from running(tmp_path / "slow", copy_threshold=1000, copy_polls=6)

    def test_are_waited_for_and_faults_are_put_up_with(self, slow: Place, src: Path) -> None:
        slow.server.faults = [{"on": "head_file", "nth": {"from": 1, "to": 6}, "status": 503}]
        assert slow.files(slow.upload(src)) == FILES

    @pytest.mark.parametrize("seconds", [0, 0.001])
    def test_waiting_ends_and_goes_on(self, slow: Place, src: Path, seconds: float) -> None:
        staging = slow.staging()
        late = rf"'b': the service has not copied it and 1 more in {seconds} s"
        with pytest.raises(UploadError, match=late) as caught:
            slow.upload(src, staging, timeout_seconds=seconds)
        assert caught.value.cause is None
        assert slow.upload(src, staging).count("reused") == 3
        assert len(staging.calls) == 3

    def test_a_copy_that_fails(self, slow: Place, src: Path) -> None:
        def spoil(event: ProgressEvent) -> None:
            if (event.kind, event.name) == ("finished", "b"):
                (path,) = slow.folder.glob("*/b")
                path.write_bytes(b"B" * 5000)

        with pytest.raises(UploadError, match=r"'b': the service could not copy it") as caught:
            slow.upload(src, progress=spoil)
        assert isinstance(caught.value.cause, Unprocessable)


# The transport's own tries are used up (3), after the service did its part.
LOST: dict[str, list[dict[str, Any]]] = {
    "reset": [{"nth": {"from": 1, "to": 3}, "reset": "start"}],
    "closed": [{"nth": {"from": 1, "to": 3}, "close": "start"}],
    "then 504": [{"nth": 1, "reset": "start"}, {"nth": {"from": 2, "to": 3}, "status": 504}],
    "then 409": [{"nth": 1, "reset": "start"}, {"nth": 2, "status": 409}],
}


@pytest.mark.parametrize("operation", ["put_file", "put_bundle"])
@pytest.mark.parametrize("faults", LOST.values(), ids=LOST)
def test_an_answer_is_lost(
    drive: Driver, place: Place, src: Path, operation: str, faults: list[dict[str, Any]]
) -> None:
    place.server.faults = [{"on": operation, **each} for each in faults]
    client = drive(url=place.server.url, options={"token": place.server.mint_token()})
    how = {"replica": "aws", "staging_bucket": BUCKET, "staging": place.staging(), "threads": 1}
    report = client.call("upload", src_dir=src, **how)
    assert place.bundles() == [report.bundle_uuid]
    assert place.files(report) == FILES


@pytest.mark.parametrize(("status", "kind"), [(500, ServerError), (409, Conflict)])
def test_a_file_is_refused_and_not_stored(
    place: Place, src: Path, status: int, kind: type[Exception]
) -> None:
    place.server.faults = [{"on": "put_file", "status": status}]
    staging = place.staging()
    with pytest.raises(UploadError, match=rf"'a.json': .*{status}") as caught:
        place.upload(src, staging)
    assert isinstance(caught.value.cause, kind)
    assert staging.calls == [("put", "a.json")]
    place.server.faults = None
    assert place.upload(src).count("reused") == 1


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
    place.clear()
    place.server.faults = [{"on": "head_file", "nth": {"from": 1, "to": 2}, "status": 503}]
    with pytest.raises(UploadError, match=r"'a.json': .* another sha256, sha1.*fresh=True") as lost:
        place.upload(src, threads=1)
    assert isinstance(lost.value.cause, Conflict)


def test_a_service_that_cannot_be_reached(place: Place, src: Path) -> None:
    with (
        DSSClient("http://127.0.0.1:9/v1", token="t0ken", retries=INSTANT) as client,
        pytest.raises(UploadError) as caught,
    ):
        Place(place.server, place.folder, client).upload(src)
    assert isinstance(caught.value.cause, DSSConnectionError)


def test_a_staging_bucket_that_the_service_cannot_read(place: Place, src: Path) -> None:
    with pytest.raises(UploadError, match="other-bucket") as caught:
        place.upload(src, staging_bucket="other-bucket")
    assert isinstance(caught.value.cause, NotFound)
