"""Collections of any size, in requests of the size that the service takes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from attrs import frozen

from .errors import DSSError, InvalidArgument
from .models import CollectionItem, CollectionItemDict
from .versions import FQID

__all__ = [
    "CollectionChange",
    "CollectionIncomplete",
    "CollectionVersion",
    "Item",
    "split_changes",
    "stored_forms",
    "wire_items",
]

Item = CollectionItem | CollectionItemDict | FQID
"""An item of a collection; an `FQID` is a bundle."""

_MAX_ITEMS = 1000  # items that PATCH takes (docs/behaviour.md 8.12)
_LINKS = frozenset({"file", "bundle", "collection"})
_POINTERS = ("fragment", "path")  # the names of a pointer (docs/behaviour.md S21)


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
        at: The version with the changes so far; continue from it.
        done: Items that were changed.
        total: Items in all.
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
class CollectionChange:
    """What one request adds and removes.

    Attributes:
        add: Items as they are sent.
        remove: Items to remove, as they were given.
    """

    add: tuple[CollectionItemDict, ...] = ()
    remove: tuple[CollectionItemDict, ...] = ()

    @property
    def count(self) -> int:
        """Number of items."""
        return len(self.add) + len(self.remove)

    @property
    def remove_forms(self) -> list[CollectionItemDict]:
        """The items to remove in every form that they may be stored in."""
        return [form for item in self.remove for form in stored_forms(item)]


def wire_items(items: Iterable[Item]) -> list[CollectionItemDict]:
    """Return items as they are sent: each once, in the place of the first.

    A pointer is sent under both of its names: services read ``fragment``, the specification says
    ``path``.
    """
    return _unique(stored_forms(given)[-1] for given in map(_to_dict, items))


def stored_forms(item: CollectionItemDict) -> list[CollectionItemDict]:
    """Return the forms that an item may be stored in; the last one is the form to send.

    The service removes items that are equal in every property. It stores a pointer as it was sent:
    under either name, or both.
    """
    pointer = item.get("fragment", item.get("path"))
    if item.get("type") in _LINKS or pointer is None:
        return [item]
    rest = {name: value for name, value in item.items() if name not in _POINTERS}
    both = cast("CollectionItemDict", rest | dict.fromkeys(_POINTERS, pointer))
    forms = [item, *(cast("CollectionItemDict", {**rest, name: pointer}) for name in _POINTERS)]
    return [*_unique(form for form in forms if form != both), both]


def _unique(items: Iterable[CollectionItemDict]) -> list[CollectionItemDict]:
    found: dict[tuple[tuple[str, Any], ...], CollectionItemDict] = {}
    for item in items:
        found.setdefault(tuple(sorted(item.items())), item)
    return list(found.values())


def _to_dict(item: Item) -> CollectionItemDict:
    if isinstance(item, FQID):
        return {"type": "bundle", "uuid": item.uuid, "version": item.version}
    given: Mapping[str, object] = (
        item.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if isinstance(item, CollectionItem)
        else item
    )
    for name, value in given.items():
        if isinstance(value, list | dict):
            raise InvalidArgument(
                f"{name} of a collection's item must be a text, not {value!r:.80}"
            )
    return cast(
        "CollectionItemDict", {name: value for name, value in given.items() if value is not None}
    )


def split_changes(add: Iterable[Item], remove: Iterable[Item]) -> Iterator[CollectionChange]:
    """Yield the requests that change a collection: removals first, then additions."""
    removals = list(_chunks(_unique(map(_to_dict, remove)), lambda item: len(stored_forms(item))))
    additions = list(_chunks(wire_items(add), lambda _: 1))
    for each in removals[:-1]:
        yield CollectionChange(remove=each)
    if removals or additions:
        yield CollectionChange(
            add=additions[0] if additions else (), remove=removals[-1] if removals else ()
        )
    for each in additions[1:]:
        yield CollectionChange(add=each)


def _chunks(
    items: Iterable[CollectionItemDict], size: Callable[[CollectionItemDict], int]
) -> Iterator[tuple[CollectionItemDict, ...]]:
    """Yield items in groups that fit in one request."""
    chunk: list[CollectionItemDict] = []
    filled = 0
    for item in items:
        if chunk and filled + size(item) > _MAX_ITEMS:
            yield tuple(chunk)
            chunk, filled = [], 0
        chunk.append(item)
        filled += size(item)
    if chunk:
        yield tuple(chunk)
