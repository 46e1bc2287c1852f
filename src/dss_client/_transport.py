"""The one place that speaks HTTP, blocking (`Transport`) and asynchronous (`AsyncTransport`).

Both only do what `Exchange` decides. Two HTTP clients are kept apart: one for the API, and one for
storage that never holds a credential, a cookie or a default header.
"""

import asyncio
import inspect
import logging
import platform
import threading
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
    Mapping,
)
from contextlib import asynccontextmanager, contextmanager

import httpx
from attrs import field, frozen

from ._exchange import Exchange, Hop, check_identity, response_info, storage_hop, wrap_fault
from ._request import Request
from ._retry import RetryPolicy
from ._version import __version__
from .errors import DSSResponseError, RequestInfo, redact_url

__all__ = [
    "Answer",
    "AsyncStorageResponse",
    "AsyncTransport",
    "Options",
    "StorageResponse",
    "Timeout",
    "Transport",
]

logger = logging.getLogger("dss_client")

_FAULTS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)
_BLOCK = 1 << 20
_USER_AGENT = f"dss-client/{__version__} python/{platform.python_version()}"

AnyToken = str | Callable[[], str] | Callable[[], Awaitable[str]]


@frozen
class Timeout:
    """Time limits of one try, in seconds.

    The reference client's values; the service's gateway gives up after 30 s (section 14.4).

    Attributes:
        connect: For a connection to come about.
        read: Between two pieces of an answer.
        write: Between two pieces of a request.
        pool: For a connection of the pool to become free.
    """

    connect: float | None = 20.0
    read: float | None = 40.0
    write: float | None = 40.0
    pool: float | None = 60.0

    @classmethod
    def of(cls, timeout: "Timeout | float | None") -> "Timeout":
        """Accept limits, one limit for all of them, or None for no limit."""
        if isinstance(timeout, Timeout):
            return timeout
        return cls(timeout, timeout, timeout, timeout)

    def as_httpx(self) -> httpx.Timeout:
        """Return the limits as the HTTP library takes them."""
        return httpx.Timeout(connect=self.connect, read=self.read, write=self.write, pool=self.pool)


@frozen(kw_only=True)
class Options:
    """The settings of a client, as one value that can be pickled.

    Attributes:
        base_url: Where the API is, without a slash at its end.
        timeout: Limits of one try; None leaves them to the given HTTP client.
        retries: The retry policy.
        token: The bearer token, or a function that returns one for each request.
        unreachable_hint: What to tell a user whose service cannot be reached.
    """

    base_url: str
    timeout: Timeout | None = Timeout()
    retries: RetryPolicy = field(factory=RetryPolicy)
    token: AnyToken | None = field(default=None, repr=False)
    unreachable_hint: str = ""

    def exchange(self, request: Request, token: str | None, *, follow: bool = True) -> Exchange:
        """Begin a call."""
        headers = {"accept": "application/json", "user-agent": _USER_AGENT}
        if request.content:
            headers["accept"] = "*/*"
        if request.body is not None:
            headers["content-type"] = "application/json"
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        return Exchange(
            request,
            base_url=self.base_url,
            policy=self.retries,
            headers=headers,
            follow=follow,
            hint=self.unreachable_hint,
        )


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
    headers: httpx.Headers
    content: bytes = field(repr=False)
    location: str | None = field(default=None, repr=False)


def _answer(exchange: Exchange, response: httpx.Response) -> Answer:
    return Answer(
        exchange.hop.info,
        response.status_code,
        exchange.final_headers(response),
        response.content,
        response.headers.get("location") if response.is_redirect else None,
    )


def _outgoing(
    client: httpx.Client | httpx.AsyncClient, hop: Hop, timeout: Timeout | None
) -> httpx.Request:
    limits = httpx.USE_CLIENT_DEFAULT if timeout is None else timeout.as_httpx()
    return client.build_request(
        hop.method, hop.url, headers=dict(hop.headers), content=hop.body, timeout=limits
    )


def _log(hop: Hop, response: httpx.Response, started: float) -> None:
    logger.debug(
        "%s %s -> %d in %.0f ms",
        hop.method,
        redact_url(hop.url, presigned=hop.storage),
        response.status_code,
        (time.monotonic() - started) * 1000,
    )


