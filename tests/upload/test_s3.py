"""Uploads by way of S3: boto3, and a service of moto's in this process."""

import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import moto.s3.models
import pytest
from attrs import field, frozen
from moto.s3.exceptions import AccessDeniedByLock, NoSuchUpload

from dss_client import DSSClient, MissingExtra, UploadReport
from dss_client.local import LocalDSS, LocalSettings
from dss_client.upload import StagingError, UploadError
from tests.s3_service import ENVIRON, make_bucket, s3_service
from tests.upload.service import INSTANT, Place, fill

WRITES = {"put_object": "put", "upload_part": "part", "complete_multipart_upload": "complete"}


@frozen
class Cloud:
    """S3, and a DSS that copies from it.

    Attributes:
        bucket: A bucket.
        place: The DSS; its folder is not used.
        requests: What S3 was asked to write: ``put``, ``complete``, and the numbers of parts.
        refused: Those of them that S3 refuses.
    """

    bucket: str
    place: Place
    requests: list[object] = field(factory=list[object])
    refused: set[object] = field(factory=set[object])

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
def server() -> Iterator[LocalDSS]:
    with pytest.MonkeyPatch.context() as patch, s3_service() as service:
        for name, text in {**ENVIRON, "AWS_ENDPOINT_URL": service}.items():
            patch.setenv(name, text)
        patch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", 1)
        with LocalDSS(settings=LocalSettings(retry_after=0, s3_endpoint=service)) as running:
            yield running


@pytest.fixture
def cloud(server: LocalDSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with DSSClient(server.url, token=server.mint_token(), retries=INSTANT) as client:
        made = Cloud(make_bucket(os.environ["AWS_ENDPOINT_URL"]), Place(server, tmp_path, client))
        for name in WRITES:
            monkeypatch.setattr(moto.s3.models.S3Backend, name, watched(made, name))
        yield made


def watched(cloud: Cloud, name: str) -> Callable[..., Any]:
    """Return an operation of S3 that tells what it is asked for."""
    original: Callable[..., Any] = getattr(moto.s3.models.S3Backend, name)

    def operation(self: Any, *args: Any, **how: Any) -> Any:
        if how.get("etag") is None:  # else it joins parts
            request = args[2] if name == "upload_part" else WRITES[name]
            cloud.requests.append(request)
            if request in cloud.refused:
                raise AccessDeniedByLock
            # moto forgets to refuse an upload that is over.
            if name == "complete_multipart_upload" and args[1] not in (
                self.head_bucket(args[0]).multiparts
            ):
                raise NoSuchUpload(upload_id=args[1])
        return original(self, *args, **how)

    return operation


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
    kinds = [file.content_type for file in report.files]
    assert [file.content_type for file in cloud.place.bundle(report).files] == kinds


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


@pytest.mark.usefixtures("small_parts")
class TestContinued:
    BIG = b"x" * 5500

    @pytest.fixture
    def src(self, cloud: Cloud, tmp_path: Path) -> Path:
        """A directory of which S3 has three parts of six."""
        src = fill(tmp_path / "src", {"big": self.BIG})
        cloud.refused.add(4)
        with pytest.raises(UploadError, match=rf"'big': s3://{cloud.bucket}/.*AccessDenied"):
            cloud.upload(src)
        assert cloud.requests[:4] == [1, 2, 3, 4]
        cloud.refused.clear()
        cloud.requests.clear()
        return src

    def test_with_the_parts_that_are_missing(self, cloud: Cloud, src: Path) -> None:
        assert cloud.place.files(cloud.upload(src)) == {"big": self.BIG}
        assert not {1, 2, 3} & set(cloud.requests)
        assert cloud.unfinished() == []

    @pytest.mark.parametrize("lost", [True, False])
    def test_without_parts_that_s3_lost_or_does_not_show(
        self, cloud: Cloud, src: Path, monkeypatch: pytest.MonkeyPatch, lost: bool
    ) -> None:
        (upload,) = cloud.unfinished()
        if lost:
            which = {name: upload[name] for name in ("Key", "UploadId")}
            cloud.client().abort_multipart_upload(Bucket=cloud.bucket, **which)
        else:
            monkeypatch.setattr(moto.s3.models.S3Backend, "list_parts", denied)
        assert cloud.place.files(cloud.upload(src)) == {"big": self.BIG}
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
        assert cloud.place.files(cloud.upload(src)) == {"big": self.BIG}
        parts = [each for each in cloud.requests if each != "complete"]
        assert parts == ([1, 2, 3, 4, 5, 6] if other else [])


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A directory with one small file."""
    return fill(tmp_path / "src", {"a": b"content"})


def test_another_etag_is_an_error(cloud: Cloud, one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moto.s3.models.FakeKey, "etag", '"0"')
    with pytest.raises(UploadError, match=r"'a': s3://.* has etag '0'") as caught:
        cloud.upload(one)
    assert isinstance(caught.value.cause, StagingError)
    how = {"SSEAlgorithm": "aws:kms"}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": how}]}
    cloud.client().put_bucket_encryption(
        Bucket=cloud.bucket, ServerSideEncryptionConfiguration=rules
    )
    assert cloud.upload(one).count("uploaded") == 1  # there it is no checksum


def test_a_bucket_that_is_not_there(cloud: Cloud, one: Path) -> None:
    with pytest.raises(UploadError, match=r"s3://no-such-bucket-here/.*NoSuchBucket") as caught:
        cloud.upload(one, staging_bucket="no-such-bucket-here")
    assert isinstance(caught.value.cause, StagingError)
    assert type(caught.value.cause.__cause__).__name__ == "NoSuchBucket"


def test_no_credentials(cloud: Cloud, one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(one / "none"))
    with pytest.raises(UploadError, match=r"credentials.*~/\.aws/credentials"):
        cloud.upload(one)


def test_broken_settings(cloud: Cloud, one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StagingError, match=f"s3://{cloud.bucket}: .*nobody"):
        cloud.upload(one)


def test_the_extra_is_named(cloud: Cloud, one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtra, match=r"needs boto3: pip install 'dss-client\[upload\]'"):
        cloud.upload(one)
