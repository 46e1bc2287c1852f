"""The store of contents by their sha256, byte-compatible with the reference client's.

See docs/behaviour.md 14.10.

``<download_dir>/.hca/v2/files_2_4/<first 2>/<next 4>/<sha256>``, in lower case. A file under its
final name is whole and verified: it is written in ``.hca/v2/partials``, and then renamed.

A verified file carries a mark: the fraction of a second of its modification time is a hash of its
sha256, inode, size and time. Writing to the file, replacing or copying it undoes the mark, and a
file without it is read before it is trusted. So there is no index to keep, lock, share or lose,
and a million files cost no memory.
"""

import errno
import hashlib
import os
import secrets
import stat
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import IO, Literal

from dss_client._files import temporary_name
from dss_client.transfer.owner import tag

from .errors import InvalidChecksum

__all__ = [
    "NO_LINK",
    "FileStore",
    "Found",
    "Verify",
    "close_synced",
    "is_regular",
    "sha256_of",
    "sync",
    "temporary_beside",
    "write_all",
]

Verify = Literal["size", "sha256"]
Found = Literal["verified", "unverified", "missing"]

PLACE = (".hca", "v2", "files_2_4")
"""Where the store is below a download directory."""

_HEX = "0123456789abcdef"
_BLOCK = 1 << 20
_SLOW = 0.0003  # seconds
_SECOND = 10**9
_STEPS = 9_999_991  # of a second; a prime, so that every bit counts
_TICK = 100  # nanoseconds: the finest time that NTFS keeps
_CREATE = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
_BY_FD = os.utime in os.supports_fd
# What a directory says that cannot be flushed: its file system does that by itself, or never.
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.EBADF, errno.EACCES, errno.EPERM, errno.ENOTSUP})

