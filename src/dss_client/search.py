"""What a search finds: joined to the bundles (see `DSSClient.search_bundles`), or as a table."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ._async.found_bundles import AsyncFoundBundles
from ._search import FoundBundle, OnMissing
from ._sync.found_bundles import FoundBundles

if TYPE_CHECKING:
    from pandas import DataFrame

    from .models import SearchHit

__all__ = ["AsyncFoundBundles", "FoundBundle", "FoundBundles", "OnMissing", "hits_frame"]


def hits_frame(hits: "Iterable[SearchHit]", fields: Sequence[str] = ()) -> "DataFrame":
    """Return hits of a search as a table of pandas, one row each.

        hits = dss.post_search.iterate(replica="aws", es_query={}, output_format="raw")
        hits_frame(hits, ["files.donor_organism_json.genus_species.text"])

    Args:
        hits: The hits.
        fields: What to take of the metadata, which only the raw format has: paths with dots,
            through lists. Several values are joined by `` || ``.

    Raises:
        InvalidArgument: There are fields, and the hits have no metadata.
        MissingExtra: pandas is not installed (extra ``pandas``).
    """
    from ._tables import data_frame, hit_columns, hit_rows

    pairs = ((hit.bundle_fqid, hit.metadata) for hit in hits)
    return data_frame(hit_rows(pairs, fields), hit_columns(fields))
