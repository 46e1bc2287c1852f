"""Buckets behind URLs: in memory, in files, and in an S3-compatible service."""

import io
import logging
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS
from dss_client.local.sample import BUNDLES, sample_files
from dss_client.local.storage.bucket import BadKey
from dss_client.local.storage.fsspec_bucket import FsspecBucket, FsspecRoot
from tests.local.test_bucket import WRONG_KEYS
from tests.s3_service import ENVIRON, make_bucket, s3_service


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_service() as service:
        yield service


@pytest.fixture
def s3_root(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, text in {**ENVIRON, "AWS_ENDPOINT_URL": s3}.items():
        monkeypatch.setenv(name, text)
    return f"s3://{make_bucket(s3)}/dss"


@pytest.fixture(params=["memory", "file", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    match request.param:
        case "memory":
            return f"memory://{uuid4()}"
        case "file":
            return (tmp_path / "root").as_uri()
        case _:
            made: str = request.getfixturevalue("s3_root")
            return made


@pytest.fixture
def bucket(root: str) -> FsspecBucket:
    return FsspecRoot.of(root).bucket("b", "place")


def test_an_object_is_read_back(bucket: FsspecBucket) -> None:
    bucket.put("blobs/x", b"old")
    bucket.put("blobs/x", b"content")
    bucket.put_stream("blobs/y", io.BytesIO(b"stream"))
    info = bucket.info("blobs/x")
    assert bucket.get("blobs/x") == b"content"
    assert bucket.get("blobs/y") == b"stream"
    assert info is not None
    assert info.size == 7
    assert abs(info.modified - time.time()) < 60
    assert info.etag
    with bucket.open("blobs/x") as one, bucket.open("blobs/x") as other:
        one.seek(3)
        assert other.read() == b"content"
        assert one.read() == b"tent"


def test_an_etag_is_of_the_content(bucket: FsspecBucket) -> None:
    bucket.put("x", b"one")
    first = bucket.info("x")
    bucket.put("x", b"another")
    second = bucket.info("x")
    assert first is not None
    assert second is not None
    assert first.etag != second.etag


@pytest.mark.parametrize(
    ("told", "modified"),
    [
        ({"updated": "2024-01-01T00:00:00Z"}, 1704067200.0),
        ({"LastModified": datetime(2024, 1, 1, tzinfo=UTC)}, 1704067200.0),
        ({"mtime": 12.5}, 12.5),
        ({}, 0.0),
    ],
)
def test_every_file_system_tells_times_its_own_way(
    told: dict[str, object], modified: float
) -> None:
    class System:
        def info(self, path: str) -> dict[str, object]:
            return {"name": path, "type": "file", "size": 3, **told}

    info = FsspecBucket(name="b", system=System(), path="place").info("x")
    assert info is not None
    assert info.modified == modified


def test_what_is_not_there(bucket: FsspecBucket) -> None:
    bucket.put("a/b", b"")
    assert bucket.get("x") is None
    assert bucket.info("x") is None
    assert bucket.info("a") is None
    with pytest.raises(FileNotFoundError):
        bucket.open("x")


def test_keys_are_sorted_as_text_and_by_prefix(bucket: FsspecBucket) -> None:
    keys = ["a-b", "a/b", "a/c/d", "a.b", "ab", "b"]
    for key in keys:
        bucket.put(key, b"1")
    assert list(bucket.keys()) == sorted(keys)
    assert list(bucket.keys("a/")) == ["a/b", "a/c/d"]
    assert list(bucket.keys("a/c")) == ["a/c/d"]
    assert list(bucket.keys("nothing/here")) == []


@pytest.mark.parametrize("key", WRONG_KEYS)
def test_wrong_keys_are_refused(key: str) -> None:
    bucket = FsspecRoot.of(f"memory://{uuid4()}").bucket("b", "place")
    assert bucket.get(key) is None
    assert bucket.info(key) is None
    assert list(bucket.keys(f"{key}/")) == []
    with pytest.raises(BadKey):
        bucket.put(key, b"")
    with pytest.raises(FileNotFoundError):
        bucket.open(key)


def test_a_stream_that_breaks_off_leaves_nothing(bucket: FsspecBucket) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        bucket.put_stream("blobs/x", Broken())  # type: ignore[arg-type]  # enough of a stream
    assert list(bucket.keys()) == []


def test_foreign_objects_are_skipped_and_named(caplog: pytest.LogCaptureFixture) -> None:
    root = f"memory://{uuid4()}"
    bucket = FsspecRoot.of(root).bucket("b", "place")
    bucket.system.pipe_file(f"{bucket.path}/files/bad\nname", b"")
    bucket.put("files/good", b"")
    with caplog.at_level(logging.WARNING):
        assert list(bucket.keys("files/")) == ["files/good"]
    assert "bad\\nname" in caplog.text


def test_a_service_over_a_url(root: str, tmp_path: Path) -> None:
    """Loaded by one service, then served and written to by another one."""
    LocalDSS(root, sample=True).start().stop()
    bundle = BUNDLES[0]
    with LocalDSS(root) as dss, DSSClient(dss.url) as client:
        client.download(bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path)
        assert client.post_search(replica="aws", es_query={}).total_hits == len(BUNDLES)
        job = client.checkout(uuid=bundle.uuid, replica="aws")
        assert job.wait(timeout=30).startswith("s3://dss-local-checkout-aws/bundles/")
    folder = tmp_path / f"{bundle.uuid}.{bundle.version}"
    for name, content in sample_files(bundle).items():
        assert (folder / name).read_bytes() == content


def test_a_bucket_of_ones_own_below_a_url() -> None:
    root = FsspecRoot.of(f"memory://{uuid4()}")
    assert not root.has("mine")
    root.bucket("mine", "mine").put("x", b"")
    assert root.has("mine")


def test_a_url_that_nothing_opens() -> None:
    with pytest.raises(ValueError, match="nothing"):
        LocalDSS("nothing://here")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(RuntimeError, match=r"dss-client\[fsspec\]"):
        LocalDSS("memory://here")
