"""The exceptions of this package.

Every exception of this package derives from `DSSError`. Exceptions of the HTTP library are kept as
``__cause__`` only. All of them can be pickled, so that worker processes can return them. Tokens and
presigned queries never appear in them.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from attrs import field, frozen

from ._redact import mask, redact_url

__all__ = [
    "BadRequest",
    "Conflict",
    "DSSConnectionError",
    "DSSDecodeError",
    "DSSError",
    "DSSRequestError",
    "DSSResponseError",
    "DSSTimeout",
    "Forbidden",
    "InvalidArgument",
    "MissingExtra",
    "NotAcceptable",
    "NotFound",
    "Problem",
    "RangeNotSatisfiable",
    "RequestInfo",
    "ResponseInfo",
    "ServerError",
    "TooManyRequests",
    "Unauthorized",
    "Unprocessable",
]

_BODY_EXCERPT = 200
_HTML = re.compile(r"<(?:!doctype )?html\b", re.IGNORECASE)
_HTML_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)
_MOST_KEPT = 1 << 16  # bytes of the body of an answer that an error keeps


@frozen
class RequestInfo:
    """The request an error belongs to; `url` is redacted."""

    method: str
    url: str

    @classmethod
    def of_storage(cls, url: str) -> "RequestInfo":
        """Return a request for a content, without what grants access to it."""
        return cls("GET", redact_url(url, presigned=True))

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


@frozen
class Problem:
    """The error document of the service, read leniently: any part may be missing.

    The service and its gateway use four shapes; a proxy may use another one.

    Attributes:
        code: Machine-readable name of the fault, such as ``not_found``. Not every error has one.
        title: One human sentence.
        detail: More text, such as a stack trace, where the service sends it.
    """

    code: str | None = None
    title: str | None = None
    detail: str | None = None

    @classmethod
    def from_body(cls, content: bytes) -> "Problem":
        """Read a body of any kind; text that is not a JSON object becomes the title, shortened.

        Of a page in HTML, only its own title does.
        """
        try:
            document: object = json.loads(content)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            text = " ".join(content.decode("utf-8", "replace").split())
            if _HTML.match(text):
                heading = _HTML_TITLE.search(text)
                text = heading[1].strip() if heading else ""
            return cls(title=text[:_BODY_EXCERPT] or None)
        fields = cast("dict[str, object]", document)
        return cls(
            code=_text(fields, "code"),
            title=_text(fields, "title", "message"),
            detail=_text(fields, "detail", "stacktrace"),
        )


def _text(document: Mapping[str, object], *names: str) -> str | None:
    for name in names:
        value = document.get(name)
        if isinstance(value, str) and value:
            return value
    return None


@frozen
class ResponseInfo:
    """The answer an error belongs to.

    Attributes:
        status_code: The HTTP status.
        headers: All headers, names in lower case.
        content: The body, without secrets; of a long one its first 64 KiB.
    """

    status_code: int
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    content: bytes = field(default=b"", repr=False)

    @classmethod
    def masked(
        cls,
        status_code: int,
        headers: Mapping[str, str],
        content: bytes = b"",
        secrets: Iterable[str] = (),
    ) -> "ResponseInfo":
        """Keep an answer without the secrets that it sends back.

        Args:
            status_code: The HTTP status.
            headers: All headers.
            content: The body, of which the first 64 KiB are kept.
            secrets: What was sent, such as the token.
        """
        known = tuple(secrets)
        return cls(
            status_code,
            {name.lower(): mask(value, known) for name, value in headers.items()},
            mask(_in_ascii_bytes(content[:_MOST_KEPT]).decode("latin-1"), known).encode("latin-1"),
        )

    @property
    def request_id(self) -> str | None:
        """The service's id of this request, to be quoted in bug reports."""
        return self.headers.get("x-aws-request-id")


def _in_ascii_bytes(content: bytes) -> bytes:
    """Return a body in UTF-8 if it is in UTF-16 or 32, where no secret would be found."""
    encoding = json.detect_encoding(content)
    try:
        return content if encoding.startswith("utf-8") else content.decode(encoding).encode()
    except UnicodeError:
        return content


