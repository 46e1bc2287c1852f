"""Whole uploads to the embedded DSS, over a directory that stands for the bucket."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dss_client import FQID, AsyncDSSClient, DSSClient, InvalidArgument
from dss_client.download import ProgressEvent, UnsafeName
from dss_client.transfer.cancel import Stopped
from dss_client.upload import DirectoryStaging, StagingError, UploadError, UploadReport
from dss_client.versions import InvalidUUID, InvalidVersion
from tests.drive import Driver, run_with_two_threads
from tests.upload.service import BUCKET, Place, fill, running

UUID = "11111111-aaaa-4bbb-8ccc-222222222222"
VERSION = "2019-01-01T000000.000000Z"
FILES = {"cell.json": b'{"a": 1}', "reads/r1.fastq.gz": b"ACGT" * 100, "empty": b""}


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return fill(tmp_path / "src", FILES)


def journals(state: Path) -> list[Path]:
    return [*state.rglob("*.journal"), *state.rglob("*.left")]


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
        named = ("name", "uuid", "version", "size", "indexed", "content_type")
        for each in named:
            assert getattr(stored, each) == getattr(ours, each)
        for each in ("sha256", "sha1", "crc32c", "s3_etag"):
            assert getattr(stored, each) == getattr(ours.checksums, each)
    assert [file.indexed for file in report.files] == [True, False, False]
    place.client.download(
        bundle_uuid=report.bundle_uuid, replica=replica, download_dir=tmp_path / "back"
    )
    back = tmp_path / "back" / str(report.bundle)
    assert {name: (back / name).read_bytes() for name in FILES} == FILES
    assert journals(state) == []


def test_to_the_service_as_it_was(src: Path, tmp_path: Path) -> None:
    for original in running(tmp_path / "original", compat="original"):
        report = original.upload(src, bundle_uuid=UUID, version=VERSION)
        assert original.names(report) == FILES
        again = original.upload(fill(tmp_path / "other", FILES))
        assert original.names(again) == FILES


def test_an_interrupt_says_what_to_do(place: Place, src: Path) -> None:
    staging = place.staging()

    def interrupt(call: tuple[str, object]) -> None:
        raise KeyboardInterrupt

    staging.fail.append(interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        place.upload(src, staging)
    assert "continues from there" in caught.value.__notes__[0]


def test_uuid_version_and_what_is_indexed_are_taken(place: Place, src: Path) -> None:
    report = place.upload(src, bundle_uuid=UUID.upper(), version=VERSION, indexed=["*.gz", "empty"])
    assert report.bundle == FQID(UUID, VERSION)
    assert [file.indexed for file in report.files] == [False, True, True]
    document = report.to_dict()
    files: Any = document["files"]
    assert (document["bundle_uuid"], files[0]["creator_uid"]) == (UUID, 0)
    assert f'"version": "{VERSION}"' in report.to_json(indent=None)
    again = place.upload(src)
    assert again.bundle_uuid != UUID


def test_files_in_parts(place: Place, tmp_path: Path) -> None:
    files = {"a": bytes(range(256)) * 10, "b": b"x" * 1000, "c": b"y" * 1001, "d": b"z" * 2000}
    staging = place.staging()
    report = place.upload(fill(tmp_path / "src", files), staging, step=1000)
    assert place.names(report) == files
    assert sorted(map(str, staging.of("part"))) == list("1112223")
    assert len(staging.of("put")) == 1
    assert list(place.folder.rglob("*.parts*")) == []


def test_progress(place: Place, tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    files = {"a": b"x" * 2500, "b": b"y" * 10}
    place.upload(fill(tmp_path / "src", files), step=1000, progress=events.append)
    first, last = events[0], events[-1]
    assert (first.kind, first.files_total, first.bytes_total) == ("planned", 2, 2510)
    assert (last.files_done, last.bytes_done) == (2, 2510)
    assert max(event.file_bytes_done for event in events if event.name == "a") == 2500
    assert sum(event.kind == "advanced" for event in events if event.name == "a") == 3
    done = [event.bytes_done for event in events]
    assert done == sorted(done)


def test_nothing_is_sent_under_an_unsafe_name(place: Place, src: Path) -> None:
    fill(src, {"z/a:b": b"1"})
    staging = place.staging()
    with pytest.raises(UnsafeName, match="'z/a:b': refused"):
        place.upload(src, staging)
    assert staging.calls == []


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


def test_without_a_token_the_service_refuses(place: Place, src: Path, state: Path) -> None:
    with DSSClient(place.server.url) as anonymous, pytest.raises(UploadError) as caught:
        anonymous.upload(
            src_dir=src,
            replica="aws",
            staging_bucket=BUCKET,
            staging=DirectoryStaging(place.folder),
            threads=1,
        )
    assert caught.value.name == "cell.json"
    assert "401" in str(caught.value)
    assert "DSS_TOKEN" in str(caught.value)
    assert len(journals(state)) == 1


def test_a_file_that_changes_while_it_is_read(place: Place, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"a": b"x" * 30_000, "b": b"y"})
    staging = place.staging()

    def grow(call: tuple[str, object]) -> None:
        if call == ("part", 2):
            with (src / "a").open("ab") as stream:
                stream.write(b"more")

    staging.fail.append(grow)
    with pytest.raises(UploadError, match=r"'a': .*/src/a changed while it was read"):
        place.upload(src, staging, step=1000, threads=1)
    staging.fail.clear()
    assert place.names(place.upload(src, staging, step=1000))["a"] == b"x" * 30_000 + b"more"


def test_a_file_that_shrinks(place: Place, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"a": b"x" * 3000})
    staging = place.staging()
    staging.fail.append(lambda call: call[0] == "begin" and (src / "a").write_bytes(b"x"))
    with pytest.raises(UploadError, match=r"'a': .* changed"):
        place.upload(src, staging, step=1000)


def test_a_file_that_vanishes(place: Place, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"a": b"x", "b": b"y"})
    staging = place.staging()
    staging.fail.append(lambda call: (src / "b").unlink(missing_ok=True))
    with pytest.raises(UploadError, match=r"'b': .*No such file"):
        place.upload(src, staging, threads=1)


def test_a_bucket_that_refuses(place: Place, src: Path) -> None:
    staging = place.staging()

    def refuse(call: tuple[str, object]) -> None:
        raise StagingError("s3://staging/x", "S3 says AccessDenied: no")

    staging.fail.append(refuse)
    with pytest.raises(UploadError, match="s3://staging/x: S3 says AccessDenied") as caught:
        place.upload(src, staging)
    assert isinstance(caught.value.cause, StagingError)


def test_one_failure_stops_the_rest(place: Place, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {f"{number:02}": b"x" * 50 for number in range(40)})
    staging = place.staging()

    def refuse(call: tuple[str, object]) -> None:
        if len(staging.calls) == 3:
            raise StagingError("here", "no more")

    staging.fail.append(refuse)
    with pytest.raises(UploadError, match="no more"):
        place.upload(src, staging, threads=1)
    sent = len(staging.calls)
    assert sent < 20
    staging.fail.clear()
    report = place.upload(src, staging, threads=2)
    assert report.count("reused") >= 2
    assert len(staging.of("put")) == 41  # all of them, and the one that failed


def test_given_up_from_elsewhere(place: Place, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"a": b"x" * 9000})
    staging, stop = place.staging(), threading.Event()

    def give_up(call: tuple[str, object]) -> None:
        if call == ("part", 2):
            stop.set()

    staging.fail.append(give_up)
    with pytest.raises(Stopped):
        place.upload(src, staging, step=1000, threads=1, stop=stop)
    assert len(staging.of("part")) < 6
    report = place.upload(src, staging, step=1000)
    assert report.count("uploaded") == 1
    assert len(staging.of("begin")) == 1
    assert sorted(map(int, map(str, staging.of("part")))) == list(range(1, 10))


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


def test_cancelled(place: Place, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {str(number): b"x" for number in range(100)})
    staging = place.staging()
    begun = threading.Event()

    def slow(call: tuple[str, object]) -> None:
        begun.set()
        time.sleep(0.01)

    staging.fail.append(slow)

    async def run() -> None:
        token = place.server.mint_token()
        async with AsyncDSSClient(place.server.url, token=token) as dss:
            task = asyncio.create_task(
                dss.upload(
                    src_dir=src, replica="aws", staging_bucket=BUCKET, staging=staging, threads=1
                )
            )
            await asyncio.to_thread(begun.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    sent = len(staging.of("put"))
    assert 0 < sent < 100
    staging.fail.clear()
    assert place.upload(src, staging).count("reused") > 0
    assert len(staging.of("put")) == 100
