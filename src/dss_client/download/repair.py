"""Fetches anew what a verification has found to be wrong or missing."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from dss_client.manifest import ManifestSource
from dss_client.transfer.names import BUNDLE_JSON
from dss_client.versions import FQID, InvalidUUID, InvalidVersion

from .options import DownloadOptions
from .report import DownloadError, DownloadReport
from .requests import BundleRequest, DownloadRequest, FileRequest
from .run import Layout, download_manifest, run_requests
from .source import HasSource, Source
from .store import FileStore
from .tree import (
    BadDescription,
    BundleDirectory,
    bundle_directories,
    collection_directories,
)
from .tree_report import VerifyReport

if TYPE_CHECKING:
    from .responses import BundleFile

__all__ = ["repair_tree"]


def repair_tree(
    source: Source | HasSource,
    options: DownloadOptions,
    found: VerifyReport,
    *,
    manifest: ManifestSource | None = None,
    layout: Layout | None = None,
    urls: str | None = None,
    allow_missing: bool = False,
) -> VerifyReport:
    """Fetch anew what `verify_tree` has found to be wrong or missing, and replace it.

    What is good is not read again. Contents of the store that no bundle and no manifest lists
    cannot be repaired, since nobody knows whose they are.

    Args:
        source: A client of the service that the files are from.
        options: How to download; its directory is that of the report.
        found: The report of `verify_tree`.
        manifest: The manifest that was verified, if one was.
        layout: How it was downloaded; found from the directory if not given.
        urls: The column of the manifest that has the URLs of the files, if they are from there.
        allow_missing: Leave what is missing, where `verify_tree` has allowed that.

    Returns:
        The report, with what was repaired, and the faults that are left.

    Raises:
        DirectoryError: The directory cannot be written to.
    """
    if found.ok:
        return found
    root = found.directory
    there = evolve(options, download_dir=root, overwrite=True)
    try:
        if manifest is not None:
            by_bundle = layout or ("bundle" if any(bundle_directories(root)) else "none")
            report = download_manifest(
                source, there, manifest=manifest, layout=by_bundle, urls=urls, copy=False
            )
        else:
            report = run_requests(source, _requests(found, allow_missing=allow_missing), there)
    except DownloadError as error:
        report = error.report
    good = set(_good_paths(report, FileStore(root)))
    return evolve(
        found,
        faults=tuple(fault for fault in found.faults if fault.path not in good),
        repaired=tuple(fault for fault in found.faults if fault.path in good),
    )


def _good_paths(report: DownloadReport, store: FileStore) -> Iterator[Path]:
    for entry in report.files:
        if entry.state in {"downloaded", "reused"}:
            yield store.path(entry.sha256)
            if entry.path is not None:
                yield entry.path


@frozen
class _Wanted:
    """Tells which files of a bundle are wanted: those named, or all, or all that are there."""

    folder: Path
    names: frozenset[str] | None
    allow_missing: bool

    def __call__(self, file: "BundleFile") -> bool:
        """Tell whether a file is wanted."""
        if self.names is not None:
            return file.name in self.names
        return not self.allow_missing or os.path.lexists(self.folder / file.name)


def _requests(found: VerifyReport, *, allow_missing: bool) -> Iterator[DownloadRequest]:
    """Yield the bundles and the single files of collections that have faults."""
    number = 0
    faulty = frozenset(fault.path for fault in found.faults)
    contents = FileStore(found.directory).root
    bad = frozenset(path.name for path in faulty if path.is_relative_to(contents))
    for folder in bundle_directories(found.directory):
        names = _faulty_names(folder, faulty, bad)
        if names is None or names:
            wanted = _Wanted(folder, names, allow_missing)
            yield BundleRequest(number=number, bundle=FQID.parse(folder.name), wanted=wanted)
            number += 1
    for folder in collection_directories(found.directory):
        for path in sorted(path for path in faulty if path.parent == folder):
            try:
                file = FQID.parse(path.name)
            except (InvalidUUID, InvalidVersion):
                continue  # it is not of a download
            yield FileRequest(
                number=number, uuid=file.uuid, version=file.version, folder=folder.name
            )
            number += 1


def _faulty_names(
    folder: Path, faulty: frozenset[Path], bad: frozenset[str]
) -> frozenset[str] | None:
    """Return which files of a bundle have faults; None if its description has."""
    try:
        bundle = BundleDirectory.read(folder)
    except (OSError, BadDescription):
        return None
    if folder / BUNDLE_JSON in faulty or bundle.sha256 in bad:
        return None
    return frozenset(
        file.name.name
        for file in bundle.files
        if file.sha256 in bad or folder / (file.name.target or file.name.name) in faulty
    )
