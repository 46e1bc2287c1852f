"""Bytes from storage, over the standard library's HTTP client: the fast way for bulk content.

The HTTP library of the API costs several times more processor time for each byte and each request.
Here a connection is one socket that belongs to one thread, a body is read straight into the
caller's buffer, and nothing is ever sent along: no credential, no cookie, no default header.
"""

import http.client
import io
import logging
import os
import re
import select
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from urllib.parse import quote, unquote, urlsplit

from attrs import frozen

from ._environment import Network, Proxy, UnusableSetting, proxy_for, tls_hint
from ._fork import need_process, reset_after_fork
from ._options import Timeout
from ._redact import mask_error, redact_url, secrets_in
from ._request import range_header
from ._response import check_content_encoding
from ._version import USER_AGENT
from .errors import (
    DSSConnectionError,
    DSSError,
    DSSResponseError,
    DSSTimeout,
    RequestInfo,
    ResponseInfo,
)

__all__ = [
    "NETWORK_ERRORS",
    "PERMANENT_ERRORS",
    "Connection",
    "ConnectionPool",
    "ParsedURL",
    "StorageContent",
    "request_head",
    "storage_error",
    "storage_request",
]

logger = logging.getLogger("dss_client")


# What a connection raises while it talks; the last, where a host's name cannot be looked up.
NETWORK_ERRORS = (OSError, http.client.HTTPException, UnicodeError)
# Of those, what would be no better the next time; it is the cause of the error that is raised.
PERMANENT_ERRORS = (ssl.SSLCertVerificationError, UnusableSetting)
_UNSENDABLE = re.compile(r"[^!-~]")
_BLOCK = 1 << 18
_BLOCK_SECONDS = 0.05  # seconds for a block
_PIECE = 1 << 17  # what a broken connection may take with it
_MAX_REFUSAL = 1 << 16  # bytes of an error's body that are kept


@frozen
class ParsedURL:
    """The parts of a URL: the server to connect to, and the target to request there.

    Attributes:
        scheme: ``http`` or ``https``.
        host: Name or address, without brackets.
        port: The port.
        target: Path and query, quoted. Not part of what tells two origins apart.
    """

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def of(cls, url: str) -> "ParsedURL":
        """Take a URL apart.

        Raises:
            DSSConnectionError: It is not a URL of http or https.
        """
        end = url.find("/", 8)  # where the path begins, of most URLs
        base, target = (url, "/") if end < 0 else (url[:end], url[end:])
        if "?" in base or "#" in url:
            base, target = _split(url)
        if _UNSENDABLE.search(target):
            target = quote(target, safe="!#$%&'()*+,/:;=?@[]~")
        try:
            return cls(*_origin(base), target)
        except ValueError:
            raise DSSConnectionError(
                "not a valid storage URL: expected http or https",
                request=storage_request(url),
            ) from None

    @property
    def origin(self) -> tuple[str, str, int]:
        """What a connection can be shared by."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """Host and port as a Host header says them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == (443 if self.scheme == "https" else 80)
        return host if usual else f"{host}:{self.port}"


