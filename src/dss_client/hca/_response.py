"""A response as scripts for `hca` use it, without the library that they had it from."""

import io
import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from .types import JSONValue

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Headers", "Response"]


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
        return f"Headers({list(self)})"


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
    """

    def __init__(self, status_code: int, headers: Mapping[str, str], body: Body | bytes) -> None:
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

    def iter_content(self, chunk_size: int = 1 << 20) -> Iterator[bytes]:
        """Yield the body in pieces of at most `chunk_size` bytes."""
        while chunk := self.raw.read(chunk_size):
            yield chunk
