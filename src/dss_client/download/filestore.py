"""The store of contents by their sha256, byte-compatible with the reference client's (§14.10).

``<download_dir>/.hca/v2/files_2_4/<first 2>/<next 4>/<sha256>``, in lower case. A file under its
final name is whole and verified: it is written under another name beside it, and then linked.
"""

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

from .errors import InvalidChecksum

_PLACE = (".hca", "v2", "files_2_4")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOCK = 1 << 20


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content, in lower case."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def is_regular(path: Path) -> bool:
    """Tell whether a path is a file itself: no directory, and no link to one."""
    try:
        return stat.S_ISREG(path.stat(follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


@contextmanager
def temporary_beside(path: Path) -> Generator[IO[bytes]]:
    """Yield a new file in the directory of `path`, made with its parents; remove it afterwards.

    It has the permissions that the user's umask gives to any new file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        with temporary.open("x+b") as file:
            yield file
    finally:
        temporary.unlink(missing_ok=True)


def close_synced(file: IO[bytes]) -> Path:
    """Bring a file to the disk, so that no crash leaves a hole under a final name; return its path.

    It is closed, because Windows renames no open file.
    """
    file.flush()
    os.fsync(file.fileno())
    file.close()
    return Path(file.name)


class FileStore:
    """The contents below one download directory.

    A file that is there from earlier is verified when it is first asked for, and remembered for
    the life of this object (C1). Calls for one sha256 must not overlap; others may.
    """

    def __init__(self, download_dir: Path) -> None:
        self.root: Path = download_dir.joinpath(*_PLACE)
        self._good: dict[str, int] = {}

    def path(self, sha256: str) -> Path:
        """Return the place of a content, whether it is there or not.

        Raises:
            InvalidChecksum: The text is no sha256.
        """
        key = sha256.lower()
        if _SHA256.fullmatch(key) is None:
            raise InvalidChecksum("", f"{sha256!r} is no sha256: expected 64 hexadecimal digits")
        return self.root / key[:2] / key[2:6] / key

    def find(self, sha256: str, size: int) -> int | None:
        """Return the size of a content that is there and good, or None.

        Args:
            sha256: The content's checksum.
            size: Its size in bytes. A file not verified yet is not even read if it differs.
        """
        path = self.path(sha256)
        known = self._good.get(path.name)
        if known is not None:
            return known
        if not is_regular(path) or path.stat().st_size != size or sha256_of(path) != path.name:
            return None
        self._good[path.name] = size
        return size

    def has(self, sha256: str) -> bool:
        """Tell whether a content was found or published by this object."""
        return sha256.lower() in self._good

    def temporary(self, sha256: str) -> AbstractContextManager[IO[bytes]]:
        """Return a context with a new file to be filled and published, or else removed."""
        return temporary_beside(self.path(sha256))

    def publish(self, file: IO[bytes], sha256: str, size: int) -> Path:
        """Give a filled and verified temporary file its final name.

        A good file that someone else put there meanwhile is kept, a bad one replaced (C1).
        """
        path = self.path(sha256)
        temporary = close_synced(file)
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            if self.find(sha256, size) is None:
                temporary.replace(path)
        except OSError:
            # No hard links here. A rename is as atomic; at worst it replaces the same content.
            temporary.replace(path)
        self._good[path.name] = size
        return path
