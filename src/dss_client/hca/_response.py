"""A response as scripts for `hca` use it, and the exception that is made of a bad one.

Neither needs the library `requests`.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, overload

from .._redact import redact_url
from ..errors import DSSError, DSSResponseError
from .types import JSONValue

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["AnyResponse", "Headers", "Response", "SwaggerAPIException"]

_EXCERPT = 200
_CHUNK = 1 << 20
_LEADING = frozenset({"location", "content-location"})
_LINK = re.compile(r"<([^>]*)>([^,<]*)")
_RELATION = re.compile(r""";\s*rel\s*=\s*["']?([^"';,\s]+)""", re.IGNORECASE)


class Headers(Mapping[str, str]):
    """Headers whose names can be written in any letter case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._items = {name.lower(): (name, text) for name, text in headers.items()}

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        shown = dict(self.items())
        for name in shown:
            if name.lower() in _LEADING:  # to storage, it opens that to whoever has it
                shown[name] = redact_url(shown[name], presigned=True)
        return repr(shown)


class Body(Protocol):
    """What the rest of a body is read from."""

    def readinto(self, buffer: memoryview) -> int:
        """Read into `buffer`; return the number of bytes, 0 at the end."""
        ...


class _Raw(io.RawIOBase):
    def __init__(self, body: Body) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        return self._body.readinto(memoryview(buffer))


class Response:
    """A response: read already, or open inside of a ``with`` statement.

    Attributes:
        status_code: The HTTP status.
        headers: The headers, their names in any letter case.
        raw: The body as an open binary file.
        url: What was asked for; never that of storage.
    """

    def __init__(
        self,
        status_code: int,
        headers: Mapping[str, str],
        body: Body | bytes,
        *,
        url: str = "",
    ) -> None:
        self.url: str = url
        self.status_code: int = status_code
        self.headers: Headers = Headers(headers)
        self.raw: io.BufferedIOBase = (
            io.BytesIO(body) if isinstance(body, bytes) else io.BufferedReader(_Raw(body), 1 << 17)
        )
        self._content: bytes | None = body if isinstance(body, bytes) else None

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"

    @property
    def ok(self) -> bool:
        """Whether the service did what it was asked for."""
        return self.status_code < HTTPStatus.BAD_REQUEST

    @property
    def reason(self) -> str:
        """The usual words for the status."""
        try:
            return HTTPStatus(self.status_code).phrase
        except ValueError:
            return ""

    @property
    def content(self) -> bytes:
        """The whole body."""
        if self._content is None:
            self._content = self.raw.read()
        return self._content

    @property
    def text(self) -> str:
        """The whole body as text."""
        return self.content.decode("utf-8", "replace")

    @property
    def is_json(self) -> bool:
        """Whether the content type is one of JSON."""
        return self.headers.get("content-type", "").startswith("application/json")

    def json(self) -> JSONValue:
        """Return the whole body, parsed.

        Raises:
            ValueError: It is not JSON.
        """
        parsed: JSONValue = json.loads(self.content)
        return parsed

    def iter_content(self, chunk_size: int = _CHUNK) -> Iterator[bytes]:
        """Yield the body in pieces of at most `chunk_size` bytes."""
        if self._content is not None:
            for start in range(0, len(self._content), chunk_size):
                yield self._content[start : start + chunk_size]
            return
        while chunk := self.raw.read(chunk_size):
            yield chunk

    def __iter__(self) -> Iterator[bytes]:
        return self.iter_content()

    @overload
    def iter_lines(
        self, chunk_size: int = ..., decode_unicode: Literal[False] = ...
    ) -> Iterator[bytes]: ...

    @overload
    def iter_lines(
        self, chunk_size: int = ..., *, decode_unicode: Literal[True]
    ) -> Iterator[str]: ...

    def iter_lines(
        self, chunk_size: int = 512, decode_unicode: bool = False
    ) -> Iterator[bytes] | Iterator[str]:
        """Yield the lines of the body without their ends.

        Args:
            chunk_size: Bytes to read at a time.
            decode_unicode: Yield text.
        """
        lines = self._lines(chunk_size)
        return (line.decode("utf-8", "replace") for line in lines) if decode_unicode else lines

    def _lines(self, chunk_size: int) -> Iterator[bytes]:
        rest = b""
        for chunk in self.iter_content(chunk_size):
            *whole, rest = (rest + chunk).splitlines(keepends=True)
            if rest.endswith(b"\n"):
                whole, rest = [*whole, rest], b""
            yield from (line.splitlines()[0] for line in whole)
        yield from rest.splitlines()

    @property
    def links(self) -> dict[str, dict[str, str]]:
        """What the header ``Link`` says: for each relation a dict with ``url`` and ``rel``."""
        found: dict[str, dict[str, str]] = {}
        for url, parameters in _LINK.findall(self.headers.get("link", "")):
            relation = _RELATION.search(parameters)
            if relation:
                found[relation[1]] = {"url": url, "rel": relation[1]}
        return found

    def raise_for_status(self) -> None:
        """Do nothing if the service did what it was asked for.

        Raises:
            SwaggerAPIException: It did not.
        """
        if not self.ok:
            raise SwaggerAPIException(response=self)

    def close(self) -> None:
        """Give up the rest of the body."""
        self.raw.close()


class AnyResponse(Protocol):
    """What the exception reads of a response, whatever library it is from."""

    @property
    def status_code(self) -> int: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def content(self) -> bytes: ...
    @property
    def text(self) -> str: ...
    def json(self) -> Any:
        """Return the whole body, parsed."""
        ...


class SwaggerAPIException(DSSError, OSError):
    """The service refused or failed.

    An `OSError`, as that of the reference client is; ``__cause__`` is the error of the client
    below, with method, URL and request id.

    Args:
        *args: What a program says when it makes one; the text is that of the response all the same.
        response: The response.

    Attributes:
        response: The response.
        code: Its HTTP status.
        reason: The service's own name of the fault, else the usual words for the status.
        title: Its human sentence, if any.
        stacktrace: More text, where the service sends it.
        details: The whole body: parsed if it is JSON, else its text; None where there is none.
    """

    def __init__(self, *args: object, response: AnyResponse) -> None:
        self.response: Response = cast("Response", response)  # as nearly all are
        self.code: int = response.status_code
        self.reason: str | None = response.reason
        self.title: str | None = None
        self.stacktrace: str | None = None
        self.details: JSONValue = None
        if response.content:
            self._read(response)
        self._shown = self._text(response)
        super().__init__(*(args or (self._shown,)))

    def __str__(self) -> str:
        return self._shown

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), response=self.response), self.args

    @classmethod
    def of(cls, error: DSSResponseError) -> "SwaggerAPIException":
        """Make one of the client's error; the body of a redirect may hold a presigned URL."""
        info = error.response
        redirect = 300 <= info.status_code < 400
        headers = dict(info.headers)
        if redirect:
            headers.pop("location", None)
        body = b"" if redirect else info.content
        return cls(response=Response(info.status_code, headers, body, url=error.request.url))

    @classmethod
    def not_found(cls, error: DSSError) -> "SwaggerAPIException":
        """Make one of an id that is malformed, so that there can be nothing of that name."""
        problem = {"status": 404, "code": "not_found", "title": str(error)}
        headers = {"content-type": "application/problem+json"}
        return cls(response=Response(404, headers, json.dumps(problem).encode()))

    def _read(self, response: AnyResponse) -> None:
        try:
            self.details = response.json()
        except (ValueError, RecursionError):
            self.details = response.text
            return
        if isinstance(self.details, dict):
            self.reason = _text(self.details.get("code"))
            self.title = _text(self.details.get("title"))
            self.stacktrace = _text(self.details.get("stacktrace"))

    def _text(self, response: AnyResponse) -> str:
        if not self.details:
            return f"{self.reason}, code {self.code}"
        details = self.stacktrace or response.text
        if isinstance(self.details, str):  # of a proxy or storage
            details = details[:_EXCERPT]
        return f"{self.reason}: {self.title} (HTTP {self.code}). Details:\n{details}"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
