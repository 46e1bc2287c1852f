"""Whole uploads to the embedded DSS, over a directory that stands for the bucket."""

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dss_client import FQID, AsyncDSSClient, DSSClient, InvalidArgument, ProgressEvent, UploadReport
from dss_client.upload import DirectoryStaging, StagingError, UploadError
from dss_client.versions import InvalidUUID, InvalidVersion
from tests.drive import Driver, run_with_two_threads
from tests.upload.service import BUCKET, INSTANT, Call, Place, fill, running

UUID = "11111111-aaaa-4bbb-8ccc-222222222222"
VERSION = "2019-01-01T000000.000000Z"
FILES = {"cell.json": b'{"a": 1}', "reads/r1.fastq.gz": b"ACGT" * 100, "empty": b""}


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return fill(tmp_path / "src", FILES)


@pytest.mark.parametrize("replica", ["aws", "gcp"])
def test_a_directory_becomes_a_bundle(
    place: Place, src: Path, drive: Driver, replica: Any, tmp_path: Path, state: Path
) -> None:
    with_token = drive(url=place.server.url, options={"token": place.server.mint_token()})
    report: UploadReport = with_token.call(
        "upload",
        src_dir=src,
        replica=replica,
        staging_bucket=BUCKET,
        staging=DirectoryStaging(place.folder),
        creator_uid=3,
    )
    assert [file.name for file in report.files] == sorted(FILES)
    assert {file.version for file in report.files} == {report.version}
    assert report.bundle == FQID(report.bundle_uuid, report.version)
    assert (report.count("uploaded"), report.count("reused")) == (3, 0)
    assert report.bytes_total == report.bytes_uploaded == sum(map(len, FILES.values()))
    bundle = place.client.get_bundle(uuid=report.bundle_uuid, replica=replica).bundle
    assert (bundle.version, bundle.creator_uid) == (report.version, 3)
    for stored, ours in zip(bundle.files, report.files, strict=True):
        for each in ("name", "uuid", "version", "size", "indexed", "content_type"):
            assert getattr(stored, each) == getattr(ours, each)
        for each in ("sha256", "sha1", "crc32c", "s3_etag"):
            assert getattr(stored, each) == getattr(ours.checksums, each)
    assert [file.indexed for file in report.files] == [True, False, False]
    place.client.download(
        bundle_uuid=report.bundle_uuid, replica=replica, download_dir=tmp_path / "back"
    )
    back = tmp_path / "back" / str(report.bundle)
    assert {name: (back / name).read_bytes() for name in FILES} == FILES
    assert [path for path in state.rglob("*") if path.is_file()] == []


def test_to_the_service_as_it_was(src: Path, tmp_path: Path) -> None:
    for original in running(tmp_path / "original", compat="original"):
        report = original.upload(src, bundle_uuid=UUID, version=VERSION)
        assert original.files(report) == FILES


def test_uuid_version_and_what_is_indexed_are_taken(place: Place, src: Path) -> None:
    report = place.upload(src, bundle_uuid=UUID.upper(), version=VERSION, indexed=["*.gz", "empty"])
    assert report.bundle == FQID(UUID, VERSION)
    assert [file.indexed for file in report.files] == [False, True, True]
    document = json.loads(report.to_json(indent=None))
    assert (document["bundle_uuid"], document["version"]) == (UUID, VERSION)
    assert document["files"][0] == {
        "name": "cell.json",
        "uuid": report.files[0].uuid,
        "version": VERSION,
        "size": 8,
        "content_type": "application/json",
        "indexed": False,
        "creator_uid": 0,
        "state": "uploaded",
        **report.files[0].checksums.to_dict(),
    }
    again = place.upload(src, indexed=str.isalpha)
    assert again.bundle_uuid != UUID
    assert [file.name for file in again.files if file.indexed] == ["empty"]
    assert [file.indexed for file in place.upload(src, indexed="r*").files] == [False, False, True]


