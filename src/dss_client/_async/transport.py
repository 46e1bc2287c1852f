"""The asynchronous transport: sends requests, and does what `CallState` decides.

HTTP clients for the API and for storage are kept apart: the latter never hold a credential, a
cookie or a default header.
"""

import os
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from .._backend.asynchronous import (
    LoopGuard,
    call_token_function,
    run_blocking,
    sleep,
)
from .._call import (
    Attempt,
    CallState,
    location_of,
    log_attempt,
    raise_for_status,
    start_call,
    start_following,
    storage_attempt,
    to_response,
)
from .._environment import Network, Proxy
from .._fork import need_process, reset_after_fork
from .._http import (
    NETWORK_ERRORS,
    AsyncClient,
    HTTPResponse,
    Route,
    new_async_client,
    origin_of,
    send_async_request,
    to_dss_error,
)
from .._options import Options
from .._request import Request
from .._response import Response
from .._tokens import Tokens
from ..errors import DSSError

__all__ = ["AsyncStorageResponse", "AsyncTransport"]

_BLOCK = 1 << 20
_PIECE = 1 << 17  # bytes that a broken connection may lose


class AsyncStorageResponse:
    """The bytes behind a presigned URL, as they come.

    Attributes:
        status_code: 200, or 206 for a range.
        headers: The headers of storage.
        secrets: What was sent that no error may show.
    """

    def __init__(
        self,
        response: HTTPResponse,
        attempt: Attempt,
        headers: Mapping[str, str],
        secrets: tuple[str, ...],
    ) -> None:
        self._response = response
        self._attempt = attempt
        self.secrets = secrets
        self.status_code: int = response.status_code
        self.headers = headers
        self._pieces: AsyncIterator[bytes] | None = None
        self._rest = b""
        self._process = os.getpid()

    async def readinto(self, buffer: memoryview) -> int:
        """Read into `buffer`; return the number of bytes, 0 at the end.

        Raises:
            DSSConnectionError, DSSTimeout: The connection broke or stalled.
        """
        if self._pieces is None:
            self._pieces = self.iter_bytes(_PIECE)
        piece = self._rest or await anext(self._pieces, b"")
        count = min(len(piece), len(buffer))
        buffer[:count] = piece[:count]
        self._rest = piece[count:]
        return count

    async def iter_bytes(self, chunk_size: int = _BLOCK) -> AsyncIterator[bytes]:
        """Yield the content in pieces of at most `chunk_size` bytes, as it is stored.

        Raises:
            DSSConnectionError, DSSTimeout: The connection broke or stalled.
        """
        try:
            need_process(self._process)
            async for chunk in self._response.aiter_raw(chunk_size):
                yield chunk
                need_process(self._process)
        except NETWORK_ERRORS as error:
            raise to_dss_error(error, self._attempt.info, secrets=self.secrets) from error


