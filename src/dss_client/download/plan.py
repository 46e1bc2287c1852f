"""What is to be downloaded of a bundle: its answer becomes tasks, one for each file."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field, frozen

from dss_client.errors import DSSError, DSSResponseError, DSSTimeout, InvalidArgument, NotFound
from dss_client.manifest import MAX_SIZE
from dss_client.transfer.names import BUNDLE_JSON, ClashPolicy, Settled, settle_names
from dss_client.types import JSONObject, Replica
from dss_client.versions import FQID

from .errors import FileDownloadError, ManifestMismatch, NameClash, UnsafeName
from .indented import indented
from .report import FileReport
from .results import ManifestEntry
from .source import Source
from .store import FileStore
from .task import FileTask
from .urls import BundleSize

if TYPE_CHECKING:
    from .responses import BundleFile

__all__ = [
    "FILES_OF_A_BUNDLE",
    "BundlePlan",
    "BundleRule",
    "Filter",
    "Wanted",
    "failed_plan",
    "filters",
    "plan_bundle",
    "plan_listed",
    "plan_rows",
]

Wanted = Callable[["BundleFile"], bool]

FILES_OF_A_BUNDLE = 1 << 24
"""Numbers that are kept for the files of one bundle; the service itself knows no such limit."""


@frozen(kw_only=True)
class BundleRule:
    """How bundles are planned.

    Attributes:
        replica: The replica.
        download_dir: Where to.
        clash: What to do with names that cannot both be files.
        portable: Take only names that every system can store.
        ask_urls: Ask for the contents' URLs along with a bundle whose directory is not there yet.
        store: Where contents are, the descriptions of bundles among them.
    """

    replica: Replica
    download_dir: Path
    store: FileStore
    clash: ClashPolicy = "error"
    portable: bool = False
    ask_urls: bool = True


@frozen(kw_only=True)
class BundlePlan:
    """The files of a bundle that are wanted.

    Attributes:
        bundle: The bundle, its version pinned; None for files that belong to none.
        wanted: Its files to be in place at the end.
        others: Its other files, with what is to be said of them.
        whole: How much it holds in all.
        known: URLs that were given out with it, by uuid and version.
    """

    bundle: FQID | None
    wanted: Sequence[FileTask] = ()
    others: Sequence[tuple[FileTask, FileReport]] = ()
    whole: BundleSize | None = None
    known: Mapping[tuple[str, str], str] = field(factory=dict[tuple[str, str], str], repr=False)


@frozen
class Filter:
    """Tells which files of a bundle are wanted: shell patterns of their names.

    Attributes:
        metadata: For indexed files.
        data: For all others.
    """

    metadata: tuple[str, ...] = ("*",)
    data: tuple[str, ...] = ("*",)

    def __call__(self, file: "BundleFile") -> bool:
        """Tell whether a file is wanted."""
        patterns = self.metadata if file.indexed else self.data
        return any(fnmatchcase(file.name, pattern) for pattern in patterns)


def filters(
    metadata_filter: Iterable[str],
    data_filter: Iterable[str],
    *,
    no_metadata: bool = False,
    no_data: bool = False,
) -> Filter:
    """Return the rule that says which files of a bundle are wanted.

    A filter is a set of shell patterns, matched against the whole name with regard to letter case;
    ``*`` crosses ``/`` too. Indexed files are metadata, all others data. An empty filter, or
    ``('',)``, takes none.

    Raises:
        InvalidArgument: A filter is given along with the switch that turns its files off.
        TypeError: A filter is one text.
    """
    return Filter(
        _patterns("metadata_filter", metadata_filter, "no_metadata", no_metadata),
        _patterns("data_filter", data_filter, "no_data", no_data),
    )


def _patterns(name: str, patterns: Iterable[str], switch: str, off: bool) -> tuple[str, ...]:
    if isinstance(patterns, str):
        raise TypeError(f"{name}={patterns!r} is one text; give a sequence: ({patterns!r},)")
    chosen = tuple(patterns)
    if not off:
        return chosen
    if chosen != ("*",):
        raise InvalidArgument(f"{switch}=True contradicts {name}={chosen!r}: leave one of them out")
    return ()


def plan_bundle(
    source: Source,
    rule: BundleRule,
    number: int,
    uuid: str,
    version: str | None,
    wanted: Wanted,
    *,
    many: bool = True,
) -> BundlePlan:
    """Plan the files of a bundle; ask for it, unless an earlier run has left its description.

    Args:
        source: The client to ask.
        rule: How to plan it.
        number: Its place in the report.
        uuid: Its id.
        version: Its version; None for the latest.
        wanted: Which of its files.
        many: So many of its files are wanted that it pays to ask for their URLs at once.

    Raises:
        DSSError: The service has no such bundle, or failed.
        NameClash: Two of its names cannot both be files, and the rule says to stop then.
    """
    answer = None if version is None else _described(rule, FQID(uuid, version))
    if answer is None:
        there = version is not None and (rule.download_dir / f"{uuid}.{version}").exists()
        urls = rule.ask_urls and many and not there
        answer = _ask(source, uuid, version, rule.replica, urls=urls)
    try:
        return _to_plan(answer, rule, number * FILES_OF_A_BUNDLE, wanted)
    except NameClash as error:
        error.bundle = answer.fqid
        raise


@frozen
class _Answer:
    """A bundle with the files of all pages: its id, its answer as JSON, and its files."""

    fqid: FQID
    document: JSONObject
    files: "list[BundleFile]"
    urls: dict[tuple[str, str], str]


def _to_plan(answer: _Answer, rule: BundleRule, first: int, wanted: Wanted) -> BundlePlan:
    fqid = answer.fqid
    # All names of the bundle take part, so that the outcome does not hang on what is wanted of it.
    targets = settle_names([file.name for file in answer.files], rule.clash, portable=rule.portable)
    tasks: list[FileTask] = [_bundle_json(fqid, answer.document, first)]
    others: list[tuple[FileTask, FileReport]] = []
    for index, (file, settled) in enumerate(zip(answer.files, targets, strict=True), first + 1):
        task = _task(index, fqid, file, settled.target)
        if not wanted(file):
            others.append((task, task.report("skipped", reason="left out by the filters")))
        elif (refusal := _refusal(task, settled)) is not None:
            others.append((task, refusal))
        elif task.size != file.size:
            others.append((task, task.report("failed", error=_too_large(file, fqid))))
        else:
            tasks.append(task)
    whole = BundleSize(len(answer.files), sum(file.size for file in answer.files))
    return BundlePlan(bundle=fqid, wanted=tasks, others=others, whole=whole, known=answer.urls)


def _described(rule: BundleRule, fqid: FQID) -> _Answer | None:
    """Return a bundle as its ``bundle.json`` says, if that is as a download has left it.

    A version of a bundle never changes. The description is what it was if the store has a content
    of its checksum, and if the same would be written of it again.
    """
    from .responses import BundlePage  # what downloads without bundles need not load

    try:
        content = (rule.download_dir / str(fqid) / BUNDLE_JSON).read_bytes()
        if rule.store.look(hashlib.sha256(content).hexdigest(), len(content)) == "missing":
            return None
        document: JSONObject = json.loads(content)
        page = BundlePage.model_validate(document)
        is_same = indented(document).encode() == content
    except (OSError, ValueError, RecursionError):
        return None
    if not is_same or f"{page.bundle.uuid}.{page.bundle.version}" != str(fqid):
        return None
    return _Answer(fqid, document, page.bundle.files, {})


def _ask(
    source: Source, uuid: str, version: str | None, replica: Replica, *, urls: bool
) -> _Answer:
    """Ask for a bundle, with the URLs of its contents if they can be had."""
    if urls:
        try:
            return _read(source, uuid, version, replica, presigned=True)
        except NotFound:
            raise
        except (DSSResponseError, DSSTimeout):
            pass  # it cannot be checked out as a whole now; its files may be there one by one
    return _read(source, uuid, version, replica, presigned=False)


def _read(
    source: Source, uuid: str, version: str | None, replica: Replica, *, presigned: bool
) -> _Answer:
    fqid = None if version is None else FQID(uuid, version)
    document: JSONObject = {}
    files: list[BundleFile] = []
    urls: dict[tuple[str, str], str] = {}
    pages = source.bundle_pages(uuid=uuid, version=version, replica=replica, presigned=presigned)
    for page in pages:
        answered = FQID(page.bundle.uuid, page.bundle.version)
        if answered != (fqid or FQID(uuid, answered.version)):
            raise FileDownloadError(
                BUNDLE_JSON,
                f"the service answered with bundle {answered}; run again",
                bundle=fqid or FQID(uuid, answered.version),
            )
        fqid = answered
        files += page.bundle.files
        wire = page.model_dump(mode="json", by_alias=True, exclude_unset=True)
        for file in wire["bundle"]["files"]:
            url = file.pop("url", None)  # it is not part of the bundle's description
            if url and source.allows(url):
                urls[file["uuid"].lower(), file["version"]] = url
        if document:
            document["bundle"]["files"] += wire["bundle"]["files"]
        else:
            document = wire
    if fqid is None or not document:
        raise FileDownloadError(BUNDLE_JSON, f"the service sent no page of bundle {uuid}")
    return _Answer(fqid, document, files, urls)


def _task(number: int, fqid: FQID, file: "BundleFile", target: str | None) -> FileTask:
    return FileTask(
        number=number,
        bundle=fqid,
        name=file.name,
        uuid=file.uuid.lower(),
        version=file.version,
        sha256=file.sha256.lower(),
        size=file.size if file.size <= MAX_SIZE else 0,
        target=None if target is None else f"{fqid}/{target}",
    )


def _too_large(file: "BundleFile", fqid: FQID) -> FileDownloadError:
    reason = f"the service says that it has {file.size} bytes, which no storage can hold"
    return FileDownloadError(file.name, reason, bundle=fqid)


def _bundle_json(fqid: FQID, document: JSONObject, number: int) -> FileTask:
    """Describe the bundle byte for byte as the reference client does (docs/behaviour.md 14.10)."""
    content = indented(document).encode()
    return FileTask(
        number=number,
        bundle=fqid,
        name=BUNDLE_JSON,
        uuid=None,
        version=None,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        target=f"{fqid}/{BUNDLE_JSON}",
        content=content,
    )


def plan_rows(
    source: Source,
    rule: BundleRule,
    number: int,
    fqid: FQID,
    rows: Sequence[ManifestEntry],
    *,
    no_metadata: bool,
    no_data: bool,
    check_rows: bool = True,
) -> BundlePlan:
    """Plan all metadata of a bundle, and the data files that rows of a manifest name.

    See docs/behaviour.md 14.11.

    A bundle that cannot be planned fails its rows, and no others. Without `check_rows` it fails
    by itself, and what rows say of their files does not count.
    """
    named = [row for row in rows if row.name]
    names = {row.name for row in named}

    def wanted(file: "BundleFile") -> bool:
        return not no_metadata if file.indexed else not no_data and file.name in names

    try:
        # The version is pinned; the reference client took the latest (docs/behaviour.md C2).
        found = plan_bundle(
            source, rule, number, fqid.uuid, fqid.version, wanted, many=len(named) > 1
        )
    except DSSError as error:
        if check_rows:
            return _all_failed(number, fqid, named, error)
        return failed_plan(number, fqid, error)
    return _checked(found, fqid, named) if check_rows else found


def plan_listed(
    rule: BundleRule, number: int, fqid: FQID, rows: Sequence[ManifestEntry]
) -> BundlePlan:
    """Plan the files of a bundle that rows of a manifest name, with URLs; nobody is asked."""
    files = list({(row.name, row.uuid, row.version, row.sha256): row for row in rows}.values())
    first = number * FILES_OF_A_BUNDLE
    try:
        targets = settle_names([row.name for row in files], rule.clash, portable=rule.portable)
    except NameClash as error:
        error.bundle = fqid
        return BundlePlan(
            bundle=fqid,
            others=[
                _failed_row(index, fqid, row, _named(row.name, fqid, error))
                for index, row in enumerate(files, first)
            ],
        )
    tasks: list[FileTask] = []
    others: list[tuple[FileTask, FileReport]] = []
    for index, (row, settled) in enumerate(zip(files, targets, strict=True), first):
        task = _task_of_row(index, fqid, row, settled.target)
        refusal = _refusal(task, settled)
        if refusal is None:
            tasks.append(task)
        else:
            others.append((task, refusal))
    return BundlePlan(bundle=fqid, wanted=tasks, others=others)


def _refusal(task: FileTask, settled: Settled) -> FileReport | None:
    """Report a file that has no place in its directory."""
    if settled.unsafe:
        error = UnsafeName(task.name, settled.reason or "", bundle=task.bundle)
        return task.report("failed", error=error)
    if settled.target is None:
        return task.report("skipped", reason=settled.reason or "")
    return None


def _checked(found: BundlePlan, fqid: FQID, rows: Sequence[ManifestEntry]) -> BundlePlan:
    """Take out the files of which the manifest says something else than the bundle."""
    tasks = [*found.wanted, *(task for task, _ in found.others)]
    files: dict[str, list[FileTask]] = {}  # there may be several of one name
    for task in tasks:
        files.setdefault(task.name, []).append(task)
    right: set[int] = set()
    wrong: list[tuple[ManifestEntry, str]] = []
    for row in rows:
        faults = {task.number: _contradiction(row, task) for task in files.get(row.name, ())}
        agreeing = {number for number, fault in faults.items() if not fault}
        right |= agreeing
        if not agreeing:
            none = "the bundle has no file of that name"
            wrong.append((row, min(faults.values(), key=len, default=none)))
    if not wrong:
        return found
    free = max((task.number for task in tasks), default=0) + 1
    failed: list[tuple[FileTask, FileReport]] = []
    for index, (row, fault) in enumerate(wrong, free):
        error = ManifestMismatch(row.name, fault, bundle=fqid)
        failed.append(_failed_row(index, fqid, row, error))
    left_out = {task.number for row, _ in wrong for task in files.get(row.name, ())} - right
    return BundlePlan(
        bundle=found.bundle,
        wanted=[task for task in found.wanted if task.number not in left_out],
        others=[*failed, *(each for each in found.others if each[0].number not in left_out)],
        whole=found.whole,
        known=found.known,
    )


def _contradiction(row: ManifestEntry, task: FileTask) -> str:
    pairs = {
        "uuid": (row.uuid, task.uuid),
        "version": (row.version, task.version),
        "sha256": (row.sha256, task.sha256),
        "size": (row.size, task.size),
    }
    wrong = [
        f"{name} {ours} in the manifest, {theirs} in the bundle"
        for name, (ours, theirs) in pairs.items()
        if ours not in {theirs, "", None}
    ]
    return "; ".join(wrong)


def _all_failed(
    number: int, fqid: FQID, rows: Sequence[ManifestEntry], error: DSSError
) -> BundlePlan:
    """Report a bundle, and all rows of it, that failed before any transfer."""
    first = number * FILES_OF_A_BUNDLE
    others = list(failed_plan(number, fqid, error).others)
    for index, row in enumerate(rows, first + 1):
        others.append(_failed_row(index, fqid, row, _named(row.name, fqid, error)))
    return BundlePlan(bundle=fqid, others=others)


def failed_plan(number: int, fqid: FQID, error: DSSError, *, skip: str = "") -> BundlePlan:
    """Report a bundle as a whole as failed, or as left out for a reason."""
    first = number * FILES_OF_A_BUNDLE
    itself = FileTask(
        number=first, bundle=fqid, name=BUNDLE_JSON, uuid=None, version=None, sha256="", size=0
    )
    result = itself.report("failed", error=_named(BUNDLE_JSON, fqid, error))
    if skip:
        result = itself.report("skipped", reason=skip)
    return BundlePlan(bundle=fqid, others=[(itself, result)])


def _failed_row(
    number: int, fqid: FQID, row: ManifestEntry, error: FileDownloadError
) -> tuple[FileTask, FileReport]:
    task = _task_of_row(number, fqid, row, None)
    return task, task.report("failed", error=error)


def _task_of_row(number: int, fqid: FQID, row: ManifestEntry, target: str | None) -> FileTask:
    return FileTask(
        number=number,
        bundle=fqid,
        name=row.name,
        uuid=row.uuid or None,
        version=row.version or None,
        sha256=row.sha256,
        size=row.size or 0,
        target=None if target is None else f"{fqid}/{target}",
        url=row.url,
    )


def _named(name: str, fqid: FQID, error: DSSError) -> FileDownloadError:
    """Return the error of a bundle as that of one of its files."""
    if not isinstance(error, FileDownloadError) or error.name != name:
        error = FileDownloadError(
            name, f"its bundle cannot be downloaded: {error}", bundle=fqid, cause=error
        )
    error.bundle = fqid
    return error
