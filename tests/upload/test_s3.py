"""Uploads by way of S3: boto3, and a service of moto's in this process."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import moto.s3.models
import pytest
from attrs import field, frozen
from moto.s3.exceptions import NoSuchUpload

from dss_client import DSSClient
from dss_client.local import LocalDSS, LocalSettings
from dss_client.upload import LostUpload, SentPart, StagingError, UploadError
from dss_client.upload.checksums import Hasher, part_size
from dss_client.upload.extra import load
from dss_client.upload.s3 import S3Staging
from tests.s3_service import ENVIRON, make_bucket, s3_service
from tests.upload.service import INSTANT, Place, fill

ROOT = Path(__file__).parents[2]
PART = 1000


@frozen
class Cloud:
    """S3, and a DSS that copies from it.

    Attributes:
        endpoint: URL of S3.
        bucket: A bucket.
        place: The DSS; its folder is not used.
        requests: What S3 was asked to write: the methods, and for parts their numbers.
    """

    endpoint: str
    bucket: str
    place: Place
    requests: list[object] = field(factory=list[object])

    def staging(self) -> S3Staging:
        return S3Staging.open(self.bucket, 4)

    def client(self) -> Any:
        return load("boto3", "upload").client("s3")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, s3_service() as service:
        for name, text in {**ENVIRON, "AWS_ENDPOINT_URL": service}.items():
            patch.setenv(name, text)
        patch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", 1)
        yield service


@pytest.fixture(scope="module")
def server(endpoint: str) -> Iterator[LocalDSS]:
    with LocalDSS(settings=LocalSettings(retry_after=0, s3_endpoint=endpoint)) as running:
        yield running


@pytest.fixture
def cloud(
    endpoint: str, server: LocalDSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cloud]:
    with DSSClient(server.url, token=server.mint_token(), retries=INSTANT) as client:
        made = Cloud(endpoint, make_bucket(endpoint), Place(server, tmp_path, client))
        _count(made, monkeypatch)
        yield made


def _count(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = moto.s3.models.S3Backend
    for name, describe in {
        "put_object": lambda args: "put",
        "upload_part": lambda args: args[2],
        "complete_multipart_upload": lambda args: "complete",
    }.items():
        original: Callable[..., Any] = getattr(backend, name)

        def counting(
            self: object,
            *args: Any,
            original: Callable[..., Any] = original,
            describe: Callable[[Any], object] = describe,
            **how: Any,
        ) -> Any:
            if how.get("etag") is None:  # else it joins parts
                cloud.requests.append(describe(args))
            if describe(args) == "complete":
                _refuse_unknown(self, *args)
            return original(self, *args, **how)

        monkeypatch.setattr(backend, name, counting)


def _refuse_unknown(backend: Any, bucket: str, upload: str, *_: object) -> None:
    """Refuse an upload that is over as S3 does; moto forgets to."""
    if upload not in backend.head_bucket(bucket).multiparts:
        raise NoSuchUpload(upload_id=upload)


def uploads(cloud: Cloud) -> list[str]:
    found = cloud.client().list_multipart_uploads(Bucket=cloud.bucket)
    return [each["UploadId"] for each in found.get("Uploads", [])]


@pytest.mark.parametrize("replica", ["aws", "gcp"])
def test_to_s3_and_back(cloud: Cloud, tmp_path: Path, replica: Any) -> None:
    files = {
        "a.json": b"{}",
        "d/reads.fastq.gz": b"ACGT" * 900,
        "empty": b"",
        "d/50%20 #é+.txt": b"1",
    }
    src = fill(tmp_path / "src", files)
    # The embedded DSS reads gs:// from the same place, so that the other replica can be tried.
    report = cloud.place.upload(
        src, cloud.staging(), staging_bucket=cloud.bucket, replica=replica, step=PART
    )
    cloud.place.client.download(
        bundle_uuid=report.bundle_uuid, replica=replica, download_dir=tmp_path / "back"
    )
    back = tmp_path / "back" / str(report.bundle)
    assert {name: (back / name).read_bytes() for name in files} == files
    assert sorted(map(str, cloud.requests)) == ["1", "2", "3", "4", "complete", *["put"] * 3]
    file = next(each for each in report.files if each.name == "d/reads.fastq.gz")
    key = f"{file.uuid}/reads.fastq.gz"
    tags = cloud.client().get_object_tagging(Bucket=cloud.bucket, Key=key)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == file.checksums.claims()
    head = cloud.client().head_object(Bucket=cloud.bucket, Key=key)
    assert head["ContentType"] == "gzip"


def test_by_the_method_alone(cloud: Cloud, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"a.json": b"{}"})
    report = cloud.place.client.upload(src_dir=src, replica="aws", staging_bucket=cloud.bucket)
    assert cloud.place.names(report) == {"a.json": b"{}"}


def test_parts_as_the_etag_has_them(cloud: Cloud, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {})
    src.mkdir()
    with (src / "big").open("wb") as stream:
        stream.write(b"0" * ((64 << 20) + 1))
    # Not through the service, which would copy it once more.
    staging, hasher = cloud.staging(), Hasher(part_size((64 << 20) + 1))
    upload = staging.begin("u/big", "text/plain")
    parts: list[SentPart] = []
    with (src / "big").open("rb") as stream:
        while data := stream.read(64 << 20):
            hasher.update(data)
            md5 = hasher.part_md5()
            parts.append(
                SentPart(md5.hex(), staging.put_part("u/big", upload, len(parts) + 1, data, md5))
            )
    staging.complete("u/big", upload, parts, "text/plain", hasher.checksums())
    head = cloud.client().head_object(Bucket=cloud.bucket, Key="u/big")
    assert head["ETag"] == '"2613a877a35baae41021538afeaa3d6e-2"'
    assert head["ContentType"] == "text/plain"


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_and_continued(cloud: Cloud, tmp_path: Path) -> None:
    """The process dies by kill -9; no part that S3 has is sent again."""
    content = bytes(range(250)) * 40
    src = fill(tmp_path / "src", {"a.json": b"{}", "big": content})
    arguments = [src, cloud.bucket, cloud.place.server.url, cloud.place.server.mint_token()]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.upload.killed", *map(str, arguments)],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("6000"):
                process.send_signal(signal.SIGKILL)
                break
        process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    before = list(cloud.requests)
    assert before.count("put") == 1
    assert before.count(5) == 1
    assert "complete" not in before
    cloud.requests.clear()
    report = cloud.place.upload(
        src, cloud.staging(), staging_bucket=cloud.bucket, step=PART, threads=1
    )
    assert "put" not in cloud.requests
    again = set(cloud.requests) & set(before)
    # A part may have arrived whose answer did not; all others are sent once.
    assert len(again) <= 1
    assert 1 not in cloud.requests
    assert [file.state for file in report.files] == ["reused", "uploaded"]
    assert cloud.place.names(report) == {"a.json": b"{}", "big": content}
    assert uploads(cloud) == []


def test_an_upload_that_s3_no_longer_knows(cloud: Cloud, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"big": b"x" * 5500})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Staging, "complete", _broken)
        with pytest.raises(KeyboardInterrupt):
            cloud.place.upload(src, cloud.staging(), staging_bucket=cloud.bucket, step=PART)
    (upload,) = uploads(cloud)
    key = cloud.client().list_multipart_uploads(Bucket=cloud.bucket)["Uploads"][0]["Key"]
    cloud.staging().abort(key, upload)
    report = cloud.place.upload(src, cloud.staging(), staging_bucket=cloud.bucket, step=PART)
    assert cloud.place.names(report) == {"big": b"x" * 5500}
    assert [each for each in cloud.requests if each == 1] == [1, 1]


def _broken(*_: object) -> None:
    raise KeyboardInterrupt


def test_completed_twice(cloud: Cloud) -> None:
    staging, data = cloud.staging(), b"x" * 10
    hasher = Hasher(part_size(10))
    hasher.update(data)
    md5 = bytes.fromhex(hasher.checksums().s3_etag)
    upload = staging.begin("u/x", "text/plain")
    parts = [SentPart(md5.hex(), staging.put_part("u/x", upload, 1, data, md5))]
    parts.append(SentPart(md5.hex(), staging.put_part("u/x", upload, 2, data, md5)))
    for each in (upload, "known-no-more"):
        staging.complete("u/x", each, parts, "text/plain", hasher.checksums())
    cloud.client().put_object(Bucket=cloud.bucket, Key="u/x", Body=b"another")
    with pytest.raises(LostUpload, match=rf"s3://{cloud.bucket}/u/x: S3 says NoSuchUpload"):
        staging.complete("u/x", upload, parts, "text/plain", hasher.checksums())
    cloud.client().delete_object(Bucket=cloud.bucket, Key="u/x")
    with pytest.raises(LostUpload):
        staging.complete("u/x", upload, parts, "text/plain", hasher.checksums())
    staging.abort("u/x", upload)  # nothing is there, which is no error


def test_another_etag_is_an_error(cloud: Cloud, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"a": b"content"})
    client = cloud.client()

    def spoiled(encryption: str | None) -> S3Staging:
        class Spoiling:
            meta = client.meta

            @staticmethod
            def put_object(**how: Any) -> dict[str, Any]:
                answer = client.put_object(**how)
                return {**answer, "ETag": '"0"', "ServerSideEncryption": encryption}

        return S3Staging(cloud.bucket, Spoiling())

    with pytest.raises(UploadError, match=r"'a': s3://.* has etag '0'") as caught:
        cloud.place.upload(src, spoiled(None), staging_bucket=cloud.bucket)
    assert isinstance(caught.value.cause, StagingError)
    report = cloud.place.upload(src, spoiled("aws:kms"), staging_bucket=cloud.bucket)
    assert cloud.place.names(report) == {"a": b"content"}


def test_a_bucket_that_is_not_there(cloud: Cloud, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"a": b"content"})
    with pytest.raises(UploadError, match=r"s3://no-such-bucket-here/.*NoSuchBucket") as caught:
        cloud.place.client.upload(src_dir=src, replica="aws", staging_bucket="no-such-bucket-here")
    assert isinstance(caught.value.cause, StagingError)
    assert type(caught.value.cause.__cause__).__name__ == "NoSuchBucket"


def test_no_credentials(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    src = fill(tmp_path / "src", {"a": b"content"})
    with pytest.raises(UploadError, match=r"credentials.*~/\.aws/credentials"):
        cloud.place.client.upload(src_dir=src, replica="aws", staging_bucket=cloud.bucket)


def test_broken_settings(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    src = fill(tmp_path / "src", {"a": b"content"})
    with pytest.raises(StagingError, match=f"s3://{cloud.bucket}: .*nobody"):
        cloud.place.client.upload(src_dir=src, replica="aws", staging_bucket=cloud.bucket)


def test_the_extra_is_named(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    src = fill(tmp_path / "src", {"a": b"content"})
    with pytest.raises(RuntimeError, match=r"needs boto3: pip install 'dss-client\[upload\]'"):
        cloud.place.client.upload(src_dir=src, replica="aws", staging_bucket=cloud.bucket)
