"""The two downloads that a user asks for: a bundle, and a manifest."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from dss_client.errors import DSSError, InvalidArgument
from dss_client.manifest import (
    ManifestLine,
    ManifestReader,
    ManifestRow,
    ManifestSource,
    write_cells,
)
from dss_client.versions import FQID, normal_uuid, parse_version

from .engine import Engine
from .errors import DownloadError, FileDownloadError, ManifestMismatch
from .filestore import FileStore
from .paths import BUNDLE_JSON
from .plan import FileTask, filters, plan_bundle, plan_row
from .progress import Progress, ProgressCallback
from .report import DownloadReport, FileReport
from .source import Replica, Source, as_source
from .transfer import Transfer

if TYPE_CHECKING:
    from dss_client.client import DSSClient
    from dss_client.models import FileVersion

ALL = ("*",)
THREADS = min(16, 2 * (os.cpu_count() or 1))
LAYOUTS = ("none", "bundle")


def download_bundle(
    source: "Source | DSSClient",
    *,
    bundle_uuid: str,
    replica: Replica,
    version: str | None = None,
    download_dir: str | os.PathLike[str] = "",
    metadata_filter: Sequence[str] = ALL,
    data_filter: Sequence[str] = ALL,
    no_metadata: bool = False,
    no_data: bool = False,
    num_retries: int = 10,
    min_delay_seconds: float = 0.25,
    threads: int | None = None,
    progress: ProgressCallback | None = None,
) -> DownloadReport:
    """Download the files of a bundle to ``<download_dir>/<uuid>.<version>/``; see `DSSClient`.

    Args:
        source: A client, or anything else that can find and open contents.
        bundle_uuid: Id of the bundle.
        replica: Replica to download from.
        version: Version of the bundle; the latest when not given.
        download_dir: Where to; the current directory when not given.
        metadata_filter: Shell patterns of the names of indexed files to take.
        data_filter: The same for all other files.
        no_metadata: Take no indexed file.
        no_data: Take indexed files only.
        num_retries: Failures of one file to put up with; each MiB read makes good for one.
        min_delay_seconds: First wait after a failure; it doubles with each, up to 60 s.
        threads: How many files are worked on at once (C23); twice the processors, at most 16, when
            not given.
        progress: Called with each `ProgressEvent`.

    Raises:
        DownloadError: Some files failed; the others are in place. It carries the report.
        DSSError: The bundle cannot be had, or its names cannot be files: nothing was downloaded.
        ValueError: The arguments contradict each other, or one has a wrong form.
    """
    wanted = filters(metadata_filter, data_filter, no_metadata=no_metadata, no_data=no_data)
    uuid = normal_uuid(bundle_uuid)
    if version is not None:
        parse_version(version)
    engine = _engine(
        source,
        replica,
        download_dir,
        num_retries,
        min_delay_seconds,
        THREADS if threads is None else threads,
        progress,
    )
    plan = plan_bundle(
        engine.transfer.source, uuid=uuid, version=version, replica=replica, wanted=wanted
    )
    reports = engine.run(plan.tasks)
    return _finish(DownloadReport((*reports, *map(_skipped, plan.skipped))))


def download_manifest(
    source: "Source | DSSClient",
    *,
    manifest: ManifestSource,
    replica: Replica,
    layout: Literal["none", "bundle"] = "none",
    no_metadata: bool = False,
    no_data: bool = False,
    num_retries: int = 10,
    min_delay_seconds: float = 0.25,
    download_dir: str | os.PathLike[str] = "",
    threads: int | None = None,
    progress: ProgressCallback | None = None,
) -> DownloadReport:
    """Download the files that a manifest lists; see `DSSClient.download_manifest`.

    Each row is checked before the first byte is asked for. At the end, whether files failed or
    not, ``<download_dir>/<base name of the manifest>`` has the same rows with a ``file_path`` that
    is empty where there is no verified file (C3). The manifest itself is never overwritten: if it
    lies there, the output is named ``<stem>.downloaded.tsv``.

    Args:
        source: A client, or anything else that can find and open contents.
        manifest: Path of the manifest, an open text file, or its rows as mappings.
        replica: Replica to download from.
        layout: ``none`` for the store alone; ``bundle`` for a directory per bundle.
        no_metadata: With ``bundle``: take no indexed file.
        no_data: With ``bundle``: take indexed files only.
        num_retries: Failures of one file to put up with; each MiB read makes good for one.
        min_delay_seconds: First wait after a failure; it doubles with each, up to 60 s.
        download_dir: Where to; the current directory when not given.
        threads: How many files are worked on at once (C23); twice the processors, at most 16, when
            not given.
        progress: Called with each `ProgressEvent`.

    Raises:
        ManifestError: The manifest is not one.
        DownloadError: Some files failed; the others are in place. It carries the report.
        ValueError: The arguments contradict each other, or one has a wrong form.
    """
    if layout not in LAYOUTS:
        raise InvalidArgument(f"layout={layout!r} is unknown: choose 'none' or 'bundle'")
    if layout == "none" and (no_data or no_metadata):
        raise InvalidArgument(
            "no_data and no_metadata work with layout='bundle' only: a manifest does not say"
            " which of its files are metadata"
        )
    engine = _engine(
        source,
        replica,
        download_dir,
        num_retries,
        min_delay_seconds,
        THREADS if threads is None else threads,
        progress,
    )
    with ManifestReader(manifest, allow_unnamed=layout == "bundle") as reader:
        lines = list(reader)
    rows = [line.row for line in lines]
    if layout == "none":
        reports = engine.run([plan_row(row) for row in rows])
    else:
        reports = _run_bundles(engine, rows, no_metadata=no_metadata, no_data=no_data)
    output = _write_output(reader, lines, engine.store, Path(download_dir))
    return _finish(DownloadReport(tuple(reports), output))


def _engine(
    source: "Source | DSSClient",
    replica: Replica,
    download_dir: str | os.PathLike[str],
    num_retries: int,
    min_delay_seconds: float,
    threads: int,
    progress: ProgressCallback | None,
) -> Engine:
    for name, value, least in (
        ("num_retries", num_retries, 0),
        ("min_delay_seconds", min_delay_seconds, 0),
        ("threads", threads, 1),
    ):
        if value < least:
            raise InvalidArgument(f"{name}={value} is too small: the least is {least}")
    return Engine(
        transfer=Transfer(
            source=as_source(source),
            replica=replica,
            num_retries=num_retries,
            min_delay_seconds=min_delay_seconds,
        ),
        download_dir=Path(download_dir),
        threads=threads,
        progress=Progress(progress),
        store=FileStore(Path(download_dir)),
    )


def _finish(report: DownloadReport) -> DownloadReport:
    if not report.ok:
        raise DownloadError(report)
    return report


def _run_bundles(
    engine: Engine, rows: Iterable[ManifestRow], *, no_metadata: bool, no_data: bool
) -> list[FileReport]:
    """Download all metadata of the rows' bundles, and the data files that the rows name (§14.11).

    A bundle that cannot be planned fails its rows; the others go on.
    """
    bundles: dict[FQID, list[ManifestRow]] = {}
    for row in rows:
        bundles.setdefault(FQID(row.bundle_uuid, row.bundle_version), []).append(row)
    plan = partial(_plan_rows, engine.transfer, no_metadata=no_metadata, no_data=no_data)
    plans = engine.each(plan, list(bundles.items()))
    done = engine.run([task for plan in plans for task in plan.tasks])
    others = [report for plan in plans for report in plan.reports]
    return [*done, *others]


@frozen
class _RowsPlan:
    """What one bundle's rows ask for, and what is known to fail or to be left out."""

    tasks: tuple[FileTask, ...]
    reports: tuple[FileReport, ...]


