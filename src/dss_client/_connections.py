"""Connections for what is asked for often and answered in one piece: HTTP/1.1 and nothing else.

The HTTP library takes several times as much processor time for each answer. It is left to all that
is not plain: proxies, unusual URLs, answers to be streamed.
"""

import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader
from typing import Literal

from attrs import frozen

from ._options import Timeout

__all__ = ["Answer", "ConnectionFault", "Connections", "Place"]

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9][a-z0-9.-]*)(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<target>/(?!\.)(?:[A-Za-z0-9_~!$&()*+,;=:@%?.-]|/(?!\.))*)"
)
_STATUS = re.compile(rb"HTTP/1\.(?P<minor>[01]) (?P<code>[1-9][0-9]{2})(?: [^\0\n-\r]*)?\r?\n")
_HEADER = re.compile(
    rb"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\0\n-\r]*?)[ \t]*\r?\n"
)
_CHUNK = re.compile(rb"(?P<size>[0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_MOST = 100  # connections at a time
_KEPT = 5.0  # seconds that one is kept without use, less than services do
_MAX_HEAD = 1 << 17  # bytes
_PIECE = 1 << 20  # bytes read at once: what an answer claims to hold is not believed

Step = Literal["pool", "connect", "write", "read", "protocol"]


class ConnectionFault(Exception):
    """No answer; the cause, if there is one, says why.

    Attributes:
        step: How far it got.
    """

    def __init__(self, step: Step, text: str = "") -> None:
        super().__init__(text)
        self.step: Step = step


@frozen
class Place:
    """A URL that needs no care, taken apart.

    Attributes:
        scheme: ``http`` or ``https``.
        host: A name or an address of IPv4.
        port: The port.
        target: Path and query.
    """

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def of(cls, url: str) -> "Place | None":
        """Take a URL apart; None for one that the HTTP library must look at."""
        parts = _URL.fullmatch(url)
        if parts is None:
            return None
        usual = 443 if parts["scheme"] == "https" else 80
        port = int(parts["port"] or usual)
        return (
            cls(parts["scheme"], parts["host"], port, parts["target"]) if port < 1 << 16 else None
        )

    @property
    def authority(self) -> str:
        """Host and port as a Host header says them."""
        usual = self.port == (443 if self.scheme == "https" else 80)
        return self.host if usual else f"{self.host}:{self.port}"


@frozen
class Answer:
    """An answer, read to its end, its content as it was sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    content: bytes


class Connections:
    """Connections that are kept and used again. Threads share them, each has one for its request.

    Args:
        tls: What connections of https trust.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._slots = threading.BoundedSemaphore(_MOST)
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str, int], list[tuple[float, socket.socket]]] = {}
        self._is_closed = False

    def ask(
        self,
        place: Place,
        method: str,
        headers: Mapping[str, str],
        content: bytes | None,
        timeout: Timeout,
    ) -> Answer:
        """Send a request once, and return the answer.

        Raises:
            ConnectionFault: There is none.
            UnicodeError: The name of the host is not one.
        """
        if not self._slots.acquire(timeout=timeout.pool):
            raise ConnectionFault("pool", "all connections are in use")
        try:
            connection = self._idle_one(place) or self._open(place, timeout)
            try:
                connection.settimeout(timeout.write)
                _send(connection, _request(place, method, headers, content))
                connection.settimeout(timeout.read)
                with _step("read"), connection.makefile("rb") as stream:
                    answer, is_reusable = _answer(stream, method)
            except BaseException:
                connection.close()
                raise
            self._release(place, connection, is_reusable)
            return answer
        finally:
            self._slots.release()

    def close(self) -> None:
        """Close the connections that are free now, and each of the others after its answer."""
        with self._lock:
            self._is_closed = True
            kept = [each for idle in self._idle.values() for _, each in idle]
            self._idle = {}
        for connection in kept:
            connection.close()

    def _idle_one(self, place: Place) -> socket.socket | None:
        now = time.monotonic()
        with self._lock:
            idle = self._idle.get((place.scheme, place.host, place.port), [])
            while idle:
                since, connection = idle.pop()
                if now - since < _KEPT and not _is_readable(connection):
                    return connection
                connection.close()
        return None

    def _release(self, place: Place, connection: socket.socket, is_reusable: bool) -> None:
        with self._lock:
            if is_reusable and not self._is_closed:
                idle = self._idle.setdefault((place.scheme, place.host, place.port), [])
                idle.append((time.monotonic(), connection))
                return
        connection.close()

    def _open(self, place: Place, timeout: Timeout) -> socket.socket:
        with _step("connect"):
            opened = socket.create_connection((place.host, place.port), timeout.connect)
            try:
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if place.scheme == "https":
                    return self._tls.wrap_socket(opened, server_hostname=place.host)
            except BaseException:
                opened.close()
                raise
            return opened


