"""Uploads: a directory becomes a bundle."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from ..types import Replica
from .operations import AsyncOperations

if TYPE_CHECKING:
    from ..transfer.progress import ProgressCallback
    from ..upload import Staging, UploadReport

__all__ = ["AsyncUploads"]


class AsyncUploads(AsyncOperations):
    """Uploads, as methods of the client."""

    async def upload(
        self,
        *,
        src_dir: str | os.PathLike[str],
        replica: Replica,
        staging_bucket: str,
        timeout_seconds: float = 1200,
        bundle_uuid: str | UUID | None = None,
        version: str | None = None,
        creator_uid: int = 0,
        indexed: Callable[[str], bool] | Sequence[str] = ("*.json",),
        threads: int = 4,
        progress: "ProgressCallback | None" = None,
        staging: "Staging | None" = None,
        fresh: bool = False,
    ) -> "UploadReport":
        """Make a bundle of all files in a directory.

        Each file is read once, and sent to ``<new file uuid>/<base name>`` in the staging bucket
        with its four checksums; the service copies it from there. Names in the bundle are paths
        below `src_dir`, and are checked before any byte is sent. All files and the bundle get the
        same version. The client needs a token, which is looked for before anything else.

        The next call continues an interrupted upload, if it has the same directory,
        deployment, replica and bucket: neither files nor parts of files are sent twice, unless they
        changed. After a fault that leaves it open whether the service did its part, the service is
        asked, and nothing is made twice.

        Args:
            src_dir: The directory.
            replica: Replica to put the bundle in. ``aws`` stages in S3 (extra ``upload``), ``gcp``
                in Google Cloud Storage (extra ``upload-gcs``), with the credentials that the tools
                of these clouds would use.
            staging_bucket: Name of a bucket there that the service can read.
            timeout_seconds: How long to wait until the service has copied files over 64 MiB.
            bundle_uuid: Id of the bundle; a new one when not given.
            version: Version of the bundle and its files; now when not given.
            creator_uid: Numeric id of the user who puts them.
            indexed: Which files are indexed for search: shell patterns of names, in which ``*``
                also crosses ``/``, or a function of the name.
            threads: How many files, and parts of files, are sent at once. One part more than this
                is kept in memory, each of up to 64 MiB for files up to 625 GiB.
            progress: Called with each `ProgressEvent`.
            staging: Where files wait for the service, if not in the replica's cloud, such as
                `dss_client.upload.DirectoryStaging` for an embedded DSS.
            fresh: Send everything anew, whatever an earlier run has sent.

        Returns:
            The bundle, and what became of each file.

        Raises:
            UploadError: There is no token or nothing to upload, or a file cannot be uploaded; it
                names the file. What was sent is kept for the next call.
            UnsafeName, NameClash: A name is refused; nothing was sent.
            StagingError: The staging bucket cannot be used at all.
            DSSError: The bundle itself was refused.
            RuntimeError: The extra is not installed.
            ValueError: An argument makes no sense.
        """
        from .._backend.asynchronous import run_transfer
        from ..upload import UploadRequest, upload_directory
        from .upload_service import AsyncClientService, need_token

        await need_token(self._transport, str(src_dir))
        request = UploadRequest(
            src_dir=Path(src_dir),
            replica=replica,
            staging_bucket=staging_bucket,
            timeout_seconds=timeout_seconds,
            bundle_uuid=None if bundle_uuid is None else str(bundle_uuid),
            version=version,
            creator_uid=creator_uid,
            indexed=indexed,
            threads=threads,
            progress=progress,
            staging=staging,
            fresh=fresh,
        )
        service = AsyncClientService(self, self._transport.options.base_url)
        return await run_transfer(lambda stop: upload_directory(service, request, stop))
