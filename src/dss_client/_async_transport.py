"""The asynchronous transport; the twin of `Transport`, which see.

A module of its own, because asyncio is a quarter of what importing the client would cost.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from ._exchange import Exchange, Hop, storage_hop, wrap_fault
from ._options import Options, Timeout
from ._request import Request
from ._storage import Connector
from ._transport import (
    BLOCK,
    DIRECT,
    FAULTS,
    PIECE,
    Answer,
    Tokens,
    answer_of,
    bearer,
    begin,
    log_exchange,
    outgoing,
    refuse_storage,
    tls_context,
)

__all__ = ["AsyncStorageResponse", "AsyncTransport"]


class AsyncStorageResponse:
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
        self._pieces: AsyncIterator[bytes] | None = None
        self._rest = b""

    async def readinto(self, buffer: memoryview) -> int:
        """Read into `buffer`; return the number of bytes, 0 at the end.

        Raises:
            DSSConnectionError, DSSTimeout: The connection broke or stalled.
        """
        if self._pieces is None:
            self._pieces = self.iter_bytes(PIECE)
        piece = self._rest or await anext(self._pieces, b"")
        count = min(len(piece), len(buffer))
        buffer[:count] = piece[:count]
        self._rest = piece[count:]
        return count

    async def iter_bytes(self, chunk_size: int = BLOCK) -> AsyncIterator[bytes]:
        """Yield the content in pieces of at most `chunk_size` bytes.

        Raises:
            DSSConnectionError, DSSTimeout: The connection broke or stalled.
        """
        try:
            async for chunk in self._response.aiter_bytes(chunk_size):
                yield chunk
        except FAULTS as error:
            raise wrap_fault(error, self._hop) from error


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
        self.tokens: Tokens = Tokens(options)
        self._clients = _AsyncClients(http_client, storage_client)
        self._owns_clients = True
        self.connector: Connector | None = None
        if storage_client is None:
            self.connector = Connector(options.timeout or Timeout(), tls_context)

    @property
    def has_custom_clients(self) -> bool:
        """Whether an HTTP client was handed in, which cannot be made again elsewhere."""
        return self._clients.custom

    def with_options(self, options: Options) -> "AsyncTransport":
        """Return a transport with other settings over the same connections."""
        sibling = AsyncTransport(options)
        sibling._clients = self._clients
        sibling.tokens = self.tokens
        sibling._owns_clients = False
        if self.connector is None:
            sibling.connector = None
        return sibling

    async def aclose(self) -> None:
        """Close the connections, unless they belong to someone else."""
        if self.connector is not None:
            self.connector.close()
        if self._owns_clients:
            await self._clients.aclose()

    async def send(self, request: Request) -> Answer:
        """Send `request`, retry and follow as the policy says, and return the final answer."""
        exchange = await self._begin(request)
        async with self._final(exchange) as response:
            return answer_of(exchange, response)

    async def locate(self, request: Request) -> Answer:
        """Send `request` and return the redirect to storage itself."""
        exchange = await self._begin(request, follow=False)
        async with self._final(exchange) as response:
            return answer_of(exchange, response)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncStorageResponse]:
        """Send `request` and yield its content unread."""
        exchange = await self._begin(request)
        async with self._final(exchange, read=False) as response:
            yield AsyncStorageResponse(response, exchange.hop, exchange.final_headers(response))

    @asynccontextmanager
    async def open_storage(
        self, url: str, *, first: int = 0, last: int | None = None
    ) -> AsyncGenerator[AsyncStorageResponse]:
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
            response = await client.send(request, stream=True, follow_redirects=False)
        except FAULTS as error:
            raise wrap_fault(error, hop) from error
        try:
            log_exchange(hop, response, started)
            if not response.is_success:
                try:
                    await response.aread()
                except FAULTS as error:
                    raise wrap_fault(error, hop) from error
            refuse_storage(response, hop)
            yield AsyncStorageResponse(response, hop, response.headers)
        finally:
            await response.aclose()

    async def _begin(self, request: Request, *, follow: bool = True) -> Exchange:
        token = await self._token() if request.secured else None
        return begin(self.options, request, token, follow=follow)

    async def _token(self) -> str | None:
        token = self.options.token
        if token is None:
            return await asyncio.to_thread(self.tokens.token) if self._looks_for_tokens else None
        if isinstance(token, str):
            return token
        value = token()
        return await value if inspect.isawaitable(value) else value

    @property
    def _looks_for_tokens(self) -> bool:
        return self.options.find_tokens is not None

    async def _another_token(self, refused: str | None) -> str | None:
        """Return another token than the one that was refused, if one was and there is another."""
        if refused is None or isinstance(self.options.token, str):
            return None
        if self.options.token is None:
            return await asyncio.to_thread(self.tokens.renew, refused)
        value = await self._token()  # the function may have noticed meanwhile
        return value if value != refused else None

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
                request = outgoing(client, hop, self.options.timeout)
                response = await client.send(request, stream=True, follow_redirects=False)
                log_exchange(hop, response, started)
                if read or not response.is_success:
                    await response.aread()
            except FAULTS as error:
                if response is not None:
                    await response.aclose()
                delay = exchange.failed(error)
            else:
                try:
                    token = await self._another_token(exchange.refused_token(response))
                    if token is not None:
                        exchange.authorize(bearer(token))
                        continue
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
        client = httpx.AsyncClient(follow_redirects=False, mounts=DIRECT, verify=tls_context())
        self._own.append(client)
        return client

    async def aclose(self) -> None:
        for client in self._own:
            await client.aclose()
