"""The bundles that a search finds, asked for a few ahead."""

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Self

from .._backend.asynchronous import Prefetcher
from .._search import AHEAD, FoundBundle, OnMissing, fqid_of, join_pages
from ..errors import NotFound
from ..models import GetBundleResponse, SearchHit
from ..versions import FQID

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["AsyncFoundBundles"]


class AsyncFoundBundles(AsyncIterator[FoundBundle]):
    """The bundles that a search finds, in its order; a few are asked for ahead.

    Iterate over it; `aclose` it, or use it in an ``async with`` statement, where you stop before
    its end.

    Args:
        hits: What the search finds, asked for page by page.
        pages: Asks for a bundle, page by page.
        on_missing: What to do about bundles that were deleted after they were indexed.

    Attributes:
        skipped: Number of bundles that were skipped because they were deleted.
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
        self._ahead: Prefetcher[FoundBundle] = Prefetcher()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FoundBundle:
        """Return the next bundle.

        Raises:
            NotFound: It was deleted, and `on_missing` is ``raise``.
            DSSError: The service failed.
        """
        try:
            return await self._next()
        except BaseException:  # its end, too
            await self.aclose()
            raise

    async def _next(self) -> FoundBundle:
        while await self._ask_ahead():
            try:
                return await self._ahead.take()
            except NotFound:
                if self._on_missing == "raise":
                    raise
                self.skipped += 1
        raise StopAsyncIteration

    async def _ask_ahead(self) -> bool:
        """Ask for a few bundles ahead; tell whether at least one is left."""
        while self._hits is not None and len(self._ahead) < AHEAD:
            try:
                hit = await anext(self._hits)
            except StopAsyncIteration:
                self._hits = None
            else:
                self._ahead.start(self._join, hit)
        return len(self._ahead) > 0

    async def _join(self, hit: SearchHit) -> FoundBundle:
        pages = self._pages(fqid_of(hit))
        return join_pages(hit, [page.bundle async for page in pages])

    async def to_frame(self) -> "DataFrame":
        """Return the files of all bundles as one table of pandas, a row each.

        `download_manifest` takes it, and any selection of its rows.

        Raises:
            MissingExtra: pandas is not installed (extra ``pandas``).
            DSSError: As for each bundle.
        """
        from .._tables import data_frame
        from .._views import BUNDLE_COLUMNS

        rows = [row async for found in self for row in found.bundle.to_rows()]
        return data_frame(rows, BUNDLE_COLUMNS)

    async def aclose(self) -> None:
        """Stop asking, and wait for the requests under way."""
        self._hits = None
        await self._ahead.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
