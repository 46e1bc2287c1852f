"""The content of new files on its way into a main bucket (docs/behaviour.md 8.3, S4).

All four checksums are computed while the content is written; content that is not what its source
claims never becomes an object.
"""

import threading
import uuid
from collections.abc import Mapping
from typing import BinaryIO, cast

from attrs import asdict

from dss_client.types import Replica as ReplicaName

from ..errors import Problem, is_full
from . import documents
from .checkout import Jobs
from .checksums import Hasher, part_size
from .documents import FileMetadata, blob_key
from .sources import SourceObject, unreadable
from .store import Replica

Place = tuple[ReplicaName, str, str]
"""Where a new file belongs: its replica, uuid and version."""


class Copies:
    """Copies content, at once or in jobs, and writes the metadata of new files."""

    def __init__(self, jobs: Jobs, polls: int) -> None:
        """Make a copier whose jobs end after `polls` fruitless looks at the file."""
        self._jobs = jobs
        self._polls = polls
        self._running: dict[Place, tuple[str, FileMetadata]] = {}  # with the id of the job
        self._failed: dict[tuple[str, str], str] = {}  # in any replica, by uuid and version
        self._lock = threading.Lock()

    def start(
        self, replica: Replica, file_uuid: str, metadata: FileMetadata, source: SourceObject
    ) -> str | None:
        """Start to copy the content and then write the metadata, unless that is under way.

        Returns:
            The job's id; None when other content is being copied for the same file version.
        """
        file = file_uuid, metadata["version"]
        place = (replica.name, *file)

        def work() -> str | None:
            try:
                copy_blob(replica, metadata, source)
                self.write(replica, file_uuid, metadata)
            except (Problem, OSError) as error:
                self._failed[file] = str(error)
            finally:
                with self._lock:
                    del self._running[place]
            return self._failed.get(file)

        with self._lock:
            if place in self._running:
                job_id, copied = self._running[place]
                return job_id if copied == metadata else None
            self._failed.pop(file, None)
            job_id = str(uuid.uuid4())
            self._running[place] = job_id, metadata
            self._jobs.start(job_id, work, self._polls)
        return job_id

    def write(self, replica: Replica, file_uuid: str, metadata: FileMetadata) -> bytes | None:
        """Write the metadata of a new file; return what is there instead, if anything."""
        key = f"files/{file_uuid}.{metadata['version']}"
        return replica.store_new(key, documents.encode(metadata))

    def running(self, replica: Replica, file_uuid: str, version: str | None) -> list[str]:
        """Return the jobs that copy a file's version, or any version when none is named."""
        with self._lock:
            return [
                job_id
                for place, (job_id, _) in self._running.items()
                if place == (replica.name, file_uuid, version or place[2])
            ]

    def poll(self, job_ids: list[str]) -> bool:
        """Count a look at files that jobs copy; tell whether one of the jobs has ended.

        What ends behind the last fruitless look is for the next one to see.
        """
        ended = [self._jobs.poll(job_id) for job_id in job_ids]
        return any(ended)

    def failure(self, file_uuid: str, version: str | None) -> str | None:
        """Return why the copy of the named version failed, None when it did not."""
        return self._failed.get((file_uuid, version)) if version else None

    def clear(self) -> None:
        """Forget all copies, when their jobs are gone."""
        self._running.clear()
        self._failed.clear()


def invalid_checksum(reason: str) -> Problem:
    """Return the 422 for a source that is not what its metadata say."""
    return Problem(422, "invalid_checksum", f"The source object cannot be stored: {reason}.")


def copy_blob(replica: Replica, metadata: FileMetadata, source: SourceObject) -> None:
    """Copy a source's content to its key in the main bucket.

    Raises:
        Problem: It is not what `metadata` says, or cannot be read to its end, or not be written.
        OSError: The disk is full.
    """
    try:
        with source.open() as stream:
            checked = _CheckedReader(stream, metadata)
            replica.main.put_stream(blob_key(metadata), cast("BinaryIO", checked))
    except OSError as error:
        if is_full(error):
            raise
        raise unreadable(f"the copy broke off: {error.strerror or error}") from error


class _CheckedReader:
    """Gives a stream on, and fails at its end when it was not what was claimed.

    Failing in a read makes the write be given up, so that nothing has to be taken back.
    """

    def __init__(self, stream: BinaryIO, claimed: FileMetadata) -> None:
        self._stream = stream
        self._claimed = claimed
        self._size = 0
        self._hasher = Hasher(part_size(claimed["size"]))

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self._size += len(piece)
        self._hasher.update(piece)
        if not piece or size < 0:
            self._check({"size": self._size, **asdict(self._hasher.checksums())})
        return piece

    def _check(self, found: dict[str, object]) -> None:
        claimed: Mapping[str, object] = self._claimed
        wrong = [name for name in found if found[name] != claimed[name.replace("_", "-")]]
        if wrong:
            raise invalid_checksum(f"the content has another {', '.join(wrong)}")
