"""Uploads: walk -> send -> commit -> report, continued by a later run.

`DSSClient.upload` calls `upload_directory`. `Staging` is the part of a bucket that it needs, so
other kinds of buckets can replace S3 and Google Cloud Storage.
"""

from .checksums import Checksums
from .commit import Service
from .errors import LostUpload, StagingError, UploadError
from .report import UploadedFile, UploadReport
from .request import UploadRequest
from .run import upload_directory
from .staging import DirectoryStaging, Staging
from .walk import Indexed

__all__ = [
    "Checksums",
    "DirectoryStaging",
    "Indexed",
    "LostUpload",
    "Service",
    "Staging",
    "StagingError",
    "UploadError",
    "UploadReport",
    "UploadRequest",
    "UploadedFile",
    "upload_directory",
]