class AsyncTransport:
    """Sends requests and returns their answers. Everything that the client is made of shares it.

    Args:
        options: The settings.
        http_client: The client for the API, instead of one made here; its owner closes it.
        storage_client: The same for storage. It must hold no credential.
        parent: The transport whose connections and token to share.

    Attributes:
        options: The settings.
        tokens: The token, where the settings have none.
    """

    def __init__(
        self,
        options: Options,
        *,
        http_client: AsyncClient | None = None,
        storage_client: AsyncClient | None = None,
        parent: "AsyncTransport | None" = None,
    ) -> None:
        self.options = options
        self._parent = parent
        if parent is None:
            self.tokens: Tokens = Tokens(options)
            self._clients = _AsyncClients(options.network, http_client, storage_client)
        else:
            self.tokens = parent.tokens
            self._clients = parent._clients

    @property
    def has_custom_storage(self) -> bool:
        """Whether the HTTP client for storage was handed in."""
        return self._clients.has_storage

    @property
    def has_custom_clients(self) -> bool:
        """Whether an HTTP client was handed in, which cannot be made again elsewhere."""
        return self._clients.are_custom

    def with_options(self, options: Options) -> "AsyncTransport":
        """Return a transport with other settings over the same connections."""
        return AsyncTransport(options, parent=self)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.has_custom_clients:
            raise DSSError(
                "a client made with http_client= or storage_client= cannot be pickled: make it"
                " anew in the other process"
            )
        return type(self), (self.options,)

    async def aclose(self) -> None:
        """Close the connections, unless they belong to a parent."""
        if self._parent is None:
            await self._clients.aclose()

    async def send(self, request: Request) -> Response:
        """Send `request`, retry and follow as the policy says, and return the final answer."""
        state = await self._start(request)
        async with self._final(state) as response:
            return to_response(state, response)

    async def locate(self, request: Request) -> Response:
        """Send `request` and return the redirect to storage itself."""
        state = await self._start(request, follow=False)
        async with self._final(state) as response:
            return to_response(state, response)

    async def follow(self, url: str) -> str:
        """Return where a URL leads to that is not one of the API; a content is at the URL itself.

        It is waited for until it is ready, and no credential is sent.
        """
        state = start_following(self.options, url)
        async with self._final(state, read=False) as response:
            return location_of(state, response) or state.attempt.url

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncStorageResponse]:
        """Send `request` and yield its content unread."""
        state = await self._start(request)
        async with self._final(state, read=False) as response:
            headers = state.final_headers(response)
            yield AsyncStorageResponse(response, state.attempt, headers, state.secrets)

    @asynccontextmanager
    async def open_storage(
        self, url: str, *, first: int = 0, last: int | None = None
    ) -> AsyncGenerator[AsyncStorageResponse]:
        """Ask storage once for the bytes from `first` to `last` (included).

        No retry, no redirect; over the HTTP library. What is encoded comes as it is.

        Raises:
            DSSResponseError: Storage refused; `Forbidden` where a presigned URL has expired.
            DSSConnectionError, DSSTimeout: It could not be reached.
        """
        attempt = storage_attempt(url, first=first, last=last)
        proxy: Proxy | None = None
        started = time.monotonic()
        try:
            client, proxy = self._clients.of(attempt)
            response = await self._send(client, attempt, whole=False)
        except NETWORK_ERRORS as error:
            raise self._fault(error, attempt, proxy) from error
        try:
            log_attempt(attempt, response, started)
            if not response.is_success:
                try:
                    await response.aread()
                except NETWORK_ERRORS as error:
                    raise self._fault(error, attempt, proxy) from error
            refusal = "" if proxy is None else proxy.refusal(response.status_code)
            raise_for_status(attempt, response, hint=refusal)
            yield AsyncStorageResponse(response, attempt, response.headers, attempt.secrets)
        finally:
            await response.aclose()

    def _fault(self, error: Exception, attempt: Attempt, proxy: Proxy | None) -> DSSError:
        return to_dss_error(error, attempt.info, proxy=proxy, secrets=attempt.secrets)

    async def _start(self, request: Request, *, follow: bool = True) -> CallState:
        token = await self.token() if request.endpoint.secured else None
        origin = "" if token is None else self.tokens.origin()
        return start_call(self.options, request, token, token_from=origin, follow=follow)

    async def token(self) -> str | None:
        """Return the token to send, if there is one.

        Raises:
            LoginError: There is a credential that cannot be used.
            InvalidArgument: The token function returned something else.
        """
        token = self.options.token
        if token is None and self.options.find_tokens is None:
            return None
        if token is None:
            return await run_blocking(self.tokens.token)
        return token if isinstance(token, str) else await call_token_function(token)

    async def another_token(self, refused: str | None) -> str | None:
        """Return a token to replace one that was refused, if there is one."""
        given = self.options.token
        if refused is None or isinstance(given, str):
            return None
        if given is None:
            return await run_blocking(self.tokens.renew, refused)
        value = await call_token_function(given)  # it may have noticed meanwhile
        return value if value != refused else None

    @asynccontextmanager
    async def _final(self, state: CallState, *, read: bool = True) -> AsyncGenerator[HTTPResponse]:
        """Make the attempts of a call; yield the final response and close it."""
        while True:
            attempt = state.attempt
            started = time.monotonic()
            response: HTTPResponse | None = None
            proxy: Proxy | None = None
            delay: float | None
            try:
                client, proxy = self._clients.of(attempt)
                response = await self._send(client, attempt, whole=read)
                log_attempt(attempt, response, started)
                if read or not response.is_success:
                    await response.aread()
            except NETWORK_ERRORS as error:
                if response is not None:
                    await response.aclose()
                delay = state.failed(error, proxy)
            else:
                try:
                    token = await self.another_token(state.refused_token(response))
                    if token is not None:
                        state.authorize(token)
                        continue
                    delay = state.answered(response, proxy)
                    if delay is None:
                        yield response
                        return
                finally:
                    await response.aclose()
            if delay:
                await sleep(delay)

    async def _send(self, client: AsyncClient, attempt: Attempt, *, whole: bool) -> HTTPResponse:
        return await send_async_request(
            client,
            attempt.method,
            attempt.url,
            dict(attempt.headers),
            attempt.body,
            self.options.timeout,
            whole=whole,
        )


class _AsyncClients:
    """The HTTP clients of a transport and its siblings: one for each route, made when needed."""

    def __init__(
        self, network: Network, api: AsyncClient | None, storage: AsyncClient | None
    ) -> None:
        self._network = network
        self._api = api
        self._storage = storage
        self._own: dict[tuple[bool, Route], AsyncClient] = {}
        self._routes: dict[str, Route] = {}
        self._lock = threading.Lock()
        self._loop = LoopGuard()
        self._is_closed = False
        self._is_forked = False
        self.are_custom = api is not None or storage is not None
        self.has_storage = storage is not None
        reset_after_fork(self)

    def after_fork(self) -> None:
        """Leave the connections to the parent process, which uses them."""
        self._lock = threading.Lock()
        self._own = {}
        self._loop = LoopGuard()
        self._is_forked = True

    def of(self, attempt: Attempt) -> tuple[AsyncClient, Proxy | None]:
        """Return the client for an attempt, and the proxy that it uses, as far as it is known.

        Raises:
            DSSError: The client cannot be used any more; the message says why.
        """
        if self._is_closed:
            raise DSSError("the client is closed: make a new one")
        given = self._storage if attempt.storage else self._api
        if given is not None:
            self._check(given)
            return given, None
        route = self.route_to(attempt.url)
        with self._lock:
            if self._loop.has_moved():
                self._own = {}  # the loop that could close them is gone
            key = attempt.storage, route
            if key not in self._own:
                self._own[key] = new_async_client(route)
            return self._own[key], route.proxy

    def route_to(self, url: str) -> Route:
        """Return the way to a URL; the environment is read once for each origin."""
        origin = origin_of(url)
        route = self._routes.get(origin)
        if route is None:
            route = self._routes[origin] = Route.to(origin, self._network)
        return route

    def _check(self, given: AsyncClient) -> None:
        if given.is_closed:
            raise DSSError("the HTTP client that was given is closed: make both anew")
        self._loop.need_same()
        if self._is_forked:
            raise DSSError(
                "an HTTP client that was given to a client cannot be used in a forked process:"
                " make both anew there"
            )

    async def aclose(self) -> None:
        with self._lock:
            self._is_closed = True
            own, self._own = self._own, {}
            if self._loop.has_moved():
                own = {}
        for client in own.values():
            await client.aclose()
