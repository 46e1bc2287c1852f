"""Puts files and bundles, and finds out what happened when an answer is lost."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

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
from .journal import Bundle, FileState
from .send import key_of
from .service import Service
from .walk import content_type_of

if TYPE_CHECKING:
    from dss_client.models import BundleFileDict, FileHeaders

__all__ = ["Committer", "Pace"]

_SCHEMES: Mapping[Replica, str] = {"aws": "s3", "gcp": "gs"}
_GROWTH = 1.618
_LONGEST = 60.0
# After these the service may have done what it was asked for.
_UNCERTAIN = (ServerError, DSSTimeout, DSSConnectionError, Conflict)


@frozen
class Pace:
    """How time passes while the service copies.

    Attributes:
        clock: A monotonic clock, in seconds.
        sleep: Waits that many seconds; None really waits, until the upload is stopped.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] | None = None


@frozen(kw_only=True)
class Committer:
    """Makes the service copy from the staging bucket. Threads share it."""

    service: Service
    replica: Replica
    staging_bucket: str
    bundle: Bundle
    timeout_seconds: float
    pace: Pace
    stop: threading.Event

    def put_file(self, state: FileState, checksums: Checksums) -> bool:
        """Make the service copy a file; tell whether it is done.

        Raises:
            UploadError: This version of the file exists with something else in it.
            DSSError: The service refused or failed, and does not have the file.
        """
        scheme = _SCHEMES[self.replica]
        try:
            return not self.service.put_file(
                uuid=state.uuid,
                version=self.bundle.version,
                source_url=f"{scheme}://{self.staging_bucket}/{key_of(state)}",
                creator_uid=self.bundle.creator_uid,
            )
        except _UNCERTAIN as error:
            try:
                head = self._head(state)
            except DSSError:
                raise error from None
            self._refuse_other(state, checksums, head, error)
            return True

    def _head(self, state: FileState) -> "FileHeaders":
        return self.service.head_file(
            uuid=state.uuid, version=self.bundle.version, replica=self.replica
        )

    def _refuse_other(
        self,
        state: FileState,
        checksums: Checksums,
        head: "FileHeaders",
        cause: Exception | None = None,
    ) -> None:
        """Refuse a stored file that differs from the one sent."""
        pairs: dict[str, tuple[object, object]] = {
            "size": (head.size, state.source.size),
            "content type": (head.content_type, content_type_of(state.source.name)),
            "creator": (head.creator_uid, self.bundle.creator_uid),
            "sha256": (head.sha256, checksums.sha256),
            "sha1": (head.sha1, checksums.sha1),
            "crc32c": (head.crc32c, checksums.crc32c),
            "s3_etag": (head.s3_etag, checksums.s3_etag),
        }
        different = [name for name, (stored, own) in pairs.items() if stored != own]
        if different:
            raise UploadError(
                state.source.name,
                f"the service has file {state.uuid}.{self.bundle.version} with another"
                f" {', '.join(different)}; upload again with fresh=True (--fresh)",
                cause=cause,
            )

    def wait_for(
        self,
        copied: Sequence[tuple[FileState, Checksums]],
        done: Callable[[FileState], object],
    ) -> None:
        """Wait until the service has copied files, asking less and less often.

        Args:
            copied: The files.
            done: Called with each that is there.

        Raises:
            UploadError: Some were not copied in time, could not be copied, or are not what was
                sent.
            Stopped: The upload was stopped.
        """
        missing = list(copied)
        deadline = self.pace.clock() + self.timeout_seconds
        delay = 1.0
        while missing:
            left = deadline - self.pace.clock()
            if left <= 0:
                raise self._late([state for state, _ in missing])
            self._sleep(min(delay, left))
            delay = min(delay * _GROWTH, _LONGEST)
            there = [each for each in missing if self._is_copied(*each)]
            missing = [each for each in missing if each not in there]
            for state, _ in there:
                done(state)

    def _sleep(self, seconds: float) -> None:
        (self.pace.sleep or self.stop.wait)(seconds)
        if self.stop.is_set():
            raise Stopped

    def _is_copied(self, state: FileState, checksums: Checksums) -> bool:
        try:
            head = self._head(state)
        except (NotFound, ServerError, DSSTimeout, DSSConnectionError):
            return False  # not yet, or not to be told now
        except DSSError as error:
            reason = f"the service could not copy it: {error}"
            raise UploadError(state.source.name, reason, cause=error) from error
        self._refuse_other(state, checksums, head)
        return True

    def _late(self, missing: Sequence[FileState]) -> UploadError:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return UploadError(
            missing[0].source.name,
            f"the service has not copied it{more} in {self.timeout_seconds:g} s; upload again to"
            " wait on, or with a larger timeout_seconds",
        )

    def put_bundle(self, files: "Sequence[BundleFileDict]") -> None:
        """Put the bundle.

        Raises:
            UploadError: This version of the bundle exists with other files.
            DSSError: The service refused or failed, and does not have the bundle.
        """
        bundle = self.bundle
        try:
            self.service.put_bundle(
                uuid=bundle.uuid,
                version=bundle.version,
                replica=self.replica,
                files=files,
                creator_uid=bundle.creator_uid,
            )
        except _UNCERTAIN as error:
            stored = self._stored_bundle()
            if stored is None:
                raise
            if stored != (bundle.creator_uid, [tuple(file.values()) for file in files]):
                raise UploadError(
                    f"{bundle.uuid}.{bundle.version}",
                    "this version of the bundle exists with other files; give another version",
                    cause=error,
                ) from error

    def _stored_bundle(self) -> tuple[int, list[tuple[object, ...]]] | None:
        try:
            creator, files = self.service.bundle_files(
                uuid=self.bundle.uuid, version=self.bundle.version, replica=self.replica
            )
        except DSSError:
            return None
        return creator, [(file.uuid, file.version, file.name, file.indexed) for file in files]
