"""Where files wait for the service to copy them: a bucket of a cloud, or a directory."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from attrs import frozen

from dss_client._files import replacing, write_file
from dss_client.types import Replica

from .checksums import Checksums
from .errors import LostUpload
from .journal import SentPart

__all__ = ["DirectoryStaging", "Staging", "open_staging"]

_SIDECAR = ".metadata.json"


class Staging(Protocol):
    """A bucket to put objects in. Threads share it.

    Every object gets its content type and the four ``hca-dss-*`` checksums, and the bucket's own
    checksum is compared with them.
    """

    @property
    def place(self) -> str:
        """Which bucket this is, the same in every process; it holds no secret."""
        ...

    def put(self, key: str, data: bytes, content_type: str, checksums: Checksums) -> None:
        """Put an object in one piece.

        Raises:
            StagingError: The bucket refused or failed.
        """
        ...

    def begin(self, key: str, content_type: str) -> str:
        """Begin an object that comes in parts; return the id of this.

        Raises:
            StagingError: The bucket refused or failed.
        """
        ...

    def put_part(self, key: str, upload: str, number: int, data: bytes, md5: bytes) -> str:
        """Put a part, numbered from 1; return what the bucket calls it.

        Raises:
            LostUpload: The bucket no longer knows of the upload.
            StagingError: The bucket refused or failed.
        """
        ...

    def complete(
        self,
        key: str,
        upload: str,
        parts: Sequence[SentPart],
        content_type: str,
        checksums: Checksums,
    ) -> None:
        """Join the parts to the object. It may be asked for again when that was done already.

        Raises:
            LostUpload: The bucket no longer has the parts, nor the object.
            StagingError: The bucket refused or failed, or the object is not what was sent.
        """
        ...

    def abort(self, key: str, upload: str) -> None:
        """Remove parts that will not be joined. Errors are ignored: a bucket's rules can do it."""
        ...


def open_staging(replica: Replica, bucket: str, connections: int) -> Staging:
    """Return the bucket of the cloud that a replica is in, with that cloud's own credentials.

    Raises:
        RuntimeError: The extra of that cloud is not installed.
        StagingError: There are no credentials, or the settings of the cloud's library are broken.
    """
    if replica == "aws":
        from .s3 import S3Staging

        return S3Staging.open(bucket, connections)
    from .gcs import GCSStaging

    return GCSStaging.open(bucket)


@frozen
class DirectoryStaging:
    """A directory that a service uses as the bucket, as the embedded DSS does (``--source``).

    Attributes:
        folder: The directory.
    """

    folder: Path

    @property
    def place(self) -> str:
        """Which directory this is."""
        return str(self.folder.absolute())

    def put(self, key: str, data: bytes, content_type: str, checksums: Checksums) -> None:
        """Write a file."""
        self._write(key + _SIDECAR, _metadata(content_type, checksums))
        self._write(key, data)

    def begin(self, key: str, content_type: str) -> str:
        """Make a directory for the parts."""
        del content_type  # written in the end
        upload = f"{key}.{uuid4().hex}.parts"
        self._path(upload).mkdir(parents=True)
        return upload

    def put_part(self, key: str, upload: str, number: int, data: bytes, md5: bytes) -> str:
        """Write a part."""
        if not self._path(upload).is_dir():
            raise LostUpload(str(self._path(upload)), "the directory of the parts is gone")
        self._write(f"{upload}/{number}", data)
        return md5.hex()

    def complete(
        self,
        key: str,
        upload: str,
        parts: Sequence[SentPart],
        content_type: str,
        checksums: Checksums,
    ) -> None:
        """Join the parts to the file."""
        folder, target = self._path(upload), self._path(key)
        if folder.is_dir():
            self._write(key + _SIDECAR, _metadata(content_type, checksums))
            with replacing(target) as whole:
                for number in range(1, len(parts) + 1):
                    with (folder / str(number)).open("rb") as part:
                        shutil.copyfileobj(part, whole, 1 << 20)
            self.abort(key, upload)
        elif not target.is_file():
            raise LostUpload(str(folder), "the directory of the parts is gone")

    def abort(self, key: str, upload: str) -> None:
        """Remove the parts."""
        shutil.rmtree(self._path(upload), ignore_errors=True)

    def _path(self, key: str) -> Path:
        return self.folder / key

    def _write(self, key: str, data: bytes) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, data)


def _metadata(content_type: str, checksums: Checksums) -> bytes:
    return json.dumps({"content-type": content_type, **checksums.claims()}).encode()
