"""Sources of PUT /files in S3-compatible services (docs/behaviour.md 8.3)."""

import importlib
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from .sources import CHECKSUMS, PREFIX, SourceObject, SourceUrl, UnreadableSource

_UNKNOWN_TYPE = "application/octet-stream"


@frozen
class S3Sources:
    """All buckets of one S3-compatible service; both schemes lead there."""

    system: Any = field(repr=False)  # an s3fs file system, which has no types

    @classmethod
    def at(cls, endpoint: str) -> "S3Sources":
        """Use a service by its URL, with the credentials that S3's own tools would use.

        Raises:
            RuntimeError: The S3 library is not installed.
        """
        try:
            s3fs: Any = importlib.import_module("s3fs")
        except ImportError as error:
            raise RuntimeError("Sources in S3 need more: install dss-client[s3].") from error
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
            raise UnreadableSource(f"{url}: {error.strerror or error}") from error
        return SourceObject(
            size=int(found["size"]),
            content_type=str(found.get("ContentType") or _UNKNOWN_TYPE),
            checksums=_checksums(claims),
            open=lambda: self.system.open(path, "rb"),
        )


def _checksums(claims: Mapping[str, str]) -> dict[str, str]:
    """Return the checksums among metadata and tags, whose names may be in any letter case.

    s3fs writes a dash as an underscore.
    """
    named = {name.lower().replace("_", "-"): text for name, text in claims.items()}
    keys = {name: (PREFIX + name).replace("_", "-") for name in CHECKSUMS}
    return {name: named[key] for name, key in keys.items() if key in named}
