"""Puts files and bundles, and finds out what happened when an answer is lost."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from dss_client.errors import (
    Conflict,
    DSSConnectionError,
    DSSError,
    DSSTimeout,
    NotFound,
    ServerError,
)
from dss_client.transfer.cancel import Stopped
from dss_client.types import Replica

from .checksums import Checksums
from .errors import UploadError
from .report import UploadedFile
from .request import UploadRequest
from .state import FileState, NewBundle

if TYPE_CHECKING:
    from dss_client.models import BundleFileDict, FileHeaders, FileVersion

__all__ = ["Committer", "Service"]

_SCHEMES: Mapping[Replica, str] = {"aws": "s3", "gcp": "gs"}
_FIRST_WAIT = 1.0  # seconds; the others grow from it
_GROWTH = 1.618
_LONGEST_WAIT = 60.0
# After these the service may have done what it was asked for, or will do it later.
_UNCERTAIN = (ServerError, DSSTimeout, DSSConnectionError)


class Service(Protocol):
    """The service. Threads share it."""

    @property
    def url(self) -> str:
        """Base URL of the deployment."""
        ...

    def put_file(self, *, uuid: str, version: str, source_url: str, creator_uid: int) -> bool:
        """Store a file; tell whether it is being copied still."""
        ...

    def head_file(self, *, uuid: str, version: str, replica: Replica) -> "FileHeaders":
        """Return the metadata of a file."""
        ...

    def put_bundle(
        self,
        *,
        uuid: str,
        version: str,
        replica: Replica,
        files: "Sequence[BundleFileDict]",
        creator_uid: int,
    ) -> None:
        """Store a bundle."""
        ...

    def bundle_files(
        self, *, uuid: str, version: str, replica: Replica
    ) -> "tuple[int, list[FileVersion]]":
        """Return the creator and all files of a bundle."""
        ...


@frozen
class Committer:
    """Makes the service copy from the staging bucket. Threads share it."""

    service: Service
    request: UploadRequest
    bundle: NewBundle
    stop: threading.Event

    def find_file(self, file: FileState) -> Checksums | None:
        """Return the checksums of a file that the service has; None if it may not have it."""
        try:
            head = self._head(file)
        except DSSError:
            return None
        if head.size != file.source.size:
            return None
        return Checksums(
            sha256=head.sha256, sha1=head.sha1, crc32c=head.crc32c, s3_etag=head.s3_etag
        )

    def put_file(self, file: FileState, checksums: Checksums) -> bool:
        """Make the service copy a file; tell whether it is done.

        Raises:
            UploadError: This version of the file exists with something else in it.
            DSSError: The service refused or failed, and does not have the file.
        """
        scheme, bucket = _SCHEMES[self.request.replica], self.request.staging_bucket
        try:
            return not self.service.put_file(
                uuid=file.uuid,
                version=self.bundle.version,
                source_url=f"{scheme}://{bucket}/{file.key}",
                creator_uid=self.bundle.creator_uid,
            )
        except (*_UNCERTAIN, Conflict) as error:
            try:
                head = self._head(file)
            except DSSError:
                raise error from None
            self._refuse_other(file, checksums, head, error)
            return True

    def _head(self, file: FileState) -> "FileHeaders":
        return self.service.head_file(
            uuid=file.uuid, version=self.bundle.version, replica=self.request.replica
        )

    def _refuse_other(
        self,
        file: FileState,
        checksums: Checksums,
        head: "FileHeaders",
        cause: Exception | None = None,
    ) -> None:
        """Refuse a stored file that differs from the one sent."""
        source = file.source
        own = {
            "size": source.size,
            "content_type": source.content_type,
            "creator_uid": self.bundle.creator_uid,
            **checksums.to_dict(),
        }
        different = [name for name, value in own.items() if getattr(head, name) != value]
        if different:
            raise UploadError(
                source.name,
                f"the service has file {file.uuid}.{self.bundle.version} with another"
                f" {', '.join(different)}; upload again with fresh=True (--fresh)",
                cause=cause,
            )

    def wait_for(self, copied: Sequence[tuple[FileState, Checksums]]) -> None:
        """Wait until the service has copied files, asking less and less often.

        Raises:
            UploadError: Some were not copied in time, could not be copied, or are not what was
                sent.
            Stopped: The upload was stopped.
        """
        missing = sorted(copied, key=lambda each: each[0].source.name)
        deadline = time.monotonic() + self.request.timeout_seconds
        delay = _FIRST_WAIT
        while missing:
            left = deadline - time.monotonic()
            if left <= 0:
                more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
                raise UploadError(
                    missing[0][0].source.name,
                    f"the service has not copied it{more} in {self.request.timeout_seconds:g} s;"
                    " upload again to wait on, or with a larger timeout_seconds",
                )
            if self.stop.wait(min(delay, left)):
                raise Stopped
            delay = min(delay * _GROWTH, _LONGEST_WAIT)
            missing = [each for each in missing if not self._is_copied(*each)]

    def _is_copied(self, file: FileState, checksums: Checksums) -> bool:
        try:
            head = self._head(file)
        except (NotFound, *_UNCERTAIN):
            return False  # not yet, or not to be told now
        except DSSError as error:
            reason = f"the service could not copy it: {error}"
            raise UploadError(file.source.name, reason, cause=error) from error
        self._refuse_other(file, checksums, head)
        return True

    def put_bundle(self, uploaded: Sequence[UploadedFile]) -> None:
        """Put the bundle.

        Raises:
            UploadError: This version of the bundle exists with other files.
            DSSError: The service refused or failed, and does not have the bundle.
        """
        bundle, replica = self.bundle, self.request.replica
        files: list[BundleFileDict] = [
            {"uuid": file.uuid, "version": file.version, "name": file.name, "indexed": file.indexed}
            for file in uploaded
        ]
        try:
            self.service.put_bundle(
                uuid=bundle.uuid,
                version=bundle.version,
                replica=replica,
                files=files,
                creator_uid=bundle.creator_uid,
            )
        except (*_UNCERTAIN, Conflict) as error:
            try:
                creator, stored = self.service.bundle_files(
                    uuid=bundle.uuid, version=bundle.version, replica=replica
                )
            except DSSError:
                raise error from None
            facts = [(file.uuid, file.version, file.name, file.indexed) for file in stored]
            if creator != bundle.creator_uid or facts != [tuple(file.values()) for file in files]:
                raise UploadError(
                    f"{bundle.uuid}.{bundle.version}",
                    "this version of the bundle exists with other files; give another version",
                    cause=error,
                ) from error
