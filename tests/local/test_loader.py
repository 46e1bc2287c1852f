"""Directories that become bundles, and those that do not."""

import json
import os
from pathlib import Path

import pytest

from dss_client.local import BadName, BundleExists, LoadError, LocalDSS
from dss_client.versions import InvalidVersion

UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
VERSION = "2018-01-01T000000.000000Z"


@pytest.fixture
def dss(tmp_path: Path) -> LocalDSS:
    """A service that is not running: loading does not need it."""
    return LocalDSS(tmp_path / "root")


@pytest.fixture
def src(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    return folder


def test_what_is_stored(dss: LocalDSS, src: Path) -> None:
    (src / "sub").mkdir()
    (src / "sub" / "a.json").write_text("{}")
    (src / "b.bin").write_bytes(b"hello")
    bundle = dss.load_bundle(src, UUID, VERSION, replica="gcp")
    assert (bundle.uuid, bundle.version, bundle.files) == (UUID, VERSION, 2)
    assert str(bundle) == bundle.fqid == f"{UUID}.{VERSION}"
    main = dss.root / "gcp" / "main"
    manifest = json.loads((main / "bundles" / bundle.fqid).read_text())
    assert list(manifest) == ["format", "version", "files", "creator_uid"]
    assert (manifest["format"], manifest["version"]) == ("0.0.1", VERSION)
    assert [
        (file["name"], file["indexed"], file["content-type"]) for file in manifest["files"]
    ] == [
        ("b.bin", False, "application/octet-stream"),
        ("sub/a.json", True, "application/json"),
    ]
    binary = manifest["files"][0]
    metadata = json.loads((main / "files" / f"{binary['uuid']}.{VERSION}").read_text())
    assert metadata["format"] == "0.0.4"
    assert metadata["s3-etag"] == binary["s3-etag"]
    sums = ".".join(binary[name] for name in ("sha256", "sha1", "s3-etag", "crc32c"))
    assert (main / "blobs" / sums).read_bytes() == b"hello"


def test_a_new_version_has_the_same_file_uuids(dss: LocalDSS, src: Path) -> None:
    (src / "a").touch()
    first, second = dss.load_bundle(src), None
    second = dss.load_bundle(src, first.uuid)
    assert second.version > first.version
    files = sorted(path.name for path in (dss.root / "aws/main/files").iterdir())
    assert [name.partition(".")[2] for name in files] == [first.version, second.version]
    assert len({name.partition(".")[0] for name in files}) == 1
    assert dss.load_bundle(src).uuid != first.uuid


def test_a_damaged_blob_is_replaced(dss: LocalDSS, src: Path) -> None:
    (src / "a").write_bytes(b"hello")
    dss.load_bundle(src)
    [blob] = (dss.root / "aws/main/blobs").iterdir()
    blob.write_bytes(b"hell")
    dss.load_bundle(src)
    assert blob.read_bytes() == b"hello"


def test_directories_and_ids_that_are_refused(dss: LocalDSS, src: Path) -> None:
    with pytest.raises(NotADirectoryError, match="is not a directory"):
        dss.load_bundle(src / "x")
    (src / "sub").mkdir()
    with pytest.raises(LoadError, match="no files"):
        dss.load_bundle(src)
    (src / "a").touch()
    with pytest.raises(LoadError, match="not a valid uuid"):
        dss.load_bundle(src, "x")
    with pytest.raises(InvalidVersion, match="2018"):
        dss.load_bundle(src, UUID, "2018")
    dss.load_bundle(src, UUID, VERSION)
    with pytest.raises(BundleExists, match="another version"):
        dss.load_bundle(src, UUID.upper(), VERSION)
    os.mkfifo(src / "pipe")
    with pytest.raises(LoadError, match="not a regular file"):
        dss.load_bundle(src)


@pytest.mark.parametrize("name", ["sub/.hidden", "a\\b", "a\nb"])
def test_bad_names(dss: LocalDSS, src: Path, name: str) -> None:
    (src / "sub").mkdir()
    (src / name).touch()
    with pytest.raises(BadName, match="cannot be the name"):
        dss.load_bundle(src)
    assert not (dss.root / "aws").exists()


def test_links(dss: LocalDSS, src: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").touch()
    (src / "a").write_bytes(b"hello")
    (src / "inside").symlink_to("a")
    (tmp_path / "link").symlink_to(src)
    assert dss.load_bundle(tmp_path / "link").files == 2
    (src / "out").symlink_to(tmp_path / "outside")
    with pytest.raises(LoadError, match="leaves"):
        dss.load_bundle(src)
    (src / "out").unlink()
    (src / "real").mkdir()
    (src / "link").symlink_to("real")
    with pytest.raises(LoadError, match="symbolic link to a directory"):
        dss.load_bundle(src)


@pytest.mark.skipif(not Path("/proc/sys/kernel/random").is_dir(), reason="needs Linux")
def test_a_file_that_grows_while_it_is_read(dss: LocalDSS) -> None:
    with pytest.raises(LoadError, match="changed while it was read"):
        dss.load_bundle("/proc/sys/kernel/random")  # files that claim to have no bytes