class StorageResponse:
    """The bytes behind a presigned URL, as they come.

    Attributes:
        status_code: 200, or 206 for a range.
        headers: The headers of storage.
    """

    def __init__(self, response: httpx.Response, hop: Hop, headers: httpx.Headers) -> None:
        self._response = response
        self._hop = hop
        self.status_code = response.status_code
        self.headers: Mapping[str, str] = headers

    def iter_bytes(self, chunk_size: int = _BLOCK) -> Iterator[bytes]:
        """Yield the content in pieces of at most `chunk_size` bytes.

        Raises:
            DSSConnectionError, DSSTimeout: The connection broke or stalled.
        """
        try:
            yield from self._response.iter_bytes(chunk_size)
        except _FAULTS as error:
            raise wrap_fault(error, self._hop) from error


class AsyncStorageResponse:
    """The bytes behind a presigned URL, as they come.

    Attributes:
        status_code: 200, or 206 for a range.
        headers: The headers of storage.
    """

    def __init__(self, response: httpx.Response, hop: Hop, headers: httpx.Headers) -> None:
        self._response = response
        self._hop = hop
        self.status_code = response.status_code
        self.headers: Mapping[str, str] = headers

    async def iter_bytes(self, chunk_size: int = _BLOCK) -> AsyncIterator[bytes]:
        """Yield the content in pieces of at most `chunk_size` bytes.

        Raises:
            DSSConnectionError, DSSTimeout: The connection broke or stalled.
        """
        try:
            async for chunk in self._response.aiter_bytes(chunk_size):
                yield chunk
        except _FAULTS as error:
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
        self._clients = _Clients(http_client, storage_client)
        self._owns_clients = True

    @property
    def has_custom_clients(self) -> bool:
        """Whether an HTTP client was handed in, which cannot be made again elsewhere."""
        return self._clients.custom

    def with_options(self, options: Options) -> "Transport":
        """Return a transport with other settings over the same connections."""
        sibling = Transport(options)
        sibling._clients = self._clients
        sibling._owns_clients = False
        return sibling

    def close(self) -> None:
        """Close the connections, unless they belong to someone else."""
        if self._owns_clients:
            self._clients.close()

    def send(self, request: Request) -> Answer:
        """Send `request`, retry and follow as the policy says, and return the final answer."""
        exchange = self._begin(request)
        with self._final(exchange) as response:
            return _answer(exchange, response)

    def locate(self, request: Request) -> Answer:
        """Send `request` and return the redirect to storage itself."""
        exchange = self._begin(request, follow=False)
        with self._final(exchange) as response:
            return _answer(exchange, response)

    @contextmanager
    def stream(self, request: Request) -> Generator[StorageResponse]:
        """Send `request` and yield its content unread."""
        exchange = self._begin(request)
        with self._final(exchange, read=False) as response:
            yield StorageResponse(response, exchange.hop, exchange.final_headers(response))

    @contextmanager
    def open_storage(self, url: str, *, offset: int = 0) -> Generator[StorageResponse]:
        """Ask storage once for the bytes from `offset` on; no retry, no redirect.

        Raises:
            DSSResponseError: Storage refused; `Forbidden` where a presigned URL has expired.
            DSSConnectionError, DSSTimeout: It could not be reached.
        """
        hop = storage_hop(url, offset=offset)
        client = self._clients.storage
        started = time.monotonic()
        try:
            response = client.send(_outgoing(client, hop, self.options.timeout), stream=True)
        except _FAULTS as error:
            raise wrap_fault(error, hop) from error
        try:
            _log(hop, response, started)
            if not response.is_success:
                try:
                    response.read()
                except _FAULTS as error:
                    raise wrap_fault(error, hop) from error
                raise DSSResponseError.for_response(
                    request=hop.info, response=response_info(response)
                )
            check_identity(response, hop)
            yield StorageResponse(response, hop, response.headers)
        finally:
            response.close()

    def _begin(self, request: Request, *, follow: bool = True) -> Exchange:
        token = self._token() if request.secured else None
        return self.options.exchange(request, token, follow=follow)

    def _token(self) -> str | None:
        token = self.options.token
        if token is None or isinstance(token, str):
            return token
        value = token()
        if not isinstance(value, str):
            raise TypeError("DSSClient needs a token function that returns str, not an awaitable")
        return value

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
                request = _outgoing(client, hop, self.options.timeout)
                response = client.send(request, stream=True)
                _log(hop, response, started)
                if read or not response.is_success:
                    response.read()
            except _FAULTS as error:
                if response is not None:
                    response.close()
                delay = exchange.failed(error)
            else:
                try:
                    delay = exchange.answered(response)
                    if delay is None:
                        yield response
                        return
                finally:
                    response.close()
            if delay:
                time.sleep(delay)


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
        client = httpx.Client(follow_redirects=False)
        self._own.append(client)
        return client

    def close(self) -> None:
        with self._lock:
            for client in self._own:
                client.close()


