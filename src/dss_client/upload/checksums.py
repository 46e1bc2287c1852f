"""The four checksums of a file, in one pass (docs/behaviour.md 4.4)."""

import hashlib
from collections.abc import Sequence
from typing import Any

from attrs import asdict, frozen

from .extra import load

__all__ = ["Checksums", "Hasher", "joined_etag", "part_size"]

_MIB = 1024 * 1024
_LEAST_PART = 64 * _MIB
_MOST_PARTS = 10_000


@frozen
class Checksums:
    """The four checksums of one content, as the service spells them."""

    sha256: str
    sha1: str
    crc32c: str
    s3_etag: str

    def claims(self) -> dict[str, str]:
        """Return them as the metadata or tags that the service looks for on a source object."""
        return {f"hca-dss-{name}": text for name, text in self.to_dict().items()}

    def to_dict(self) -> dict[str, str]:
        """Return them by name."""
        return asdict(self)


def part_size(size: int) -> int:
    """Return the bytes of each part that content of `size` bytes is sent and stored in."""
    if size <= _LEAST_PART * _MOST_PARTS:
        return _LEAST_PART
    least = -(-size // _MOST_PARTS)
    return -(-least // _MIB) * _MIB


def joined_etag(parts: Sequence[bytes]) -> str:
    """Return S3's etag of content from the MD5 digests of its parts; one part keeps its own."""
    if len(parts) == 1:
        return parts[0].hex()
    whole = hashlib.md5(b"".join(parts), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(parts)}"


class Hasher:
    """Takes content in pieces of any size, smaller or larger than a part.

    Args:
        part_size: Bytes of the parts that the etag is made of.

    Raises:
        RuntimeError: google-crc32c is not installed (extra ``upload``).
    """

    def __init__(self, part_size: int) -> None:
        self._crc32c: Any = load("google_crc32c", "upload").Checksum()
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._part_size = part_size
        self._part = hashlib.md5(usedforsecurity=False)
        self._room = part_size
        self._full: list[bytes] = []

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        self._crc32c.update(piece)
        self._sha1.update(piece)
        self._sha256.update(piece)
        rest = memoryview(piece)
        while rest:
            # A full part ends only where more follows: content of just one has a plain MD5.
            if not self._room:
                self._full.append(self._part.digest())
                self._part = hashlib.md5(usedforsecurity=False)
                self._room = self._part_size
            head = rest[: self._room]
            self._part.update(head)
            self._room -= len(head)
            rest = rest[len(head) :]

    def part_md5(self) -> bytes:
        """Return the MD5 of what the last part has so far."""
        return self._part.digest()

    def checksums(self) -> Checksums:
        """Return the checksums of all that was taken."""
        return Checksums(
            sha256=self._sha256.hexdigest(),
            sha1=self._sha1.hexdigest(),
            crc32c=self._crc32c.digest().hex(),
            s3_etag=joined_etag([*self._full, self._part.digest()]),
        )
