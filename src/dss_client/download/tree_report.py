"""What `dss verify` and `dss gc` find in a download directory."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import attrs
from attrs import field, frozen

from dss_client._json import json_text

from .causes import Failure, told

__all__ = ["Fault", "FaultKind", "Garbage", "GarbageKind", "GarbageReport", "VerifyReport"]

FaultKind = Literal["missing", "irregular", "unreadable", "size", "sha256", "description"]
GarbageKind = Literal["content", "partial", "temporary"]


@frozen
class Fault:
    """A fault that a verification found.

    Attributes:
        path: The file or directory.
        kind: The kind of fault.
        expected: What should be there, in words.
        found: What is there, in words.
        remedy: What to do.
    """

    path: Path
    kind: FaultKind
    expected: str
    found: str
    remedy: str

    @property
    def reason(self) -> str:
        """What is wrong, and what to do."""
        return f"expected {self.expected}, found {self.found}; {self.remedy}"

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@frozen(kw_only=True)
class VerifyReport:
    """The result of a verification.

    Attributes:
        directory: The directory.
        bundles: Number of bundles, by their directories or in the manifest.
        files: Number of good files, without descriptions; for a manifest, number of good rows.
        bytes: Bytes of these.
        contents: Number of contents in the store that are good.
        content_bytes: Bytes of these.
        faults: The faults; those that are left after a repair.
        repaired: The faults that were repaired.
        absent: Files that bundles list and that are missing, if that is allowed.
        extra: Files that no bundle lists. They are not faults.
    """

    directory: Path
    bundles: int
    files: int
    bytes: int
    contents: int
    content_bytes: int
    faults: tuple[Fault, ...] = ()
    repaired: tuple[Fault, ...] = ()
    absent: tuple[Path, ...] = field(default=(), repr=False)
    extra: tuple[Path, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Whether there are no faults."""
        return not self.faults

    def to_dict(self) -> dict[str, object]:
        """Return totals and faults as plain JSON values."""
        return {"ok": self.ok, **attrs.asdict(self, value_serializer=_plain)}

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return the report as a JSON text; what has no UTF-8 in a path is escaped."""
        return json_text(self.to_dict(), indent=indent)


def fault_lines(faults: Iterable[Fault], *, most: int) -> Iterator[str]:
    """Yield a line for each cause of faults; see `told`."""
    failures = (Failure(str(fault.path), fault.reason, fault.path.name) for fault in faults)
    return told(failures, most=most)


@frozen
class Garbage:
    """A file that is not needed.

    Attributes:
        path: The file.
        kind: ``content``, in the store; ``partial``, of a download that did not end; ``temporary``,
            left by a process that was killed.
        size: Bytes that its removal frees.
        removed: Whether it is gone.
        error: Why it could not be removed, if that was tried.
    """

    path: Path
    kind: GarbageKind
    size: int
    removed: bool = False
    error: str | None = None


@frozen(kw_only=True)
class GarbageReport:
    """What a download directory does not need.

    Attributes:
        directory: The directory.
        dry_run: Whether nothing was to be removed.
        items: What is not needed.
        linked: Contents that stay because a file is a hard link to them.
        listed: Contents that stay because a bundle or a manifest lists them.
        recent: Contents that stay because they are not old enough.
    """

    directory: Path
    dry_run: bool
    items: tuple[Garbage, ...] = field(repr=False)
    linked: int
    listed: int
    recent: int

    @property
    def ok(self) -> bool:
        """Whether everything that was to be removed is gone."""
        return not any(item.error for item in self.items)

    @property
    def bytes(self) -> int:
        """Bytes that are free now, or would be."""
        return sum(item.size for item in self.items if not item.error)

    def of_kind(self, kind: GarbageKind) -> tuple[Garbage, ...]:
        """Return what is of one kind."""
        return tuple(item for item in self.items if item.kind == kind)

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain JSON values."""
        values = attrs.asdict(self, value_serializer=_plain)
        return {"ok": self.ok, "bytes": self.bytes, **values}


def _plain(_owner: object, _field: object, value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
