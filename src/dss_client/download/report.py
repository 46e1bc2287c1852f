"""What became of every file of a download."""

import json
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from dss_client.versions import FQID

from .errors import FileDownloadError

Link = Literal["hardlink", "copy"]
State = Literal["downloaded", "reused", "failed", "skipped"]


@frozen(kw_only=True)
class FileReport:
    """What became of one file.

    Attributes:
        bundle: The bundle it was wanted for, if any.
        name: Its name there, or in the manifest.
        uuid: Its id; None for ``bundle.json``, which is no file of the service.
        version: Its version; None as above.
        sha256: Its checksum as the bundle or manifest says; empty where the bundle is unreadable.
        size: Its size in bytes, as above.
        path: Where it is now, or None.
        state: ``downloaded`` now; ``reused``, was there and verified; ``failed``; ``skipped`` by
            the filters.
        link: How it came from the store into the bundle's directory; None where it did not.
        tries: Requests for its content.
        seconds: Time it took.
        error: Why it failed, or None.
    """

    bundle: FQID | None = None
    name: str
    uuid: str | None = None
    version: str | None = None
    sha256: str = ""
    size: int = 0
    path: Path | None = None
    state: State
    link: Link | None = None
    tries: int = 0
    seconds: float = 0.0
    error: FileDownloadError | None = field(default=None, eq=False)

    def to_dict(self) -> dict[str, object]:
        """Return the report of the file as plain JSON values."""
        return {
            "bundle": str(self.bundle) if self.bundle else None,
            "name": self.name,
            "uuid": self.uuid,
            "version": self.version,
            "sha256": self.sha256,
            "size": self.size,
            "path": str(self.path) if self.path else None,
            "state": self.state,
            "link": self.link,
            "tries": self.tries,
            "seconds": round(self.seconds, 3),
            "error": str(self.error) if self.error else None,
        }


@frozen
class DownloadReport:
    """What became of a download.

    Attributes:
        entries: One report for each file, in the order of the bundle or manifest.
        manifest_path: Where the output manifest was written, if there is one.
    """

    entries: tuple[FileReport, ...]
    manifest_path: Path | None = None

    def in_state(self, state: State) -> tuple[FileReport, ...]:
        """Return the files in a given state."""
        return tuple(entry for entry in self.entries if entry.state == state)

    @property
    def failed(self) -> tuple[FileReport, ...]:
        """The files that failed."""
        return self.in_state("failed")

    @property
    def errors(self) -> tuple[FileDownloadError, ...]:
        """Why they failed."""
        return tuple(entry.error for entry in self.entries if entry.error is not None)

    @property
    def ok(self) -> bool:
        """Whether no file failed."""
        return not self.failed

    @property
    def files_total(self) -> int:
        """Number of files wanted: all but the skipped."""
        return len(self.entries) - len(self.in_state("skipped"))

    @property
    def files_done(self) -> int:
        """Number of files in place and verified."""
        return self.files_total - len(self.failed)

    @property
    def bytes_done(self) -> int:
        """Bytes in place and verified, shared content counted each time."""
        return sum(entry.size for entry in self.entries if entry.state in {"downloaded", "reused"})

    @property
    def bytes_downloaded(self) -> int:
        """Bytes of the files that were downloaded now."""
        return sum(entry.size for entry in self.in_state("downloaded"))

    def to_dict(self) -> dict[str, object]:
        """Return totals and files as plain JSON values."""
        return {
            "ok": self.ok,
            "files_total": self.files_total,
            "files_done": self.files_done,
            "files_failed": len(self.failed),
            "bytes_done": self.bytes_done,
            "bytes_downloaded": self.bytes_downloaded,
            "manifest_path": str(self.manifest_path) if self.manifest_path else None,
            "files": [entry.to_dict() for entry in self.entries],
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return the report as a JSON text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)
