"""What the service makes of what it is asked for, and how its faults are seen through."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from dss_client import Conflict, DSSConnectionError, NotFound, ServerError
from dss_client.local.faults.scenario import ScenarioLike
from dss_client.transfer.cancel import Stopped
from dss_client.upload import UploadError
from dss_client.upload.commit import Pace
from tests.drive import Driver
from tests.upload.service import BUCKET, Place, fill, running

VERSION = "2019-01-01T000000.000000Z"
UUID = "11111111-aaaa-4bbb-8ccc-222222222222"


@define
class Time:
    """Time that passes only when somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(factory=list[float])

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pace(self) -> Pace:
        return Pace(clock=lambda: self.now, sleep=self.sleep)


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return fill(tmp_path / "src", {"a.json": b"{}", "b": b"b" * 5000, "c": b"c" * 6000})


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Place]:
    """A service that copies all over 1000 bytes later, and answers 404 six times until then."""
    yield from running(tmp_path / "slow", copy_threshold=1000, copy_polls=6)


def bundles(place: Place) -> list[str]:
    return [each.uuid for each in place.client.get_bundles_all(replica="aws").bundles]


def test_large_files_are_waited_for(slow: Place, src: Path) -> None:
    time = Time()
    report = slow.upload(src, pace=time.pace())
    assert slow.names(report)["c"] == b"c" * 6000
    assert len(time.slept) == 7
    assert time.slept[:3] == [1.0, 1.618, 1.618 * 1.618]


def test_waits_grow_to_a_minute(tmp_path: Path, src: Path) -> None:
    for place in running(tmp_path / "slower", copy_threshold=1000, copy_polls=15):
        time = Time()
        place.upload(src, pace=time.pace(), timeout_seconds=10_000)
        assert max(time.slept) == time.slept[-1] == 60.0


def test_waiting_ends_and_goes_on(slow: Place, src: Path) -> None:
    time, staging = Time(), slow.staging()
    with pytest.raises(UploadError, match=r"'b': .* and 1 more in 3 s") as caught:
        slow.upload(src, staging, pace=time.pace(), timeout_seconds=3)
    assert sum(time.slept) == 3
    assert caught.value.cause is None
    report = slow.upload(src, staging, pace=Time().pace())
    assert len(staging.calls) == 3
    assert report.count("reused") == 3


def test_no_time_to_wait(slow: Place, tmp_path: Path) -> None:
    src = fill(tmp_path / "one", {"b": b"b" * 5000})
    with pytest.raises(UploadError, match=r"'b': the service has not copied it in 0 s"):
        slow.upload(src, timeout_seconds=0, pace=Time().pace())


def test_a_copy_that_fails(slow: Place, src: Path) -> None:
    staging = slow.staging()

    class Spoiling(Time):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            for path in slow.folder.glob("*/b"):
                path.write_bytes(b"B" * 5000)

    with pytest.raises(UploadError, match=r"'b': the service could not copy it: .*422"):
        slow.upload(src, staging, pace=Spoiling().pace())


def test_while_waiting_faults_are_put_up_with(slow: Place, src: Path) -> None:
    slow.server.faults = [{"on": "head_file", "nth": {"from": 1, "to": 6}, "status": 503}]
    assert len(slow.names(slow.upload(src, pace=Time().pace()))) == 3


def test_given_up_while_waiting(slow: Place, src: Path) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    with pytest.raises(Stopped):
        slow.upload(src, stop=stop)
    timer.join()


def test_an_asynchronous_client_sees_through_faults_too(
    drive: Driver, place: Place, src: Path
) -> None:
    place.server.faults = [
        {"on": "put_file", "nth": {"from": 1, "to": 3}, "reset": "start"},
        {"on": "put_bundle", "nth": {"from": 1, "to": 3}, "reset": "start"},
    ]
    client = drive(url=place.server.url, options={"token": place.server.mint_token()})
    report = client.call(
        "upload",
        src_dir=src,
        replica="aws",
        staging_bucket=BUCKET,
        staging=place.staging(),
        threads=1,
    )
    assert bundles(place) == [report.bundle_uuid]


@pytest.mark.parametrize(
    "faults",
    [
        # The transport's own tries are used up (2), each after the file was stored.
        [{"on": "put_file", "nth": {"from": 1, "to": 2}, "reset": "start"}],
        [{"on": "put_file", "nth": {"from": 1, "to": 2}, "delay": 0, "close": "start"}],
    ],
)
def test_the_answer_to_a_file_is_lost(place: Place, src: Path, faults: ScenarioLike) -> None:
    place.server.faults = faults
    report = place.upload(src, threads=1)
    assert len(place.names(report)) == 3


