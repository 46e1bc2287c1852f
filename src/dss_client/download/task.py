"""The files of a download, before and after."""

from attrs import field, frozen

from dss_client.transfer.errors import FileDownloadError
from dss_client.versions import FQID

from .report import FileReport, Link, State

__all__ = ["FileTask"]


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
        note: What is to be said of it in the report, whatever becomes of it.
        url: Where its content is, as a manifest says; empty where that has none for it; None where
            it is the service that knows it.
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
    note: str = ""
    url: str | None = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)

    def report(
        self,
        state: State,
        *,
        link: Link | None = None,
        tries: int = 0,
        seconds: float = 0.0,
        reason: str = "",
        error: FileDownloadError | None = None,
    ) -> FileReport:
        """Return what became of the file; see `FileReport`."""
        return FileReport(
            bundle=self.bundle,
            name=self.name,
            uuid=self.uuid,
            version=self.version,
            sha256=self.sha256,
            size=self.size,
            state=state,
            link=link,
            tries=tries,
            seconds=seconds,
            reason=reason or self.note,
            error=error,
        )
