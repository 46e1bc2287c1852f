"""What is to be downloaded: bundles and manifest rows become tasks, one for each file."""

import hashlib
import json
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from attrs import field, frozen

from dss_client._operation import JSONObject
from dss_client.errors import InvalidArgument
from dss_client.versions import FQID

from .errors import FileDownloadError
from .paths import BUNDLE_JSON, check_clashes, safe_relative_path
from .source import Replica, Source

if TYPE_CHECKING:
    from dss_client.manifest import ManifestRow
    from dss_client.models import FileVersion

Wanted = Callable[["FileVersion"], bool]


@frozen(kw_only=True)
class FileTask:
    """One file to be in the store, and maybe in a bundle's directory, at the end.

    Attributes:
        bundle: The bundle it is wanted for, if any.
        name: Its name there, or in the manifest.
        uuid: Its id; None for ``bundle.json``.
        version: Its version; None for ``bundle.json``.
        sha256: Its checksum, in lower case.
        size: Its size in bytes.
        linked: Whether it is to be put under its name into the bundle's directory.
        content: The content itself where it is known without asking for it, else None.
    """

    bundle: FQID | None
    name: str
    uuid: str | None
    version: str | None
    sha256: str
    size: int
    linked: bool
    content: bytes | None = field(default=None, repr=False)


@frozen
class BundlePlan:
    """The tasks of one version of a bundle.

    Attributes:
        fqid: The bundle, its version pinned.
        tasks: The files wanted, ``bundle.json`` first.
        skipped: The others.
        files: All files of the bundle by their names.
    """

    fqid: FQID
    tasks: tuple[FileTask, ...]
    skipped: tuple[FileTask, ...]
    files: "dict[str, FileVersion]"


def filters(
    metadata_filter: Iterable[str],
    data_filter: Iterable[str],
    *,
    no_metadata: bool = False,
    no_data: bool = False,
) -> Wanted:
    """Return the rule that says which files of a bundle are wanted.

    A filter is a set of shell patterns, matched against the whole name with regard to letter case;
    ``*`` crosses ``/`` too. Indexed files are metadata, all others data. An empty filter, or
    ``('',)``, takes none (§14.10).

    Raises:
        InvalidArgument: A filter is given along with the switch that turns its files off.
        TypeError: A filter is one text.
    """
    metadata = _patterns("metadata_filter", metadata_filter, "no_metadata", no_metadata)
    data = _patterns("data_filter", data_filter, "no_data", no_data)

    def wanted(file: "FileVersion") -> bool:
        patterns = metadata if file.indexed else data
        return any(fnmatchcase(file.name, pattern) for pattern in patterns)

    return wanted


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
    source: Source, *, uuid: str, version: str | None, replica: Replica, wanted: Wanted
) -> BundlePlan:
    """Ask for a bundle and plan its files.

    Raises:
        DSSError: The service has no such bundle, or failed.
        NameClash, UnsafeName: Its names cannot be files.
    """
    fqid, document, files = _ask(source, uuid, version, replica)
    try:
        for file in files:
            if wanted(file):
                safe_relative_path(file.name)
        check_clashes(file.name for file in files)
    except FileDownloadError as error:
        error.bundle = fqid
        raise
    return BundlePlan(
        fqid,
        (_bundle_json(fqid, document), *(_task(fqid, file) for file in files if wanted(file))),
        tuple(_task(fqid, file) for file in files if not wanted(file)),
        {file.name: file for file in files},
    )


def _ask(
    source: Source, uuid: str, version: str | None, replica: Replica
) -> "tuple[FQID, JSONObject, list[FileVersion]]":
    """Return a bundle's id, its answer as JSON and its files, all pages put together (§8.4)."""
    fqid = None if version is None else FQID(uuid, version)
    document: JSONObject = {}
    files: list[FileVersion] = []
    for page in source.bundle_pages(uuid=uuid, version=version, replica=replica):
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
        if document:
            document["bundle"]["files"] += wire["bundle"]["files"]
        else:
            document = wire
    if fqid is None or not document:
        raise FileDownloadError(BUNDLE_JSON, f"the service sent no page of bundle {uuid}")
    return fqid, document, files


def plan_row(row: "ManifestRow") -> FileTask:
    """Plan the file of a manifest's row for the store alone."""
    return FileTask(
        bundle=FQID(row.bundle_uuid, row.bundle_version),
        name=row.file_name,
        uuid=row.file_uuid.lower(),
        version=row.file_version,
        sha256=row.file_sha256.lower(),
        size=row.file_size,
        linked=False,
        content=None if row.file_size else b"",
    )


def _task(fqid: FQID, file: "FileVersion") -> FileTask:
    return FileTask(
        bundle=fqid,
        name=file.name,
        uuid=file.uuid,
        version=file.version,
        sha256=file.sha256.lower(),
        size=file.size,
        linked=True,
        content=None if file.size else b"",
    )


def _bundle_json(fqid: FQID, document: JSONObject) -> FileTask:
    """Describe the bundle byte for byte as the reference client does (§14.10)."""
    content = json.dumps(document, indent=4, sort_keys=True).encode()
    return FileTask(
        bundle=fqid,
        name=BUNDLE_JSON,
        uuid=None,
        version=None,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        linked=True,
        content=content,
    )
