"""Where PUT /files copies from: objects named by `s3://` and `gs://` URLs (docs/behaviour.md 8.3).

An object needs its content type and its four `hca-dss-*` checksums. A directory has no place for
them, so an object `<key>` may have a file `<key>.metadata.json` next to it:

    {"content-type": "text/plain", "hca-dss-sha256": "...", "hca-dss-sha1": "...",
     "hca-dss-s3_etag": "...", "hca-dss-crc32c": "..."}

With such a file the object has what that says and nothing else, so a checksum can be missing or
wrong; without `content-type` it is `application/octet-stream`. Without such a file the checksums
are computed, and the type is told by the name: a plain directory of files can be put as it is.
"""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from attrs import asdict, field, frozen

from dss_client.errors import MissingExtra

from ..errors import Problem, not_found
from . import documents
from .bucket import Bucket, Root
from .checksums import checksums_of, pieces_of
from .documents import content_type_of
from .store import Storage

SIDECAR = ".metadata.json"
PREFIX = "hca-dss-"
CHECKSUMS = ("sha256", "sha1", "s3_etag", "crc32c")
_UNKNOWN_TYPE = "application/octet-stream"


@frozen
class SourceUrl:
    """A URL such as `s3://bucket/some/key`, taken apart; the scheme is `s3` or `gs`."""

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"


def unreadable(reason: str) -> Problem:
    """Return the 404 for a source that is not there, or cannot be read."""
    return not_found(f"The source cannot be read: {reason}.")


@frozen
class SourceObject:
    """An object that can be copied.

    Attributes:
        size: Its size in bytes.
        content_type: Its content type.
        checksums: What its metadata and tags claim, by name (`sha256`, `sha1`, `s3_etag`,
            `crc32c`), as written; those that are missing are left out.
        open: Opens its content.
    """

    size: int
    content_type: str
    checksums: Mapping[str, str]
    open: Callable[[], BinaryIO]


class Sources(Protocol):
    """A place that knows some buckets."""

    def find(self, url: SourceUrl) -> SourceObject | None:
        """Return an object, None when the bucket is not one of this place.

        Raises:
            Problem: The bucket is known, but the object is not there or not readable.
        """
        ...


@frozen
class BucketSources:
    """The directories of `LocalSettings.sources`, then the service's own buckets."""

    directories: Mapping[str, Path]
    storage: Storage

    def find(self, url: SourceUrl) -> SourceObject | None:
        """Return an object, see `Sources.find`. Both schemes lead to the same buckets."""
        bucket, key = self._bucket(url.bucket), url.key
        if bucket is None:
            return None
        info = bucket.info(key)
        if info is None:
            raise unreadable(f"there is no object {url}")
        sidecar = bucket.get(key + SIDECAR)
        if sidecar is None:
            content_type, checksums = content_type_of(key), _computed(bucket, url, info.size)
        else:
            content_type, checksums = _described(url, sidecar)
        return SourceObject(info.size, content_type, checksums, lambda: bucket.open(key))

    def _bucket(self, name: str) -> Bucket | None:
        path = self.directories.get(name)
        if path is None:
            return self.storage.bucket(name)
        path = path.absolute()
        return Root.of(path.parent).bucket(name, path.name)


@frozen
class S3Sources:
    """All buckets of one S3-compatible service; both schemes lead there."""

    system: Any = field(repr=False)  # an s3fs file system, which has no types

    @classmethod
    def at(cls, endpoint: str) -> "S3Sources":
        """Use a service by its URL, with the credentials that S3's own tools would use.

        Raises:
            MissingExtra: The S3 library is not installed.
        """
        try:
            s3fs: Any = importlib.import_module("s3fs")
        except ImportError as error:
            raise MissingExtra("a source in S3", "s3fs", "s3") from error
        return cls(s3fs.S3FileSystem(endpoint_url=endpoint, use_listings_cache=False))

    def find(self, url: SourceUrl) -> SourceObject | None:
        """Return an object, see `Sources.find`; what its tags claim wins over its metadata."""
        path = f"{url.bucket}/{url.key}"
        try:
            if not self.system.exists(url.bucket):
                return None
            found = self.system.info(path)
            claims = {**self.system.metadata(path), **self.system.get_tags(path)}
        except OSError as error:
            raise unreadable(f"{url}: {error.strerror or error}") from error
        return SourceObject(
            size=int(found["size"]),
            content_type=str(found.get("ContentType") or _UNKNOWN_TYPE),
            checksums=_checksums(claims),
            open=lambda: self.system.open(path, "rb"),
        )


def _described(url: SourceUrl, sidecar: bytes) -> tuple[str, dict[str, str]]:
    metadata = documents.decode(sidecar)
    if metadata is None:
        raise unreadable(f"{url}{SIDECAR} is not a JSON object")
    return str(metadata.get("content-type", _UNKNOWN_TYPE)), _checksums(metadata)


def _computed(bucket: Bucket, url: SourceUrl, size: int) -> dict[str, str]:
    try:
        with bucket.open(url.key) as stream:
            return asdict(checksums_of(pieces_of(stream), size))
    except OSError as error:
        raise unreadable(f"{url}: {error.strerror or 'it is gone'}") from error


def _checksums(claims: Mapping[str, object]) -> dict[str, str]:
    """Return the checksums among metadata and tags, whose names may be in any letter case.

    s3fs writes a dash as an underscore.
    """
    named = {
        name.lower().replace("_", "-"): str(text)
        for name, text in claims.items()
        if text is not None
    }
    keys = {name: (PREFIX + name).replace("_", "-") for name in CHECKSUMS}
    return {name: named[key] for name, key in keys.items() if key in named}
