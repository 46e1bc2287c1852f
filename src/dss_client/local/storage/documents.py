"""The JSON documents in a bucket, their keys, and the names of files in bundles.

See docs/behaviour.md 4.3, 5.1.
"""

import json
from pathlib import PurePosixPath
from typing import Any, TypedDict, TypeGuard, cast

from attrs import frozen

from dss_client.errors import DSSError
from dss_client.types import JSONObject
from dss_client.versions import is_uuid, is_version

from .bucket import is_safe_key
from .checksums import Checksums

_Content = TypedDict(
    "_Content",
    {
        "version": str,
        "content-type": str,
        "size": int,
        "crc32c": str,
        "s3-etag": str,
        "sha1": str,
        "sha256": str,
    },
)


class FileMetadata(_Content):
    """A file as stored; its uuid is only in its key."""

    format: str
    creator_uid: int


class ManifestFile(_Content):
    """A file as a bundle lists it."""

    name: str
    uuid: str
    indexed: bool


FILE_KEYS = tuple(_Content.__annotations__)
MANIFEST_FILE_KEYS = ("name", "uuid", "indexed", *FILE_KEYS)


class Manifest(TypedDict):
    """A bundle as stored; its uuid is only in its key."""

    format: str
    version: str
    files: list[ManifestFile]
    creator_uid: int


@frozen(order=True)
class ObjectKey:
    """A key such as ``bundles/<uuid>.<version>.dead``, taken apart."""

    uuid: str
    version: str | None
    dead: bool

    @classmethod
    def parse(cls, key: str) -> "ObjectKey | None":
        """Return the parts of a key below its first directory, None when it is foreign."""
        name = key.partition("/")[2]
        uuid, _, rest = name.partition(".")
        version, dead = rest.removesuffix("dead").removesuffix("."), rest.endswith("dead")
        canonical = is_uuid(uuid) and uuid == uuid.lower()
        if not canonical or not (is_version(version) or (dead and not version)):
            return None
        parsed = cls(uuid=uuid, version=version or None, dead=dead)
        return parsed if parsed.name == name else None

    @property
    def name(self) -> str:
        """The key without its first directory."""
        parts = [self.uuid, self.version, "dead" if self.dead else None]
        return ".".join(part for part in parts if part)


def file_metadata(
    version: str, creator_uid: int, content_type: str, size: int, sums: Checksums
) -> FileMetadata:
    """Return the metadata of a file as it is stored."""
    return {
        "format": "0.0.4",
        "creator_uid": creator_uid,
        "version": version,
        "content-type": content_type,
        "size": size,
        "crc32c": sums.crc32c,
        "s3-etag": sums.s3_etag,
        "sha1": sums.sha1,
        "sha256": sums.sha256,
    }


def manifest_file(name: str, uuid: str, indexed: bool, metadata: FileMetadata) -> ManifestFile:
    """Return a file as bundles list it, in the order of keys that manifests are compared by."""
    return {
        "name": name,
        "uuid": uuid,
        "version": metadata["version"],
        "content-type": metadata["content-type"],
        "size": metadata["size"],
        "indexed": indexed,
        "crc32c": metadata["crc32c"],
        "s3-etag": metadata["s3-etag"],
        "sha1": metadata["sha1"],
        "sha256": metadata["sha256"],
    }


def bundle_manifest(version: str, files: list[ManifestFile], creator_uid: int) -> Manifest:
    """Return a bundle as it is stored."""
    return {"format": "0.0.1", "version": version, "files": files, "creator_uid": creator_uid}


def blob_key(file: FileMetadata | ManifestFile) -> str:
    """Return the key of a file's content."""
    sums = (file["sha256"], file["sha1"], file["s3-etag"], file["crc32c"])
    return "blobs/" + ".".join(sums).lower()


def encode(document: object) -> bytes:
    """Return a document as it is stored: JSON, keys in the order given."""
    return json.dumps(document, ensure_ascii=False).encode()


def as_object(value: object) -> JSONObject | None:
    """Return a JSON value when it is an object, else None."""
    return cast("JSONObject", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[Any] | None:
    """Return a JSON value when it is a list, else None."""
    return value if _is_list(value) else None


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def decode(content: bytes | None) -> JSONObject | None:
    """Return a stored JSON object, None when the content is anything else."""
    try:
        return as_object(json.loads(content or b""))
    except (ValueError, RecursionError):
        return None


class BadName(DSSError, ValueError):
    """A name that no file of a bundle may have."""


def check_name(name: str) -> None:
    """Refuse a name that the specification's pattern or S11 forbids.

    Raises:
        BadName: The message says what such names are like.
    """
    if not is_safe_key(name) or name.startswith("~/") or "./" in name or "/." in name:
        raise BadName(
            f"{name!r} cannot be the name of a file in a bundle: expected no backslash, no control"
            " character, no './' or '/.' anywhere, no '~/' at the start, and no part that is empty,"
            " '.' or '..'; rename the file or its directory"
        )


_CONTENT_TYPES = {
    ".json": "application/json",
    ".gz": "application/gzip",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".pdf": "application/pdf",
}


def content_type_of(name: str) -> str:
    """Return the content type for a file's name; a compression suffix decides.

    The table is our own: that of the `mimetypes` module depends on the machine.
    """
    return _CONTENT_TYPES.get(PurePosixPath(name).suffix.lower(), "application/octet-stream")


def file_key(name: str) -> str:
    """Return the key of a file in a search document (docs/behaviour.md 10.2)."""
    key = name.replace(".", "_")
    if not key.endswith("_json"):
        return key
    parts = key.removesuffix("_json").split("_")
    return "_".join(parts[:-1] or parts) + "_json"
