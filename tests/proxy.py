"""A forwarding HTTP proxy on a real socket, which remembers where it was asked to lead."""

import http.client
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_HOP = {"connection", "keep-alive", "proxy-authorization", "proxy-connection"}


class ForwardProxy:
    """Forwards http, and opens tunnels for https.

    Args:
        places: Where names lead to, such as ``{"dss.example:443": "127.0.0.1:4711"}``; all others
            are taken as they are.
        refuse: Answer everything with this status.

    Attributes:
        asked: Method and target of each request.
        logins: What came as ``Proxy-Authorization``.
    """

    def __init__(
        self, places: Mapping[str, str] | None = None, *, refuse: int | None = None
    ) -> None:
        self.refuse = refuse
        self.asked: list[tuple[str, str]] = []
        self.logins: list[str | None] = []
        self._places = places or {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))

    @property
    def hosts(self) -> set[str]:
        """Hosts and ports in the URLs that it was asked for."""
        return {urlsplit(target).netloc for _, target in self.asked}

    @property
    def netloc(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """The proxy's URL."""
        return f"http://{self.netloc}"

    def connect(self, authority: str) -> socket.socket:
        """Open a connection to where an authority leads."""
        host, _, port = self._places.get(authority, authority).rpartition(":")
        return socket.create_connection((host, int(port)))

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


def _handler(proxy: ForwardProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - given by the base
            """Say nothing."""

        def parse_request(self) -> bool:
            """Note a request; refuse it if all are to be refused."""
            if not super().parse_request():
                return False
            proxy.asked.append((self.command, self.path))
            proxy.logins.append(self.headers.get("proxy-authorization"))
            if proxy.refuse is not None:
                self.send_response(proxy.refuse)
                self.send_header("Content-Length", "0")
                self.end_headers()
                self.wfile.flush()
            return proxy.refuse is None

        def do_CONNECT(self) -> None:
            with proxy.connect(self.path) as server:
                self.send_response_only(200)
                self.end_headers()
                self.wfile.flush()
                back = threading.Thread(target=_pump, args=(server, self.connection))
                back.start()
                _pump(self.connection, server)
                back.join()
            self.close_connection = True

        def _forward(self) -> None:
            parts = urlsplit(self.path)
            way = http.client.HTTPConnection("unused")
            way.sock = proxy.connect(f"{parts.hostname}:{parts.port or 80}")
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            target = parts._replace(scheme="", netloc="").geturl()
            way.request(self.command, target, body or None, kept)
            answer = way.getresponse()
            content = answer.read()
            way.close()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"content-length", "transfer-encoding", *_HOP}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _forward  # noqa: N815 - given names

    return Handler


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