@contextmanager
def _step(step: Step) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise ConnectionFault(step, str(error)) from error


def _is_readable(connection: socket.socket) -> bool:
    """Tell whether the other side has closed a connection, or sent what nobody asked for."""
    if not hasattr(select, "poll"):
        return bool(select.select([connection], [], [], 0)[0])
    poll = select.poll()  # select() knows no descriptor above 1,023
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _request(place: Place, method: str, headers: Mapping[str, str], content: bytes | None) -> bytes:
    lines = [f"{method} {place.target} HTTP/1.1", f"Host: {place.authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if content is not None or method in {"POST", "PUT", "PATCH"}:
        lines.append(f"Content-Length: {len(content or b'')}")
    return "\r\n".join([*lines, "\r\n"]).encode("ascii") + (content or b"")


def _send(connection: socket.socket, data: bytes) -> None:
    left = memoryview(data)
    # Who closes the connection before it has read all may have answered: that is read next.
    with _step("write"), suppress(ConnectionError):
        while left:
            left = left[connection.send(left) :]


def _answer(stream: BufferedReader, method: str) -> tuple[Answer, bool]:
    """Read an answer; return it, and whether its connection can be used again (RFC 9112)."""
    minor, status, headers = _head(stream)
    while 100 <= status < 200 and status != 101:  # nobody asked for another protocol
        minor, status, headers = _head(stream)
    options = _values(headers, b"connection")
    keeps = minor == b"1" and b"close" not in options
    coding, lengths = _values(headers, b"transfer-encoding"), _values(headers, b"content-length")
    if status < 200 or (coding and (coding != [b"chunked"] or minor == b"0")):
        raise ConnectionFault("protocol", "the answer is not one of HTTP/1.1")
    if len(set(lengths)) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
        raise ConnectionFault("protocol", "the answer's Content-Length is not a number")
    if method == "HEAD" or status in {204, 304}:
        content = b""
    elif coding:
        content = _chunks(stream)
    elif lengths:
        content = _exactly(stream, int(lengths[0]))
    else:
        content, keeps = stream.read(), False
    return Answer(status, headers, content), keeps


def _head(stream: BufferedReader) -> tuple[bytes, int, list[tuple[bytes, bytes]]]:
    line = stream.readline(_MAX_HEAD)
    if not line:
        raise ConnectionFault("protocol", "Server disconnected without sending a response.")
    status = _STATUS.fullmatch(line)
    if status is None:
        raise ConnectionFault("protocol", "the answer does not begin as one of HTTP/1.1")
    return status["minor"], int(status["code"]), _headers(stream)


def _headers(stream: BufferedReader) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = []
    left = _MAX_HEAD
    while (line := stream.readline(left)) not in {b"\r\n", b"\n"}:
        left -= len(line)
        header = _HEADER.fullmatch(line)
        if header is not None:
            headers.append((header["name"], header["value"]))
        elif line[:1] in {b" ", b"\t"} and line.endswith(b"\n") and headers:  # of the last one
            name, value = headers[-1]
            headers[-1] = name, b" ".join([value, line.strip()]).strip()
        else:
            raise ConnectionFault("protocol", "the answer's headers are cut off or ill-formed")
    return headers


def _values(headers: list[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    return [
        part.strip().lower()
        for name, value in headers
        if name.lower() == wanted
        for part in value.split(b",")
    ]


def _chunks(stream: BufferedReader) -> bytes:
    content: list[bytes] = []
    while True:
        chunk = _CHUNK.fullmatch(stream.readline(_MAX_HEAD))
        if chunk is None:
            raise ConnectionFault("protocol", "the answer's chunks are cut off or ill-formed")
        size = int(chunk["size"], 16)
        if not size:
            _headers(stream)
            return b"".join(content)
        content.append(_exactly(stream, size))
        if stream.read(2) != b"\r\n":
            raise ConnectionFault("protocol", "the answer's chunks are cut off or ill-formed")


def _exactly(stream: BufferedReader, size: int) -> bytes:
    pieces: list[bytes] = []
    left = size
    while left:
        piece = stream.read(min(left, _PIECE))
        if not piece:
            raise ConnectionFault(
                "protocol", f"the connection ended {left} of {size} bytes before the answer's end"
            )
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
