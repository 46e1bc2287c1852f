"""Staging in Google Cloud Storage (extra ``upload-gcs``: google-cloud-storage).

Parts are objects of their own, which are composed in the end: unlike a resumable upload of this
cloud, they can be sent at the same time, and it is all in the library's public interface.
"""

import base64
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

from attrs import field, frozen

from dss_client._redact import mask

from .checksums import Checksums
from .errors import LostUpload, StagingError
from .extra import load

__all__ = ["GCSStaging"]

_MOST_AT_ONCE = 32  # objects that one request composes
_EXTRA = "upload-gcs"


@frozen
class GCSStaging:
    """A bucket of Google Cloud Storage.

    Attributes:
        bucket: Its name.
    """

    bucket: str
    _handle: Any = field(repr=False)

    @classmethod
    def open(cls, bucket: str) -> "GCSStaging":
        """Use a bucket with the credentials that the cloud's own tools would use.

        Raises:
            MissingExtra: google-cloud-storage is not installed.
            StagingError: There are no credentials.
        """
        storage = load("google.cloud.storage", _EXTRA)
        with _translated(f"gs://{bucket}"):
            return cls(bucket, storage.Client(project=None).bucket(bucket))

    @property
    def place(self) -> str:
        """The bucket."""
        return f"gs://{self.bucket}"

    def find(self, key: str) -> Checksums | None:
        """Read the metadata of an object, if its content is what they say.

        An object that is composed in several requests has them before it is complete.
        """
        blob = self._handle.blob(key)
        with suppress(StagingError), self._at(key):
            blob.reload()
            checksums = Checksums.from_claims(blob.metadata or {})
            if checksums is not None:
                self._verify(key, blob, checksums)
            return checksums
        return None

    def put(self, key: str, data: bytes, content_type: str, checksums: Checksums) -> None:
        """Put an object, its checksums as metadata, in one request."""
        blob = self._handle.blob(key)
        blob.metadata = checksums.claims()
        with self._at(key):
            blob.upload_from_string(data, content_type=content_type, checksum="crc32c")
        self._verify(key, blob, checksums)

    def begin(self, key: str, content_type: str) -> str:
        """Choose how the names of the parts begin."""
        del content_type  # that of the object is set when it is composed
        return f"{key}.{uuid4().hex}.part"

    def parts(self, key: str, upload: str) -> Mapping[int, str]:
        """List the parts."""
        with suppress(StagingError), self._at(key):
            return {
                int(blob.name.rpartition("-")[2]): base64.b64decode(blob.md5_hash or "").hex()
                for blob in self._handle.list_blobs(prefix=upload)
            }
        return {}

    def put_part(self, key: str, upload: str, number: int, data: bytes, md5: str) -> str:
        """Put a part, as an object of its own."""
        with self._at(key):
            self._part(upload, number).upload_from_string(
                data, content_type="application/octet-stream", checksum="crc32c"
            )
        return md5

    def complete(
        self,
        key: str,
        upload: str,
        etags: Sequence[str],
        content_type: str,
        checksums: Checksums,
    ) -> None:
        """Compose the parts, 31 more with each request; compare the checksum, and drop them."""
        parts = [self._part(upload, number) for number in range(1, len(etags) + 1)]
        whole, rest = None, parts
        with self._at(key):
            while rest:
                room = _MOST_AT_ONCE - (whole is not None)
                sources = [*([] if whole is None else [whole]), *rest[:room]]
                whole, rest = self._handle.blob(key), rest[room:]
                # Anew for each request: an answer takes the place of all that was set.
                whole.content_type, whole.metadata = content_type, checksums.claims()
                whole.compose(sources)
        self._verify(key, whole, checksums)
        self._drop(parts)

    def abort(self, key: str, upload: str) -> None:
        """Remove the parts."""
        with suppress(StagingError), self._at(key):
            self._drop(self._handle.list_blobs(prefix=upload))

    def _part(self, upload: str, number: int) -> Any:
        return self._handle.blob(f"{upload}-{number:05}")

    def _drop(self, blobs: Any) -> None:
        for blob in blobs:
            with suppress(StagingError), self._at(str(blob.name)):
                blob.delete()

    def _at(self, key: str) -> Any:
        return _translated(f"gs://{self.bucket}/{key}")

    def _verify(self, key: str, blob: Any, checksums: Checksums) -> None:
        expected = base64.b64encode(bytes.fromhex(checksums.crc32c)).decode("ascii")
        if blob.crc32c != expected:
            raise StagingError(
                f"gs://{self.bucket}/{key}",
                f"the bucket has crc32c {blob.crc32c!r}, and what was sent has {expected!r};"
                " upload again",
            )


@contextmanager
def _translated(place: str) -> Generator[None]:
    """Turn the library's errors into ours."""
    api = load("google.api_core.exceptions", _EXTRA)
    auth = load("google.auth.exceptions", _EXTRA)
    requests = load("requests", _EXTRA)
    storage = load("google.cloud.storage.exceptions", _EXTRA)
    not_found: type[Exception] = api.NotFound
    no_credentials: type[Exception] = auth.GoogleAuthError
    failures: tuple[type[Exception], ...] = (
        api.GoogleAPIError,
        requests.RequestException,
        storage.DataCorruption,
        storage.InvalidResponse,
    )
    try:
        yield
    except not_found as error:
        raise LostUpload(place, f"Google Cloud Storage says: {mask(str(error))}") from error
    except no_credentials as error:
        raise StagingError(
            place,
            f"{mask(str(error))}; Google Cloud Storage needs credentials where its own tools look"
            " for them, such as GOOGLE_APPLICATION_CREDENTIALS, or gcloud auth application-default"
            " login",
        ) from error
    except failures as error:
        raise StagingError(place, f"Google Cloud Storage says: {mask(str(error))}") from error
