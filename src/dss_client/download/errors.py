"""Errors of downloads: of a file and as a whole."""

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

from dss_client.errors import DSSError
from dss_client.transfer.errors import FileDownloadError, NameClash, UnsafeName
from dss_client.versions import FQID

if TYPE_CHECKING:
    from .report import DownloadReport

__all__ = [
    "ChecksumMismatch",
    "DirectoryError",
    "DiskFull",
    "FileDownloadError",
    "InvalidChecksum",
    "ManifestMismatch",
    "NameClash",
    "ShortBody",
    "SizeMismatch",
    "UnsafeName",
    "WrongRange",
    "check_directory",
    "directory_error",
    "drop_frames",
    "file_error",
    "lacks_descriptors",
    "manifest_error",
    "only_own_errors",
]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
_NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})


class InvalidChecksum(FileDownloadError, ValueError):
    """A sha256 that does not have 64 hexadecimal digits."""


class ManifestMismatch(FileDownloadError):
    """A row of a manifest contradicts its bundle."""


class SizeMismatch(FileDownloadError):
    """The size of the content differs from the bundle's or manifest's.

    Attributes:
        expected: The size wanted, in bytes.
        actual: The size found, in bytes; None when it is only known to be larger.
    """

    def __init__(self, name: str, expected: int, actual: int | None, *, coding: str = "") -> None:
        found = "more" if actual is None else str(actual)
        coded = f", encoded as {coding!r}" if coding else ""
        super().__init__(name, f"expected {expected} bytes, found {found}{coded}")
        self.expected = expected
        self.actual = actual


class ChecksumMismatch(FileDownloadError):
    """The sha256 of the content differs from the bundle's or manifest's.

    Attributes:
        expected: The sha256 wanted.
        actual: The sha256 of the content received.
    """

    def __init__(self, name: str, expected: str, actual: str) -> None:
        super().__init__(name, f"expected sha256 {expected}, found {actual}")
        self.expected = expected
        self.actual = actual


class ShortBody(FileDownloadError):
    """The content ended before its size; worth a retry."""


class WrongRange(FileDownloadError):
    """Storage sent a range that was not requested, or the content changed meanwhile."""


class DirectoryError(FileDownloadError):
    """The download directory cannot be written to: it is full, read-only, or somebody else's.

    Attributes:
        report: What was done before, if this ended a download.
    """

    report: "DownloadReport | None" = None


class DiskFull(DirectoryError):
    """There is not enough disk space.

    Attributes:
        needed: Bytes that are still to be written; None where only the system has said so.
        free: Bytes that are free there; None as above.
    """

    def __init__(
        self, name: str, reason: str, *, needed: int | None = None, free: int | None = None
    ) -> None:
        super().__init__(name, reason)
        self.needed = needed
        self.free = free

    @classmethod
    def before(cls, name: str, needed: int, free: int) -> "DiskFull":
        """Return the error for what would not fit."""
        return cls(
            name,
            f"{needed} bytes are to be written and {free} are free: make room, or choose another"
            " directory",
            needed=needed,
            free=free,
        )


def directory_error(directory: str, error: OSError) -> DirectoryError | None:
    """Return what the system says of the directory as a whole; None if it is about one file.

    Args:
        directory: Where contents are written.
        error: What the system says.
    """
    if error.errno in _FULL:
        fault: DirectoryError = DiskFull(
            directory,
            f"there is no room left ({error.strerror}): make room and run again; what was fetched"
            " is kept",
        )
    elif error.errno == errno.EROFS or (error.errno in _FORBIDDEN and _is_below(directory, error)):
        fault = DirectoryError(
            directory,
            f"it cannot be written to ({error.strerror}): change its permissions, or choose another"
            " directory",
        )
    else:
        return None
    fault.cause = fault.__cause__ = error
    return fault


def check_directory(path: Path) -> None:
    """Make sure that there is a directory, or that there can be one.

    Raises:
        DirectoryError: There is a file, or the system takes no such name.
    """
    try:
        is_directory = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    else:
        if is_directory:
            return
        reason = "a file is there"
    raise DirectoryError(
        str(path),
        f"it cannot be downloaded to ({reason}): choose another directory",
    )


def manifest_error(path: Path, error: OSError) -> DirectoryError:
    """Return the error of an output manifest that cannot be written."""
    fault = directory_error(str(path), error) or _refused(str(path), error)
    fault.name = str(path)
    fault.reason = f"the files are in place, but not the output manifest: {fault.reason}"
    return fault


@contextmanager
def only_own_errors(directory: str | os.PathLike[str]) -> Generator[None]:
    """Have what the system says of a directory, and nobody has taken, said in words of our own.

    Raises:
        DirectoryError: The system has refused something there.
    """
    place = os.fspath(directory) or "."
    try:
        yield
    except OSError as error:
        fault = None if isinstance(error, DSSError) else directory_error(place, error)
        if fault is None and _is_below(place, error):
            fault = _refused(place, error)
        if fault is None:
            raise
        raise fault from error


def _is_below(directory: str, error: OSError) -> bool:
    """Tell whether an error is about something in a directory."""
    name = str(error.filename or "")
    return bool(name) and Path(name).absolute().is_relative_to(Path(directory).absolute())


def _refused(directory: str, error: OSError) -> DirectoryError:
    place = str(error.filename or directory)
    fault = DirectoryError(
        place, f"the system refuses ({error.strerror or error}): look at the disk, and run again"
    )
    fault.cause = error
    return fault


def lacks_descriptors(error: Exception | None) -> bool:
    """Tell whether there were too many open files: some will be closed soon."""
    behind = (error, getattr(error, "__cause__", None))
    return any(isinstance(each, OSError) and each.errno in _NO_DESCRIPTOR for each in behind)


def file_error(name: str, bundle: FQID | None, error: Exception) -> FileDownloadError:
    """Return the error as one that names its file."""
    if not isinstance(error, FileDownloadError):
        return FileDownloadError(name, str(error), bundle=bundle, cause=error)
    named = copy(error)  # several files may have failed by the same
    named.name, named.bundle, named.__cause__ = name, bundle, error.__cause__
    return named


def drop_frames(error: BaseException) -> None:
    """Forget where an error and those behind it were raised: frames hold what was read.

    Errors of libraries forget what else they hold, such as requests.
    """
    found: list[BaseException] = [error]
    for each in found:
        each.__traceback__ = None
        if not isinstance(each, DSSError):
            getattr(each, "__dict__", {}).clear()
        behind = (each.__cause__, each.__context__)
        found += [one for one in behind if one is not None and one not in found]
