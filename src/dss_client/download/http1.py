"""One connection to storage. It asks for contents, and takes the plain good answer.

What has come is passed on at once, while it is in the processor's cache. Only what nearly every
storage sends is read here: HTTP/1.1 with a Content-Length. All else is an `UnsupportedResponse`,
and the content is asked for again over httpx.
"""

import asyncio
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Generic, Protocol, TypeVar, cast
from urllib.parse import quote, urlsplit

from attrs import frozen

from dss_client._response import storage_refusal
from dss_client._version import USER_AGENT
from dss_client.errors import DSSConnectionError, RequestInfo

__all__ = ["BLOCK", "Connection", "Head", "ParsedURL", "Receiver", "UnsupportedResponse"]

BLOCK = 1 << 18
"""Bytes that are read at once; a body up to this size is passed on as a whole."""

_LONGEST_HEAD = 1 << 14  # bytes
_UNSENDABLE = re.compile(r"[^!-~]")
_STATUS = re.compile(rb"HTTP/1\.([01]) ([0-9]{3})[ \r]")
_FRAMING = re.compile(
    rb"\r\n(content-length|transfer-encoding|connection):[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)",
    re.IGNORECASE,
)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_HEADER = re.compile(rb"\r\n([^:\r\n]+):[ \t]*([^\r\n]*)")


class UnsupportedResponse(Exception):
    """A response that is not read here; httpx knows what to make of it."""


class ClosedByServer(Exception):
    """The other side closed a kept connection just as it was used again: nothing is lost."""


