"""The report of a download, file by file."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, overload

from attrs import field, fields, frozen

from dss_client._display import html_table, human_size
from dss_client._json import json_text
from dss_client.errors import DSSError
from dss_client.transfer.errors import FileDownloadError
from dss_client.versions import FQID

from .causes import Failure, told

if TYPE_CHECKING:
    from pandas import DataFrame

_CAUSES = 5  # that the message of a failed download tells

Link = Literal["reflink", "hardlink", "copy"]
State = Literal["planned", "downloaded", "reused", "failed", "skipped"]


@frozen(kw_only=True)
class FileReport:
    """The result of one file.

    Attributes:
        bundle: The bundle it was wanted for, if any.
        name: Its name there, or in the manifest.
        uuid: Its id; None for ``bundle.json``, which is not a file of the service.
        version: Its version; None as above.
        sha256: Its checksum as the bundle or manifest says; empty where the bundle is unreadable.
        size: Its size in bytes, as above.
        path: Where it is now, or None.
        state: ``downloaded`` now; ``reused``, was there and verified; ``failed``; ``skipped`` by
            the filters or for its name; ``planned``, which a dry run would download.
        link: How it came from the store into the bundle's directory; None where it did not.
        tries: Requests for its content.
        seconds: Time it took.
        reason: Why it is in its state, if that is not obvious.
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
    reason: str = ""
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
            "reason": self.reason or None,
            "error": str(self.error) if self.error else None,
        }


class ReportStore(Protocol):
    """Reports of files that are kept elsewhere than in memory."""

    def __len__(self) -> int:
        """Return their number."""
        ...

    def report(self, index: int) -> FileReport:
        """Return one, by its place in the order."""
        ...

    def reports(self, state: State | None = None) -> Iterator[FileReport]:
        """Yield all, or those in one state."""
        ...

    def totals(self) -> "Totals":
        """Return their numbers and bytes."""
        ...


@frozen
class Totals:
    """Numbers of files, and of their bytes, by state; and of files by their link."""

    files: Mapping[str, int]
    bytes: Mapping[str, int]
    links: Mapping[str, int]

    @classmethod
    def of(cls, entries: Iterable[FileReport]) -> "Totals":
        """Count reports."""
        files: Counter[str] = Counter()
        size: Counter[str] = Counter()
        links: Counter[str] = Counter()
        for entry in entries:
            files[entry.state] += 1
            size[entry.state] += entry.size
            if entry.link is not None:
                links[entry.link] += 1
        return cls(files, size, links)


class StoredEntries(Sequence[FileReport]):
    """The reports of a download too long for memory, read as they are asked for."""

    def __init__(self, store: ReportStore) -> None:
        self.store = store
        self._length = len(store)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[FileReport]:
        return self.store.reports()

    @overload
    def __getitem__(self, index: int) -> FileReport: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[FileReport]: ...

    def __getitem__(self, index: int | slice) -> FileReport | Sequence[FileReport]:
        if isinstance(index, slice):
            start, stop, step = index.indices(self._length)
            return [self.store.report(each) for each in range(start, stop, step)]
        place = index + self._length if index < 0 else index
        if not 0 <= place < self._length:
            raise IndexError(f"the report has no entry {index}: it has {self._length}")
        return self.store.report(place)

    def __reduce__(self) -> tuple[object, ...]:
        return tuple, (list(self),)


