"""Errors of downloads: of a file and as a whole."""

import errno
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
    "directory_error",
    "drop_frames",
    "file_error",
]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})


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
    elif error.errno == errno.EROFS or (
        error.errno in _FORBIDDEN and str(error.filename or "").startswith(directory)
    ):
        fault = DirectoryError(
            directory,
            f"it cannot be written to ({error.strerror}): change its permissions, or choose another"
            " directory",
        )
    else:
        return None
    fault.cause = fault.__cause__ = error
    return fault


def file_error(name: str, bundle: FQID | None, error: Exception) -> FileDownloadError:
    """Return the error as one that names its file."""
    if not isinstance(error, FileDownloadError):
        error = FileDownloadError(name, str(error), bundle=bundle, cause=error)
    error.name, error.bundle = name, bundle
    return error


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
