"""The downloads that a user asks for: a bundle, several, and a manifest."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Literal

from attrs import evolve

from dss_client.errors import InvalidArgument
from dss_client.manifest import ManifestSource
from dss_client.types import Replica
from dss_client.versions import FQID, normal_uuid, parse_version

from .engine import Engine
from .errors import DirectoryError, DiskFull, only_own_errors
from .executors import run_in
from .options import DownloadOptions
from .plan import BundlePlan, filters, plan_bundle
from .pool import wait_for
from .report import DownloadError, DownloadReport, ReportStore, StoredEntries
from .requests import BundleRequest, DownloadRequest, PlannedRequest, RowsRequest
from .room import Room, check_room
from .rows import ListedBundles, ListedFiles, ShardReader
from .source import HasSource, Source
from .workers import worker_processes

__all__ = [
    "Layout",
    "download_bundle",
    "download_bundles",
    "download_manifest",
    "replica_for",
    "run_requests",
]

ALL = ("*",)
LAYOUTS = ("none", "bundle")
Layout = Literal["none", "bundle"]
_IN_MEMORY = 1_000  # reports of files
_GROUP = 20_000  # files of one bundle that are taken up at once


def download_bundle(
    source: Source | HasSource,
    options: DownloadOptions,
    *,
    bundle_uuid: str,
    version: str | None = None,
    metadata_filter: Sequence[str] = ALL,
    data_filter: Sequence[str] = ALL,
    no_metadata: bool = False,
    no_data: bool = False,
) -> DownloadReport:
    """Download the files of a bundle to ``<download_dir>/<uuid>.<version>/``; see `DSSClient`.

    Args:
        source: A client, or anything that can list bundles and open contents.
        options: How to download.
        bundle_uuid: Id of the bundle.
        version: Its version; the latest when not given.
        metadata_filter: Shell patterns of the names of indexed files to take; ``*`` crosses ``/``.
        data_filter: The same for all other files.
        no_metadata: Take no indexed file.
        no_data: Take indexed files only.

    Raises:
        DSSError: The bundle itself cannot be read.
        DiskFull: There is no room for it.
        DownloadError: Some files failed; the others are in place. It carries the report.
    """
    uuid = normal_uuid(bundle_uuid)
    if version is not None:
        parse_version(version)
    wanted = filters(metadata_filter, data_filter, no_metadata=no_metadata, no_data=no_data)
    engine = Engine(source, options)
    # Before anything else: what is wrong with the bundle as a whole is raised as it is.
    found = wait_for(
        lambda: plan_bundle(engine.source, engine.rule, 0, uuid, version, wanted), engine.stop
    )
    takes = options.parsed_shard.takes
    found = evolve(
        found,
        wanted=[task for task in found.wanted if takes(task.sha256)],
        others=[each for each in found.others if takes(each[0].sha256)],
    )
    with _reporting(engine, engine.results):
        _run(engine, options, [PlannedRequest(number=0, planned=found)])
    return finish(engine, engine.results)


def download_bundles(
    source: Source | HasSource,
    options: DownloadOptions,
    *,
    bundles: Iterable[FQID | str],
    metadata_filter: Sequence[str] = ALL,
    data_filter: Sequence[str] = ALL,
    no_metadata: bool = False,
    no_data: bool = False,
) -> DownloadReport:
    """Download several bundles, each to its directory; see `DSSClient`.

    Args:
        source: A client, or anything that can list bundles and open contents.
        options: How to download.
        bundles: The bundles, their versions pinned; texts are read as ``<uuid>.<version>``.
        metadata_filter: Shell patterns of the names of indexed files to take; ``*`` crosses ``/``.
        data_filter: The same for all other files.
        no_metadata: Take no indexed file.
        no_data: Take indexed files only.

    Raises:
        DownloadError: Some files failed; the others are in place. It carries the report. A bundle
            that cannot be read fails alone.
        ValueError: A bundle id is not valid, or the options contradict each other.
    """
    wanted = filters(metadata_filter, data_filter, no_metadata=no_metadata, no_data=no_data)
    requests = (
        BundleRequest(number=number, bundle=fqid, wanted=wanted)
        for number, fqid in enumerate(dict.fromkeys(map(_fqid, bundles)))
        if options.parsed_shard.takes(str(fqid))
    )
    return run_requests(source, requests, options)


def run_requests(
    source: Source | HasSource, requests: Iterable[DownloadRequest], options: DownloadOptions
) -> DownloadReport:
    """Do what is asked for, and return the report.

    Raises:
        DownloadError: Some files failed.
    """
    engine = Engine(source, options)
    with _reporting(engine, engine.results):
        _run(engine, options, requests)
    return finish(engine, engine.results)


def _fqid(bundle: FQID | str) -> FQID:
    return bundle if isinstance(bundle, FQID) else FQID.parse(bundle)


def download_manifest(
    source: Source | HasSource,
    options: DownloadOptions,
    *,
    manifest: ManifestSource,
    layout: Layout = "none",
    no_metadata: bool = False,
    no_data: bool = False,
    urls: str | None = None,
    check_rows: bool = True,
    copy: bool = True,
) -> DownloadReport:
    """Download the files that a manifest lists; see `DSSClient`.

    Args:
        source: A client, or anything that can list bundles and open contents.
        options: How to download.
        manifest: Path of the manifest, an open text file, or its rows as mappings.
        layout: ``none`` for the store alone; ``bundle`` for a directory per bundle.
        no_metadata: With ``bundle``: take no indexed file.
        no_data: With ``bundle``: take indexed files only.
        urls: The column with the URLs of contents. Then no service is asked, and rows alone say
            what a bundle holds.
        check_rows: With ``bundle``: fail the rows that contradict their bundle, and those of a
            bundle that cannot be had. Otherwise rows only name what is wanted of a bundle.
        copy: Write a copy of the manifest with the paths of the files.

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
    if urls is not None and (no_data or no_metadata):
        raise InvalidArgument(
            "no_data and no_metadata cannot be used with urls: a manifest does not say which of"
            " its files are metadata"
        )
    engine = Engine(source, options)
    with ShardReader(manifest, layout, options.parsed_shard, urls) as reader:
        if layout == "none":
            return _download_files(reader, engine, options, copy=copy)
        listed = ListedBundles(reader, engine.results, engine.store, options.download_dir)
        listed.read()
    requests = _bundles(engine, no_metadata=no_metadata, no_data=no_data, check_rows=check_rows)
    with _reporting(engine, engine.results):
        output = _run_listed(listed, engine, options, requests, copy=copy)
    return finish(engine, engine.results, output)


