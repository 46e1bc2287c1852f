"""The downloads that a user asks for: a bundle, several, and a manifest."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Literal, Unpack

from dss_client.errors import InvalidArgument
from dss_client.manifest import USED, ManifestReader, ManifestSource
from dss_client.versions import FQID, normal_uuid, parse_version

from .engine import Engine
from .errors import DiskFull
from .lanes import check_room
from .orders import BundleOrder, KnownFiles, PlannedBundle, RowsOrder
from .plan import expand_bundle, filters
from .report import DownloadError, DownloadReport, Entries, StoredEntries
from .rows import ListedBundles, ListedFiles
from .settings import DownloadOptions, Settings
from .shards import run_in
from .source import HasSource, Source, as_source
from .want import Order

__all__ = [
    "Layout",
    "download_bundle",
    "download_bundles",
    "download_manifest",
    "run_orders",
]

ALL = ("*",)
LAYOUTS = ("none", "bundle")
Layout = Literal["none", "bundle"]
_IN_MEMORY = 1_000  # reports of files
_GROUP = 20_000  # files of one bundle that are taken up at once


def download_bundle(
    source: Source | HasSource,
    *,
    bundle_uuid: str,
    version: str | None = None,
    metadata_filter: Sequence[str] = ALL,
    data_filter: Sequence[str] = ALL,
    no_metadata: bool = False,
    no_data: bool = False,
    **options: Unpack[DownloadOptions],
) -> DownloadReport:
    """Download the files of a bundle to ``<download_dir>/<uuid>.<version>/``; see `DSSClient`.

    Args:
        source: A client, or anything that can list bundles and open contents.
        bundle_uuid: Id of the bundle.
        version: Its version; the latest when not given.
        metadata_filter: Shell patterns of the names of indexed files to take; ``*`` crosses ``/``.
        data_filter: The same for all other files.
        no_metadata: Take no indexed file.
        no_data: Take indexed files only.
        **options: How to download; see `Settings`.

    Raises:
        DSSError: The bundle itself cannot be read.
        DiskFull: There is no room for it.
        DownloadError: Some files failed; the others are in place. It carries the report.
    """
    uuid = normal_uuid(bundle_uuid)
    if version is not None:
        parse_version(version)
    settings = Settings(**options)
    wanted = filters(metadata_filter, data_filter, no_metadata=no_metadata, no_data=no_data)
    engine = settings.engine(source)
    # Before anything else: what is wrong with the bundle as a whole is raised as it is.
    found = expand_bundle(engine.source, settings.rule, 0, uuid, version, wanted)
    _run(source, settings, engine, [PlannedBundle(number=0, expanded=found)])
    return finish(engine, engine.ledger)


def download_bundles(
    source: Source | HasSource,
    *,
    bundles: Iterable[FQID | str],
    metadata_filter: Sequence[str] = ALL,
    data_filter: Sequence[str] = ALL,
    no_metadata: bool = False,
    no_data: bool = False,
    **options: Unpack[DownloadOptions],
) -> DownloadReport:
    """Download several bundles, each to its directory; see `DSSClient`.

    Args:
        source: A client, or anything that can list bundles and open contents.
        bundles: The bundles, their versions pinned; texts are read as ``<uuid>.<version>``.
        metadata_filter: Shell patterns of the names of indexed files to take; ``*`` crosses ``/``.
        data_filter: The same for all other files.
        no_metadata: Take no indexed file.
        no_data: Take indexed files only.
        **options: How to download; see `Settings`.

    Raises:
        DownloadError: Some files failed; the others are in place. It carries the report. A bundle
            that cannot be read fails alone.
        ValueError: A bundle id is not valid, or the options contradict each other.
    """
    wanted = filters(metadata_filter, data_filter, no_metadata=no_metadata, no_data=no_data)
    orders = (
        BundleOrder(number=number, bundle=fqid, wanted=wanted)
        for number, fqid in enumerate(dict.fromkeys(map(_fqid, bundles)))
    )
    return run_orders(source, orders, Settings(**options))


def run_orders(
    source: Source | HasSource, orders: Iterable[Order], settings: Settings
) -> DownloadReport:
    """Do orders, and return the report.

    Raises:
        DownloadError: Some files failed.
    """
    engine = settings.engine(source)
    _run(source, settings, engine, orders)
    return finish(engine, engine.ledger)


def _fqid(bundle: FQID | str) -> FQID:
    return bundle if isinstance(bundle, FQID) else FQID.parse(bundle)


def download_manifest(
    source: Source | HasSource,
    *,
    manifest: ManifestSource,
    layout: Layout = "none",
    no_metadata: bool = False,
    no_data: bool = False,
    check_rows: bool = True,
    **options: Unpack[DownloadOptions],
) -> DownloadReport:
    """Download the files that a manifest lists; see `DSSClient`.

    Args:
        source: A client, or anything that can list bundles and open contents.
        manifest: Path of the manifest, an open text file, or its rows as mappings.
        layout: ``none`` for the store alone; ``bundle`` for a directory per bundle.
        no_metadata: With ``bundle``: take no indexed file.
        no_data: With ``bundle``: take indexed files only.
        check_rows: With ``bundle``: fail the rows that contradict their bundle, and those of a
            bundle that cannot be had. Otherwise rows only name what is wanted of a bundle.
        **options: How to download; see `Settings`.

    Raises:
        ManifestError: The manifest is not valid.
        DiskFull: There is no room for it.
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
    settings = Settings(**options)
    engine = settings.engine(source)
    with ManifestReader(manifest, allow_unnamed=layout == "bundle", needed=USED[layout]) as reader:
        if layout == "none":
            return _download_files(source, reader, engine, settings)
        listed = ListedBundles(reader, engine.ledger, engine.store, settings.download_dir)
        listed.enter()
    orders = _bundles(engine, no_metadata=no_metadata, no_data=no_data, check_rows=check_rows)
    output = _run_listed(source, listed, engine, settings, orders)
    return finish(engine, engine.ledger, output)