@pytest.mark.usefixtures("small_parts")
def test_files_in_parts(place: Place, tmp_path: Path) -> None:
    files = {"a": bytes(range(256)) * 10, "b": b"x" * 1000, "c": b"y" * 1001, "d": b"z" * 2000}
    staging, events = place.staging(), list[ProgressEvent]()
    report = place.upload(fill(tmp_path / "src", files), staging, progress=events.append)
    assert place.files(report) == files
    assert sorted(map(str, staging.of("part"))) == list("1112223")
    assert staging.of("put") == ["b"]
    assert list(place.folder.rglob("*.parts*")) == []
    first, last = events[0], events[-1]
    assert (first.kind, first.files_total, first.bytes_total) == ("planned", 4, 6561)
    assert (last.files_done, last.bytes_done) == (4, 6561)
    assert sum(event.kind == "advanced" for event in events if event.name == "a") == 3
    done = [event.bytes_done for event in events]
    assert done == sorted(done)


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({"replica": "azure"}, InvalidArgument),
        ({"staging_bucket": "s3://bucket"}, InvalidArgument),
        ({"staging_bucket": ""}, InvalidArgument),
        ({"staging_bucket": "bucket/prefix"}, InvalidArgument),
        ({"threads": 0}, InvalidArgument),
        ({"timeout_seconds": -1}, InvalidArgument),
        ({"bundle_uuid": "x"}, InvalidUUID),
        ({"version": "yesterday"}, InvalidVersion),
    ],
)
def test_arguments_that_make_no_sense(
    place: Place, src: Path, how: dict[str, Any], kind: type[Exception]
) -> None:
    staging = place.staging()
    with pytest.raises(kind):
        place.upload(src, staging, **how)
    assert staging.calls == []


class TestTokens:
    """Without a token that may work, no byte is sent."""

    def refused(self, place: Place, src: Path, drive: Driver, token: Any) -> str:
        staging = place.staging()
        client = drive(url=place.server.url, options={"token": token})
        with pytest.raises(UploadError) as caught:
            client.call(
                "upload", src_dir=src, replica="aws", staging_bucket=BUCKET, staging=staging
            )
        assert staging.calls == []
        return str(caught.value)

    def test_none(self, place: Place, src: Path, drive: Driver) -> None:
        message = self.refused(place, src, drive, None)
        assert f"'{src}': an upload to {place.server.url} needs a token" in message
        assert "dss login" in message
        assert "DSS_TOKEN" in message

    def test_of_another_deployment(
        self,
        place: Place,
        src: Path,
        drive: Driver,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("DSS_CONFIG_FILE", str(tmp_path / "config.toml"))
        with DSSClient("http://other.example/v1") as other:
            other.login("t0ken")
        assert "needs a token" in self.refused(place, src, drive, None)

    def test_expired(self, place: Place, src: Path, drive: Driver) -> None:
        token = place.server.mint_token(expires_in=-1)
        assert "has expired: run dss login" in self.refused(place, src, drive, token)
        assert "has expired" in self.refused(place, src, drive, lambda: token)

    def test_expired_and_renewed(self, place: Place, src: Path) -> None:
        tokens = [place.server.mint_token(expires_in=-1)]

        def token() -> str:
            return tokens.pop() if tokens else place.server.mint_token()

        with DSSClient(place.server.url, token=token) as client:
            report = client.upload(
                src_dir=src, replica="aws", staging_bucket=BUCKET, staging=place.staging()
            )
        assert report.count("uploaded") == 3

    def test_refused_by_the_service(self, place: Place, src: Path) -> None:
        """Only the service can tell: no more than the smallest file is sent."""
        staging = place.staging()
        token = place.server.mint_token(group="public")
        with (
            DSSClient(place.server.url, token=token) as client,
            pytest.raises(UploadError, match=r"'empty': .*403"),
        ):
            client.upload(src_dir=src, replica="aws", staging_bucket=BUCKET, staging=staging)
        assert staging.calls == [("put", "empty")]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(("when", "content"), [(("part", 2), b"x" * 9999), (("begin", "a"), b"x")])
def test_a_file_that_changes_while_it_is_read(
    place: Place, tmp_path: Path, when: Call, content: bytes
) -> None:
    src = fill(tmp_path / "src", {"a": b"x" * 9000})
    staging = place.staging()
    staging.before.append(lambda call: call == when and (src / "a").write_bytes(content))
    with pytest.raises(UploadError, match=r"'a': .*/src/a changed while it was read"):
        place.upload(src, staging, threads=1)
    assert place.files(place.upload(src)) == {"a": content}


def test_a_file_that_vanishes(place: Place, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"a": b"x", "b": b"y"})
    staging = place.staging()
    staging.before.append(lambda _: (src / "b").unlink(missing_ok=True))
    with pytest.raises(UploadError, match=r"'b': .*No such file"):
        place.upload(src, staging, threads=1)


