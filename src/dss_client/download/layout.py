"""Puts stored files into the directory of a bundle: as reflinks, hard links or copies.

A reflink shares the blocks until one of the two files is changed; a hard link, which the reference
client makes, is the same file under another name; a copy needs room of its own. What a file system
does not know is found out once for each download, not once for each file.
"""

import errno
import os
import shutil
import sys
from pathlib import Path

from dss_client.transfer.names import SafeDirectory

from .errors import FileDownloadError
from .filestore import close_synced, is_regular, sha256_of, temporary_beside
from .report import Link

__all__ = ["Placer"]

# Another device, a file system without links or with too many, or a file of someone else's.
_NO_LINKS = frozenset(
    {
        errno.EXDEV,
        errno.EPERM,
        errno.EMLINK,
        errno.ENOTSUP,
        errno.EOPNOTSUPP,
        errno.ENOSYS,
    }
)
_NEVER = _NO_LINKS - {errno.EMLINK}
_NO_REFLINKS = frozenset({*_NEVER, errno.EINVAL, errno.ENOTTY})
_FICLONE = 0x40049409  # share the blocks of another file, from linux/fs.h
_FOLDERS = 10_000  # names after which the memory of directories is cleared


class Placer:
    """Puts stored files under their names. Safe to be used by threads.

    Args:
        root: The download directory.
        durable: Flush copies to the disk before they get their names.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._durable = durable
        self._root = root
        self._folders = SafeDirectory(root)
        self._placed = 0
        self._reflinks = sys.platform == "linux"
        self._hardlinks = True

    def place(self, stored: str, name: str) -> tuple[Path, Link]:
        """Put a stored file under its name below the root; return its path and the kind of link.

        Raises:
            UnsafeName: The name is not safe, or leads through a symbolic link.
            FileDownloadError: Another file has that name.
            OSError: The file system refuses.
        """
        self._placed += 1
        if self._placed % _FOLDERS == 0:
            self._folders = SafeDirectory(self._root)
        target = self._folders.prepare(name)
        try:
            return target, self._link(stored, target)
        except FileExistsError:
            return target, _kind_of_existing(Path(stored), target, name)

    def _link(self, stored: str, target: Path) -> Link:
        if self._reflinks and self._reflink(stored, target):
            return "reflink"
        if self._hardlinks:
            try:
                os.link(stored, target)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._hardlinks = error.errno not in _NEVER
            else:
                return "hardlink"
        _copy(Path(stored), target, durable=self._durable)
        return "copy"

    def _reflink(self, stored: str, target: Path) -> bool:
        """Share the stored file's blocks; False if the file system cannot."""
        import fcntl

        with temporary_beside(target) as clone, open(stored, "rb") as source:
            try:
                fcntl.ioctl(clone.fileno(), _FICLONE, source.fileno())
                os.link(clone.name, target)  # unlike a rename, it replaces no file that is there
            except FileExistsError:
                raise
            except OSError as error:
                self._reflinks = error.errno not in _NO_REFLINKS
                return False
        return True


def _copy(stored: Path, target: Path, *, durable: bool) -> None:
    """Copy by way of a temporary file, so that the name never stands for half a file."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    with temporary_beside(target) as file:
        with stored.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)
        close_synced(file, durable=durable).replace(target)


def _kind_of_existing(stored: Path, target: Path, name: str) -> Link:
    if is_regular(target):
        if target.samefile(stored):
            return "hardlink"
        if target.stat().st_size == stored.stat().st_size and sha256_of(target) == stored.name:
            return "copy"
    raise FileDownloadError(
        name, f"another file is at {target}; move it out of the way and run again"
    )