def test_a_500_after_the_file_was_stored(place: Place, src: Path) -> None:
    class Lying:
        """Stores, and then says that it failed."""

        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def put_file(self, **how: Any) -> bool:
            self.inner.put_file(**how)
            place.server.faults = [{"on": "put_file", "status": 500}]
            try:
                return bool(self.inner.put_file(**how))
            finally:
                place.server.faults = None

        def put_bundle(self, **how: Any) -> None:
            self.inner.put_bundle(**how)
            place.server.faults = [{"on": "put_bundle", "status": 504}]
            try:
                self.inner.put_bundle(**how)
            finally:
                place.server.faults = None

    from dss_client._sync.upload_service import ClientService
    from dss_client.upload import upload_directory

    report = upload_directory(
        Lying(ClientService(place.client, place.client.url)),
        src_dir=src,
        replica="aws",
        staging_bucket=BUCKET,
        staging=place.staging(),
        threads=1,
    )
    assert bundles(place) == [report.bundle_uuid]
    assert len(place.names(report)) == 3


def test_a_500_before_the_file_was_stored(place: Place, src: Path) -> None:
    place.server.faults = [{"on": "put_file", "status": 500}]
    with pytest.raises(UploadError, match="500") as caught:
        place.upload(src, threads=1)
    assert caught.value.name == "a.json"
    assert isinstance(caught.value.cause, ServerError)
    place.server.faults = None
    assert place.upload(src).count("reused") >= 1


def test_the_answer_to_the_bundle_is_lost(place: Place, src: Path) -> None:
    place.server.faults = [{"on": "put_bundle", "reset": "start"}]
    report = place.upload(src)
    assert bundles(place) == [report.bundle_uuid]


def test_the_bundle_never_came(place: Place, src: Path) -> None:
    place.server.faults = [{"on": "put_bundle", "status": 500}]
    with pytest.raises(ServerError):
        place.upload(src)
    place.server.faults = None
    assert place.upload(src).count("reused") == 3


def test_the_bundle_exists_with_other_files(place: Place, src: Path) -> None:
    place.upload(src, version=VERSION, bundle_uuid=UUID)
    with pytest.raises(UploadError, match="exists with other files") as caught:
        place.upload(src, version=VERSION, bundle_uuid=UUID)
    assert caught.value.name == f"{UUID}.{VERSION}"
    assert isinstance(caught.value.cause, Conflict)
    with pytest.raises(UploadError, match="exists with other files"):
        place.upload(src, version=VERSION, bundle_uuid=UUID, creator_uid=2)


def test_the_file_exists_with_something_else(
    place: Place, src: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dss_client.upload.journal.uuid4", lambda: UUID_LIKE)
    one = fill(src.parent / "one", {"x": b"1"})
    other = fill(src.parent / "other", {"x.json": b"2"})
    place.upload(one, version=VERSION)
    with pytest.raises(UploadError, match=r"another content type, sha256") as caught:
        place.upload(other, version=VERSION)
    assert isinstance(caught.value.cause, Conflict)
    assert "fresh=True" in str(caught.value)


class _UuidLike:
    hex = "0123456789abcdef"

    def __str__(self) -> str:
        return UUID


UUID_LIKE = _UuidLike()


def test_a_conflict_with_what_was_meant_is_none(place: Place, src: Path) -> None:
    place.server.faults = [{"on": "put_file", "nth": 2, "status": 409}]
    with pytest.raises(UploadError) as caught:  # refused before it was stored
        place.upload(src, threads=1)
    assert isinstance(caught.value.cause, Conflict)
    place.server.faults = [
        {"on": "put_file", "nth": 1, "reset": "start"},
        {"on": "put_file", "nth": 2, "status": 409},
        {"on": "put_bundle", "nth": 1, "reset": "start"},
        {"on": "put_bundle", "nth": 2, "status": 409},
    ]
    report = place.upload(src, threads=1)
    assert bundles(place) == [report.bundle_uuid]


def test_a_service_that_cannot_be_reached(place: Place, src: Path) -> None:
    place.server.stop()
    with pytest.raises(UploadError) as caught:
        place.upload(src, threads=1)
    assert isinstance(caught.value.cause, DSSConnectionError)


def test_a_staging_bucket_that_the_service_cannot_read(place: Place, src: Path) -> None:
    with pytest.raises(UploadError, match="other-bucket") as caught:
        place.upload(src, staging_bucket="other-bucket")
    assert isinstance(caught.value.cause, NotFound)
