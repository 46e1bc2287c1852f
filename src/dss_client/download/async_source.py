"""An asynchronous client as the source of a download that runs in threads.

The engine blocks; it runs beside the event loop, and what it asks of the client is done in the
loop. So the client's own settings, tokens and HTTP clients hold for downloads as for all else.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from dss_client._request import JSONMapping

from .errors import Stopped
from .source import Content, FileFacts, Replica, no_downgrade

if TYPE_CHECKING:
    from dss_client._async_transport import AsyncStorageResponse
    from dss_client._storage import Connector
    from dss_client.client import AsyncDSSClient
    from dss_client.models import CollectionItem

    from .answers import BundlePage

__all__ = ["AsyncClientSource", "in_thread"]

T = TypeVar("T")


async def in_thread(function: Callable[[], T], stop: threading.Event) -> T:
    """Run a download or an upload beside the event loop, and return its result.

    It has a thread of its own. In one of the loop's threads it could wait for ever: the loop looks
    up the addresses of hosts there, and when all of them wait for an answer, none is free to look.

    When the task is cancelled, the download is told to stop and waited for: what it has of large
    files is kept for the next run.

    Args:
        function: The download or upload.
        stop: Tells it to stop.
    """
    own = ThreadPoolExecutor(1, thread_name_prefix="dss-transfer")
    work = asyncio.get_running_loop().run_in_executor(own, copy_context().run, function)
    own.shutdown(wait=False)  # takes nothing more, and ends when this is done
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([work])
        if not isinstance(work.exception(), Stopped | None):
            raise asyncio.CancelledError from work.exception()
        raise


class AsyncClientSource:
    """An asynchronous client as a source. Its methods are for other threads than the loop's.

    Args:
        client: The client; it stays its owner's to close.
        loop: The loop that it belongs to.
    """

    def __init__(self, client: "AsyncDSSClient", loop: asyncio.AbstractEventLoop) -> None:
        from .answers import AsyncQuestions

        self._client = client
        self._loop = loop
        self._transport = client._transport  # pyright: ignore[reportPrivateUsage] - same package
        self._questions = AsyncQuestions(self._transport)
        self.connector: Connector | None = self._transport.connector

    def _wait(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    def _each(self, items: AsyncIterator[T]) -> Iterator[T]:
        async def next_one() -> tuple[T, ...]:
            async for item in items:
                return (item,)
            return ()

        while found := self._wait(next_one()):
            yield found[0]

    def bundle_pages(
        self, *, uuid: str, version: str | None, replica: Replica, presigned: bool = False
    ) -> "Iterator[BundlePage]":
        """Yield the pages of a bundle; without a version, of its latest."""
        return self._each(
            self._questions.bundle_pages(
                uuid=uuid, version=version, replica=replica, presigned=presigned
            )
        )

    def locate(self, *, uuid: str, version: str | None, replica: Replica) -> str:
        """Return a fresh URL of a file's content, good without any credential."""
        return self._wait(self._questions.location(uuid=uuid, version=version, replica=replica))

    def file_facts(self, *, uuid: str, version: str, replica: Replica) -> FileFacts:
        """Return the checksum and size of a file."""
        ask = self._questions.content_headers
        head = self._wait(ask(uuid=uuid, version=version, replica=replica))
        return FileFacts(head.sha256, head.size)

    def collection_items(
        self, *, uuid: str, version: str | None, replica: Replica
    ) -> "list[CollectionItem]":
        """Return what a collection lists; without a version, its latest."""
        ask = self._questions.collection_items
        return self._wait(ask(uuid=uuid, version=version, replica=replica))

    def bundles_found(self, *, es_query: JSONMapping, replica: Replica) -> Iterator[str]:
        """Yield the fully qualified ids of the bundles that a search finds."""
        hits = self._questions.hits(es_query=es_query, replica=replica)
        return (hit.bundle_fqid for hit in self._each(hits))

    def allows(self, url: str) -> bool:
        """Tell whether a URL is no step back from https to http, nor something else altogether."""
        return no_downgrade(self._client.url, url)

    def open(
        self, url: str, *, first: int = 0, last: int | None = None
    ) -> AbstractContextManager[Content]:
        """Ask once for the bytes behind a URL, from `first` to `last` (included)."""
        if self.connector is not None:
            return self.connector.open(url, first=first, last=last)
        return self._open(url, first, last)

    @contextmanager
    def _open(self, url: str, first: int, last: int | None) -> Generator[Content]:
        opened = self._transport.open_storage(url, first=first, last=last)
        response = self._wait(opened.__aenter__())
        try:
            yield _Waited(response, self._wait)
        finally:
            self._wait(opened.__aexit__(None, None, None))


class _Waited:
    """Content that comes to the loop, read by another thread."""

    def __init__(
        self,
        response: "AsyncStorageResponse",
        wait: Callable[[Coroutine[Any, Any, int]], int],
    ) -> None:
        self._response = response
        self._wait = wait
        self.status_code = response.status_code
        self.headers = response.headers

    def readinto(self, buffer: memoryview) -> int:
        """Read into a buffer; return the number of bytes, 0 at the end."""
        return self._wait(self._response.readinto(buffer))
