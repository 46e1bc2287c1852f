"""What a search finds, joined to the bundles themselves; see `DSSClient.search_bundles`."""

from ._async.found_bundles import AsyncFoundBundles
from ._search import FoundBundle, OnMissing
from ._sync.found_bundles import FoundBundles

__all__ = ["AsyncFoundBundles", "FoundBundle", "FoundBundles", "OnMissing"]
