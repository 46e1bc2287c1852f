"""Errors of names and of files, as `dss_client.download` exports them."""

from dss_client.errors import DSSError
from dss_client.versions import FQID

__all__ = ["FileDownloadError", "NameClash", "UnsafeName"]


class FileDownloadError(DSSError):
    """One file could not be downloaded or put in its place.

    Attributes:
        name: The file's name in its bundle or manifest.
        bundle: The bundle it was wanted for, if any.
        reason: What is wrong, and what to do.
        cause: The error behind it, if any.
    """

    def __init__(
        self,
        name: str,
        reason: str,
        *,
        bundle: FQID | None = None,
        cause: Exception | None = None,
    ) -> None:
        super().__init__(name, reason)
        self.name = name
        self.bundle = bundle
        self.reason = reason
        self.cause = cause
        self.__cause__: BaseException | None = cause

    @property
    def place(self) -> str:
        """The file and its bundle, as messages name them."""
        return f"{self.name!r} of bundle {self.bundle}" if self.bundle else repr(self.name)

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class UnsafeName(FileDownloadError, ValueError):
    """A name that could be written outside the download directory, or not on every system."""


class NameClash(FileDownloadError, ValueError):
    """Two names of a bundle that cannot both be files on every file system.

    Attributes:
        other: The name it clashes with.
    """

    def __init__(self, name: str, other: str, reason: str) -> None:
        super().__init__(name, f"clashes with {other!r}: {reason}")
        self.other = other
