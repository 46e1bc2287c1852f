"""The four checksums of a file, in one pass (docs/behaviour.md 4.4)."""

import hashlib
from typing import Any

from attrs import asdict, frozen

from .extra import load

__all__ = ["Checksums", "Hasher", "part_size"]

_MIB = 1024 * 1024
_LEAST_PART = 64 * _MIB
_MOST_PARTS = 10_000
_CLAIM = "hca-dss-"


@frozen
class Checksums:
    """The four checksums of one content, as the service spells them."""

    sha256: str
    sha1: str
    crc32c: str
    s3_etag: str

    def claims(self) -> dict[str, str]:
        """Return them as the metadata or tags that the service looks for on a source object."""
        return {f"{_CLAIM}{name}": text for name, text in self.to_dict().items()}

    @classmethod
    def from_claims(cls, claims: dict[str, Any]) -> "Checksums | None":
        """Return what `claims` made of them; None if one is missing."""
        try:
            return cls(*(str(claims[f"{_CLAIM}{name}"]) for name in cls.__match_args__))
        except KeyError:
            return None

    def to_dict(self) -> dict[str, str]:
        """Return them by name."""
        return asdict(self)


def part_size(size: int) -> int:
    """Return the bytes of each part that content of `size` bytes is sent and stored in."""
    if size <= _LEAST_PART * _MOST_PARTS:
        return _LEAST_PART
    least = -(-size // _MOST_PARTS)
    return -(-least // _MIB) * _MIB


class Hasher:
    """Takes content part by part, as it is sent.

    Raises:
        MissingExtra: google-crc32c is not installed (extra ``upload``).
    """

    def __init__(self) -> None:
        self._crc32c: Any = load("google_crc32c", "upload").Checksum()
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._parts: list[bytes] = []

    def add_part(self, part: bytes) -> str:
        """Take the next part; return its MD5 in hexadecimal."""
        self._crc32c.update(part)
        self._sha1.update(part)
        self._sha256.update(part)
        md5 = hashlib.md5(part, usedforsecurity=False)
        self._parts.append(md5.digest())
        return md5.hexdigest()

    def checksums(self) -> Checksums:
        """Return the checksums of all parts."""
        etag = self._parts[0].hex()  # content of one part keeps its MD5
        if len(self._parts) > 1:
            whole = hashlib.md5(b"".join(self._parts), usedforsecurity=False)
            etag = f"{whole.hexdigest()}-{len(self._parts)}"
        return Checksums(
            sha256=self._sha256.hexdigest(),
            sha1=self._sha1.hexdigest(),
            crc32c=self._crc32c.digest().hex(),
            s3_etag=etag,
        )
