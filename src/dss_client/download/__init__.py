"""Downloads: plan -> source -> transfer -> filestore -> layout -> report.

`download_bundle` and `download_manifest` are what `DSSClient.download` and
`DSSClient.download_manifest` call.
"""

from dss_client.manifest import ManifestError, ManifestSource

from .errors import (
    ChecksumMismatch,
    DownloadError,
    FileDownloadError,
    InvalidChecksum,
    ManifestMismatch,
    NameClash,
    SizeMismatch,
    UnsafeName,
)
from .paths import resolve_under, safe_relative_path
from .progress import ProgressCallback, ProgressEvent
from .report import DownloadReport, FileReport
from .run import download_bundle, download_manifest
from .source import Source

__all__ = [
    "ChecksumMismatch",
    "DownloadError",
    "DownloadReport",
    "FileDownloadError",
    "FileReport",
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
    "download_bundle",
    "download_manifest",
    "resolve_under",
    "safe_relative_path",
]
