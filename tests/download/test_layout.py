"""From the store into the directory of a bundle."""

import errno
import os
from pathlib import Path

import pytest

from dss_client.download import FileDownloadError, UnsafeName
from dss_client.download.filestore import FileStore
from dss_client.download.layout import place

from .scripted import sha256

CONTENT = b"content"


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    store = FileStore(tmp_path)
    with store.temporary(sha256(CONTENT)) as file:
        file.write(CONTENT)
        return store.publish(file, sha256(CONTENT), len(CONTENT))


def refuse_links(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)


def test_links(stored: Path, tmp_path: Path) -> None:
    target, link = place(stored, tmp_path, "bundle/folder/f")
    assert (target, link) == (tmp_path / "bundle/folder/f", "hardlink")
    assert target.samefile(stored)


def test_the_same_link_is_fine(stored: Path, tmp_path: Path) -> None:
    place(stored, tmp_path, "b/f")
    assert place(stored, tmp_path, "b/f") == (tmp_path / "b/f", "hardlink")


def test_an_identical_file_is_fine(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    assert place(stored, tmp_path, "f") == (tmp_path / "f", "copy")
    assert not (tmp_path / "f").samefile(stored)


@pytest.mark.parametrize("other", [b"CONTENT", b"longer content"])
def test_another_file_is_kept_and_an_error(stored: Path, tmp_path: Path, other: bytes) -> None:
    (tmp_path / "f").write_bytes(other)
    with pytest.raises(FileDownloadError, match="move it out of the way"):
        place(stored, tmp_path, "f")
    assert (tmp_path / "f").read_bytes() == other


@pytest.mark.parametrize("links", [True, False])
def test_c5_a_planted_link_is_neither_followed_nor_replaced(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        refuse_links(monkeypatch, errno.EXDEV)
    outside = tmp_path / "outside"
    outside.write_bytes(CONTENT)
    (tmp_path / "f").symlink_to(outside)
    with pytest.raises(FileDownloadError, match="another file"):
        place(stored, tmp_path, "f")
    assert (tmp_path / "f").is_symlink()


def test_c5_the_bundle_directory_itself_may_not_be_a_link(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "bundle").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeName, match="symbolic link"):
        place(stored, tmp_path, "bundle/f")


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP])
def test_copies_where_links_are_refused(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    refuse_links(monkeypatch, code)
    target, link = place(stored, tmp_path, "b/f")
    assert link == "copy"
    assert target.read_bytes() == CONTENT
    assert not target.samefile(stored)
    assert list(target.parent.iterdir()) == [target]
    assert place(stored, tmp_path, "b/f") == (target, "copy")


def test_other_refusals_are_errors(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_links(monkeypatch, errno.ENOSPC)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        place(stored, tmp_path, "f")


def test_a_file_in_place_of_a_directory_is_an_error(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"")
    with pytest.raises(OSError, match="b"):
        place(stored, tmp_path, "b/f")
