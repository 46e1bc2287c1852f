"""The store of contents: layout of §14.10, never trusted unread (C1, C21)."""

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from dss_client.download import InvalidChecksum
from dss_client.download.filestore import FileStore, is_regular, temporary_beside

from .scripted import sha256

CONTENT = b"content"
SHA = sha256(CONTENT)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def put(store: FileStore, content: bytes = CONTENT) -> Path:
    with store.temporary(sha256(content)) as file:
        file.write(content)
        return store.publish(file, sha256(content), len(content))


def plant(store: FileStore, content: bytes) -> Path:
    path = store.path(SHA)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def files_of(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if not path.is_dir())


def test_places_are_those_of_the_reference_client(store: FileStore, tmp_path: Path) -> None:
    sha = "2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824"
    relative = f".hca/v2/files_2_4/2c/f24d/{sha.lower()}"
    assert store.path(sha) == tmp_path / relative


@pytest.mark.parametrize("text", ["", "x", "../" + "0" * 61, "g" * 64, "0" * 63, "0" * 65])
def test_only_checksums_have_places(store: FileStore, text: str) -> None:
    with pytest.raises(InvalidChecksum, match="64 hexadecimal digits"):
        store.path(text)


def test_published_contents_are_found(store: FileStore, tmp_path: Path) -> None:
    assert store.find(SHA, len(CONTENT)) is None
    assert not store.has(SHA)
    path = put(store)
    assert path.read_bytes() == CONTENT
    assert store.find(SHA, len(CONTENT)) == len(CONTENT)
    assert store.has(SHA.upper())
    assert files_of(tmp_path) == [path]


def test_a_published_file_has_the_usual_permissions(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    usual = stat.S_IMODE((tmp_path / "usual").stat().st_mode)
    assert stat.S_IMODE(put(store).stat().st_mode) == usual


def test_nothing_is_left_of_a_failure(store: FileStore, tmp_path: Path) -> None:
    def fail() -> None:
        with store.temporary(SHA) as file:
            file.write(b"con")
            raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert files_of(tmp_path) == []


def test_c1_a_good_file_from_earlier_is_verified_once(store: FileStore) -> None:
    path = plant(store, CONTENT)
    assert store.find(SHA, len(CONTENT)) == len(CONTENT)
    path.write_bytes(b"changed later in the run")
    assert store.find(SHA, 3) == len(CONTENT)


@pytest.mark.parametrize("bad", [b"", b"conten", b"CONTENT", b"content!"])
def test_c1_c21_a_bad_file_from_earlier_is_replaced(store: FileStore, bad: bytes) -> None:
    path = plant(store, bad)
    assert store.find(SHA, len(CONTENT)) is None
    put(store)
    assert path.read_bytes() == CONTENT


def test_c1_a_link_is_no_stored_file(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(CONTENT)
    path = plant(store, b"")
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    assert store.find(SHA, len(CONTENT)) is None
    put(store)
    assert is_regular(path)
    assert (tmp_path / "elsewhere").read_bytes() == CONTENT


def test_a_good_winner_is_kept(store: FileStore) -> None:
    with store.temporary(SHA) as file:
        file.write(CONTENT)
        winner = store.path(SHA)
        winner.write_bytes(CONTENT)
        inode = winner.stat().st_ino
        store.publish(file, SHA, len(CONTENT))
    assert winner.stat().st_ino == inode


def test_without_hard_links_it_is_renamed(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert put(store).read_bytes() == CONTENT
    assert files_of(tmp_path) == [store.path(SHA)]


def test_what_is_written_is_hashed_by_its_bytes(tmp_path: Path) -> None:
    with temporary_beside(tmp_path / "a" / "b") as file:
        file.write(CONTENT)
        file.seek(0)
        assert hashlib.sha256(file.read()).hexdigest() == SHA
    assert files_of(tmp_path) == []
