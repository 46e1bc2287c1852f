"""The result of a check of everything that was downloaded."""

import json
from pathlib import Path
from typing import Literal

from attrs import field, frozen

__all__ = ["Fault", "FaultKind", "VerifyReport"]

FaultKind = Literal[
    "missing", "irregular", "unreadable", "size", "sha256", "changing", "description"
]


@frozen
class Fault:
    """A fault that a check found.

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

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, found {self.found}; {self.remedy}"

    def to_dict(self) -> dict[str, str]:
        """Return the fault as plain JSON values."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "expected": self.expected,
            "found": self.found,
            "remedy": self.remedy,
        }


@frozen(kw_only=True)
class VerifyReport:
    """The result of a check.

    Attributes:
        directory: The directory that was checked.
        bundles: Number of bundles, by their directories or in the manifest.
        files: Number of good files, without descriptions; for a manifest, number of good rows.
        bytes: Bytes of these.
        contents: Number of contents in the store that are good.
        content_bytes: Bytes of these.
        faults: The faults.
        absent: Files that bundles list and that are missing, if that is allowed.
        extra: Files that no bundle or manifest lists. They are not faults.
    """

    directory: Path
    bundles: int
    files: int
    bytes: int
    contents: int
    content_bytes: int
    faults: tuple[Fault, ...] = ()
    absent: tuple[Path, ...] = field(default=(), repr=False)
    extra: tuple[Path, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Whether there are no faults."""
        return not self.faults

    def to_dict(self) -> dict[str, object]:
        """Return totals and faults as plain JSON values."""
        return {
            "ok": self.ok,
            "directory": str(self.directory),
            "bundles": self.bundles,
            "files": self.files,
            "bytes": self.bytes,
            "contents": self.contents,
            "content_bytes": self.content_bytes,
            "faults": [fault.to_dict() for fault in self.faults],
            "absent": [str(path) for path in self.absent],
            "extra": [str(path) for path in self.extra],
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return the report as a JSON text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)
