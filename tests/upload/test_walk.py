"""Which files are uploaded, under which names, and what is refused before any byte is sent."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dss_client import DSSClient
from dss_client.download import NameClash, UnsafeName
from dss_client.upload import DirectoryStaging, UploadError
from tests.upload.service import Place, fill


def refused(src: Path, error: type[Exception], match: str) -> Exception:
    """Upload a directory; return the error, which comes before anybody is asked for anything."""
    bucket = DirectoryStaging(src / "no such bucket")
    with (
        DSSClient("http://127.0.0.1:9/v1", token="t0ken") as client,
        pytest.raises(error, match=match) as caught,
    ):
        client.upload(src_dir=src, replica="aws", staging_bucket="b", staging=bucket)
    assert not bucket.folder.exists()
    return caught.value


def test_c20_names_are_relative_and_sorted(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, {"d/d/d/d": b"1", "d/d/data/x": b"22", "d/d/a.json": b""})
    monkeypatch.chdir(tmp_path)
    for src_dir in (Path("d/d"), Path("./d/d"), Path("d/../d/d"), tmp_path / "d" / "d"):
        report = place.upload(src_dir)
        assert [file.name for file in report.files] == ["a.json", "d/d", "data/x"]


def test_names_that_are_fine_and_their_content_types(place: Place, tmp_path: Path) -> None:
    others = [".hidden", "a b", "..a", "~", "é", "a..b/c", "n" * 230, "README"]
    kinds = {
        **dict.fromkeys(others, "application/octet-stream"),
        "a.json": "application/json",
        "é.txt": "text/plain",
        "d/x.fastq.gz": "gzip",
    }
    report = place.upload(fill(tmp_path / "src", dict.fromkeys(kinds, b"1")))
    assert {file.name: file.content_type for file in report.files} == kinds
    assert [file.name for file in report.files] == sorted(kinds)
    assert place.files(report) == dict.fromkeys(kinds, b"1")


def test_a_link_to_a_file_inside_is_that_file(place: Place, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"a/b": b"content"})
    (src / "link").symlink_to("a/b")
    (tmp_path / "other").symlink_to(src)
    for src_dir in (src, tmp_path / "other"):
        assert place.files(place.upload(src_dir)) == {"a/b": b"content", "link": b"content"}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.symlink_to(path.parent / "d"), "is a symbolic link to a directory"),
        (lambda path: path.symlink_to("."), "is a symbolic link to a directory"),
        (lambda path: path.symlink_to("../outside"), "is a symbolic link that leaves"),
        (lambda path: path.symlink_to("x"), "leads to no file"),
        (lambda path: path.symlink_to("gone"), "leads to no file"),
        (os.mkfifo, "is not a regular file"),
    ],
)
def test_what_is_no_file(make: Callable[[Path], object], reason: str, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"d/a": b"1"})
    fill(tmp_path, {"outside": b"1"})
    make(src / "x")
    assert f"'x': {src / 'x'}" in str(refused(src, UploadError, reason))


def test_c20_nothing_to_upload(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path, UploadError, "nothing to upload")
    refused(tmp_path / "missing", UploadError, "there is no such directory")


def test_an_unreadable_directory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, {"d/a": b"1"})
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("/d"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    refused(tmp_path, UploadError, r"/d': Permission denied")


@pytest.mark.parametrize(
    "name", ["a:b", "back\\slash", "line\nfeed", "CON", "a./b", "d/.hidden", "~/a", "ends. "]
)
def test_unsafe_names(name: str, tmp_path: Path) -> None:
    error = refused(fill(tmp_path / "src", {"a": b"1", name: b"1"}), UnsafeName, "refused")
    assert isinstance(error, UnsafeName)
    assert error.name == name


@pytest.mark.parametrize("names", [("a", "A"), ("é", "e\u0301"), ("bundle.json", "x")])
def test_names_that_clash(names: tuple[str, str], tmp_path: Path) -> None:
    refused(fill(tmp_path, dict.fromkeys(names, b"1")), NameClash, "clashes")
