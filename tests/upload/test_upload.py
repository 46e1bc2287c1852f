"""Whole uploads to the embedded DSS, over a directory that stands for the bucket."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dss_client import FQID, AsyncDSSClient, DSSClient, ProgressEvent, UploadReport
from dss_client.upload import DirectoryStaging, StagingError, UploadError
from dss_client.upload.checksums import part_size
from tests.drive import Driver, run_with_two_threads
from tests.upload.service import (
    BUCKET,
    INSTANT,
    UUID,
    VERSION,
    Call,
    Counting,
    Place,
    fill,
    running,
)

FILES = {"cell.json": b'{"a": 1}', "reads/r1.fastq.gz": b"ACGT" * 100, "empty": b""}


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return fill(tmp_path / "src", FILES)


@pytest.mark.parametrize("replica", ["aws", "gcp"])
def test_a_directory_becomes_a_bundle(
    place: Place, src: Path, drive: Driver, replica: Any, tmp_path: Path, state: Path
) -> None:
    client = drive(url=place.server.url, options={"token": place.server.mint_token()})
    how = {"staging_bucket": BUCKET, "staging": DirectoryStaging(place.folder), "creator_uid": 3}
    report: UploadReport = client.call("upload", src_dir=src, replica=replica, **how)
    assert [file.name for file in report.files] == sorted(FILES)
    assert {file.version for file in report.files} == {report.version}
    assert report.bundle == FQID(report.bundle_uuid, report.version)
    assert (report.count("uploaded"), report.count("reused")) == (3, 0)
    assert report.bytes_total == report.bytes_uploaded == sum(map(len, FILES.values()))
    bundle = place.bundle(report)
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
    facts = {"name": "empty", "size": 0, "indexed": True, "creator_uid": 0, "state": "uploaded"}
    sums = report.files[1].checksums.to_dict()
    assert document["files"][1].items() >= {**facts, **sums, "version": VERSION}.items()
    again = place.upload(src, indexed=str.isalpha)
    assert again.bundle_uuid != UUID
    assert [file.name for file in again.files if file.indexed] == ["empty"]
    assert [file.indexed for file in place.upload(src, indexed="r*").files] == [False, False, True]


@pytest.mark.usefixtures("small_parts")
def test_c24_files_in_parts(place: Place, tmp_path: Path) -> None:
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


def test_checksums_as_the_reference_has_them(place: Place, tmp_path: Path) -> None:
    """Beyond this, the service computes those of all files, too."""
    crc32c = {"": "00000000", "123456789": "e3069283", "319": "0011fd1e", "hello": "9a71bb4c"}
    src = fill(tmp_path / "src", {f"_{text}": text.encode() for text in crc32c})
    sums = {file.name[1:]: file.checksums for file in place.upload(src).files}
    assert {text: each.crc32c for text, each in sums.items()} == crc32c
    assert sums[""].s3_etag == "d41d8cd98f00b204e9800998ecf8427e"
    assert sums["hello"].sha1 == "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"


@given(st.integers(0, 10**14))
@example(640_000 << 20)
@example((640_000 << 20) + 1)
def test_parts_are_whole_mib_and_no_more_than_ten_thousand(size: int) -> None:
    part = part_size(size)  # no test can send a file that has larger parts
    assert part % (1 << 20) == 0
    assert size <= 10_000 * part
    assert part == 64 << 20 or size > 10_000 * (part - (1 << 20))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("replica", "azure"),
        *(("staging_bucket", text) for text in ("s3://bucket", "", "bucket/prefix")),
        *(("threads", 0), ("timeout_seconds", -1)),
        *(("bundle_uuid", "x"), ("version", "yesterday")),
    ],
)
def test_arguments_that_make_no_sense(place: Place, src: Path, name: str, value: object) -> None:
    staging = place.staging()
    with pytest.raises(ValueError, match=f"{value!r} is not a valid "):
        place.upload(src, staging, **{name: value})
    assert staging.calls == []


class TestTokens:
    """Without a token that may work, no byte is sent."""

    def refused(self, place: Place, src: Path, drive: Driver, token: Any) -> str:
        staging = place.staging()
        client = drive(url=place.server.url, options={"token": token})
        how = {"replica": "aws", "staging_bucket": BUCKET, "staging": staging}
        with pytest.raises(UploadError) as caught:
            client.call("upload", src_dir=src, **how)
        assert staging.calls == []
        return str(caught.value)

    def test_only_of_another_deployment(self, place: Place, src: Path, drive: Driver) -> None:
        with DSSClient("http://other.example/v1") as other:
            other.login("t0ken")
        message = self.refused(place, src, drive, None)
        assert f"'{src}': an upload to {place.server.url} needs a token" in message
        assert "dss login" in message
        assert "DSS_TOKEN" in message

    def test_expired(self, place: Place, src: Path, drive: Driver) -> None:
        token = place.server.mint_token(expires_in=-1)
        assert "has expired: run dss login" in self.refused(place, src, drive, token)
        assert "has expired" in self.refused(place, src, drive, lambda: token)

    def test_expired_and_renewed(self, place: Place, src: Path) -> None:
        tokens = [place.server.mint_token(expires_in=-1)]

        def token() -> str:
            return tokens.pop() if tokens else place.server.mint_token()

        with DSSClient(place.server.url, token=token) as client:
            assert Place(place.server, place.folder, client).upload(src).count("uploaded") == 3

    def test_refused_by_the_service(self, place: Place, src: Path) -> None:
        """Only the service can tell: no more than the smallest file is sent."""
        staging = place.staging()
        token = place.server.mint_token(group="public")
        with (
            DSSClient(place.server.url, token=token) as client,
            pytest.raises(UploadError, match=r"'empty': .*403"),
        ):
            Place(place.server, place.folder, client).upload(src, staging)
        assert staging.calls == [("put", "empty")]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    ("when", "content", "match"),
    [
        (("part", 2), b"x" * 9999, "changed while it was read"),
        (("begin", "a"), b"x", "changed while it was read"),
        (("put", "0"), None, "No such file"),
    ],
)
def test_a_file_that_changes_or_vanishes(
    place: Place, tmp_path: Path, when: Call, content: bytes | None, match: str
) -> None:
    src = fill(tmp_path / "src", {"0": b"", "a": b"x" * 9000})
    staging = place.staging()

    def change(call: Call) -> None:
        if call == when:
            (src / "a").unlink() if content is None else (src / "a").write_bytes(content)

    staging.before.append(change)
    with pytest.raises(UploadError, match=rf"'a': .*{match}"):
        place.upload(src, staging, threads=1)
    files = {"0": b""} if content is None else {"0": b"", "a": content}
    assert place.files(place.upload(src)) == files


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


async def cancelled(place: Place, src: Path, staging: Counting, after: str = "advanced") -> None:
    """Cancel an upload after the first event of a kind."""
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def told(event: ProgressEvent) -> None:
        if event.kind == after:
            loop.call_soon_threadsafe(begun.set)

    how: dict[str, Any] = {"staging_bucket": BUCKET, "staging": staging, "threads": 1}
    token = place.server.mint_token()
    async with AsyncDSSClient(place.server.url, token=token, retries=INSTANT) as dss:
        upload = dss.upload(src_dir=src, replica="aws", progress=told, **how)
        task = asyncio.create_task(upload)
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    "files", [{str(number): b"x" for number in range(40)}, {"big": b"x" * 40_000}]
)
def test_cancelled_and_continued(place: Place, tmp_path: Path, files: dict[str, bytes]) -> None:
    src, staging = fill(tmp_path / "src", files), place.staging()
    staging.before.append(lambda _: time.sleep(0.01))
    asyncio.run(cancelled(place, src, staging))
    assert 0 < len(staging.of("put") + staging.of("part")) < 40
    staging.before.clear()
    assert place.files(place.upload(src, staging)) == files
    assert len(staging.of("put") + staging.of("part")) == 40


def test_cancelled_while_the_service_copies(tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"a": b"x" * 2000})
    for place in running(tmp_path / "slow", copy_threshold=1000, copy_polls=10**6):
        asyncio.run(cancelled(place, src, place.staging(), after="finished"))
