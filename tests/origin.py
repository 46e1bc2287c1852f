"""A scripted HTTP origin on a real socket, which remembers what it was asked."""

import os
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from attrs import field, frozen


@frozen
class Reply:
    """What to answer. `drop` closes the connection instead; `cut` keeps back bytes of the body."""

    status: int = 200
    headers: Mapping[str, str] = field(factory=dict[str, str])
    body: bytes = b""
    drop: bool = False
    cut: int = 0


@frozen
class Seen:
    """A request as it came; names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


Script = Callable[[Seen], Reply]


class Origin:
    """Answers with `replies` in turn, the last one for ever, or as a function says."""

    def __init__(
        self, *replies: Reply, script: Script | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self._replies = replies
        self._script = script
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))

    @property
    def url(self) -> str:
        """The origin, without a slash at its end."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def answer(self, seen: Seen) -> Reply:
        """Remember a request and return its reply."""
        with self._lock:
            self.seen.append(seen)
            turn = len(self.seen) - 1
        if self._script is not None:
            return self._script(seen)
        return self._replies[min(turn, len(self._replies) - 1)]

    def connected(self) -> None:
        """Count a connection."""
        with self._lock:
            self.connections += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands; if that fails, let the client read why before the connection is closed."""
        if isinstance(request, ssl.SSLSocket):
            try:
                request.do_handshake()
            except OSError:
                with suppress(OSError), socket.socket(fileno=os.dup(request.fileno())) as raw:
                    while raw.recv(1 << 16):
                        pass
                return
        super().finish_request(request, client_address)


def _handler(origin: Origin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def setup(self) -> None:
            super().setup()
            origin.connected()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - given by the base
            """Say nothing."""

        def _answer(self) -> None:
            length = int(self.headers.get("content-length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(self.command, self.path, headers, self.rfile.read(length))
            reply = origin.answer(seen)
            if reply.drop:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response_only(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if self.command == "HEAD":
                self.end_headers()
                return
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: len(reply.body) - reply.cut])
            self.wfile.flush()
            self.close_connection = reply.cut > 0

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - given names

    return Handler
