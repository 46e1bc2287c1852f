"""The exceptions of the facade: caught by what scripts for `hca` catch, and by `DSSError`."""

import json
from typing import TYPE_CHECKING, Self

from ...errors import (
    DSSConnectionError,
    DSSError,
    DSSRequestError,
    DSSResponseError,
    DSSTimeout,
)
from ...upload.errors import UploadError
from .._response import Response
from ..types import JSONValue

if TYPE_CHECKING:
    from ...download import DownloadReport

__all__ = ["ConnectionFailed", "DownloadFailed", "SwaggerAPIException", "TimedOut", "UploadFailed"]

_EXCERPT = 200


class SwaggerAPIException(DSSError, OSError):
    """The service refused or failed.

    An `OSError`, as that of the reference client is; ``__cause__`` is the error of the client
    below, with method, URL and request id.

    Attributes:
        response: The response.
        code: Its HTTP status.
        reason: The service's own name of the fault, else the usual words for the status.
        title: Its human sentence, if any.
        stacktrace: More text, where the service sends it.
        details: The whole body: parsed if it is JSON, else its text; None where there is none.
    """

    def __init__(self, response: Response) -> None:
        self.response = response
        self.code: int = response.status_code
        self.reason: str | None = response.reason
        self.title: str | None = None
        self.stacktrace: str | None = None
        self.details: JSONValue = None
        if response.content:
            self._read(response)
        super().__init__(self._text(response))

    @classmethod
    def of(cls, error: DSSResponseError) -> "SwaggerAPIException":
        """Make one of the client's error; the body of a redirect may hold a presigned URL."""
        info = error.response
        redirect = 300 <= info.status_code < 400
        headers = dict(info.headers)
        if redirect:
            headers.pop("location", None)
        return cls(Response(info.status_code, headers, b"" if redirect else info.content))

    @classmethod
    def not_found(cls, error: DSSError) -> "SwaggerAPIException":
        """Make one of an id that is malformed, so that there can be nothing of that name."""
        problem = {"status": 404, "code": "not_found", "title": str(error)}
        headers = {"content-type": "application/problem+json"}
        return cls(Response(404, headers, json.dumps(problem).encode()))

    def _read(self, response: Response) -> None:
        try:
            self.details = response.json()
        except (ValueError, RecursionError):
            self.details = response.text
            return
        if isinstance(self.details, dict):
            self.reason = _text(self.details.get("code"))
            self.title = _text(self.details.get("title"))
            self.stacktrace = _text(self.details.get("stacktrace"))

    def _text(self, response: Response) -> str:
        if not self.details:
            return f"{self.reason}, code {self.code}"
        details = self.stacktrace or response.text
        if isinstance(self.details, str):  # of a proxy or storage
            details = details[:_EXCERPT]
        return f"{self.reason}: {self.title} (HTTP {self.code}). Details:\n{details}"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


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
        report: What became of every file; its `errors` say why.
    """

    def __init__(self, report: "DownloadReport") -> None:
        self.report = report
        super().__init__(f"{report.count('failed')} download task(s) failed.")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.report,)


class UploadFailed(UploadError, RuntimeError):
    """A file could not be uploaded, or a directory not become a bundle."""
