"""Where files wait for the service to copy them: a bucket of a cloud, or a directory."""

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from attrs import frozen

from dss_client._files import replacing, write_file
from dss_client.types import Replica

from .checksums import Checksums
from .errors import LostUpload

__all__ = ["DirectoryStaging", "Staging", "open_staging"]

_SIDECAR = ".metadata.json"


class Staging(Protocol):
    """A bucket to put objects in. Threads share it.

    Every object gets its content type and the four ``hca-dss-*`` checksums, and the bucket's own
    checksum is compared with them. All but `find` and `abort` raise `StagingError` if the bucket
    refuses or fails, or the object is not what was sent, and `LostUpload` if the bucket no longer
    knows of an upload in parts.
    """

    @property
    def place(self) -> str:
        """Which bucket this is, the same in every process; it holds no secret."""
        ...

    def find(self, key: str) -> Checksums | None:
        """Return the checksums of an object; None if the bucket does not show a complete one."""
        ...

    def put(self, key: str, data: bytes, content_type: str, checksums: Checksums) -> None:
        """Put an object in one piece."""
        ...

    def begin(self, key: str, content_type: str) -> str:
        """Begin an object that comes in parts; return the id of this."""
        ...

    def parts(self, key: str, upload: str) -> Mapping[int, str] | None:
        """Return the MD5s of the parts that the bucket has and shows, by number from 1.

        None if they may be joined already, which `complete` finds out.
        """
        ...

    def put_part(self, key: str, upload: str, number: int, data: bytes, md5: str) -> str:
        """Put a part, also in place of another; return what the bucket calls it."""
        ...

    def complete(
        self,
        key: str,
        upload: str,
        etags: Sequence[str],
        content_type: str,
        checksums: Checksums,
    ) -> None:
        """Join the parts to the object; `etags` is what the bucket calls them, in order.

        For those of `parts` these are their MD5s.
        """
        ...

    def abort(self, key: str, upload: str) -> None:
        """Remove parts that will not be joined. Errors are ignored: a bucket's rules can do it."""
        ...


def open_staging(replica: Replica, bucket: str, connections: int) -> Staging:
    """Return the bucket of the cloud that a replica is in, with that cloud's own credentials.

    Raises:
        MissingExtra: The extra of that cloud is not installed.
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

    def find(self, key: str) -> Checksums | None:
        """Read what is noted beside a file."""
        with suppress(OSError, ValueError):
            if (self.folder / key).is_file():
                sidecar = self.folder / (key + _SIDECAR)
                return Checksums.from_claims(json.loads(sidecar.read_bytes()))
        return None

    def put(self, key: str, data: bytes, content_type: str, checksums: Checksums) -> None:
        """Write a file."""
        self._describe(key, content_type, checksums)
        write_file(self.folder / key, data)

    def begin(self, key: str, content_type: str) -> str:
        """Make a directory for the parts."""
        del content_type  # written in the end
        upload = f"{key}.{uuid4().hex}.parts"
        (self.folder / upload).mkdir(parents=True)
        return upload

    def parts(self, key: str, upload: str) -> Mapping[int, str]:
        """List the parts, whose names hold their MD5s."""
        names = [path.name.split("-") for path in self._folder(upload).glob("*-*")]
        return {int(number): md5 for number, md5 in names}

    def put_part(self, key: str, upload: str, number: int, data: bytes, md5: str) -> str:
        """Write a part."""
        write_file(self._folder(upload) / f"{number}-{md5}", data)
        return md5

    def complete(
        self,
        key: str,
        upload: str,
        etags: Sequence[str],
        content_type: str,
        checksums: Checksums,
    ) -> None:
        """Join the parts to the file."""
        folder = self._folder(upload)
        self._describe(key, content_type, checksums)
        with replacing(self.folder / key) as whole:
            for number, md5 in enumerate(etags, 1):
                with (folder / f"{number}-{md5}").open("rb") as part:
                    shutil.copyfileobj(part, whole, 1 << 20)
        shutil.rmtree(folder, ignore_errors=True)

    def abort(self, key: str, upload: str) -> None:
        """Remove the parts."""
        shutil.rmtree(self.folder / upload, ignore_errors=True)

    def _folder(self, upload: str) -> Path:
        folder = self.folder / upload
        if not folder.is_dir():
            raise LostUpload(str(folder), "the directory of the parts is gone")
        return folder

    def _describe(self, key: str, content_type: str, checksums: Checksums) -> None:
        """Note beside a file what a bucket would know of it."""
        sidecar = self.folder / (key + _SIDECAR)
        sidecar.parent.mkdir(parents=True, exist_ok=True)
        write_file(sidecar, json.dumps({"content-type": content_type, **checksums.claims()}))