@frozen(repr=False)
class DownloadReport:
    """The result of a download.

    Attributes:
        files: One report for each file, in the order of the bundle or manifest. Those of a long
            download are read from a temporary file as they are asked for.
        manifest_path: Where the output manifest was written, if there is one.
    """

    files: Sequence[FileReport]
    manifest_path: Path | None = None
    _totals: Totals = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        store = self.files.store if isinstance(self.files, StoredEntries) else None
        totals = Totals.of(self.files) if store is None else store.totals()
        object.__setattr__(self, "_totals", totals)

    def to_frame(self) -> "DataFrame":
        """Return the reports of the files as a table of pandas, a row each.

        Raises:
            MissingExtra: pandas is not installed (extra ``pandas``).
        """
        from dss_client._tables import data_frame

        columns = [each.name for each in fields(FileReport)]
        return data_frame((entry.to_dict() for entry in self.files), columns)

    def __repr__(self) -> str:
        states = ", ".join(f"{count:,} {state}" for state, count in self._totals.files.items())
        return f"<DownloadReport: {states or 'no files'}; {human_size(self.bytes_done)} in place>"

    def _repr_html_(self) -> str:
        rows = ((each.name, human_size(each.size), each.state, each.path) for each in self.files)
        columns = ("name", "size", "state", "path")
        return html_table(repr(self)[1:-1], columns, rows, total=len(self.files))

    def in_state(self, state: State) -> tuple[FileReport, ...]:
        """Return the files in a given state."""
        if isinstance(self.files, StoredEntries):
            return tuple(self.files.store.reports(state))
        return tuple(entry for entry in self.files if entry.state == state)

    def count(self, state: State) -> int:
        """Return the number of files in a given state."""
        return self._totals.files.get(state, 0)

    def count_links(self, link: Link) -> int:
        """Return the number of files that came from the store in a given way."""
        return self._totals.links.get(link, 0)

    @property
    def failed(self) -> tuple[FileReport, ...]:
        """The files that failed."""
        return self.in_state("failed")

    @property
    def errors(self) -> tuple[FileDownloadError, ...]:
        """Why they failed."""
        return tuple(entry.error for entry in self.failed if entry.error is not None)

    @property
    def ok(self) -> bool:
        """Whether no file failed."""
        return not self.count("failed")

    @property
    def files_total(self) -> int:
        """Number of files wanted: all but the skipped."""
        return len(self.files) - self.count("skipped")

    @property
    def files_done(self) -> int:
        """Number of files in place and verified."""
        return self.count("downloaded") + self.count("reused")

    @property
    def bytes_total(self) -> int:
        """Bytes wanted, shared content counted each time."""
        return sum(self._totals.bytes.values()) - self._totals.bytes.get("skipped", 0)

    @property
    def bytes_done(self) -> int:
        """Bytes in place and verified, shared content counted each time."""
        return self.bytes_downloaded + self._totals.bytes.get("reused", 0)

    @property
    def bytes_downloaded(self) -> int:
        """Bytes of the files that were downloaded now."""
        return self._totals.bytes.get("downloaded", 0)

    @property
    def bytes_planned(self) -> int:
        """Bytes that a dry run would have downloaded."""
        return self._totals.bytes.get("planned", 0)

    def totals(self) -> dict[str, object]:
        """Return the totals as plain JSON values, without the files."""
        return {
            "ok": self.ok,
            "files_total": self.files_total,
            "files_done": self.files_done,
            "files_planned": self.count("planned"),
            "files_failed": self.count("failed"),
            "files_skipped": self.count("skipped"),
            "bytes_total": self.bytes_total,
            "bytes_done": self.bytes_done,
            "bytes_downloaded": self.bytes_downloaded,
            "bytes_planned": self.bytes_planned,
            "manifest_path": str(self.manifest_path) if self.manifest_path else None,
        }

    def to_dict(self) -> dict[str, object]:
        """Return totals and files as plain JSON values."""
        return {**self.totals(), "files": [entry.to_dict() for entry in self.files]}

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return the report as a JSON text."""
        return json_text(self.to_dict(), indent=indent)


def report_lines(report: DownloadReport) -> Iterator[str]:
    """Yield a report as lines of one JSON document: its totals, then a line for each file.

    That of a million files need not be in memory at once.
    """
    head = json_text({**report.totals(), "files": []})
    yield head.removesuffix("]}")
    last = len(report.files) - 1
    for index, entry in enumerate(report.files):
        text = json_text(entry.to_dict())
        yield text if index == last else f"{text},"
    yield "]}"


def failure_lines(errors: Iterable[FileDownloadError], *, most: int) -> Iterator[str]:
    """Yield a line for each cause of failures; see `told`."""
    return told((Failure(each.place, each.reason, each.name) for each in errors), most=most)


class DownloadError(DSSError, ExceptionGroup[FileDownloadError]):
    """Some files of a download failed; the others are in place.

    A group with one `FileDownloadError` for each failed file, so ``except*`` works on it.

    Attributes:
        report: The result of every file.
    """

    def __new__(cls, report: DownloadReport) -> Self:
        """Make the group of the failures of `report`."""
        return super().__new__(cls, _summary(report), report.errors)

    def __init__(self, report: DownloadReport) -> None:
        self.report = report

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.report,)


def _summary(report: DownloadReport) -> str:
    errors = report.errors
    lines = [f"{len(errors)} of {report.files_total} files failed"]
    return "\n  ".join([*lines, *failure_lines(errors, most=_CAUSES)])
