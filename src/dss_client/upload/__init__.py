"""Uploads: walk -> send -> commit -> report, with a journal to continue from.

`DSSClient.upload` calls `upload_directory`. `Staging` is the part of a bucket that it needs, so
other kinds of buckets can replace S3 and Google Cloud Storage.
"""

from .checksums import Checksums
from .errors import LostUpload, StagingError, UploadError
from .journal import SentPart
from .report import UploadedFile, UploadReport
from .run import upload_directory
from .service import Service
from .staging import DirectoryStaging, Staging
from .walk import Indexed

__all__ = [
    "Checksums",
    "DirectoryStaging",
    "Indexed",
    "LostUpload",
    "SentPart",
    "Service",
    "Staging",
    "StagingError",
    "UploadError",
    "UploadReport",
    "UploadedFile",
    "upload_directory",
]
