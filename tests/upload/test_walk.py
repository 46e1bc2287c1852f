"""Which files are found, and what is refused before any byte is sent."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from dss_client.download import NameClash, UnsafeName
from dss_client.upload import UploadError
from dss_client.upload.walk import content_type_of, find_files, index_rule
from tests.upload.service import fill


def test_c20_names_are_relative_and_sorted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, {"d/d/d/d": b"1", "d/d/data/x": b"22", "d/d/a.json": b""})
    monkeypatch.chdir(tmp_path)
    for src_dir in (Path("d/d"), Path("./d/d"), Path("d/../d/d"), tmp_path / "d" / "d"):
        files = find_files(src_dir)
        assert [file.name for file in files] == ["a.json", "d/d", "data/x"]
        assert [file.size for file in files] == [0, 1, 2]


def test_a_link_to_a_file_inside_is_that_file(tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"a/b": b"content"})
    (src / "link").symlink_to("a/b")
    linked, (_, again) = src / "link", find_files(src)
    assert (again.name, again.size) == ("link", 7)
    assert again.path == linked.resolve()
    (tmp_path / "other").symlink_to(src)
    assert len(find_files(tmp_path / "other")) == 2


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
    with pytest.raises(UploadError, match=reason) as caught:
        find_files(src)
    assert caught.value.name == "x"
    assert str(src / "x") in str(caught.value)


def test_a_socket_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
        with pytest.raises(UploadError, match=r"'s': .* is not a regular file"):
            find_files(tmp_path)


def test_c20_nothing_to_upload(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UploadError, match="nothing to upload"):
        find_files(tmp_path)
    with pytest.raises(UploadError, match="there is no such directory"):
        find_files(tmp_path / "missing")


def test_an_unreadable_directory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, {"d/a": b"1"})
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("/d"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UploadError, match=r"/d': Permission denied"):
        find_files(tmp_path)


@pytest.mark.parametrize(
    "name", ["a:b", "back\\slash", "line\nfeed", "CON", "a./b", "d/.hidden", "~/a", "ends. "]
)
def test_unsafe_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsafeName) as caught:
        find_files(fill(tmp_path, {name: b"1"}))
    assert caught.value.name == name


@pytest.mark.parametrize("names", [("a", "A"), ("é", "e\u0301"), ("bundle.json", "x")])
def test_names_that_clash(names: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(NameClash):
        find_files(fill(tmp_path, dict.fromkeys(names, b"1")))


@pytest.mark.parametrize("name", [".hidden", "a b", "..a", "~", "é.txt", "a..b/c"])
def test_names_that_are_fine(name: str, tmp_path: Path) -> None:
    assert [file.name for file in find_files(fill(tmp_path, {name: b"1"}))] == [name]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.json", "application/json"),
        ("d/x.fastq.gz", "gzip"),
        ("a.txt", "text/plain"),
        ("README", "application/octet-stream"),
    ],
)
def test_content_types(name: str, kind: str) -> None:
    assert content_type_of(name) == kind


def test_what_is_indexed() -> None:
    names = ["a.json", "d/b.json", "c.JSON", "d.txt"]
    by_default = index_rule(("*.json",))
    assert [name for name in names if by_default(name)] == ["a.json", "d/b.json"]
    assert [name for name in names if index_rule("d*")(name)] == ["d/b.json", "d.txt"]
    assert [name for name in names if index_rule([])(name)] == []
    assert [name for name in names if index_rule(str.islower)(name)] == names[:2] + names[3:]