def test_one_failure_stops_the_rest(place: Place, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {f"{number:02}": b"x" * 50 for number in range(40)})
    staging = place.staging()

    def refuse(call: Call) -> None:
        if len(staging.calls) == 3:
            raise StagingError("s3://staging/x", "S3 says AccessDenied: no more")

    staging.before.append(refuse)
    with pytest.raises(UploadError, match="'02': s3://staging/x: S3 says AccessDenied") as caught:
        place.upload(src, staging, threads=1)
    assert isinstance(caught.value.cause, StagingError)
    assert len(staging.calls) < 20
    staging.before.clear()
    assert place.upload(src, staging, threads=2).count("reused") >= 2
    assert len(staging.of("put")) == 41  # all of them, and the one that failed


def test_an_interrupt_says_what_to_do(place: Place, src: Path) -> None:
    staging = place.staging()

    def interrupt(call: Call) -> None:
        raise KeyboardInterrupt

    staging.before.append(interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        place.upload(src, staging)
    assert "continues from there" in caught.value.__notes__[0]


def test_more_uploads_than_the_loop_has_threads(place: Place, tmp_path: Path) -> None:
    # The address of a host with a name is looked up in one of the loop's threads.
    named = place.server.url.replace("127.0.0.1", "localhost")

    async def upload(number: int) -> int:
        src = fill(tmp_path / str(number), {"a": b"x", "b": b"y"})
        async with AsyncDSSClient(named, token=place.server.mint_token()) as dss:
            report = await dss.upload(
                src_dir=src, replica="aws", staging_bucket=BUCKET, staging=place.staging()
            )
        return report.count("uploaded")

    assert run_with_two_threads(*(upload(number) for number in range(6))) == [2] * 6


async def cancel(place: Place, begun: threading.Event, **how: Any) -> None:
    """Cancel an upload once it has begun."""
    token = place.server.mint_token()
    async with AsyncDSSClient(place.server.url, token=token, retries=INSTANT) as dss:
        upload = dss.upload(replica="aws", staging_bucket=BUCKET, **how)
        task = asyncio.create_task(upload)
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    "files", [{str(number): b"x" for number in range(40)}, {"big": b"x" * 40_000}]
)
def test_cancelled_and_continued(place: Place, tmp_path: Path, files: dict[str, bytes]) -> None:
    src, staging = fill(tmp_path / "src", files), place.staging()
    begun = threading.Event()

    def slow(call: Call) -> None:
        if call[0] != "begin":
            begun.set()
            time.sleep(0.01)

    staging.before.append(slow)
    asyncio.run(cancel(place, begun, src_dir=src, staging=staging, threads=1))
    assert 0 < len(staging.of("put") + staging.of("part")) < 40
    staging.before.clear()
    assert place.files(place.upload(src, staging)) == files
    assert len(staging.of("put") + staging.of("part")) == 40


def test_cancelled_while_the_service_copies(tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"a": b"x" * 2000})
    for place in running(tmp_path / "slow", copy_threshold=1000, copy_polls=10**6):
        begun = threading.Event()

        def watch(event: ProgressEvent, begun: threading.Event = begun) -> None:
            if event.kind == "finished":
                begun.set()

        how: dict[str, Any] = {"src_dir": src, "staging": place.staging()}
        asyncio.run(cancel(place, begun, progress=watch, **how))
