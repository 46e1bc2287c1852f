"""Errors of downloads: of a file and as a whole."""

import errno

from dss_client.transfer.errors import FileDownloadError, NameClash, UnsafeName
from dss_client.versions import FQID

__all__ = [
    "ChecksumMismatch",
    "DiskFull",
    "FileDownloadError",
    "InvalidChecksum",
    "ManifestMismatch",
    "NameClash",
    "ShortBody",
    "SizeMismatch",
    "UnsafeName",
    "WrongRange",
    "file_error",
]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


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

    def __init__(self, name: str, expected: int, actual: int | None) -> None:
        found = "more" if actual is None else str(actual)
        super().__init__(name, f"expected {expected} bytes, found {found}")
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


class DiskFull(FileDownloadError):
    """There is not enough disk space.

    Attributes:
        needed: Bytes that are still to be written.
        free: Bytes that are free there.
    """

    def __init__(self, name: str, needed: int, free: int) -> None:
        super().__init__(
            name,
            f"{needed} bytes are to be written and {free} are free: make room, or choose another"
            " directory",
        )
        self.needed = needed
        self.free = free


def file_error(name: str, bundle: FQID | None, error: Exception) -> FileDownloadError:
    """Return the error as one that names its file."""
    if not isinstance(error, FileDownloadError):
        reason = str(error)
        if isinstance(error, OSError) and error.errno in _FULL:
            reason += "; make room and run again: what was fetched is kept"
        return FileDownloadError(name, reason, bundle=bundle, cause=error)
    error.name, error.bundle = name, bundle
    return error
