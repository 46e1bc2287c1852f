"""The exceptions of the facade: subclasses of what scripts for `hca` catch, and of `DSSError`."""

from typing import TYPE_CHECKING, Self

from ...errors import (
    DSSConnectionError,
    DSSError,
    DSSRequestError,
    DSSTimeout,
)
from ...upload.errors import UploadError
from .._response import SwaggerAPIException

if TYPE_CHECKING:
    from ...download import DownloadReport

__all__ = ["ConnectionFailed", "DownloadFailed", "SwaggerAPIException", "TimedOut", "UploadFailed"]


class _Of(DSSRequestError):
    @classmethod
    def of(cls, error: DSSRequestError) -> Self:
        """Make one of the client's error."""
        made = cls.__new__(cls, str(error))
        made.args = (str(error),)
        made.request = error.request
        return made


class ConnectionFailed(_Of, DSSConnectionError, ConnectionError):
    """The service could not be reached, or the connection broke."""


class TimedOut(_Of, DSSTimeout, TimeoutError):
    """No answer in time."""


class DownloadFailed(DSSError, RuntimeError):
    """Some files of a download failed; the others are in place.

    Attributes:
        report: The result of every file; its `errors` say why some failed.
    """

    def __init__(self, report: "DownloadReport") -> None:
        self.report = report
        super().__init__(f"{report.count('failed')} download task(s) failed.")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.report,)


class UploadFailed(UploadError, RuntimeError):
    """A file or directory could not be uploaded."""
