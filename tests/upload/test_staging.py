"""A directory in place of a bucket."""

import json
from pathlib import Path

import pytest

from dss_client.upload import Checksums, DirectoryStaging, LostUpload, SentPart
from dss_client.upload.staging import open_staging

SUMS = Checksums(sha256="a", sha1="b", crc32c="c", s3_etag="d")
PARTS = [SentPart("", ""), SentPart("", "")]


def test_an_object_and_what_is_said_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    staging = DirectoryStaging(Path("bucket"))
    assert staging.place == str(tmp_path / "bucket")
    staging.put("u/name", b"content", "text/plain", SUMS)
    assert (tmp_path / "bucket/u/name").read_bytes() == b"content"
    assert json.loads((tmp_path / "bucket/u/name.metadata.json").read_bytes()) == {
        "content-type": "text/plain",
        "hca-dss-sha256": "a",
        "hca-dss-sha1": "b",
        "hca-dss-crc32c": "c",
        "hca-dss-s3_etag": "d",
    }
    assert len(list((tmp_path / "bucket/u").iterdir())) == 2


def test_a_long_name(tmp_path: Path) -> None:
    name = "n" * 230
    DirectoryStaging(tmp_path).put(f"u/{name}", b"1", "text/plain", SUMS)
    assert (tmp_path / "u" / name).read_bytes() == b"1"


def test_parts(tmp_path: Path) -> None:
    staging = DirectoryStaging(tmp_path)
    upload = staging.begin("u/name", "text/plain")
    for number, data in ((2, b"two"), (1, b"one")):
        assert staging.put_part("u/name", upload, number, data, b"\x01") == "01"
    for _ in range(2):
        staging.complete("u/name", upload, PARTS, "text/plain", SUMS)
        assert (tmp_path / "u/name").read_bytes() == b"onetwo"
    assert len(list((tmp_path / "u").iterdir())) == 2


def test_parts_that_are_gone(tmp_path: Path) -> None:
    staging = DirectoryStaging(tmp_path)
    upload = staging.begin("u/name", "text/plain")
    staging.abort("u/name", upload)
    with pytest.raises(LostUpload):
        staging.put_part("u/name", upload, 1, b"", b"")
    with pytest.raises(LostUpload):
        staging.complete("u/name", upload, PARTS, "text/plain", SUMS)


def test_the_cloud_is_told_by_the_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    assert open_staging("aws", "b", 1).place.startswith("https://s3.")
    assert open_staging("gcp", "b", 1).place == "gs://b"