def replica_for(replica: Replica | None, urls: str | None) -> Replica:
    """Return the replica to download a manifest from.

    Args:
        replica: The replica, if one was given.
        urls: The column with the URLs of contents: then no replica is asked.

    Raises:
        InvalidArgument: A replica is needed.
    """
    if replica is None and urls is None:
        raise InvalidArgument(
            "replica= is needed: 'aws' or 'gcp'; or urls=, the column with URLs to download from"
        )
    return replica or "aws"


def _download_files(
    reader: ShardReader, engine: Engine, options: DownloadOptions, *, copy: bool
) -> DownloadReport:
    listed = ListedFiles(reader, engine.results, engine.store, options.download_dir)
    with _reporting(engine, listed):
        listed.read(engine.progress, engine.context.check_stop, verify=not options.dry_run)
        output = _run_listed(listed, engine, options, _files(engine), copy=copy)
    return finish(engine, listed, output)


def _run_listed(
    listed: ListedBundles | ListedFiles,
    engine: Engine,
    options: DownloadOptions,
    requests: Iterable[DownloadRequest],
    *,
    copy: bool,
) -> Path | None:
    """Do what a manifest asks for, and return where the output manifest is."""
    if not options.dry_run:
        _check_room(engine)
    _run(engine, options, requests)
    if options.dry_run or options.shard is not None or not copy:
        return None
    output = options.download_dir if options.output_dir is None else options.output_dir
    return listed.write(Path(output))


@contextmanager
def _reporting(engine: Engine, store: ReportStore) -> Generator[None]:
    """Let an error of the place say what was done before."""
    try:
        with only_own_errors(engine.rule.download_dir):
            yield
    except DirectoryError as error:
        error.report = _report_of(engine, store)
        raise


def _run(
    engine: Engine,
    options: DownloadOptions,
    requests: Iterable[DownloadRequest],
) -> None:
    if options.dry_run:
        engine.run(requests)
    elif options.executor is not None:
        run_in(options.executor, engine, options, requests)
    elif options.processes is not None:
        with worker_processes(options.processes) as executor:
            run_in(executor, engine, options, requests)
    else:
        engine.run(requests)


def _check_room(engine: Engine) -> None:
    """Make sure that what a manifest lists has room, before its first byte."""
    try:
        check_room(engine.rule.download_dir, engine.results.listed_bytes())
    except DiskFull:  # some of it may be there already, or listed twice
        room = Room(engine.rule.download_dir, engine.context.leftovers)
        missing = (
            room.needed(key, size)
            for key, size in engine.results.contents()
            if engine.store.look(key, size) == "missing"
        )
        check_room(engine.rule.download_dir, sum(missing))


def _files(engine: Engine) -> Iterator[DownloadRequest]:
    """Yield the files that are not there, those of a bundle together."""
    for bundle, tasks in groupby(engine.results.pending(), key=attrgetter("bundle")):
        while part := tuple(islice(tasks, _GROUP)):
            files = BundlePlan(bundle=bundle, wanted=part)
            yield PlannedRequest(number=0, planned=files, is_recorded=True)


def _bundles(
    engine: Engine, *, no_metadata: bool, no_data: bool, check_rows: bool
) -> Iterator[DownloadRequest]:
    """Yield the bundles of a manifest."""
    for number, bundle in engine.results.bundles():
        yield RowsRequest(
            number=number,
            bundle=bundle,
            rows=tuple(engine.results.entries_of(number)),
            no_metadata=no_metadata,
            no_data=no_data,
            check_rows=check_rows,
        )


def finish(engine: Engine, store: ReportStore, output: Path | None = None) -> DownloadReport:
    """Return the report of a download that has run.

    Args:
        engine: Who has run it.
        store: Where its reports are.
        output: Where the output manifest is, if there is one.

    Raises:
        DownloadError: Some files failed.
    """
    report = _report_of(engine, store, output)
    if not report.ok:
        raise DownloadError(report)
    return report


def _report_of(engine: Engine, store: ReportStore, output: Path | None = None) -> DownloadReport:
    if len(store) > _IN_MEMORY:
        return DownloadReport(StoredEntries(store), output)
    report = DownloadReport(tuple(store.reports()), output)
    engine.results.close()
    return report
