"""Buckets: in a directory, behind URLs in files and in memory, and in an S3-compatible service."""

import io
import logging
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dss_client import DSSClient
from dss_client.local import LocalDSS
from dss_client.local.sample import BUNDLES, sample_files
from dss_client.local.storage.bucket import BadKey, Bucket, Root, is_safe_key

WRONG_KEYS = [
    *("", "/etc/passwd", "../outside", "blobs/../../outside", "blobs/..", "a//b", "a/", "./a"),
    *("a\\..\\b", "a\nb", "a\0b", "a\x7fb", "a\ud800b"),
]


@pytest.fixture
def bucket(root: str) -> Bucket:
    return Root.of(root).bucket("b", "place")


@pytest.fixture
def folder(tmp_path: Path) -> Bucket:
    return Root.of(tmp_path).bucket("b", "bucket")


def test_an_object_is_read_back(bucket: Bucket) -> None:
    bucket.put("blobs/x", b"one")
    first = bucket.info("blobs/x")
    bucket.put("blobs/x", b"content")
    bucket.put_stream("blobs/y", io.BytesIO(b"stream"))
    second = bucket.info("blobs/x")
    assert bucket.get("blobs/y") == b"stream"
    assert first
    assert second
    assert second.size == 7
    assert second.etag != first.etag
    assert abs(second.modified - time.time()) < 60
    with bucket.open("blobs/x") as one, bucket.open("blobs/x") as other:
        one.seek(3)
        assert other.read() == b"content"
        assert one.read() == b"tent"


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

    info = Bucket(name="b", path="place", system=System()).info("x")
    assert info is not None
    assert info.modified == modified


def test_what_is_not_there(bucket: Bucket) -> None:
    bucket.put("a/b", b"")
    assert bucket.get("x") is None
    assert [bucket.info(key) for key in ("x", "a", "a/b/c")] == [None, None, None]
    with pytest.raises(FileNotFoundError):
        bucket.open("x")


def test_keys_are_sorted_as_text_and_by_prefix(bucket: Bucket) -> None:
    keys = ["a-b", "a/b", "a/c/d", "a.b", "ab", "b"]
    for key in keys:
        bucket.put(key, b"1")
    assert list(bucket.keys()) == sorted(keys)
    assert list(bucket.keys("a/")) == ["a/b", "a/c/d"]
    assert list(bucket.keys("a/c")) == ["a/c/d"]
    assert list(bucket.keys("nothing/here")) == []
    bucket.clear()
    assert list(bucket.keys()) == []


@pytest.mark.parametrize("key", WRONG_KEYS)
def test_wrong_keys_never_become_paths(key: str, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"secret")
    for url in (f"memory://{uuid4()}", tmp_path.as_uri()):
        bucket = Root.of(url).bucket("b", "place")
        assert bucket.get(key) is None
        assert bucket.info(key) is None
        assert list(bucket.keys(f"{key}/")) == []
        with pytest.raises(BadKey):
            bucket.put(key, b"")
        with pytest.raises(FileNotFoundError):
            bucket.open(key)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=20))
def test_any_key_is_kept_exactly_or_refused(folder: Bucket, key: str) -> None:
    folder.clear()
    if not is_safe_key(key):
        assert folder.get(key) is None
        return
    folder.put(key, b"content")
    assert list(folder.keys()) == [key]
    assert folder.get(key) == b"content"


def test_a_stream_that_breaks_off_leaves_nothing(bucket: Bucket) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        bucket.put_stream("blobs/x", Broken())  # type: ignore[arg-type]  # enough of a stream
    assert list(bucket.keys()) == []
    assert bucket.staging is None or list(bucket.staging.iterdir()) == []


def test_foreign_files_are_skipped_and_named(
    folder: Bucket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.put("files/good", b"")
    (tmp_path / "bucket" / "files" / "bad\nname").touch()
    (tmp_path / "bucket" / os.fsdecode(b"files/\xff")).touch()
    with caplog.at_level(logging.WARNING):
        assert list(folder.keys("files/")) == ["files/good"]
    assert "bad\\nname" in caplog.text
    assert "\\udcff" in caplog.text
    assert folder.get("x" * 5000) is None


def test_a_service_over_any_root(root: str, tmp_path: Path) -> None:
    """Loaded by one service, then served and written to by another one."""
    LocalDSS(root, sample=True).start().stop()
    bundle = BUNDLES[0]
    with LocalDSS(root) as dss, DSSClient(dss.url) as client:
        client.download(bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path)
        assert client.post_search(replica="aws", es_query={}).total_hits == len(BUNDLES)
        job = client.checkout(uuid=bundle.uuid, replica="aws")
        assert job.wait(timeout=30).startswith("s3://dss-local-checkout-aws/bundles/")
    downloaded = tmp_path / f"{bundle.uuid}.{bundle.version}"
    for name, content in sample_files(bundle).items():
        assert (downloaded / name).read_bytes() == content