def _rebuild(cls: type["DSSError"], args: tuple[Any, ...], state: dict[str, Any]) -> "DSSError":
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class DSSError(Exception):
    """Base of all exceptions of this package."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


class InvalidArgument(DSSError, ValueError):
    """An argument is not valid; nothing was sent."""


class MissingExtra(DSSError, ImportError):
    """Something needs a package that is not installed; the message names the extra."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs {package}: pip install 'dss-client[{extra}]'")


class DSSRequestError(DSSError):
    """Base of the errors that belong to one request.

    Attributes:
        request: Method and redacted URL.
    """

    def __init__(self, message: str, *, request: RequestInfo) -> None:
        super().__init__(f"{request}: {message}")
        self.request = request


class DSSConnectionError(DSSRequestError):
    """The service could not be reached, or the connection broke."""


class DSSTimeout(DSSRequestError):
    """No answer in time, or content that did not become ready before the deadline."""


class DSSDecodeError(DSSRequestError):
    """The answer of the service does not match its specification.

    Attributes:
        field: Dotted path of the first wrong field, or None if the whole body is wrong.
        response: The answer.
    """

    def __init__(
        self,
        message: str,
        *,
        request: RequestInfo,
        response: ResponseInfo,
        field: str | None = None,
    ) -> None:
        super().__init__(message, request=request)
        self.response = response
        self.field = field


class DSSResponseError(DSSRequestError):
    """The service refused, or failed. Its subclasses name the usual statuses.

    Attributes:
        response: The answer.
        status_code: Its HTTP status.
        code: The service's name for the fault, such as ``not_found``, if any.
        title: Its human sentence, if any.
        request_id: Its id of this request, if any.
    """

    def __init__(self, *, request: RequestInfo, response: ResponseInfo, hint: str = "") -> None:
        # The body of a redirect only repeats where it points to, which may be presigned.
        redirect = 300 <= response.status_code < 400
        problem = Problem() if redirect else Problem.from_body(response.content)
        self.response: ResponseInfo = response
        self.status_code: int = response.status_code
        self.code: str | None = problem.code
        self.title: str | None = problem.title
        self.detail: str | None = problem.detail
        self.request_id: str | None = response.request_id
        words = [str(response.status_code)]
        words += [problem.code] if problem.code else []
        text = " ".join(words)
        text += f": {problem.title}" if problem.title else ""
        text += f" (request id {self.request_id})" if self.request_id else ""
        text += f". {hint}" if hint else ""
        super().__init__(text, request=request)

    @classmethod
    def for_response(
        cls, *, request: RequestInfo, response: ResponseInfo, hint: str = ""
    ) -> "DSSResponseError":
        """Make the error of the class that fits the status."""
        kind = _BY_STATUS.get(response.status_code)
        if kind is None:
            kind = ServerError if response.status_code >= 500 else DSSResponseError
        return kind(request=request, response=response, hint=hint)


class BadRequest(DSSResponseError):
    """400: an argument is missing or ill-formed; `code` says which check failed."""


class Unauthorized(DSSResponseError):
    """401: no token, or one that the service does not accept."""


class Forbidden(DSSResponseError):
    """403: the token is valid, but does not allow this; from storage: an expired presigned URL."""


class NotFound(DSSResponseError):
    """404: it does not exist in this replica, or was deleted."""


class NotAcceptable(DSSResponseError):
    """406: over the limit of subscriptions."""


class Conflict(DSSResponseError):
    """409: this id and version exist with other content."""


class RangeNotSatisfiable(DSSResponseError):
    """416: the storage holds no bytes in the range that was asked for."""


class Unprocessable(DSSResponseError):
    """422: a checksum or link is wrong."""


class TooManyRequests(DSSResponseError):
    """429: too many requests."""


class ServerError(DSSResponseError):
    """5xx: the service failed; retried as the policy allows before it is raised."""


_BY_STATUS: Mapping[int, type[DSSResponseError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    406: NotAcceptable,
    409: Conflict,
    416: RangeNotSatisfiable,
    422: Unprocessable,
    429: TooManyRequests,
}
