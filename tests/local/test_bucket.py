"""Directories as buckets: keys, order, and what must not get out or in."""

import io
import logging
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client.local.storage.bucket import BadKey, DirectoryBucket, check_key

WRONG_KEYS = [
    "",
    "/etc/passwd",
    "../outside",
    "blobs/../../outside",
    "blobs/..",
    "a//b",
    "a/",
    "./a",
    "a\\..\\b",
    "a\nb",
    "a\0b",
    "a\x7fb",
    "a\ud800b",
]


@pytest.fixture
def bucket(tmp_path: Path) -> DirectoryBucket:
    return make_bucket(tmp_path)


def make_bucket(folder: Path) -> DirectoryBucket:
    return DirectoryBucket(name="b", path=folder / "bucket", staging=folder / "staging")


def test_an_object_is_read_back(bucket: DirectoryBucket) -> None:
    bucket.put("blobs/x", b"old")
    bucket.put("blobs/x", b"content")
    info = bucket.info("blobs/x")
    assert bucket.get("blobs/x") == b"content"
    assert info is not None
    assert info.size == 7
    assert list((bucket.staging).iterdir()) == []


def test_what_is_not_there(bucket: DirectoryBucket) -> None:
    bucket.put("a/b", b"")
    assert bucket.get("x") is None
    assert bucket.info("x") is None
    assert bucket.info("a") is None
    assert bucket.get("a") is None
    with pytest.raises(FileNotFoundError):
        bucket.open("x")


def test_keys_are_sorted_as_text_and_by_prefix(bucket: DirectoryBucket) -> None:
    keys = ["a-b", "a/b", "a/c/d", "a.b", "ab", "b"]
    for key in keys:
        bucket.put(key, b"")
    assert list(bucket.keys()) == sorted(keys)
    assert list(bucket.keys("a/")) == ["a/b", "a/c/d"]
    assert list(bucket.keys("a/c")) == ["a/c/d"]
    assert list(bucket.keys("nothing/here")) == []
    assert list(bucket.keys("b/under-a-file")) == []


@pytest.mark.parametrize("key", WRONG_KEYS)
def test_wrong_keys_never_become_paths(bucket: DirectoryBucket, key: str) -> None:
    (bucket.path.parent / "outside").write_bytes(b"secret")
    assert bucket.get(key) is None
    assert bucket.info(key) is None
    assert list(bucket.keys(f"{key}/")) == []
    with pytest.raises(BadKey):
        bucket.put(key, b"")
    with pytest.raises(FileNotFoundError):
        bucket.open(key)


def test_a_part_no_file_system_takes_is_just_absent(bucket: DirectoryBucket) -> None:
    assert bucket.get("x" * 5000) is None


def test_a_failed_write_leaves_nothing(bucket: DirectoryBucket) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        bucket.put_stream("blobs/x", Broken())  # type: ignore[arg-type]  # enough of a stream
    assert list(bucket.keys()) == []
    assert list(bucket.staging.iterdir()) == []


def test_foreign_files_are_skipped_and_named(
    bucket: DirectoryBucket, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.put("files/good", b"")
    (bucket.path / "files" / "bad\nname").touch()
    (bucket.path / os.fsdecode(b"files/\xff")).touch()
    with caplog.at_level(logging.WARNING):
        assert list(bucket.keys("files/")) == ["files/good"]
    assert "bad\\nname" in caplog.text
    assert "\\udcff" in caplog.text


@given(st.text(max_size=20))
def test_any_key_is_kept_exactly_or_refused(key: str) -> None:
    with TemporaryDirectory() as folder:
        bucket = make_bucket(Path(folder))
        try:
            check_key(key)
        except BadKey:
            assert bucket.get(key) is None
            return
        bucket.put(key, b"content")
        assert list(bucket.keys()) == [key]
        assert bucket.get(key) == b"content"
        inside = [path for path in Path(folder).rglob("*") if path.is_file()]
        assert all(path.is_relative_to(bucket.path) for path in inside)
