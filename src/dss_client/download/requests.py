"""What is asked for: a bundle, rows of a manifest, single files. Each knows how it is planned."""

from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

from dss_client.errors import DSSError, NotFound
from dss_client.manifest import MAX_SIZE
from dss_client.versions import FQID

from .errors import FileDownloadError
from .plan import (
    FILES_OF_A_BUNDLE,
    BundlePlan,
    BundleRule,
    Filter,
    Wanted,
    failed_plan,
    plan_bundle,
    plan_listed,
    plan_rows,
)
from .results import ManifestEntry
from .source import Source
from .task import FileTask

if TYPE_CHECKING:
    from .source import FileFacts

__all__ = [
    "BundleRequest",
    "DownloadRequest",
    "FailedRequest",
    "FileRequest",
    "PlannedRequest",
    "RowsRequest",
]

_FILES = 16  # of a bundle that nothing is known of


class DownloadRequest(Protocol):
    """Files of one bundle, known already or still to be asked for. It can be pickled."""

    @property
    def number(self) -> int:
        """The bundle's place in the report."""
        ...

    @property
    def files(self) -> int:
        """About how many files it is, as far as that is known."""
        ...

    @property
    def size(self) -> int:
        """About how many bytes, as far as that is known."""
        ...

    @property
    def is_recorded(self) -> bool:
        """Whether its files are in the results already."""
        ...

    def plan(self, source: Source, rule: BundleRule) -> BundlePlan:
        """Return the files, asking the service for them where need be."""
        ...


@frozen(kw_only=True)
class PlannedRequest:
    """Files of a bundle that the service need not be asked about any more.

    Attributes:
        number: The bundle's place in the report.
        planned: The files.
        is_recorded: Whether they are in the results already.
    """

    number: int
    planned: BundlePlan
    is_recorded: bool = False

    @property
    def files(self) -> int:
        """How many files it is."""
        return len(self.planned.wanted)

    @property
    def size(self) -> int:
        """How many bytes."""
        return sum(task.size for task in self.planned.wanted)

    def plan(self, source: Source, rule: BundleRule) -> BundlePlan:
        """Return the files."""
        return self.planned


@frozen(kw_only=True)
class BundleRequest:
    """A bundle with the files that a filter takes. If it cannot be read, only this request fails.

    Attributes:
        number: Its place in the report.
        bundle: The bundle.
        wanted: Which of its files.
        gone: The reason to report for a bundle that does not exist; empty if that is a failure.
    """

    number: int
    bundle: FQID
    wanted: Wanted = field(factory=Filter)
    gone: str = ""

    is_recorded = False
    files = _FILES
    size = 0

    def plan(self, source: Source, rule: BundleRule) -> BundlePlan:
        """Ask for the files."""
        uuid, version = self.bundle.uuid, self.bundle.version
        try:
            return plan_bundle(source, rule, self.number, uuid, version, self.wanted)
        except DSSError as error:
            skip = self.gone if isinstance(error, NotFound) else ""
            return failed_plan(self.number, self.bundle, error, skip=skip)


@frozen(kw_only=True)
class RowsRequest:
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

    is_recorded = False

    @property
    def files(self) -> int:
        """About how many files it is."""
        return len(self.rows) + 1

    @property
    def size(self) -> int:
        """About how many bytes."""
        return sum(row.size or 0 for row in self.rows)

    def plan(self, source: Source, rule: BundleRule) -> BundlePlan:
        """Ask for the files, where the rows have no URLs of their own."""
        if self.rows and self.rows[0].url is not None:
            return plan_listed(rule, self.number, self.bundle, self.rows)
        return plan_rows(
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
class FileRequest:
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

    is_recorded = False
    files = 1
    size = 0

    def plan(self, source: Source, rule: BundleRule) -> BundlePlan:
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
            return BundlePlan(bundle=None, others=[(task, task.report("failed", error=named))])
        return BundlePlan(bundle=None, wanted=[self._task(number, name, facts)])

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
class FailedRequest:
    """An item that was listed and cannot be read.

    Attributes:
        number: Its place in the report, among the bundles.
        name: Its name.
        error: Why.
    """

    number: int
    name: str
    error: FileDownloadError

    is_recorded = False
    files = 1
    size = 0

    def plan(self, source: Source, rule: BundleRule) -> BundlePlan:
        """Return it as failed."""
        number = self.number * FILES_OF_A_BUNDLE
        task = FileTask(
            number=number, bundle=None, name=self.name, uuid=None, version=None, sha256="", size=0
        )
        return BundlePlan(bundle=None, others=[(task, task.report("failed", error=self.error))])
