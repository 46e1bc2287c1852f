"""The blocking transport, and what it shares with the asynchronous one.

Both only do what `Exchange` decides. Two HTTP clients are kept apart: one for the API, and one for
storage that never holds a credential, a cookie or a default header.
"""

import logging
import os
import platform
import re
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from urllib.parse import urljoin

import httpx
from attrs import field, frozen

from ._exchange import Exchange, Hop, check_identity, response_info, storage_hop, wrap_fault
from ._options import Options, Timeout, TokenGiver
from ._request import Request
from ._storage import Connector
from ._version import __version__
from .errors import DSSResponseError, InvalidArgument, RequestInfo, redact_url

__all__ = [
    "BLOCK",
    "DIRECT",
    "FAULTS",
    "PIECE",
    "Answer",
    "StorageResponse",
    "Tokens",
    "Transport",
    "answer_of",
    "bearer",
    "begin",
    "log_exchange",
    "outgoing",
    "refuse_storage",
    "tls_context",
]

logger = logging.getLogger("dss_client")


class _RedactURLs(logging.Filter):
    """Takes presigned queries out of the HTTP library's own log, which holds the URLs as sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                redact_url(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args
            )
        return True


class _RedactHeaders(logging.Filter):
    """Takes queries out of what the library below logs: the headers of answers, as they came."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _QUERY.sub(r"\1<redacted>", record.getMessage()), ()
        return True


_QUERY = re.compile(r"(https?://[^\s?]+\?)\S+", re.IGNORECASE)
logging.getLogger("httpx").addFilter(_RedactURLs())
for _name in ("http11", "http2"):  # a filter holds for one logger, not for those below it
    logging.getLogger(f"httpcore.{_name}").addFilter(_RedactHeaders())

# What the HTTP library raises while it talks.
FAULTS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)
BLOCK = 1 << 20
PIECE = 1 << 17  # what a broken connection may take with it
# Proxies of the environment are for other machines: an embedded DSS is reached directly.
DIRECT: Mapping[str, None] = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}
_USER_AGENT = f"dss-client/{__version__} python/{platform.python_version()}"


