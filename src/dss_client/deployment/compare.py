"""The differences between two specifications, and which of them break a client of the first one."""

from collections.abc import Iterator
from typing import Any, Literal

from attrs import asdict, frozen

from .facts import Document, Fact, Key, facts

__all__ = ["Change", "compare"]

Kind = Literal["added", "removed", "changed"]

_LEAST = frozenset({"minimum", "minLength", "minItems"})
_MOST = frozenset({"maximum", "maxLength", "maxItems"})


@frozen
class Change:
    """One difference.

    Attributes:
        kind: Whether it was added, removed or changed.
        operation: Method and path, such as ``GET /bundles/{uuid}``.
        place: What it is about, such as ``parameter query replica`` or ``answer 200 bundle.uuid``.
        pointer: The place as a JSON pointer: in the deployment's document, or for removals in the
            pinned one.
        trait: The trait that changed, such as ``enum``; empty for additions and removals.
        old: The value in the pinned specification.
        new: The deployment's value.
        reason: Why it breaks this client; empty if it does not.
    """

    kind: Kind
    operation: str
    place: str
    pointer: str
    trait: str = ""
    old: Any = None
    new: Any = None
    reason: str = ""

    @property
    def breaking(self) -> bool:
        """Whether calls of this client may fail because of it, or return something else."""
        return bool(self.reason)

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {**asdict(self), "breaking": self.breaking}

    def __str__(self) -> str:
        what = f"{self.kind} {self.operation}"
        if self.place:
            what += f": {self.place}"
        if self.trait:
            what += f": {self.trait} {self.old!r} -> {self.new!r}"
        return f"{what} ({self.reason})" if self.reason else what


def compare(pinned: Document, other: Document) -> tuple[Change, ...]:
    """Return how a specification differs from the pinned one.

    Descriptions, examples, hosts and the order of things do not count.

    Args:
        pinned: The specification of this client.
        other: The specification of a deployment.

    Raises:
        SpecificationError: One of them is not valid Swagger 2.0.
    """
    before, after = facts(pinned), facts(other)
    changes: list[Change] = []
    gone, new = _operations(before) - _operations(after), _operations(after) - _operations(before)
    for key in sorted(
        before.keys() | after.keys(), key=lambda key: (key.operation, key.area, key.name)
    ):
        whole = key.area == "operation"
        if not whole and key.operation in gone | new:
            continue  # one entry for the whole operation is enough
        if key not in after:
            reason = _lost(key, before[key])
            changes.append(_change("removed", key, before[key], reason=reason))
        elif key not in before:
            changes.append(_change("added", key, after[key], reason=_gained(key, after[key])))
        else:
            changes += _changed(key, before[key], after[key])
    return tuple(changes)


def _operations(found: dict[Key, Fact]) -> set[str]:
    return {key.operation for key in found if key.area == "operation"}


def _change(kind: Kind, key: Key, fact: Fact, **more: Any) -> Change:
    place = "" if key.area == "operation" else f"{key.area} {key.name}"
    return Change(kind, key.operation, place, fact.pointer, **more)


def _lost(key: Key, fact: Fact) -> str:
    if key.area == "operation":
        return "calls of it fail"
    if key.area in {"parameter", "body"}:
        return "the service may refuse or ignore it"
    if key.area == "response":
        return "the client expects this status"
    return "the client needs it" if fact.required else ""


def _gained(key: Key, fact: Fact) -> str:
    if key.area in {"parameter", "body"} and fact.required:
        return "the client cannot send it"
    return ""


def _changed(key: Key, before: Fact, after: Fact) -> Iterator[Change]:
    sent = key.area in {"parameter", "body"}
    if before.required != after.required:
        reason = ""
        if sent and after.required:
            reason = "the client may leave it out"
        elif not sent and before.required:
            reason = "the client needs it"
        yield _change(
            "changed",
            key,
            after,
            trait="required",
            old=before.required,
            new=after.required,
            reason=reason,
        )
    for trait in sorted(before.traits.keys() | after.traits.keys()):
        old, new = before.traits.get(trait), after.traits.get(trait)
        if trait == "enum" and _as_set(old) == _as_set(new):
            continue
        if old != new:
            reason = _minds(trait, old, new, sent=sent)
            yield _change("changed", key, after, trait=trait, old=old, new=new, reason=reason)


def _minds(trait: str, old: Any, new: Any, *, sent: bool) -> str:
    """Return why a changed trait matters; empty if it does not."""
    if trait == "type":
        return "values of another type" if old is not None and new is not None else ""
    if not sent:
        return ""  # answers are read leniently: unknown values of an enum, any length
    if trait == "enum":
        taken = _as_set(old) or {"any other"}
        lost = set[str]() if new is None else taken - (_as_set(new) or set[str]())
        return f"no longer taken: {', '.join(sorted(lost))}" if lost else ""
    if trait in _LEAST and new is not None and (old is None or new > old):
        return "smaller values are no longer taken"
    if trait in _MOST and new is not None and (old is None or new < old):
        return "larger values are no longer taken"
    if trait in {"pattern", "collectionFormat"} and new is not None:
        return "values that were taken may be refused"
    return ""


def _as_set(values: Any) -> set[str] | None:
    return None if values is None else set(map(str, values))