def _plan_rows(
    transfer: Transfer,
    bundle: tuple[FQID, list[ManifestRow]],
    *,
    no_metadata: bool,
    no_data: bool,
) -> _RowsPlan:
    fqid, rows = bundle
    named = [row for row in rows if row.file_name]
    names = {row.file_name for row in named}

    def wanted(file: "FileVersion") -> bool:
        return not no_metadata if file.indexed else not no_data and file.name in names

    try:
        plan = plan_bundle(
            transfer.source,
            uuid=fqid.uuid,
            version=fqid.version,  # pinned: the reference client took the latest (C2)
            replica=transfer.replica,
            wanted=wanted,
        )
    except DSSError as error:
        return _RowsPlan((), (_failed(fqid, error), *(_failed(fqid, error, r) for r in named)))
    wrong = [(row, why) for row in named if (why := _contradiction(row, plan.files))]
    bad = {row.file_name for row, _ in wrong}
    return _RowsPlan(
        tuple(task for task in plan.tasks if task.name not in bad),
        (
            *(_failed(fqid, ManifestMismatch(row.file_name, why), row) for row, why in wrong),
            *(_skipped(task) for task in plan.skipped if task.name not in bad),
        ),
    )


def _contradiction(row: ManifestRow, files: "Mapping[str, FileVersion]") -> str | None:
    file = files.get(row.file_name)
    if file is None:
        return "the bundle has no file of that name"
    pairs = {
        "uuid": (row.file_uuid.lower(), file.uuid.lower()),
        "version": (row.file_version, file.version),
        "sha256": (row.file_sha256.lower(), file.sha256.lower()),
        "size": (row.file_size, file.size),
    }
    wrong = [
        f"{name} {ours} in the manifest, {theirs} in the bundle"
        for name, (ours, theirs) in pairs.items()
        if ours != theirs
    ]
    return "; ".join(wrong) or None


def _failed(fqid: FQID, error: DSSError, row: ManifestRow | None = None) -> FileReport:
    """Report a row that failed before any transfer; or, without a row, its bundle itself."""
    name = BUNDLE_JSON if row is None else row.file_name
    if not isinstance(error, FileDownloadError) or (row is not None and error.name != name):
        reason = f"its bundle cannot be downloaded: {error}"
        error = FileDownloadError(name, reason, cause=error)
    error.bundle = fqid
    if row is None:
        return FileReport(bundle=fqid, name=name, state="failed", error=error)
    return FileReport(
        bundle=fqid,
        name=name,
        uuid=row.file_uuid,
        version=row.file_version,
        sha256=row.file_sha256,
        size=row.file_size,
        state="failed",
        error=error,
    )


def _skipped(task: FileTask) -> FileReport:
    return FileReport(
        bundle=task.bundle,
        name=task.name,
        uuid=task.uuid,
        version=task.version,
        sha256=task.sha256,
        size=task.size,
        state="skipped",
    )


def _write_output(
    reader: ManifestReader, lines: Iterable[ManifestLine], store: FileStore, directory: Path
) -> Path:
    """Write the manifest with the paths of the files that are there (C3)."""
    path = directory / (reader.path.name if reader.path else "manifest.tsv")
    if reader.path and path.exists() and path.samefile(reader.path):
        path = path.with_name(f"{path.stem}.downloaded.tsv")
    columns = tuple(dict.fromkeys((*reader.columns, "file_path")))
    write_cells(path, columns, (_with_path(line, store) for line in lines))
    return path


def _with_path(line: ManifestLine, store: FileStore) -> dict[str, str]:
    sha256 = line.row.file_sha256
    there = line.row.file_name and store.has(sha256)
    return {**line.cells, "file_path": store.path(sha256).as_posix() if there else ""}