def _download_files(
    source: Source | HasSource, reader: ManifestReader, engine: Engine, settings: Settings
) -> DownloadReport:
    listed = ListedFiles(reader, engine.ledger, engine.store, settings.download_dir)
    listed.enter()
    totals = listed.totals()
    engine.progress.plan(
        sum(totals.files.values()),
        sum(totals.bytes.values()),
        files_there=totals.files["reused"],
        bytes_there=totals.bytes["reused"],
    )
    output = _run_listed(source, listed, engine, settings, _files(engine))
    return finish(engine, listed, output)


def _run_listed(
    source: Source | HasSource,
    listed: ListedBundles | ListedFiles,
    engine: Engine,
    settings: Settings,
    orders: Iterable[Order],
) -> Path | None:
    """Do what a manifest asks for, and return where the output manifest is."""
    if not settings.dry_run:
        _check_room(engine)
    _run(source, settings, engine, orders)
    return None if settings.dry_run else listed.write(settings.output_path)


def _run(
    source: Source | HasSource, settings: Settings, engine: Engine, orders: Iterable[Order]
) -> None:
    if settings.executor is None or settings.dry_run:
        engine.run(orders)
    else:
        run_in(settings.executor, as_source(source), engine, settings, orders)


def _check_room(engine: Engine) -> None:
    """Make sure that what a manifest lists has room, before its first byte."""
    try:
        check_room(engine.rule.download_dir, engine.ledger.listed_bytes())
    except DiskFull:  # some of it may be there already, or listed twice
        missing = (
            engine.needs(key, size)
            for key, size in engine.ledger.contents()
            if engine.store.look(key, size) == "absent"
        )
        check_room(engine.rule.download_dir, sum(missing))


def _files(engine: Engine) -> Iterator[Order]:
    """Yield the files that are not there, those of a bundle together."""
    for bundle, tasks in groupby(engine.ledger.pending(), key=attrgetter("bundle")):
        while part := tuple(islice(tasks, _GROUP)):
            yield KnownFiles(number=0, bundle=bundle, tasks=part)


def _bundles(
    engine: Engine, *, no_metadata: bool, no_data: bool, check_rows: bool
) -> Iterator[Order]:
    """Yield the bundles of a manifest."""
    for number, bundle in engine.ledger.bundles():
        yield RowsOrder(
            number=number,
            bundle=bundle,
            rows=tuple(engine.ledger.entries_of(number)),
            no_metadata=no_metadata,
            no_data=no_data,
            check_rows=check_rows,
        )


def finish(engine: Engine, kept: Entries, output: Path | None = None) -> DownloadReport:
    """Return the report of a download that has run.

    Args:
        engine: Who has run it.
        kept: Where its entries are.
        output: Where the output manifest is, if there is one.

    Raises:
        DownloadError: Some files failed.
    """
    if len(kept) > _IN_MEMORY:
        report = DownloadReport(StoredEntries(kept), output)
    else:
        report = DownloadReport(tuple(kept.reports()), output)
        engine.ledger.close()
    if not report.ok:
        raise DownloadError(report)
    return report
