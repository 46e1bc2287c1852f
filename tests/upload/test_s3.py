"""Uploads by way of S3: boto3, and a service of moto's in this process."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import moto.s3.models
import pytest
from attrs import field, frozen
from moto.s3.exceptions import AccessDeniedByLock, NoSuchUpload

from dss_client import DSSClient, UploadReport
from dss_client.local import LocalDSS, LocalSettings
from dss_client.upload import StagingError, UploadError
from tests.s3_service import ENVIRON, make_bucket, s3_service
from tests.upload.service import INSTANT, Place, fill

ROOT = Path(__file__).parents[2]
WRITES = {"put_object": "put", "upload_part": "part", "complete_multipart_upload": "complete"}


@frozen
class Cloud:
    """S3, and a DSS that copies from it.

    Attributes:
        bucket: A bucket.
        place: The DSS; its folder is not used.
        requests: What S3 was asked to write: ``put``, ``complete``, and the numbers of parts.
        before: Called before each of them, to refuse it.
    """

    bucket: str
    place: Place
    requests: list[object] = field(factory=list[object])
    before: list[Callable[[object], object]] = field(factory=list[Callable[[object], object]])

    def upload(self, src_dir: Path, **how: Any) -> UploadReport:
        how = {"replica": "aws", "staging_bucket": self.bucket, "threads": 1, **how}
        return self.place.client.upload(src_dir=src_dir, **how)

    def client(self) -> Any:
        return import_module("boto3").client("s3")

    def unfinished(self) -> list[dict[str, str]]:
        """Return the uploads in parts that are under way."""
        found = self.client().list_multipart_uploads(Bucket=self.bucket)
        return list(found.get("Uploads", []))


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
        made = Cloud(make_bucket(endpoint), Place(server, tmp_path, client))
        for name in WRITES:
            monkeypatch.setattr(moto.s3.models.S3Backend, name, watched(made, name))
        yield made
        server.faults = None


def watched(cloud: Cloud, name: str) -> Callable[..., Any]:
    """Return an operation of S3 that tells what it is asked for."""
    original: Callable[..., Any] = getattr(moto.s3.models.S3Backend, name)

    def operation(self: Any, *args: Any, **how: Any) -> Any:
        if how.get("etag") is None:  # else it joins parts
            request = args[2] if name == "upload_part" else WRITES[name]
            cloud.requests.append(request)
            for each in cloud.before:
                each(request)
            # moto forgets to refuse an upload that is over.
            if name == "complete_multipart_upload" and args[1] not in (
                self.head_bucket(args[0]).multiparts
            ):
                raise NoSuchUpload(upload_id=args[1])
        return original(self, *args, **how)

    return operation


def refuse(wanted: object) -> Callable[[object], None]:
    def check(request: object) -> None:
        if request == wanted:
            raise AccessDeniedByLock

    return check


def denied(*_: object, **__: object) -> None:
    raise AccessDeniedByLock


@pytest.mark.usefixtures("small_parts")
def test_to_s3_and_back(cloud: Cloud, tmp_path: Path) -> None:
    files = {
        "a.json": b"{}",
        "d/reads.fastq.gz": b"ACGT" * 900,
        "empty": b"",
        "d/50%20 #é+.txt": b"1",
    }
    report = cloud.upload(fill(tmp_path / "src", files), threads=4)
    assert cloud.place.files(report) == files
    assert sorted(map(str, cloud.requests)) == ["1", "2", "3", "4", "complete", *["put"] * 3]
    file = next(each for each in report.files if each.name == "d/reads.fastq.gz")
    key = f"{file.uuid}/reads.fastq.gz"
    tags = cloud.client().get_object_tagging(Bucket=cloud.bucket, Key=key)["TagSet"]
    sums = {f"hca-dss-{name}": text for name, text in file.checksums.to_dict().items()}
    assert {tag["Key"]: tag["Value"] for tag in tags} == sums
    head = cloud.client().head_object(Bucket=cloud.bucket, Key=key)
    assert head["ContentType"] == "gzip"


def test_parts_as_the_etag_has_them(cloud: Cloud, tmp_path: Path) -> None:
    """At the size that parts really have."""
    src = fill(tmp_path / "src", {"big": b"0" * ((64 << 20) + 1)})
    sums = cloud.upload(src).files[0].checksums
    assert sums.to_dict() == {
        "crc32c": "6cf37cfb",
        "s3_etag": "2613a877a35baae41021538afeaa3d6e-2",
        "sha1": "64d2afa30e8dbcbb2d51479ddd7b998890808c41",
        "sha256": "65bef85404568bb41ebbb7db03fcaf72a47650338a548c7839316d1625278b2c",
    }
    assert cloud.requests == [1, 2, "complete"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.usefixtures("small_parts")
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
    before = list(cloud.requests)
    report = cloud.upload(src)
    assert cloud.place.files(report) == {"a.json": b"{}", "big": content}
    assert [file.state for file in report.files] == ["reused", "uploaded"]
    # A part that was on its way may have been cut off; all others are sent once.
    assert before[:6] == ["put", 1, 2, 3, 4, 5]
    assert [each for each in cloud.requests[len(before) :] if each in before[:7]] == []
    assert "complete" not in before
    assert cloud.unfinished() == []


@pytest.mark.usefixtures("small_parts")
class TestContinued:
    @pytest.fixture
    def src(self, cloud: Cloud, tmp_path: Path) -> Path:
        """A directory of which S3 has three parts of six."""
        src = fill(tmp_path / "src", {"big": b"x" * 5500})
        self.broken_off(cloud, src, 4)
        assert cloud.requests[:4] == [1, 2, 3, 4]
        cloud.requests.clear()
        return src

    @staticmethod
    def broken_off(cloud: Cloud, src: Path, request: object) -> None:
        cloud.before.append(refuse(request))
        with pytest.raises(UploadError, match=rf"'big': s3://{cloud.bucket}/.*AccessDenied"):
            cloud.upload(src)
        cloud.before.clear()

    def test_with_the_parts_that_are_missing(self, cloud: Cloud, src: Path) -> None:
        assert cloud.place.files(cloud.upload(src)) == {"big": b"x" * 5500}
        assert [each for each in cloud.requests if each in (1, 2, 3)] == []

    def test_without_parts_that_s3_lost(self, cloud: Cloud, src: Path) -> None:
        (upload,) = cloud.unfinished()
        cloud.client().abort_multipart_upload(
            Bucket=cloud.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
        )
        assert cloud.place.files(cloud.upload(src)) == {"big": b"x" * 5500}
        assert cloud.requests == [1, 2, 3, 4, 5, 6, "complete"]

    def test_without_parts_that_s3_does_not_show(
        self, cloud: Cloud, src: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(moto.s3.models.S3Backend, "list_parts", denied)
        assert cloud.place.files(cloud.upload(src)) == {"big": b"x" * 5500}
        assert cloud.requests == [1, 2, 3, 4, 5, 6, "complete"]

    def test_with_parts_of_a_changed_file_removed(self, cloud: Cloud, src: Path) -> None:
        (src / "big").write_bytes(b"small")
        assert cloud.place.files(cloud.upload(src)) == {"big": b"small"}
        assert cloud.unfinished() == []

    @pytest.mark.parametrize("other", [False, True])
    def test_with_what_was_joined_already(self, cloud: Cloud, src: Path, other: bool) -> None:
        """The run died before it set the tags; or the object there is another one by now."""
        (upload,) = cloud.unfinished()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(moto.s3.models.S3Backend, "put_object_tagging", denied)
            with pytest.raises(UploadError, match="AccessDenied"):
                cloud.upload(src)
        if other:
            cloud.client().put_object(Bucket=cloud.bucket, Key=upload["Key"], Body=b"another")
        cloud.requests.clear()
        assert cloud.place.files(cloud.upload(src)) == {"big": b"x" * 5500}
        parts = [each for each in cloud.requests if each != "complete"]
        assert parts == ([1, 2, 3, 4, 5, 6] if other else [])


def test_another_etag_is_an_error(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moto.s3.models.FakeKey, "etag", '"0"')
    src = fill(tmp_path / "src", {"a": b"content"})
    with pytest.raises(UploadError, match=r"'a': s3://.* has etag '0'") as caught:
        cloud.upload(src)
    assert isinstance(caught.value.cause, StagingError)
    how = {"SSEAlgorithm": "aws:kms"}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": how}]}
    cloud.client().put_bucket_encryption(
        Bucket=cloud.bucket, ServerSideEncryptionConfiguration=rules
    )
    assert cloud.upload(src).count("uploaded") == 1  # there it is no checksum


def test_a_bucket_that_is_not_there(cloud: Cloud, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"a": b"content"})
    with pytest.raises(UploadError, match=r"s3://no-such-bucket-here/.*NoSuchBucket") as caught:
        cloud.upload(src, staging_bucket="no-such-bucket-here")
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
        cloud.upload(src)


def test_broken_settings(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    src = fill(tmp_path / "src", {"a": b"content"})
    with pytest.raises(StagingError, match=f"s3://{cloud.bucket}: .*nobody"):
        cloud.upload(src)


def test_the_extra_is_named(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    src = fill(tmp_path / "src", {"a": b"content"})
    with pytest.raises(RuntimeError, match=r"needs boto3: pip install 'dss-client\[upload\]'"):
        cloud.upload(src)
