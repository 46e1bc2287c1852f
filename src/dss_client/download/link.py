"""Puts stored contents under their names: as reflinks, hard links or copies.

A reflink shares the blocks until one of the two files is changed; a hard link, which the reference
client makes, is the same file under another name; a copy needs room of its own. A hard link is
tried for each file: that one could not be made says nothing of the next.
"""

import errno
import os
import shutil
import sys
from pathlib import Path

from dss_client._files import temporary_name
from dss_client.transfer.errors import FileDownloadError
from dss_client.transfer.names import SafeDirectory

from .report import FileReport, Link, State
from .store import NO_LINK, FileStore, close_synced, is_regular, sha256_of, temporary_beside
from .task import FileTask

__all__ = ["Linker"]

_NO_REFLINKS = frozenset(
    {
        *(errno.EXDEV, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS),
        *(errno.EPERM, errno.EINVAL, errno.ENOTTY),
    }
)
_FICLONE = 0x40049409  # share the blocks of another file, from linux/fs.h
_FOLDERS = 10_000  # names after which the memory of directories is cleared


class Linker:
    """Puts stored contents under their names. Safe to be used by threads.

    Args:
        store: Where contents are.
        root: The download directory.
        durable: Flush copies to the disk before they get their names.
        overwrite: Replace another file that has the name.
    """

    def __init__(
        self, store: FileStore, root: Path, *, durable: bool = True, overwrite: bool = False
    ) -> None:
        self._store = store
        self._durable = durable
        self._overwrite = overwrite
        self._root = root
        self._folders = SafeDirectory(root)
        self._linked = 0
        self._reflinks = sys.platform == "linux"
        self._hardlinks = True  # whether the last one could be made

    @property
    def copies(self) -> bool:
        """Whether files are copied, as far as it is known."""
        return not (self._reflinks or self._hardlinks)

    def link(
        self, task: FileTask, state: State, *, tries: int = 0, seconds: float = 0.0
    ) -> FileReport:
        """Put a stored content under its name, where it has one, and report the file.

        Args:
            task: What was wanted.
            state: Whether it came now, or was there before.
            tries: Requests that it took.
            seconds: Time that they took.

        Raises:
            UnsafeName: The name is not safe, or leads through a symbolic link.
            FileDownloadError: Another file has that name.
            OSError: The file system refuses.
        """
        if task.target is None:  # its place in the store follows from its checksum
            return task.report(state, tries=tries, seconds=seconds)
        kind = self._put(self._store.place(task.sha256), task.target)
        return task.report(state, link=kind, tries=tries, seconds=seconds)

    def _put(self, stored: str, name: str) -> Link:
        self._linked += 1
        if self._linked % _FOLDERS == 0:
            self._folders = SafeDirectory(self._root)
        target = self._folders.prepare(name)
        try:
            kind = self._link(stored, target)
        except FileExistsError:
            existing = _kind_of_existing(Path(stored), Path(target))
            if existing is not None:
                return existing
            if not self._overwrite or Path(target).is_dir():
                raise _occupied(target, name) from None
            kind = self._replace(stored, Path(target))
        self._store.note_name_in(os.path.dirname(target))
        return kind

    def _replace(self, stored: str, target: Path) -> Link:
        """Put a content in the place of another file, in one step."""
        temporary = temporary_name(target)
        try:
            kind = self._link(stored, str(temporary))
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return kind

    def _link(self, stored: str, target: str) -> Link:
        if self._reflinks:
            _refuse_existing(target)  # before anything is written
            if self._reflink(stored, target):
                return "reflink"
        try:
            os.link(stored, target)
        except OSError as error:
            if error.errno not in NO_LINK:
                raise
            self._hardlinks = False
        else:
            self._hardlinks = True
            return "hardlink"
        _copy(Path(stored), Path(target), durable=self._durable)
        return "copy"

    def _reflink(self, stored: str, target: str) -> bool:
        """Share the stored file's blocks; False if the file system cannot."""
        import fcntl

        with temporary_beside(Path(target)) as clone, open(stored, "rb") as source:
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
    _refuse_existing(str(target))
    with temporary_beside(target) as file:
        with stored.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)
        close_synced(file, durable=durable).replace(target)


def _refuse_existing(target: str) -> None:
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)


def _kind_of_existing(stored: Path, target: Path) -> Link | None:
    """Return how a file has come from the store; None if it is another file."""
    if is_regular(target):
        if target.samefile(stored):
            return "hardlink"
        if target.stat().st_size == stored.stat().st_size and sha256_of(target) == stored.name:
            return "copy"
    return None


def _occupied(target: str, name: str) -> FileDownloadError:
    what = "a directory" if Path(target).is_dir() else "another file"
    return FileDownloadError(
        name, f"{what} is at {target}; move it out of the way and run again, or overwrite files"
    )