def _split(url: str) -> tuple[str, str]:
    """Return the origin of an unusual URL, and its path and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", "/"
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}", (parts.path or "/") + query


@lru_cache(maxsize=256)
def _origin(base: str) -> tuple[str, str, int]:
    """Return scheme, host and port.

    Raises:
        ValueError: It is not an origin of http or https.
    """
    parts = urlsplit(base)
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        raise ValueError(base)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def storage_request(url: str) -> RequestInfo:
    """Return a request to storage as errors show it."""
    return RequestInfo("GET", redact_url(url, presigned=True))


def storage_error(error: Exception, url: str) -> DSSError:
    """Turn a fault of a connection into one of ours."""
    fault: DSSError
    text = mask_error(error, secrets_in(url))
    if isinstance(error, TimeoutError):
        text = f"no answer in time ({text})"
        fault = DSSTimeout(text, request=storage_request(url))
    else:
        hint = tls_hint(error)
        if hint:
            text = f"{text}. {hint}"
        fault = DSSConnectionError(text, request=storage_request(url))
    fault.__cause__ = error
    return fault


def request_head(address: ParsedURL, target: str, extra: str = "") -> bytes:
    """Return a GET request as it is sent; ``identity``, since checksums are of stored bytes."""
    return (
        f"GET {target} HTTP/1.1\r\nHost: {address.authority}\r\nAccept-Encoding: identity\r\n"
        f"Accept: */*\r\nUser-Agent: {USER_AGENT}\r\n{extra}\r\n"
    ).encode("ascii")


@frozen(eq=False)
class Connection:
    """A connection that is open.

    Attributes:
        http: The connection as the standard library has it.
        proxy: The proxy that it leads to, which wants whole URLs.
        extra: Header lines for that proxy.
    """

    http: http.client.HTTPConnection
    proxy: Proxy | None = None
    extra: str = ""

    @property
    def socket(self) -> socket.socket:
        """The socket."""
        found: socket.socket = self.http.sock
        return found

    def head(self, address: ParsedURL, byte_range: str | None = None) -> bytes:
        """Return the request for a content as it is sent over this connection."""
        target = address.target
        if self.proxy is not None:
            target = f"{address.scheme}://{address.authority}{target}"
        range_line = f"Range: {byte_range}\r\n" if byte_range is not None else ""
        return request_head(address, target, self.extra + range_line)

    @property
    def is_stale(self) -> bool:
        """Whether the other side has closed it, or sent what nobody asked for."""
        try:
            return _is_readable(self.socket)
        except (OSError, ValueError):
            return True

    def close(self) -> None:
        """Close the socket."""
        self.http.close()


def _is_readable(sock: socket.socket) -> bool:
    """Tell whether there is something to read, or the end. Without poll, as on Windows: select."""
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()  # select() knows no descriptor above 1,023
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class StorageContent:
    """The answer of storage, its content still to be read.

    Attributes:
        status_code: 200, or 206 for a range.
        headers: The headers, names in lower case.
    """

    def __init__(
        self, response: http.client.HTTPResponse, url: str, connection: Connection
    ) -> None:
        self._response = response
        self._socket = connection.socket
        self._read: Callable[[memoryview], int] = response.fp.readinto1
        self._url = url
        self._fault: Exception | None = None
        self._process = os.getpid()
        self._in_pieces = url.startswith("https:")
        self.status_code: int = response.status
        self.headers: Mapping[str, str] = {
            name.lower(): value for name, value in response.headers.items()
        }

    def readinto(self, buffer: memoryview) -> int:
        """Read into `buffer`; return the number of bytes, 0 at the end.

        Raises:
            DSSConnectionError, DSSTimeout: The connection broke or stalled.
        """
        need_process(self._process)
        if self._fault is not None:
            raise storage_error(self._fault, self._url) from self._fault
        response = self._response
        try:
            if response.length is None:  # in chunks, or up to the end of the connection
                return response.readinto(buffer[:_PIECE])
            most = min(response.length, _BLOCK) if self._in_pieces else response.length
            count = self._fill(buffer[:most])
        except NETWORK_ERRORS as error:
            raise storage_error(error, self._url) from error
        if not count and response.length:
            raise DSSConnectionError(
                f"the connection ended {response.length} bytes before its content",
                request=storage_request(self._url),
            )
        response.length -= count
        return count

    def _fill(self, buffer: memoryview) -> int:
        """Read what comes; over TLS, where it comes in small pieces, a block if it comes quickly.

        A fault after the first piece is kept for the next call, so that nothing is lost to it.
        """
        count, started = 0, time.monotonic()
        while count < len(buffer):
            try:
                more = self._read(buffer[count:])
            except NETWORK_ERRORS as error:
                if not count:
                    raise
                self._fault = error
                break
            if len(buffer) - count > io.DEFAULT_BUFFER_SIZE:
                # What the head was read with has nothing left: it is a detour from now on.
                self._read = self._socket.recv_into
            count += more
            if not (more and self._in_pieces) or time.monotonic() - started > _BLOCK_SECONDS:
                break
        return count


class _SharedConnections:
    """The connections of a pool, and of those with other limits over them."""

    def __init__(self) -> None:
        self.after_fork()
        reset_after_fork(self)

    def after_fork(self) -> None:
        """Leave the connections to the parent process, which uses them."""
        self.lock = threading.Lock()
        self.all: set[Connection] = set()
        self.idle: dict[tuple[str, str, int], list[Connection]] = {}  # those that are free


class ConnectionPool:
    """Opens connections to storage, and keeps those that are free. Safe to be used by threads.

    Proxies of the environment are used, but never for this machine itself.

    Args:
        timeout: Limits of a connection and between two pieces of an answer.
        tls: Makes the context for https when it is first needed.
    """

    def __init__(self, timeout: Timeout, tls: Callable[[], ssl.SSLContext]) -> None:
        self._timeout = timeout
        self._tls = tls
        self._shared = _SharedConnections()

    def with_timeout(self, timeout: Timeout) -> "ConnectionPool":
        """Return a pool with other limits over the same connections."""
        other = ConnectionPool(timeout, self._tls)
        other._shared = self._shared
        return other

    @property
    def read_timeout(self) -> float | None:
        """Seconds between two pieces of an answer."""
        return self._timeout.read

    def connect(self, address: ParsedURL) -> Connection:
        """Open a connection. It blocks; the caller closes it.

        Raises:
            OSError, http.client.HTTPException: It could not be opened.
        """
        proxy = _proxy(address)
        host, port = address.host, address.port
        if proxy is not None:
            host, port = proxy.parts.hostname or "", proxy.parts.port or 80
        kind: http.client.HTTPConnection
        if address.scheme == "https":
            kind = http.client.HTTPSConnection(
                host, port, timeout=self._timeout.connect, context=self._tls()
            )
            if proxy:
                kind.set_tunnel(address.host, address.port, headers=_proxy_authorization(proxy))
        else:
            kind = http.client.HTTPConnection(host, port, timeout=self._timeout.connect)
        try:
            kind.connect()
        except ssl.SSLError:
            raise
        except OSError as error:
            if proxy is None:
                raise
            text = f"{error.strerror or error} (through {proxy})"
            numbered = (error.errno, text) if error.errno else (text,)
            raise type(error)(*numbered) from error
        except (ValueError, http.client.HTTPException) as error:
            if proxy is None:
                raise
            raise UnusableSetting(f"{proxy} cannot be used ({error})") from error
        kind.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        kind.sock.settimeout(self._timeout.read)
        if proxy is None or address.scheme == "https":
            return Connection(kind)
        lines = _proxy_authorization(proxy).items()
        extra = "".join(f"{name}: {value}\r\n" for name, value in lines)
        return Connection(kind, proxy, extra)

    @contextmanager
    def open(
        self, url: str, *, first: int = 0, last: int | None = None
    ) -> Generator["StorageContent"]:
        """Ask once for the bytes from `first` to `last` (included); no retry, no redirect.

        Raises:
            DSSResponseError: Storage refused; `Forbidden` where a presigned URL has expired.
            DSSConnectionError, DSSTimeout: It could not be reached.
            DSSDecodeError: It sent the content in an encoding.
        """
        address = ParsedURL.of(url)
        byte_range = range_header(first, last)
        started = time.monotonic()
        connection, response = self._send(address, byte_range, url)
        whole = False
        try:
            milliseconds = (time.monotonic() - started) * 1000
            logger.debug("%s -> %d in %.0f ms", storage_request(url), response.status, milliseconds)
            with response:
                _refuse_failure(response, url, connection.proxy)
                content = StorageContent(response, url, connection)
                check_content_encoding(
                    response.status, content.headers, storage_request(url), secrets_in(url)
                )
                yield content
                whole = response.length == 0 and not response.will_close
        finally:
            if not (whole and self._release(connection, address)):
                self._discard(connection)

    def _send(
        self, address: ParsedURL, byte_range: str | None, url: str
    ) -> tuple[Connection, http.client.HTTPResponse]:
        """Send a request, and read the head of its answer."""
        with self._shared.lock:
            idle = self._shared.idle.get(address.origin)
            kept = idle.pop() if idle else None
        try:
            if kept is not None:
                if not kept.is_stale:
                    kept.socket.settimeout(self._timeout.read)
                    with suppress(ConnectionError):  # the other side closed it just now
                        return kept, self._send_over(kept, address, byte_range)
                self._discard(kept)
            opened = self.connect(address)
            with self._shared.lock:
                self._shared.all.add(opened)
            return opened, self._send_over(opened, address, byte_range)
        except NETWORK_ERRORS as error:
            raise storage_error(error, url) from error

    def _send_over(
        self, connection: Connection, address: ParsedURL, byte_range: str | None
    ) -> http.client.HTTPResponse:
        response = http.client.HTTPResponse(connection.socket, method="GET")
        try:
            connection.socket.sendall(connection.head(address, byte_range))
            response.begin()
        except BaseException:
            response.close()
            self._discard(connection)
            raise
        return response

    def _release(self, connection: Connection, address: ParsedURL) -> bool:
        """Keep a connection for the next request; False where all were closed meanwhile."""
        with self._shared.lock:
            if connection not in self._shared.all:
                return False
            self._shared.idle.setdefault(address.origin, []).append(connection)
            return True

    def _discard(self, connection: Connection) -> None:
        with self._shared.lock:
            self._shared.all.discard(connection)
        with suppress(OSError):
            connection.close()

    def close(self) -> None:
        """Close the connections of all threads; new ones can be opened afterwards."""
        with self._shared.lock:
            kept, self._shared.all = self._shared.all, set()
            self._shared.idle.clear()
        for connection in kept:
            with suppress(OSError):
                connection.close()


def _refuse_failure(response: http.client.HTTPResponse, url: str, proxy: Proxy | None) -> None:
    if 200 <= response.status < 300:
        return
    try:
        body = response.read(_MAX_REFUSAL)
    except NETWORK_ERRORS as error:
        raise storage_error(error, url) from error
    headers = {name.lower(): value for name, value in response.headers.items()}
    raise DSSResponseError.for_response(
        request=storage_request(url),
        response=ResponseInfo.masked(response.status, headers, body, secrets_in(url)),
        hint=proxy.refusal(response.status) if proxy is not None else "",
    )


def _proxy(address: ParsedURL) -> Proxy | None:
    proxy = proxy_for(address.scheme, address.host, address.port, Network())
    if proxy is not None and proxy.parts.scheme != "http":
        raise UnusableSetting(
            f"{proxy} cannot be used for contents, only one of http can: give a storage_client="
            " that knows yours"
        )
    return proxy


def _proxy_authorization(proxy: Proxy) -> dict[str, str]:
    """Return the header lines that a proxy wants."""
    parts = proxy.parts
    if not parts.username:
        return {}
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(user.encode()).decode()}"}