NO_LINK: frozenset[int] = frozenset(
    {
        *(errno.EPERM, errno.EACCES, errno.EMLINK, errno.EXDEV),
        *(errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS),
    }
)
"""What the system says of a hard link that cannot be, where another way may do."""


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the sha256 of a file's content, in lower case."""
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_regular(path: Path) -> bool:
    """Tell whether a path is a regular file, not a link to one."""
    try:
        return stat.S_ISREG(path.stat(follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of `data` to an open file."""
    written = os.write(descriptor, data)
    while written < len(data):
        data = memoryview(data)[written:]
        written = os.write(descriptor, data)


# Without the file's times, where the system can leave those out.
_sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


def _full_sync() -> Callable[[int], object] | None:
    """Return what macOS has for it: its plain flush ends in the memory of the disk."""
    if sys.platform == "win32":
        return None
    import fcntl

    command: int | None = getattr(fcntl, "F_FULLFSYNC", None)
    return None if command is None else lambda descriptor: fcntl.fcntl(descriptor, command)


_sync_fully = _full_sync()


def sync(descriptor: int) -> None:
    """Flush an open file to the disk, so that no crash leaves a hole under a final name."""
    if _sync_fully is not None:
        with suppress(OSError):  # not all file systems know it
            _sync_fully(descriptor)
            return
    _sync(descriptor)


@contextmanager
def temporary_beside(path: Path) -> Generator[IO[bytes]]:
    """Yield a new file in the directory of `path`, made with its parents; remove it afterwards.

    It has the permissions that the user's umask gives to any new file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        with temporary.open("x+b") as file:
            yield file
    finally:
        temporary.unlink(missing_ok=True)


def close_synced(file: IO[bytes], *, durable: bool = True) -> Path:
    """Flush a file to the disk, if asked, and close it: Windows cannot rename an open file."""
    file.flush()
    if durable:
        sync(file.fileno())
    file.close()
    return Path(file.name)


class FileStore:
    """The contents below one download directory. Safe to be used by threads and processes.

    Args:
        download_dir: The directory.
        verify: ``sha256`` to read a file that has no mark before it is trusted; ``size`` to
            trust any file of the right size.
        durable: Flush each content to the disk before it gets its name, as the reference client
            does.
    """

    def __init__(
        self,
        download_dir: str | os.PathLike[str],
        *,
        verify: Verify = "sha256",
        durable: bool = True,
    ) -> None:
        self.root: Path = Path(download_dir).joinpath(*PLACE)
        self.verify: Verify = verify
        self.durable: bool = durable
        # Beside the real store, so that a rename never has to cross file systems.
        self.partials: Path = self.root.resolve().parent / "partials"
        self._base = f"{self.root}{os.sep}"
        token = f"{tag()}-{secrets.token_hex(6)}"
        self._temporary = f"{self.partials}{os.sep}{token}-"
        self._numbers = count()
        self._new_names: set[str] = set()  # directories whose names may not be on the disk yet
        self._noting = threading.Lock()

    def path(self, sha256: str) -> Path:
        """Return the path of a content, whether it exists or not.

        Raises:
            InvalidChecksum: The text is not a valid sha256.
        """
        return Path(self.place(sha256.lower()))

    def place(self, key: str) -> str:
        """Return the path of a content as text; `key` is its sha256 in lower case.

        Raises:
            InvalidChecksum: The text is not a valid sha256 in lower case.
        """
        if len(key) != 64 or key.strip(_HEX):
            raise InvalidChecksum(
                "", f"{key!r} is not a valid sha256: expected 64 hexadecimal digits"
            )
        return f"{self._base}{key[:2]}{os.sep}{key[2:6]}{os.sep}{key}"

    def look(self, key: str, size: int) -> Found:
        """Return what is known of a content that may exist, without reading it.

        ``verified`` means that it can be trusted, ``unverified`` that it has the right size only.

        Raises:
            InvalidChecksum: `key` is not a valid sha256 in lower case.
        """
        return self.look_at(self.place(key), key, size)

    def look_at(self, place: str, key: str, size: int) -> Found:
        """Do as `look` does, for a known path."""
        try:
            status = os.lstat(place)
        except FileNotFoundError:
            return "missing"
        if status.st_size != size or not stat.S_ISREG(status.st_mode):
            return "missing"
        if self.verify == "size":
            return "verified"
        seconds, fraction = divmod(status.st_mtime_ns, _SECOND)
        marked = fraction == _fraction(key, status.st_ino, size, seconds)
        return "verified" if marked else "unverified"

    def all_verified(self, places: list[str], keys: list[str], sizes: list[int]) -> bool:
        """Tell whether `look_at` would find all contents verified; much faster than calling it."""
        try:
            statuses = list(map(os.lstat, places))
        except FileNotFoundError:
            return False
        if sizes != [status.st_size for status in statuses]:
            return False
        if not all(stat.S_ISREG(status.st_mode) for status in statuses):
            return False
        if self.verify == "size":
            return True
        return all(
            status.st_mtime_ns % _SECOND
            == _fraction(key, status.st_ino, size, status.st_mtime_ns // _SECOND)
            for key, size, status in zip(keys, sizes, statuses, strict=True)
        )

    def find(
        self, key: str, size: int | None, tick: Callable[[int], object] = lambda _: None
    ) -> bool:
        """Tell whether a content exists and is good; read it if that is not known yet.

        Args:
            key: Its sha256, in lower case.
            size: Its size; None where that is not known.
            tick: Called with the number of bytes that were read; may raise to stop.
        """
        if size is None:
            try:
                size = os.lstat(self.place(key)).st_size
            except FileNotFoundError:
                return False
        found = self.look(key, size)
        if found != "unverified":
            return found == "verified"
        place = self.place(key)
        try:
            with open(place, "rb", buffering=0) as file:
                before = os.fstat(file.fileno())
                if _digest(file, tick) != key:
                    return False
                if os.fstat(file.fileno()).st_mtime_ns == before.st_mtime_ns:
                    self._mark(place, key, before)
        except FileNotFoundError:
            return False
        return True

    def mark(self, key: str, status: os.stat_result) -> bool:
        """Mark a content as verified, if it has not changed since `status`.

        Returns:
            Whether it has its mark now.
        """
        if _is_marked(key, status):
            return True
        place = self.place(key)
        with suppress(OSError):
            if os.stat(place).st_mtime_ns == status.st_mtime_ns:
                self._mark(place, key, status)
            return _is_marked(key, os.stat(place))
        return False

    def unmark(self, key: str, status: os.stat_result) -> bool:
        """Remove the mark of a content that is bad.

        Returns:
            Whether it has no mark now.
        """
        if not _is_marked(key, status):
            return True
        place = self.place(key)
        stamp = status.st_mtime_ns + _TICK
        with suppress(OSError):
            os.utime(place, ns=(stamp, stamp))
            return not _is_marked(key, os.stat(place))
        return False

    def put(self, key: str, content: bytes | memoryview, *, replace: bool = False) -> None:
        """Store a content whose sha256 was checked to be `key`.

        Args:
            key: Its sha256, in lower case.
            content: The content.
            replace: What is in its place is bad.

        Raises:
            OSError: It cannot be written; nothing is left behind.
        """
        temporary = self.new_temporary()
        descriptor = self.create(temporary)
        try:
            try:
                write_all(descriptor, content)
                self.finish(descriptor, temporary, key)
            finally:
                os.close(descriptor)
            self.publish(temporary, key, replace=replace)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    @cached_property
    def syncs_slowly(self) -> bool:
        """Whether the disk is so slow that several threads should wait for it."""
        if not self.durable:
            return False
        temporary = self.new_temporary()
        try:
            descriptor = self.create(temporary)
            try:
                return min(_time_of_sync(descriptor) for _ in range(3)) > _SLOW
            finally:
                os.close(descriptor)
                os.unlink(temporary)
        except Exception:  # noqa: BLE001 - it is said of the first content that meets it
            return True

    def new_temporary(self) -> str:
        """Return a name in ``partials`` that nobody else uses."""
        return f"{self._temporary}{next(self._numbers)}.tmp"

    def create(self, path: str) -> int:
        """Make a file and the directories above it; return its descriptor."""
        try:
            return os.open(path, _CREATE, 0o666)
        except FileNotFoundError:
            self.partials.mkdir(parents=True, exist_ok=True)
            return os.open(path, _CREATE, 0o666)

    def finish(self, descriptor: int, path: str, key: str) -> None:
        """Flush a written file to the disk, if asked, and mark it as verified."""
        if self.durable:
            sync(descriptor)
        self._mark(descriptor if _BY_FD else path, key, os.fstat(descriptor))

    def publish(self, temporary: str, key: str, *, replace: bool = False) -> None:
        """Give a finished and closed file its final name, in one step.

        What another run has put there meanwhile stays, since names may be linked to it.

        Args:
            temporary: The file.
            key: The sha256 of its content, in lower case.
            replace: What is in its place is bad.
        """
        place = self.place(key)
        folder = place[: -len(key) - 1]
        try:
            os.mkdir(folder)  # there is one for each file or two: as a rule it is not there yet
        except FileExistsError:
            pass
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
        self.note_name_in(folder)
        if replace or not self._link(temporary, place):
            self._replace(temporary, place)
            return
        with suppress(OSError):  # the content is in place
            os.unlink(temporary)

    def _link(self, temporary: str, place: str) -> bool:
        """Link a file to its place; tell whether a good one is there now."""
        try:
            os.link(temporary, place)
        except FileExistsError:
            return _is_alike(place, temporary)
        except OSError as error:
            if error.errno not in NO_LINK:
                raise
            return os.path.lexists(place) and _is_alike(place, temporary)
        return True

    def _replace(self, temporary: str, place: str) -> None:
        try:
            os.replace(temporary, place)
        except PermissionError:
            # Windows replaces no open file; what another process put there may be as good.
            if os.name != "nt" or _size(place) != _size(temporary):
                raise
            os.unlink(temporary)

    def note_name_in(self, folder: str) -> None:
        """Take note that a directory has a new name, which is to be on the disk at the end."""
        if self.durable:
            with self._noting:
                self._new_names.add(folder)

    def take_new_names(self, least: int = 0) -> list[str]:
        """Return the directories that were noted, once, if there are enough of them."""
        with self._noting:
            if len(self._new_names) < least:
                return []
            noted, self._new_names = self._new_names, set()
        return sorted(noted)

    def sync_folders(self, folders: Iterable[str]) -> None:
        """Flush the names in some directories to the disk, and those that lead there.

        Raises:
            OSError: The disk fails.
        """
        if os.name == "nt":  # it cannot be asked for there
            return
        top = os.path.abspath(self.root.parents[len(PLACE) - 1])
        below = os.path.join(top, "")
        wanted: set[str] = set()
        for folder in folders:
            name = os.path.abspath(folder)
            while name not in wanted and (name == top or name.startswith(below)):
                wanted.add(name)
                name = os.path.dirname(name)
        for name in sorted(wanted, reverse=True):
            try:
                descriptor = os.open(name, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno not in _NO_FOLDER_SYNC:
                    raise OSError(error.errno, error.strerror, name) from error

    def _mark(self, target: int | str, key: str, status: os.stat_result) -> None:
        """Mark a file as verified.

        Another user's file gets no mark, and so does a file on a file system that is read-only or
        keeps no times.
        """
        second = int(time.time()) - 1  # or the time could be one to come
        stamp = second * _SECOND + _fraction(key, status.st_ino, status.st_size, second)
        with suppress(OSError):
            os.utime(target, ns=(stamp, stamp))


def _is_alike(place: str, other: str) -> bool:
    """Tell whether there is a regular file as large as another one."""
    status = os.lstat(place)
    return stat.S_ISREG(status.st_mode) and status.st_size == _size(other)


def _digest(file: IO[bytes], tick: Callable[[int], object]) -> str:
    digest = hashlib.sha256()
    while block := os.read(file.fileno(), _BLOCK):
        tick(len(block))
        digest.update(block)
    return digest.hexdigest()


def _is_marked(key: str, status: os.stat_result) -> bool:
    seconds, fraction = divmod(status.st_mtime_ns, _SECOND)
    return fraction == _fraction(key, status.st_ino, status.st_size, seconds)


def _fraction(key: str, inode: int, size: int, seconds: int) -> int:
    mixed = inode * 0x9E3779B97F4A7C15 ^ size * 0xC2B2AE3D27D4EB4F ^ seconds * 0x165667B19E3779F9
    return (mixed ^ int(key[:16], 16)) % _STEPS * _TICK


def _time_of_sync(descriptor: int) -> float:
    os.write(descriptor, b"?")
    started = time.perf_counter()
    sync(descriptor)
    return time.perf_counter() - started


def _size(path: str) -> int:
    return os.stat(path).st_size
