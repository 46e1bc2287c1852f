"""What a look at everything that was downloaded has found."""

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
    """Something that is not as it should be.

    Attributes:
        path: What.
        kind: In which way.
        expected: What should be there, in words.
        found: What is there, in words.
        remedy: What to do about it.
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
    """What was found.

    Attributes:
        directory: The directory that was looked at.
        bundles: Number of bundles, by their directories or in the manifest.
        files: Number of their files that are good, without descriptions; of a manifest, of rows.
        bytes: Bytes of these.
        contents: Number of contents in the store that are good.
        content_bytes: Bytes of these.
        faults: What is not as it should be.
        absent: Files that bundles list and that are not there, where that is allowed.
        extra: Files that nothing says anything of. They are no fault.
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
        """Whether there is no fault."""
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
