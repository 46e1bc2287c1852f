"""Downloads: request -> plan -> locate -> transfer -> store -> link -> report.

The methods of `DSSClient` call these functions; `Source` is the part of a client that they need.
"""

from typing import TYPE_CHECKING, Any

from .options import DownloadOptions

if TYPE_CHECKING:
    from dss_client.manifest import ManifestError, ManifestSource
    from dss_client.transfer.names import safe_relative_path
    from dss_client.transfer.progress import ProgressCallback, ProgressEvent

    from .collection import download_collection, download_search
    from .errors import (
        ChecksumMismatch,
        DiskFull,
        FileDownloadError,
        InvalidChecksum,
        ManifestMismatch,
        NameClash,
        SizeMismatch,
        UnsafeName,
    )
    from .export import export_manifest
    from .garbage import collect_garbage
    from .repair import repair_tree
    from .report import DownloadError, DownloadReport, FileReport
    from .run import download_bundle, download_bundles, download_manifest
    from .single import download_file
    from .source import Source
    from .tree_report import Fault, Garbage, GarbageReport, VerifyReport
    from .verify import verify_tree

__all__ = [
    "ChecksumMismatch",
    "DiskFull",
    "DownloadError",
    "DownloadOptions",
    "DownloadReport",
    "Fault",
    "FileDownloadError",
    "FileReport",
    "Garbage",
    "GarbageReport",
    "InvalidChecksum",
    "ManifestError",
    "ManifestMismatch",
    "ManifestSource",
    "NameClash",
    "ProgressCallback",
    "ProgressEvent",
    "SizeMismatch",
    "Source",
    "UnsafeName",
    "VerifyReport",
    "collect_garbage",
    "download_bundle",
    "download_bundles",
    "download_collection",
    "download_file",
    "download_manifest",
    "download_search",
    "export_manifest",
    "repair_tree",
    "safe_relative_path",
    "verify_tree",
]

# Names whose modules are loaded when they are first asked for: the command line needs the options
# of downloads whatever it is to do, and the rest takes ten times as long.
_LAZY = {
    "ChecksumMismatch": "download.errors",
    "DiskFull": "download.errors",
    "DownloadError": "download.report",
    "DownloadReport": "download.report",
    "Fault": "download.tree_report",
    "FileDownloadError": "download.errors",
    "FileReport": "download.report",
    "Garbage": "download.tree_report",
    "GarbageReport": "download.tree_report",
    "InvalidChecksum": "download.errors",
    "ManifestError": "manifest",
    "ManifestMismatch": "download.errors",
    "ManifestSource": "manifest",
    "NameClash": "download.errors",
    "ProgressCallback": "transfer.progress",
    "ProgressEvent": "transfer.progress",
    "SizeMismatch": "download.errors",
    "Source": "download.source",
    "UnsafeName": "download.errors",
    "VerifyReport": "download.tree_report",
    "collect_garbage": "download.garbage",
    "download_bundle": "download.run",
    "download_bundles": "download.run",
    "download_collection": "download.collection",
    "download_file": "download.single",
    "download_manifest": "download.run",
    "download_search": "download.collection",
    "export_manifest": "download.export",
    "repair_tree": "download.repair",
    "safe_relative_path": "transfer.names",
    "verify_tree": "download.verify",
}

# Hidden from type checkers, which would take any name for one of the module.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        module = _LAZY.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"dss_client.{module}"), name)
