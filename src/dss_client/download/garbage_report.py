"""What a download directory does not need."""

from pathlib import Path
from typing import Literal

from attrs import field, frozen

__all__ = ["Garbage", "GarbageKind", "GarbageReport"]

GarbageKind = Literal["content", "partial", "temporary", "directory"]


@frozen
class Garbage:
    """Something that is not needed.

    Attributes:
        path: The file or directory.
        kind: ``content``, in the store; ``partial``, of a download that has ended; ``temporary``
            file, a day old at least; or ``directory``, which is empty.
        size: Bytes that its removal frees.
        removed: Whether it is gone.
        error: Why it could not be removed, if that was tried.
    """

    path: Path
    kind: GarbageKind
    size: int
    removed: bool = False
    error: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return it as plain JSON values."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "size": self.size,
            "removed": self.removed,
            "error": self.error or None,
        }


@frozen(kw_only=True)
class GarbageReport:
    """What a download directory does not need.

    Attributes:
        directory: The directory.
        dry_run: Whether nothing was to be removed.
        items: What is not needed.
        linked: Contents that stay because a file of a bundle is a hard link to them.
        listed: Contents that stay because a bundle or a manifest lists them, or a copy is there.
        manifests: The manifests that were asked.
    """

    directory: Path
    dry_run: bool
    items: tuple[Garbage, ...] = field(repr=False)
    linked: int
    listed: int
    manifests: tuple[Path, ...]

    @property
    def ok(self) -> bool:
        """Whether everything that was to be removed is gone."""
        return not any(item.error for item in self.items)

    def of_kind(self, kind: GarbageKind) -> tuple[Garbage, ...]:
        """Return what is of one kind."""
        return tuple(item for item in self.items if item.kind == kind)

    @property
    def bytes(self) -> int:
        """Bytes that are free now, or would be."""
        return sum(item.size for item in self.items if not item.error)

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain JSON values."""
        return {
            "ok": self.ok,
            "directory": str(self.directory),
            "dry_run": self.dry_run,
            "bytes": self.bytes,
            "linked": self.linked,
            "listed": self.listed,
            "manifests": [str(path) for path in self.manifests],
            "items": [item.to_dict() for item in self.items],
        }