@frozen
class ParsedURL:
    """The parts of a URL: the server to connect to, and the target to request there.

    Attributes:
        scheme: ``http`` or ``https``.
        host: Name or address, without brackets.
        port: The port.
        target: Path and query, quoted. Not part of what tells two origins apart.
        has_login: Whether a user name is in front of the host, which only httpx sends.
    """

    scheme: str
    host: str
    port: int
    target: str
    has_login: bool = False

    @classmethod
    def of(cls, url: str) -> "ParsedURL":
        """Take a URL apart.

        Raises:
            DSSConnectionError: It is not a URL of http or https.
        """
        end = url.find("/", 8)  # where the path begins, of most URLs
        base, target = (url, "/") if end < 0 else (url[:end], url[end:])
        try:
            if "?" in base or "#" in url:
                parts = urlsplit(url)
                base = f"{parts.scheme}://{parts.netloc}"
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            if _UNSENDABLE.search(target):
                target = quote(target, safe="!#$%&'()*+,/:;=?@[]~")
            return cls(*_origin(base), target, "@" in base)
        except ValueError:
            raise DSSConnectionError(
                "not a valid storage URL: expected http or https",
                request=RequestInfo.of_storage(url),
            ) from None

    @property
    def origin(self) -> tuple[str, str, int]:
        """What a connection can be shared by."""
        return self.scheme, self.host, self.port

    def request(self, byte_range: str | None) -> bytes:
        """Return a GET request as it is sent; ``identity``, since checksums are of stored bytes."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port != (443 if self.scheme == "https" else 80):
            host += f":{self.port}"
        range_line = f"Range: {byte_range}\r\n" if byte_range is not None else ""
        return (
            f"GET {self.target} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n"
            f"Accept: */*\r\nUser-Agent: {USER_AGENT}\r\n{range_line}\r\n"
        ).encode("ascii")


@lru_cache(maxsize=256)
def _origin(base: str) -> tuple[str, str, int]:
    """Return scheme, host and port.

    Raises:
        ValueError: It is not an origin of http or https.
    """
    parts = urlsplit(base)
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        raise ValueError(base)
    parts.hostname.encode("ascii")  # a UnicodeError is a ValueError
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


@frozen
class Head:
    """The beginning of an answer.

    Attributes:
        status: The HTTP status.
        length: Bytes of the body; None where that is not known beforehand.
        keeps: Whether the connection can be used again.
        headers: Gives the headers, names in lower case.
    """

    status: int
    length: int | None
    keeps: bool
    headers: Callable[[], dict[str, str]]

    @classmethod
    def parse(cls, raw: bytes) -> "Head":
        """Read the head of an answer, up to and including its last header's line end.

        Raises:
            UnsupportedResponse: It is framed in a way that is not read here.
        """
        found = _STATUS.match(raw)
        if found is None:
            raise UnsupportedResponse
        status = int(found[2])
        length: int | None = None
        keeps, odd = found[1] == b"1", False
        for name, value in cast("list[tuple[bytes, bytes]]", _FRAMING.findall(raw)):
            match name.lower():
                case b"content-length" if _LENGTH.fullmatch(value) and length in {None, int(value)}:
                    length = int(value)
                case b"connection":
                    keeps = keeps and value.lower() == b"keep-alive"
                case _:
                    odd = True
        if odd or length is None:
            if 200 <= status < 300:
                raise UnsupportedResponse
            keeps, length = False, 0  # the status says enough of a refusal
        return cls(status, length, keeps, lambda: _headers_of(raw))


def _headers_of(raw: bytes) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1").strip()
        for name, value in cast("list[tuple[bytes, bytes]]", _HEADER.findall(raw))
    }


class Receiver(Protocol):
    """Who asks for something, and takes the answer."""

    @property
    def url(self) -> str:
        """What is asked for."""
        ...

    @property
    def request(self) -> bytes:
        """The request as it is sent."""
        ...

    def begin(self, head: Head, /) -> None:
        """Look at the head of a good answer; raise to refuse it."""
        ...

    def take(self, data: memoryview, /) -> bool:
        """Take bytes, and tell whether more are wanted.

        A body of up to `BLOCK` bytes comes as a whole, and its buffer stays as it is until the
        connection is used again.
        """
        ...


R = TypeVar("R", bound=Receiver)


class Connection(asyncio.BufferedProtocol, Generic[R]):
    """A connection, and the request that it is busy with.

    Args:
        origin: Where it leads to.
        ended: Called when a request has ended, with who made it and what went wrong, if anything.
        lost: Called when an idle connection has been closed.

    Attributes:
        receiver: Who takes the present answer; None while it is idle.
        is_open: Whether it can be used.
        asked_at: When the request was sent, by the monotonic clock.
        heard_at: When something came last.
    """

    def __init__(
        self,
        origin: tuple[str, str, int],
        ended: "Callable[[Connection[R], R, Exception | None], object]",
        lost: "Callable[[Connection[R]], object]",
    ) -> None:
        self.origin = origin
        self.receiver: R | None = None
        self.is_open: bool = False
        self.asked_at: float = 0.0
        self.heard_at: float = 0.0
        self._ended = ended
        self._lost = lost
        self._raw = bytearray(BLOCK + _LONGEST_HEAD)
        self._buffer = memoryview(self._raw)
        self._filled = 0  # bytes in the buffer
        self._body = 0  # where the body begins there
        self._head: Head | None = None
        self._left = 0  # bytes of the body that are still to be passed on
        self._is_used = False  # an answer came over it

    def ask(self, receiver: R) -> None:
        """Send a request."""
        self.receiver = receiver
        self._head, self._filled = None, 0
        self.asked_at = self.heard_at = time.monotonic()
        self._transport.write(receiver.request)

    def close(self) -> None:
        """Close the connection; what it is busy with is dropped."""
        self.is_open, self.receiver = False, None
        self._transport.abort()

    def fail(self, error: Exception) -> None:
        """End the request, and the connection."""
        self.is_open = False
        self._transport.abort()
        self._end(error)

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - of no use here
        """Return where to put what comes next."""
        return self._buffer[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take what has come."""
        if self.receiver is None:  # bytes that nobody asked for
            self._transport.abort()
            return
        self._filled += nbytes
        self.heard_at = time.monotonic()
        try:
            self._advance(self.receiver)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this request's alone
            self.fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the connection."""
        self.is_open = False
        if self.receiver is None:
            self._lost(self)
        elif self._is_used and self._head is None and not self._filled:
            self._end(ClosedByServer())
        else:
            self._end(exc or ConnectionError("the connection ended before the content"))

    # The answer

    def _advance(self, receiver: R) -> None:
        if self._head is None:
            self._head = self._read_head()
            if self._head is None:
                return
            self._left = self._head.length or 0
            if self._head.status < 300:
                receiver.begin(self._head)
        head = self._head
        came = self._filled - self._body
        if head.status >= 300:
            if came >= min(self._left, BLOCK):
                self._refuse(head, receiver)
        elif came >= self._left:
            self.is_open = head.keeps and came == self._left
            receiver.take(self._buffer[self._body : self._body + self._left])
            self._finish()
        elif self._left > BLOCK:
            self._left -= came
            wanted = receiver.take(self._buffer[self._body : self._filled])
            self._filled = self._body = 0
            if not wanted:
                self.is_open = False
                self._finish()

    def _read_head(self) -> Head | None:
        """Return the head of the final answer once it is whole."""
        while True:
            end = self._raw.find(b"\r\n\r\n", 0, self._filled)
            if end < 0:
                if self._filled >= _LONGEST_HEAD:
                    raise UnsupportedResponse
                return None
            head = Head.parse(bytes(self._buffer[: end + 2]))
            if head.status >= 200:
                self._body = end + 4
                return head
            rest = bytes(self._buffer[end + 4 : self._filled])  # an interim answer: more follows
            self._buffer[: len(rest)] = rest
            self._filled = len(rest)

    def _refuse(self, head: Head, receiver: R) -> None:
        """End a request that storage has refused."""
        length = min(self._left, BLOCK)
        self.is_open = head.keeps and self._filled - self._body == self._left
        body = bytes(self._buffer[self._body : self._body + length])
        self._finish(storage_refusal(receiver.url, head.status, head.headers(), body))

    def _finish(self, error: Exception | None = None) -> None:
        self._is_used = True
        if not self.is_open:
            self._transport.abort()
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        receiver, self.receiver = self.receiver, None
        self._filled = self._body = 0  # where the end of the connection would be read to
        if receiver is not None:
            self._ended(self, receiver, error)
