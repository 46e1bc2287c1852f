"""Downloads: plan -> source -> transfer -> filestore -> layout -> report.

The methods of `DSSClient` call these functions; `Source` is the part of a client that they need.
"""

from dss_client.manifest import ManifestError, ManifestSource
from dss_client.transfer.names import safe_relative_path
from dss_client.transfer.progress import ProgressCallback, ProgressEvent

from .check import Fault, VerifyReport, verify_tree
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
from .garbage import DownloadUnderWay, Garbage, GarbageReport, collect_garbage
from .job_plan import JobError, JobPlan, JobSettings
from .job_report import MergeReport, MissingShards, ShardResult
from .jobs import JobOptions, merge_jobs, plan_jobs, run_job, shard_of_environment
from .report import DownloadError, DownloadReport, FileReport
from .run import download_bundle, download_bundles, download_manifest
from .settings import DownloadOptions, Settings
from .source import Source

__all__ = [
    "ChecksumMismatch",
    "DiskFull",
    "DownloadError",
    "DownloadOptions",
    "DownloadReport",
    "DownloadUnderWay",
    "Fault",
    "FileDownloadError",
    "FileReport",
    "Garbage",
    "GarbageReport",
    "InvalidChecksum",
    "JobError",
    "JobOptions",
    "JobPlan",
    "JobSettings",
    "ManifestError",
    "ManifestMismatch",
    "ManifestSource",
    "MergeReport",
    "MissingShards",
    "NameClash",
    "ProgressCallback",
    "ProgressEvent",
    "Settings",
    "ShardResult",
    "SizeMismatch",
    "Source",
    "UnsafeName",
    "VerifyReport",
    "collect_garbage",
    "download_bundle",
    "download_bundles",
    "download_collection",
    "download_manifest",
    "download_search",
    "merge_jobs",
    "plan_jobs",
    "run_job",
    "safe_relative_path",
    "shard_of_environment",
    "verify_tree",
]
