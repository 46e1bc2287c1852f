"""What a search finds, joined to the bundles themselves."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, Self

from attrs import frozen

from .errors import NotFound
from .models import BundleVersion, GetBundleResponse, SearchHit
from .versions import FQID

__all__ = ["AsyncFoundBundles", "FoundBundle", "FoundBundles", "OnMissing"]

OnMissing = Literal["skip", "raise"]

_AHEAD = 8  # bundles that are asked for before they are taken


@frozen
class FoundBundle:
    """A bundle that a search found.

    Attributes:
        hit: What the search says of it.
        bundle: The bundle, with the files of all its pages.
    """

    hit: SearchHit
    bundle: BundleVersion

    @property
    def fqid(self) -> FQID:
        """Its id and version."""
        return FQID(self.bundle.uuid, self.bundle.version)


class FoundBundles(Iterator[FoundBundle]):
    """The bundles that a search finds, in its order; a few are asked for ahead.

    Iterate over it; `close` it, or use it in a ``with`` statement, where you stop before its end.

    Args:
        hits: What the search finds, asked for page by page.
        pages: Asks for a bundle, page by page.
        on_missing: What to do about bundles that were deleted after they were indexed.

    Attributes:
        skipped: How many were passed over since they are gone.
    """

    def __init__(
        self,
        hits: Iterator[SearchHit],
        pages: Callable[[FQID], Iterator[GetBundleResponse]],
        on_missing: OnMissing,
    ) -> None:
        self.skipped: int = 0
        self._hits = hits
        self._pages = pages
        self._on_missing = on_missing
        self._pool = ThreadPoolExecutor(_AHEAD, thread_name_prefix="dss-search")
        self._asked: deque[Future[FoundBundle]] = deque()

    def __next__(self) -> FoundBundle:
        """Return the next bundle.

        Raises:
            NotFound: It is gone, and that is to be an error.
            DSSError: The service failed.
        """
        try:
            return self._next()
        except BaseException:  # its end, too
            self.close()
            raise

    def _next(self) -> FoundBundle:
        while self._ask_ahead():
            asked = self._asked.popleft()
            try:
                return asked.result()
            except NotFound:
                if self._on_missing == "raise":
                    raise
                self.skipped += 1
        raise StopIteration

    def _ask_ahead(self) -> bool:
        """Ask for bundles as far as they may be asked for ahead; say whether there is one."""
        while len(self._asked) < _AHEAD and (hit := next(self._hits, None)) is not None:
            self._asked.append(self._pool.submit(self._join, hit))
        return bool(self._asked)

    def _join(self, hit: SearchHit) -> FoundBundle:
        pages = self._pages(FQID.parse(hit.bundle_fqid))
        return _joined(hit, [page.bundle for page in pages])

    def close(self) -> None:
        """Ask for no more, and wait for what is under way to end."""
        self._hits = iter(())
        self._asked.clear()
        self._pool.shutdown(cancel_futures=True)  # what is under way uses the client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncFoundBundles(AsyncIterator[FoundBundle]):
    """The bundles that a search finds, in its order; a few are asked for ahead.

    Iterate over it; `aclose` it, or use it in an ``async with`` statement, where you stop before
    its end.

    Args:
        hits: What the search finds, asked for page by page.
        pages: Asks for a bundle, page by page.
        on_missing: What to do about bundles that were deleted after they were indexed.

    Attributes:
        skipped: How many were passed over since they are gone.
    """

    def __init__(
        self,
        hits: AsyncIterator[SearchHit],
        pages: Callable[[FQID], AsyncIterator[GetBundleResponse]],
        on_missing: OnMissing,
    ) -> None:
        self.skipped: int = 0
        self._hits: AsyncIterator[SearchHit] | None = hits
        self._pages = pages
        self._on_missing = on_missing
        self._asked: deque[asyncio.Task[FoundBundle]] = deque()

    async def __anext__(self) -> FoundBundle:
        """Return the next bundle.

        Raises:
            NotFound: It is gone, and that is to be an error.
            DSSError: The service failed.
        """
        try:
            return await self._next()
        except BaseException:  # its end, too
            await self.aclose()
            raise

    async def _next(self) -> FoundBundle:
        while await self._ask_ahead():
            asked = self._asked.popleft()
            try:
                return await asked
            except NotFound:
                if self._on_missing == "raise":
                    raise
                self.skipped += 1
        raise StopAsyncIteration

    async def _ask_ahead(self) -> bool:
        """Ask for bundles as far as they may be asked for ahead; say whether there is one."""
        while self._hits is not None and len(self._asked) < _AHEAD:
            try:
                hit = await anext(self._hits)
            except StopAsyncIteration:
                self._hits = None
            else:
                self._asked.append(asyncio.create_task(self._join(hit)))
        return bool(self._asked)

    async def _join(self, hit: SearchHit) -> FoundBundle:
        pages = self._pages(FQID.parse(hit.bundle_fqid))
        return _joined(hit, [page.bundle async for page in pages])

    async def aclose(self) -> None:
        """Ask for no more, and wait for what is under way to end."""
        self._hits = None
        asked, self._asked = self._asked, deque()
        await asyncio.gather(*asked, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _joined(hit: SearchHit, pages: list[BundleVersion]) -> FoundBundle:
    files = [file for page in pages for file in page.files]
    return FoundBundle(hit, pages[0].model_copy(update={"files": files}))
