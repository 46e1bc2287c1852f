"""Collections of any size, though what the service takes in one request is bounded."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, cast

from attrs import frozen

from .errors import DSSError
from .models import CollectionItem, CollectionItemDict
from .versions import FQID

__all__ = ["CollectionIncomplete", "CollectionVersion", "Item", "Step", "plan", "wire_items"]

Item = CollectionItem | CollectionItemDict | FQID
"""What a collection can list; an `FQID` stands for a bundle."""

_MOST = 1000  # items that PATCH takes (section 8.12)
_LINKS = frozenset({"file", "bundle", "collection"})


@frozen
class CollectionVersion:
    """A version of a collection.

    Attributes:
        uuid: Id of the collection.
        version: The version.
    """

    uuid: str
    version: str


class CollectionIncomplete(DSSError):
    """A collection was changed in part: a later request failed.

    Attributes:
        at: The version with what was done so far; go on from it.
        done: Items that were dealt with.
        total: Items that there are.
    """

    def __init__(self, at: CollectionVersion, done: int, total: int) -> None:
        super().__init__(
            f"collection {at.uuid} has {done} of {total} changes in version {at.version}: the rest"
            " failed. Go on from that version with the items that are left"
        )
        self.at = at
        self.done = done
        self.total = total


@frozen
class Step:
    """What one request adds and removes."""

    add: tuple[CollectionItemDict, ...] = ()
    remove: tuple[CollectionItemDict, ...] = ()

    @property
    def count(self) -> int:
        """How many items it deals with."""
        return len(self.add) + len(self.remove)


def wire_items(items: Iterable[Item]) -> list[CollectionItemDict]:
    """Return items as they are sent: each once, in the place of the first (section 8.12).

    A pointer is sent under both of its names: services read ``fragment``, the specification says
    ``path`` (S21).
    """
    found: dict[tuple[tuple[str, Any], ...], CollectionItemDict] = {}
    for item in items:
        sent = _wire_item(item)
        found.setdefault(tuple(sorted(sent.items())), sent)
    return list(found.values())


def _wire_item(item: Item) -> CollectionItemDict:
    if isinstance(item, FQID):
        return {"type": "bundle", "uuid": item.uuid, "version": item.version}
    given: Mapping[str, object] = (
        item.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if isinstance(item, CollectionItem)
        else item
    )
    sent = {name: value for name, value in given.items() if value is not None}
    pointer = sent.get("fragment", sent.get("path"))
    if sent.get("type") not in _LINKS and pointer is not None:
        sent |= {"fragment": pointer, "path": pointer}
    return cast("CollectionItemDict", sent)


def plan(add: Iterable[Item], remove: Iterable[Item]) -> Iterator[Step]:
    """Yield the requests that change a collection: what goes first, then what comes."""
    gone, come = list(_chunks(wire_items(remove))), list(_chunks(wire_items(add)))
    for each in gone[:-1]:
        yield Step(remove=each)
    if gone or come:
        yield Step(add=come[0] if come else (), remove=gone[-1] if gone else ())
    for each in come[1:]:
        yield Step(add=each)


def _chunks(items: Iterable[CollectionItemDict]) -> Iterator[tuple[CollectionItemDict, ...]]:
    rest = iter(items)
    while chunk := tuple(islice(rest, _MOST)):
        yield chunk
