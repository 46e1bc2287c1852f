"""The values that the parts of a download exchange."""

from pathlib import Path

from attrs import field, frozen

from dss_client.versions import FQID

from .errors import FileDownloadError
from .report import Link, State

__all__ = ["FileResult", "FileTask"]


@frozen(kw_only=True)
class FileTask:
    """One file to be in the store, and maybe in a bundle's directory, at the end.

    Attributes:
        number: Its place in the report.
        bundle: The bundle it is wanted for, if any.
        name: Its name there, or in the manifest.
        uuid: Its id; None for ``bundle.json``.
        version: Its version; None for ``bundle.json``.
        sha256: Its checksum, in lower case.
        size: Its size in bytes.
        target: Where it is to be put below the download directory; None for the store alone.
        content: The content itself where it is known without asking for it, else None.
    """

    number: int = 0
    bundle: FQID | None
    name: str
    uuid: str | None
    version: str | None
    sha256: str
    size: int
    target: str | None = None
    content: bytes | None = field(default=None, repr=False)


@frozen
class FileResult:
    """The result of a task.

    Attributes:
        number: Its place in the report.
        state: Its state.
        path: Where it is now, or None.
        link: How it came from the store to its target.
        tries: Requests for its content.
        seconds: Time they took.
        reason: Why, where the state alone does not say it.
        error: Why it failed.
    """

    number: int
    state: State
    path: Path | str | None = None
    link: Link | None = None
    tries: int = 0
    seconds: float = 0.0
    reason: str = ""
    error: FileDownloadError | None = None
