"""The blocking and the asynchronous client behind one face, so that one test holds for both."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from operator import attrgetter
from typing import Any, Literal, TypeVar

import httpx
from attrs import field, frozen

from dss_client import AsyncDSSClient, DSSClient, RetryPolicy

T = TypeVar("T")
Mode = Literal["sync", "async"]
INSTANT = RetryPolicy(attempts=3, initial_delay=0, max_retry_after=0)


@frozen
class Streamed:
    """A content stream that was read to its end."""

    status_code: int
    headers: Any
    content: bytes


@frozen(kw_only=True)
class Drive:
    """Makes a client for each call, and closes it.

    Attributes:
        mode: Which of the two clients.
        url: Base URL.
        options: Further arguments of the client; retries take no time unless it says so.
        http: Arguments of an httpx client to be handed in as ``http_client``.
    """

    mode: Mode
    url: str | None
    options: Mapping[str, Any] = field(factory=dict[str, Any])
    http: Mapping[str, Any] | None = None

    def call(self, path: str, /, **arguments: Any) -> Any:
        """Call ``dss.<path>(**arguments)``; read what can be iterated or streamed to its end."""
        options = {"retries": INSTANT, **self.options}
        if self.mode == "async":
            return asyncio.run(self._call_async(path, arguments, options))
        if self.http is None:
            with DSSClient(self.url, **options) as dss:
                return finish(attrgetter(path)(dss)(**arguments))
        with (
            httpx.Client(**self.http) as client,
            DSSClient(self.url, http_client=client, **options) as dss,
        ):
            return finish(attrgetter(path)(dss)(**arguments))

    async def _call_async(
        self, path: str, arguments: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Any:
        if self.http is None:
            async with AsyncDSSClient(self.url, **options) as dss:
                return await finish_async(attrgetter(path)(dss)(**arguments))
        async with (
            httpx.AsyncClient(**self.http) as client,
            AsyncDSSClient(self.url, http_client=client, **options) as dss,
        ):
            return await finish_async(attrgetter(path)(dss)(**arguments))


Driver = Callable[..., Drive]


def finish(result: Any) -> Any:
    """Read what can be iterated or streamed to its end."""
    if isinstance(result, Iterator):
        return list(result)
    if isinstance(result, AbstractContextManager):
        with result as stream:
            return Streamed(stream.status_code, stream.headers, stream.read())
    return result


async def finish_async(result: Any) -> Any:
    """Await a result; read what can be iterated or streamed to its end."""
    if isinstance(result, AsyncIterator):
        return [item async for item in result]
    if isinstance(result, AbstractAsyncContextManager):
        async with result as stream:
            return Streamed(stream.status_code, stream.headers, await stream.read())
    return await result


def run_with_two_threads(*calls: Coroutine[Any, Any, T]) -> list[T]:
    """Await all at once, in an event loop whose default executor has two threads."""

    async def together() -> list[T]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        return await asyncio.gather(*calls)

    return asyncio.run(together())
