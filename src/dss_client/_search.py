"""Searches of the clients that go beyond one operation."""

from typing import TYPE_CHECKING, Literal, cast

from .errors import InvalidArgument
from .versions import FQID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ._request import JSONMapping
    from .client import AsyncDSSClient, DSSClient
    from .models import GetBundleResponse
    from .search import AsyncFoundBundles, FoundBundles

__all__ = ["AsyncSearches", "Searches"]

Replica = Literal["aws", "gcp"]


class Searches:
    """Searches of a blocking client."""

    __slots__ = ()

    def search_bundles(
        self,
        *,
        es_query: "JSONMapping",
        replica: Replica,
        on_missing: Literal["skip", "raise"] = "skip",
        output_format: Literal["summary", "raw"] = "summary",
        presignedurls: bool | None = None,
        directurls: bool | None = None,
    ) -> "FoundBundles":
        """Iterate over the bundles that a search finds, with their files.

        Pages and bundles are asked for as they are taken, a few bundles ahead.

        Args:
            es_query: The query, as for `post_search`; ``{}`` finds all. Also what turns itself
                into one by ``to_dict()``.
            replica: Which copy.
            on_missing: What to do about a bundle that was deleted after it was indexed: ``skip``
                counts it in `FoundBundles.skipped`, ``raise`` raises `NotFound`.
            output_format: ``raw`` adds the whole metadata to each hit.
            presignedurls: Have a presigned URL for each file, as `get_bundle` does. They expire.
            directurls: Have a storage URL for each file instead.

        Raises:
            InvalidArgument: `on_missing` is neither.
        """
        from .search import FoundBundles

        _check(on_missing)
        client = cast("DSSClient", self)
        hits = client.post_search.iterate(
            replica=replica, es_query=es_query, output_format=output_format
        )

        def pages(fqid: FQID) -> "Iterator[GetBundleResponse]":
            return client.get_bundle.paginate(
                uuid=fqid.uuid,
                version=fqid.version,
                replica=replica,
                presignedurls=presignedurls,
                directurls=directurls,
            )

        return FoundBundles(hits, pages, on_missing)


class AsyncSearches:
    """Searches of an asynchronous client."""

    __slots__ = ()

    def search_bundles(
        self,
        *,
        es_query: "JSONMapping",
        replica: Replica,
        on_missing: Literal["skip", "raise"] = "skip",
        output_format: Literal["summary", "raw"] = "summary",
        presignedurls: bool | None = None,
        directurls: bool | None = None,
    ) -> "AsyncFoundBundles":
        """Iterate over the bundles that a search finds, with their files.

        Pages and bundles are asked for as they are taken, a few bundles ahead.

        Args:
            es_query: The query, as for `post_search`; ``{}`` finds all. Also what turns itself
                into one by ``to_dict()``.
            replica: Which copy.
            on_missing: What to do about a bundle that was deleted after it was indexed: ``skip``
                counts it in `AsyncFoundBundles.skipped`, ``raise`` raises `NotFound`.
            output_format: ``raw`` adds the whole metadata to each hit.
            presignedurls: Have a presigned URL for each file, as `get_bundle` does. They expire.
            directurls: Have a storage URL for each file instead.

        Raises:
            InvalidArgument: `on_missing` is neither.
        """
        from .search import AsyncFoundBundles

        _check(on_missing)
        client = cast("AsyncDSSClient", self)
        hits = client.post_search.iterate(
            replica=replica, es_query=es_query, output_format=output_format
        )

        def pages(fqid: FQID) -> "AsyncIterator[GetBundleResponse]":
            return client.get_bundle.paginate(
                uuid=fqid.uuid,
                version=fqid.version,
                replica=replica,
                presignedurls=presignedurls,
                directurls=directurls,
            )

        return AsyncFoundBundles(hits, pages, on_missing)


def _check(on_missing: str) -> None:
    if on_missing not in {"skip", "raise"}:
        raise InvalidArgument(f"on_missing={on_missing!r} is unknown: choose 'skip' or 'raise'")
