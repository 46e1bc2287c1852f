"""The kinds of orders: known files, a whole bundle, rows of a manifest, a single file."""

from typing import TYPE_CHECKING

from attrs import field, frozen

from dss_client.errors import DSSError, NotFound
from dss_client.manifest import MAX_SIZE
from dss_client.versions import FQID

from .errors import FileDownloadError
from .plan import Filter, expand_bundle, expand_rows, none_of
from .results import ManifestEntry
from .source import Source
from .task import FileTask
from .want import FILES_OF_A_BUNDLE, BundleRule, Expanded

if TYPE_CHECKING:
    from .source import FileFacts

__all__ = ["BundleOrder", "FileOrder", "KnownFiles", "LostOrder", "PlannedBundle", "RowsOrder"]

_FILES = 16  # of a bundle that nothing is known of


@frozen(kw_only=True)
class KnownFiles:
    """Files of one bundle that are in the results already.

    Attributes:
        number: The bundle's place in the report.
        bundle: The bundle.
        tasks: The files.
    """

    number: int
    bundle: FQID | None
    tasks: tuple[FileTask, ...]

    is_entered = True

    @property
    def files(self) -> int:
        """How many files it is."""
        return len(self.tasks)

    @property
    def size(self) -> int:
        """How many bytes."""
        return sum(task.size for task in self.tasks)

    def expand(self, source: Source, rule: BundleRule) -> Expanded:
        """Return the files."""
        return Expanded(bundle=self.bundle, wanted=self.tasks)


@frozen(kw_only=True)
class PlannedBundle:
    """A bundle that the service was asked about already.

    Attributes:
        number: The bundle's place in the report.
        expanded: Its files.
    """

    number: int
    expanded: Expanded

    is_entered = False

    @property
    def files(self) -> int:
        """How many files it is."""
        return len(self.expanded.wanted)

    @property
    def size(self) -> int:
        """How many bytes."""
        return sum(task.size for task in self.expanded.wanted)

    def expand(self, source: Source, rule: BundleRule) -> Expanded:
        """Return the files."""
        return self.expanded


@frozen(kw_only=True)
class BundleOrder:
    """A bundle with the files that a filter takes. If it cannot be read, only this order fails.

    Attributes:
        number: Its place in the report.
        bundle: The bundle.
        wanted: Which of its files.
        gone: The reason to report for a bundle that does not exist; empty if that is a failure.
    """

    number: int
    bundle: FQID
    wanted: Filter = field(factory=Filter)
    gone: str = ""

    is_entered = False
    files = _FILES
    size = 0

    def expand(self, source: Source, rule: BundleRule) -> Expanded:
        """Ask for the files."""
        uuid, version = self.bundle.uuid, self.bundle.version
        try:
            return expand_bundle(source, rule, self.number, uuid, version, self.wanted)
        except DSSError as error:
            skip = self.gone if isinstance(error, NotFound) else ""
            return none_of(self.number, self.bundle, error, skip=skip)


@frozen(kw_only=True)
class RowsOrder:
    """The files of a bundle that rows of a manifest name.

    Attributes:
        number: The bundle's place in the report.
        bundle: The bundle.
        rows: The rows.
        no_metadata: Take no indexed file.
        no_data: Take indexed files only.
        check_rows: Fail rows that contradict the bundle, and all of them if it cannot be had.
    """

    number: int
    bundle: FQID
    rows: tuple[ManifestEntry, ...]
    no_metadata: bool
    no_data: bool
    check_rows: bool = True

    is_entered = False

    @property
    def files(self) -> int:
        """About how many files it is."""
        return len(self.rows) + 1

    @property
    def size(self) -> int:
        """About how many bytes."""
        return sum(row.size or 0 for row in self.rows)

    def expand(self, source: Source, rule: BundleRule) -> Expanded:
        """Ask for the files."""
        return expand_rows(
            source,
            rule,
            self.number,
            self.bundle,
            self.rows,
            no_metadata=self.no_metadata,
            no_data=self.no_data,
            check_rows=self.check_rows,
        )


@frozen(kw_only=True)
class FileOrder:
    """A single file, as a collection lists it.

    Attributes:
        number: Its place in the report, among the bundles.
        uuid: Its id.
        version: Its version.
        folder: Where to put it below the download directory, as ``<uuid>.<version>``.
        pointer: The JSON pointer to the part of it that the collection lists, if it is a part.
    """

    number: int
    uuid: str
    version: str
    folder: str
    pointer: str | None = None

    is_entered = False
    files = 1
    size = 0

    def expand(self, source: Source, rule: BundleRule) -> Expanded:
        """Ask for its checksum and size."""
        number = self.number * FILES_OF_A_BUNDLE
        name = f"{self.uuid}.{self.version}"
        try:
            facts = source.file_facts(uuid=self.uuid, version=self.version, replica=rule.replica)
            if facts.size > MAX_SIZE:
                raise FileDownloadError(name, f"{facts.size} bytes are more than storage can hold")
        except DSSError as error:
            named = FileDownloadError(name, f"it cannot be read: {error}", cause=error)
            task = self._task(number, name, None)
            return Expanded(bundle=None, others=[(task, task.report("failed", error=named))])
        return Expanded(bundle=None, wanted=[self._task(number, name, facts)])

    def _task(self, number: int, name: str, facts: "FileFacts | None") -> FileTask:
        return FileTask(
            number=number,
            bundle=None,
            name=name,
            uuid=self.uuid,
            version=self.version,
            sha256=facts.sha256.lower() if facts else "",
            size=facts.size if facts else 0,
            target=f"{self.folder}/{name}",
            note=""
            if self.pointer is None
            else f"the collection lists {self.pointer!r} of it: it was downloaded as a whole",
        )


@frozen(kw_only=True)
class LostOrder:
    """An item that was listed and cannot be read.

    Attributes:
        number: Its place in the report, among the bundles.
        name: Its name.
        error: Why.
    """

    number: int
    name: str
    error: FileDownloadError

    is_entered = False
    files = 1
    size = 0

    def expand(self, source: Source, rule: BundleRule) -> Expanded:
        """Return it as failed."""
        number = self.number * FILES_OF_A_BUNDLE
        task = FileTask(
            number=number, bundle=None, name=self.name, uuid=None, version=None, sha256="", size=0
        )
        return Expanded(bundle=None, others=[(task, task.report("failed", error=self.error))])
