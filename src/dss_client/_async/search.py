"""Searches that go beyond one operation."""

from typing import TYPE_CHECKING, Literal

from ..errors import InvalidArgument
from ..types import JSONMapping, Replica
from .operations import AsyncOperations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..models import GetBundleResponse
    from ..versions import FQID
    from .found_bundles import AsyncFoundBundles

__all__ = ["AsyncSearches"]


class AsyncSearches(AsyncOperations):
    """Searches, as methods of the client."""

    def search_bundles(
        self,
        *,
        es_query: JSONMapping,
        replica: Replica,
        on_missing: Literal["skip", "raise"] = "skip",
        output_format: Literal["summary", "raw"] = "summary",
        presignedurls: bool | None = None,
        directurls: bool | None = None,
    ) -> "AsyncFoundBundles":
        """Iterate over the bundles that a search finds, with their files.

        Pages and bundles are asked for as they are taken, a few bundles ahead.

        Args:
            es_query: The query, as for `post_search`; ``{}`` finds all. Also an object
                with ``to_dict()``.
            replica: Which copy.
            on_missing: What to do about a bundle that was deleted after it was indexed: ``skip``
                counts it in `AsyncFoundBundles.skipped`, ``raise`` raises `NotFound`.
            output_format: ``raw`` adds the whole metadata to each hit.
            presignedurls: Have a presigned URL for each file, as `get_bundle` does. They expire.
            directurls: Have a storage URL for each file instead.

        Raises:
            InvalidArgument: `on_missing` is not valid.
        """
        from .found_bundles import AsyncFoundBundles

        if on_missing not in {"skip", "raise"}:
            raise InvalidArgument(
                f"on_missing={on_missing!r} is not valid: expected 'skip' or 'raise'"
            )
        hits = self.post_search.iterate(
            replica=replica, es_query=es_query, output_format=output_format
        )

        def pages(fqid: "FQID") -> "AsyncIterator[GetBundleResponse]":
            return self.get_bundle.paginate(
                uuid=fqid.uuid,
                version=fqid.version,
                replica=replica,
                presignedurls=presignedurls,
                directurls=directurls,
            )

        return AsyncFoundBundles(hits, pages, on_missing)
