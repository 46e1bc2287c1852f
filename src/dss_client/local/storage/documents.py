"""The JSON documents in a bucket, and their keys (docs/behaviour.md 5.1)."""

import json
from typing import Any, TypedDict, TypeGuard, cast

from attrs import frozen

from dss_client.types import JSONObject
from dss_client.versions import is_uuid, is_version

FileMetadata = TypedDict(
    "FileMetadata",
    {
        "format": str,
        "creator_uid": int,
        "version": str,
        "content-type": str,
        "size": int,
        "crc32c": str,
        "s3-etag": str,
        "sha1": str,
        "sha256": str,
    },
)

ManifestFile = TypedDict(
    "ManifestFile",
    {
        "name": str,
        "uuid": str,
        "version": str,
        "content-type": str,
        "size": int,
        "indexed": bool,
        "crc32c": str,
        "s3-etag": str,
        "sha1": str,
        "sha256": str,
    },
)

FILE_KEYS = ("version", "content-type", "size", "crc32c", "s3-etag", "sha1", "sha256")
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
