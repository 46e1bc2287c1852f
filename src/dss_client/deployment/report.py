"""The result of a comparison with a deployment."""

from pathlib import Path

from attrs import frozen

from dss_client._json import json_text

from .compare import Change

__all__ = ["SpecificationReport"]


@frozen(kw_only=True)
class SpecificationReport:
    """How a deployment's API differs from the one that this client was generated from.

    Attributes:
        url: Where its specification was fetched.
        path: The copy of it that is kept; None where the user has no home directory.
        changes: The differences, by operation.
        is_new: Whether there was no copy yet, or a different one.
    """

    url: str
    path: Path | None
    changes: tuple[Change, ...] = ()
    is_new: bool = True

    @property
    def same(self) -> bool:
        """Whether there are no differences."""
        return not self.changes

    @property
    def breaking(self) -> tuple[Change, ...]:
        """The differences that may make calls fail or return something else."""
        return tuple(change for change in self.changes if change.breaking)

    @property
    def ok(self) -> bool:
        """Whether this client can be used with the deployment as before."""
        return not self.breaking

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "url": self.url,
            "path": str(self.path) if self.path else None,
            "same": self.same,
            "ok": self.ok,
            "is_new": self.is_new,
            "changes": [change.to_dict() for change in self.changes],
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return it as a JSON text."""
        return json_text(self.to_dict(), indent=indent)

    def __str__(self) -> str:
        if self.same:
            return f"{self.url}: the same API as this client's"
        count = len(self.changes)
        head = f"{self.url}: {count} {'difference' if count == 1 else 'differences'}"
        head += f", {len(self.breaking)} of them breaking" if self.breaking else ", none breaking"
        return "\n".join([head, *(f"  {change}" for change in self.changes)])