def tls_context() -> ssl.SSLContext:
    """Return what connections of this process trust, as the HTTP library has it; made once."""
    return _tls_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _tls_context(_file: str | None, _directory: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()


def begin(
    options: Options, request: Request, token: str | None, *, follow: bool = True
) -> Exchange:
    """Begin the exchange of a call: the headers it is sent with, and the policy it follows."""
    headers = {"accept": "application/json", "user-agent": _USER_AGENT}
    if request.content:
        headers["accept"] = "*/*"
    if request.body is not None:
        headers["content-type"] = "application/json"
    if token is not None:
        headers["authorization"] = bearer(token)
    return Exchange(
        request,
        base_url=options.base_url,
        policy=options.retries,
        headers=headers,
        follow=follow,
        hint=options.unreachable_hint,
    )


def bearer(token: str) -> str:
    """Return the header that carries a token.

    Raises:
        InvalidArgument: A header cannot.
    """
    if not (token and token.isascii() and token.isprintable()) or " " in token:
        raise InvalidArgument(
            "the token is empty or holds what an Authorization header cannot carry, such as a blank"
            " or the end of a line: take that off the token, which is not shown here"
        )
    return f"Bearer {token}"


class Tokens:
    """The token of a transport whose caller gave none, looked for when it is first needed."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._giver: TokenGiver | None = None
        self._looked = False

    def forget(self) -> None:
        """Look again the next time: somebody has logged in, or out."""
        with self._lock:
            self._looked = False

    def giver(self) -> TokenGiver | None:
        """Return what gives tokens, if anything does."""
        with self._lock:
            find = self._options.find_tokens
            if not self._looked and find is not None:
                self._giver = find(self._options.base_url)
                self._looked = True
            return self._giver

    def token(self) -> str | None:
        """Return the token to send, if there is one."""
        giver = self.giver()
        return None if giver is None else giver.token()

    def renew(self, refused: str) -> str | None:
        """Return another token than one that was refused, if there is one."""
        giver = self.giver()
        return None if giver is None else giver.renew(refused)


@frozen
class Answer:
    """A final answer with its whole body.

    Attributes:
        request: The request, for error messages.
        status_code: The HTTP status.
        headers: The headers; those of the service take precedence over those of storage.
        content: The body.
        location: Where it points to, if it is a redirect that was not to be followed.
    """

    request: RequestInfo
    status_code: int
    headers: httpx.Headers = field(repr=False)
    content: bytes = field(repr=False)
    location: str | None = field(default=None, repr=False)


def answer_of(exchange: Exchange, response: httpx.Response) -> Answer:
    """Return the final answer of an exchange, from a response whose body was read."""
    return Answer(
        exchange.hop.info,
        response.status_code,
        exchange.final_headers(response),
        response.content,
        urljoin(exchange.hop.url, response.headers["location"]) if response.is_redirect else None,
    )


def _as_httpx(timeout: Timeout) -> httpx.Timeout:
    return httpx.Timeout(
        connect=timeout.connect, read=timeout.read, write=timeout.write, pool=timeout.pool
    )


def outgoing(
    client: httpx.Client | httpx.AsyncClient, hop: Hop, timeout: Timeout | None
) -> httpx.Request:
    """Return a hop as the HTTP library sends it."""
    limits = httpx.USE_CLIENT_DEFAULT if timeout is None else _as_httpx(timeout)
    return client.build_request(
        hop.method, hop.url, headers=dict(hop.headers), content=hop.body, timeout=limits
    )


def log_exchange(hop: Hop, response: httpx.Response, started: float) -> None:
    """Say one line about a response; never a token or a presigned query."""
    if not logger.isEnabledFor(logging.DEBUG):
        return  # redacting costs more than all the rest
    logger.debug(
        "%s %s -> %d in %.0f ms",
        hop.method,
        redact_url(hop.url, presigned=hop.storage),
        response.status_code,
        (time.monotonic() - started) * 1000,
    )


def refuse_storage(response: httpx.Response, hop: Hop) -> None:
    """Refuse an answer of storage that is not the content, uncoded.

    Raises:
        DSSResponseError: It is an error, or a redirect.
        DSSDecodeError: It is encoded.
    """
    if not response.is_success:
        raise DSSResponseError.for_response(request=hop.info, response=response_info(response))
    check_identity(response, hop)


class StorageResponse:
    """The bytes behind a presigned URL, as they come.

    Attributes:
        status_code: 200, or 206 for a range.
        headers: The headers of storage.
    """

    def __init__(self, response: httpx.Response, hop: Hop, headers: httpx.Headers) -> None:
        self._response = response
        self._hop = hop
        self.status_code: int = response.status_code
        self.headers: Mapping[str, str] = headers
        self._pieces: Iterator[bytes] | None = None
        self._rest = b""

    def readinto(self, buffer: memoryview) -> int:
        """Read into `buffer`; return the number of bytes, 0 at the end.

        Raises:
            DSSConnectionError, DSSTimeout: The connection broke or stalled.
        """
        if self._pieces is None:
            self._pieces = self.iter_bytes(PIECE)
        piece = self._rest or next(self._pieces, b"")
        count = min(len(piece), len(buffer))
        buffer[:count] = piece[:count]
        self._rest = piece[count:]
        return count

    def iter_bytes(self, chunk_size: int = BLOCK) -> Iterator[bytes]:
        """Yield the content in pieces of at most `chunk_size` bytes.

        Raises:
            DSSConnectionError, DSSTimeout: The connection broke or stalled.
        """
        try:
            yield from self._response.iter_bytes(chunk_size)
        except FAULTS as error:
            raise wrap_fault(error, self._hop) from error


class Transport:
    """Sends requests and waits for their answers. Safe to be used by several threads.

    Args:
        options: The settings.
        http_client: The client for the API, instead of one made here; its owner closes it.
        storage_client: The same for storage. It must hold no credential.
    """

    def __init__(
        self,
        options: Options,
        *,
        http_client: httpx.Client | None = None,
        storage_client: httpx.Client | None = None,
    ) -> None:
        self.options = options
        self.tokens: Tokens = Tokens(options)
        self._clients = _Clients(http_client, storage_client)
        self._owns_clients = True
        self.connector: Connector | None = None
        if storage_client is None:
            self.connector = Connector(options.timeout or Timeout(), tls_context)

    @property
    def has_custom_clients(self) -> bool:
        """Whether an HTTP client was handed in, which cannot be made again elsewhere."""
        return self._clients.custom

    def with_options(self, options: Options) -> "Transport":
        """Return a transport with other settings over the same connections."""
        sibling = Transport(options)
        sibling._clients = self._clients
        sibling.tokens = self.tokens
        sibling._owns_clients = False
        if self.connector is None:
            sibling.connector = None
        return sibling

    def close(self) -> None:
        """Close the connections, unless they belong to someone else."""
        if self.connector is not None:
            self.connector.close()
        if self._owns_clients:
            self._clients.close()

    def send(self, request: Request) -> Answer:
        """Send `request`, retry and follow as the policy says, and return the final answer."""
        exchange = self._begin(request)
        with self._final(exchange) as response:
            return answer_of(exchange, response)

    def locate(self, request: Request) -> Answer:
        """Send `request` and return the redirect to storage itself."""
        exchange = self._begin(request, follow=False)
        with self._final(exchange) as response:
            return answer_of(exchange, response)

    @contextmanager
    def stream(self, request: Request) -> Generator[StorageResponse]:
        """Send `request` and yield its content unread."""
        exchange = self._begin(request)
        with self._final(exchange, read=False) as response:
            yield StorageResponse(response, exchange.hop, exchange.final_headers(response))

    @contextmanager
    def open_storage(
        self, url: str, *, first: int = 0, last: int | None = None
    ) -> Generator[StorageResponse]:
        """Ask storage once for the bytes from `first` to `last` (included).

        No retry, no redirect; over the HTTP library, for a client that was handed in.

        Raises:
            DSSResponseError: Storage refused; `Forbidden` where a presigned URL has expired.
            DSSConnectionError, DSSTimeout: It could not be reached.
        """
        hop = storage_hop(url, first=first, last=last)
        client = self._clients.storage
        started = time.monotonic()
        try:
            request = outgoing(client, hop, self.options.timeout)
            response = client.send(request, stream=True, follow_redirects=False)
        except FAULTS as error:
            raise wrap_fault(error, hop) from error
        try:
            log_exchange(hop, response, started)
            if not response.is_success:
                try:
                    response.read()
                except FAULTS as error:
                    raise wrap_fault(error, hop) from error
            refuse_storage(response, hop)
            yield StorageResponse(response, hop, response.headers)
        finally:
            response.close()

    def _begin(self, request: Request, *, follow: bool = True) -> Exchange:
        token = self._token() if request.secured else None
        return begin(self.options, request, token, follow=follow)

    def _token(self) -> str | None:
        token = self.options.token
        if token is None:
            return self.tokens.token()
        return token if isinstance(token, str) else _provided(token)

    def _another_token(self, refused: str | None) -> str | None:
        """Return another token than the one that was refused, if one was and there is another."""
        given = self.options.token
        if refused is None or isinstance(given, str):
            return None
        if given is None:
            return self.tokens.renew(refused)
        value = _provided(given)  # the function may have noticed meanwhile
        return value if value != refused else None

    @contextmanager
    def _final(self, exchange: Exchange, *, read: bool = True) -> Generator[httpx.Response]:
        """Go through the hops of `exchange`; yield the final response and close it."""
        while True:
            hop = exchange.hop
            client = self._clients.storage if hop.storage else self._clients.api
            started = time.monotonic()
            response: httpx.Response | None = None
            delay: float | None
            try:
                request = outgoing(client, hop, self.options.timeout)
                response = client.send(request, stream=True, follow_redirects=False)
                log_exchange(hop, response, started)
                if read or not response.is_success:
                    response.read()
            except FAULTS as error:
                if response is not None:
                    response.close()
                delay = exchange.failed(error)
            else:
                try:
                    token = self._another_token(exchange.refused_token(response))
                    if token is not None:
                        exchange.authorize(bearer(token))
                        continue
                    delay = exchange.answered(response)
                    if delay is None:
                        yield response
                        return
                finally:
                    response.close()
            if delay:
                time.sleep(delay)


def _provided(function: Callable[[], object]) -> str:
    value = function()
    if not isinstance(value, str):
        raise TypeError("DSSClient needs a token function that returns str, not an awaitable")
    return value


class _Clients:
    """The two HTTP clients of a transport, made when first needed."""

    def __init__(self, api: httpx.Client | None, storage: httpx.Client | None) -> None:
        self._api = api
        self._storage = storage
        self._own: list[httpx.Client] = []
        self._lock = threading.Lock()
        self.custom = api is not None or storage is not None

    @property
    def api(self) -> httpx.Client:
        with self._lock:
            self._api = self._api or self._make()
            return self._api

    @property
    def storage(self) -> httpx.Client:
        with self._lock:
            self._storage = self._storage or self._make()
            return self._storage

    def _make(self) -> httpx.Client:
        client = httpx.Client(follow_redirects=False, mounts=DIRECT, verify=tls_context())
        self._own.append(client)
        return client

    def close(self) -> None:
        with self._lock:
            for client in self._own:
                client.close()
