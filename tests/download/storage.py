"""A storage on a real socket that sends, byte for byte, what a script says."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Literal, Self

from attrs import frozen

from dss_client._options import Timeout
from dss_client._storage import ConnectionPool

from .scripted import ScriptedSource

_NO_LINGER = struct.pack("ii", 1, 0)


@frozen
class Asked:
    """A request as it came.

    Attributes:
        path: What is asked for, without its query.
        connection: Number of the connection it came by, from 0.
        number: Number of the request on that connection, from 0.
        headers: Its headers, names in lower case.
    """

    path: str
    connection: int
    number: int
    headers: Mapping[str, str]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def span(self) -> tuple[int, int | None] | None:
        """The range that is asked for, its last byte included."""
        given = self.headers.get("range")
        if given is None:
            return None
        first, _, last = given.removeprefix("bytes=").partition("-")
        return int(first), int(last) if last else None


End = Literal["close", "reset"]
Script = Callable[[Asked], Iterator[bytes | End]]


def answer(
    content: bytes, asked: Asked, headers: Mapping[str, str] | None = None
) -> tuple[bytes, bytes]:
    """Return head and body of the right answer."""
    status, fields = "200 OK", {"Content-Length": str(len(content)), **(headers or {})}
    if asked.span is not None:
        first, last = asked.span
        end = len(content) if last is None else last + 1
        status = "206 Partial Content"
        fields["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
        fields["Content-Length"] = str(end - first)
        content = content[first:end]
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode(), content


def refusal(status: int, body: bytes = b"") -> bytes:
    """Return an answer that is an error."""
    return f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def serve(source: ScriptedSource) -> Script:
    """Return a script that serves what a source holds, as it should be."""

    def script(asked: Asked) -> Iterator[bytes | End]:
        yield b"".join(answer(source.contents[asked.name], asked))

    return script


class Storage:
    """Answers each request with what a script yields: bytes, and the end of the connection.

    Attributes:
        asked: The requests, in their order.
        connections: Number of the connections so far.
    """

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.connections = 0
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self.pools: list[ConnectionPool] = []
        self._lock = threading.Lock()
        self._acceptor = threading.Thread(target=self._accept, name="storage", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The origin, without a slash at its end."""
        scheme, host = ("https", "localhost") if self._context else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self.port}"

    @property
    def spans(self) -> list[tuple[int, int | None] | None]:
        """The ranges that were asked for."""
        return [asked.span for asked in self.asked]

    @property
    def is_talking(self) -> bool:
        """Whether a connection is open."""
        with self._lock:
            return bool(self._open)

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._acceptor.join()
        for pool in self.pools:
            pool.close()
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                return
            with self._lock:
                number, self.connections = self.connections, self.connections + 1
                self._open.add(accepted)
            thread = threading.Thread(target=self._serve, args=(accepted, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        connection = plain
        with suppress(OSError, ValueError):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                connection = self._context.wrap_socket(plain, server_side=True)
                with self._lock:
                    self._open = self._open - {plain} | {connection}
            self._converse(connection, number)
        with suppress(OSError):
            connection.close()
        with self._lock:
            self._open -= {plain, connection}

    def _converse(self, connection: socket.socket, number: int) -> None:
        received = b""
        turn = 0
        while True:
            while b"\r\n\r\n" not in received:
                piece = connection.recv(1 << 16)
                if not piece:
                    return
                received += piece
            head, _, received = received.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            pairs = (line.partition(": ") for line in lines)
            headers = {name.lower(): value for name, _, value in pairs}
            path = first.split(" ")[1].partition("?")[0]
            asked = Asked(path, number, turn, headers)
            with self._lock:
                self.asked.append(asked)
            turn += 1
            for step in self.script(asked):
                if step == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                if isinstance(step, str):
                    return
                connection.sendall(step)


def connect(
    source: ScriptedSource,
    storage: Storage,
    *,
    timeout: float = 20.0,
    trust: ssl.SSLContext | None = None,
) -> ConnectionPool:
    """Have a source fetch its contents from a storage; return what opens the connections."""
    source.base = storage.url
    source.connections = ConnectionPool(
        Timeout(connect=timeout, read=timeout), lambda: trust or ssl.create_default_context()
    )
    storage.pools.append(source.connections)
    return source.connections
