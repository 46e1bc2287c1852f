"""Results of operations as JSON: pages one by one, or put together."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, cast

from attrs import define, field
from pydantic import BaseModel

from dss_client._json import json_text
from dss_client._model import HeaderModel

__all__ = ["PagedResult", "merged", "plain", "plain_json"]

_MARKS = frozenset({"link", "search_after", "token"})


def plain(value: object) -> Any:
    """Return a result as JSON values, exactly as it was on the wire."""
    if isinstance(value, BaseModel):
        # What was a header has a name of its own only there.
        by_alias = not isinstance(value, HeaderModel)
        return value.model_dump(mode="json", by_alias=by_alias, exclude_unset=True)
    return value  # open objects are plain already


def plain_json(value: object, *, one_line: bool) -> str:
    """Return a result as a JSON text."""
    return json_text(plain(value), indent=None if one_line else 2)


@define
class PagedResult:
    """Pages of an operation.

    Attributes:
        pages: The pages, asked for as they are needed.
        path: The names that lead to the items of each, such as ``bundle`` and ``files``.
        limit: How many items to take; None for all.
    """

    pages: Iterable[object]
    path: tuple[str, ...]
    limit: int | None = None
    last: dict[str, Any] = field(factory=dict[str, Any], init=False)
    left: int = field(default=0, init=False)

    def items(self) -> Iterator[object]:
        """Yield the items.

        What the last page says beside them is kept in `last`, and in `left` how many of its items
        were not taken.
        """
        return islice(self._all(), self.limit)

    def _all(self) -> Iterator[object]:
        for page in self.pages:
            self.last = cast("dict[str, Any]", plain(page))
            holder = _holder(self.last, self.path)
            found = holder.pop(self.path[-1], [])
            self.left = len(found)
            for item in found:
                self.left -= 1
                yield item


def _holder(document: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Return the object that holds the items; made where it is not there."""
    for name in path[:-1]:
        document = document.setdefault(name, {})
    return document


def merged(result: PagedResult) -> dict[str, Any]:
    """Return one document with the items of all pages in their place (docs/behaviour.md C10).

    It says of itself what a page says: how many items it holds, and whether others follow.
    """
    items = list(result.items())
    document = result.last
    if "page_count" in document:
        document["page_count"] = len(items)
    if result.left:  # its marks lead to what follows the whole page
        for mark in _MARKS & document.keys():
            del document[mark]
        if "has_more" in document:
            document["has_more"] = True
    _holder(document, result.path)[result.path[-1]] = items
    return document