class AsyncTransport:
    """Sends requests and awaits their answers, within one event loop.

    Args:
        options: The settings.
        http_client: The client for the API, instead of one made here; its owner closes it.
        storage_client: The same for storage. It must hold no credential.
    """

    def __init__(
        self,
        options: Options,
        *,
        http_client: httpx.AsyncClient | None = None,
        storage_client: httpx.AsyncClient | None = None,
    ) -> None:
        self.options = options
        self._clients = _AsyncClients(http_client, storage_client)
        self._owns_clients = True

    @property
    def has_custom_clients(self) -> bool:
        """Whether an HTTP client was handed in, which cannot be made again elsewhere."""
        return self._clients.custom

    def with_options(self, options: Options) -> "AsyncTransport":
        """Return a transport with other settings over the same connections."""
        sibling = AsyncTransport(options)
        sibling._clients = self._clients
        sibling._owns_clients = False
        return sibling

    async def aclose(self) -> None:
        """Close the connections, unless they belong to someone else."""
        if self._owns_clients:
            await self._clients.aclose()

    async def send(self, request: Request) -> Answer:
        """Send `request`, retry and follow as the policy says, and return the final answer."""
        exchange = await self._begin(request)
        async with self._final(exchange) as response:
            return _answer(exchange, response)

    async def locate(self, request: Request) -> Answer:
        """Send `request` and return the redirect to storage itself."""
        exchange = await self._begin(request, follow=False)
        async with self._final(exchange) as response:
            return _answer(exchange, response)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncStorageResponse]:
        """Send `request` and yield its content unread."""
        exchange = await self._begin(request)
        async with self._final(exchange, read=False) as response:
            yield AsyncStorageResponse(response, exchange.hop, exchange.final_headers(response))

    async def _begin(self, request: Request, *, follow: bool = True) -> Exchange:
        token = await self._token() if request.secured else None
        return self.options.exchange(request, token, follow=follow)

    async def _token(self) -> str | None:
        token = self.options.token
        if token is None or isinstance(token, str):
            return token
        value = token()
        return await value if inspect.isawaitable(value) else value

    @asynccontextmanager
    async def _final(
        self, exchange: Exchange, *, read: bool = True
    ) -> AsyncGenerator[httpx.Response]:
        """Go through the hops of `exchange`; yield the final response and close it."""
        while True:
            hop = exchange.hop
            client = self._clients.storage if hop.storage else self._clients.api
            started = time.monotonic()
            response: httpx.Response | None = None
            delay: float | None
            try:
                request = _outgoing(client, hop, self.options.timeout)
                response = await client.send(request, stream=True)
                _log(hop, response, started)
                if read or not response.is_success:
                    await response.aread()
            except _FAULTS as error:
                if response is not None:
                    await response.aclose()
                delay = exchange.failed(error)
            else:
                try:
                    delay = exchange.answered(response)
                    if delay is None:
                        yield response
                        return
                finally:
                    await response.aclose()
            if delay:
                await asyncio.sleep(delay)


class _AsyncClients:
    """The two HTTP clients of a transport, made when first needed."""

    def __init__(self, api: httpx.AsyncClient | None, storage: httpx.AsyncClient | None) -> None:
        self._api = api
        self._storage = storage
        self._own: list[httpx.AsyncClient] = []
        self.custom = api is not None or storage is not None

    @property
    def api(self) -> httpx.AsyncClient:
        self._api = self._api or self._make()
        return self._api

    @property
    def storage(self) -> httpx.AsyncClient:
        self._storage = self._storage or self._make()
        return self._storage

    def _make(self) -> httpx.AsyncClient:
        client = httpx.AsyncClient(follow_redirects=False)
        self._own.append(client)
        return client

    async def aclose(self) -> None:
        for client in self._own:
            await client.aclose()
