"""The four checksums of a DSS file, in one pass (docs/behaviour.md 4.4)."""

import hashlib
from collections.abc import Callable, Iterable
from typing import BinaryIO, cast

import google_crc32c
from attrs import frozen

_MIB = 1024 * 1024
_MIN_PART = 64 * _MIB
_MAX_PARTS = 10_000
_PIECE = _MIB
_extend = cast("Callable[[int, bytes], int]", google_crc32c.extend)  # pyright: ignore[reportUnknownMemberType]


@frozen
class Checksums:
    """The four checksums of one content, in the service's spelling."""

    crc32c: str
    s3_etag: str
    sha1: str
    sha256: str


def part_size(size: int) -> int:
    """Return the size in bytes of the parts that the etag of `size` bytes is made of."""
    if size <= _MIN_PART * _MAX_PARTS:
        return _MIN_PART
    per_part = -(-size // _MAX_PARTS)
    return -(-per_part // _MIB) * _MIB


class Hasher:
    """Takes content in pieces of any size."""

    def __init__(self, part_size: int) -> None:
        """Make a hasher of content cut into parts of `part_size` bytes."""
        self._part_size = part_size
        self._crc32c = 0
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._part = hashlib.md5(usedforsecurity=False)
        self._part_length = 0
        self._finished_parts: list[bytes] = []

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        self._crc32c = _extend(self._crc32c, piece)
        self._sha1.update(piece)
        self._sha256.update(piece)
        rest = memoryview(piece)
        while rest:
            # A full part is only closed when more follows: exactly one part stays a plain MD5.
            if self._part_length == self._part_size:
                self._close_part()
            head = rest[: self._part_size - self._part_length]
            self._part.update(head)
            self._part_length += len(head)
            rest = rest[len(head) :]

    def checksums(self) -> Checksums:
        """Return the checksums of all that was taken."""
        return Checksums(
            crc32c=f"{self._crc32c:08x}",
            s3_etag=self._s3_etag(),
            sha1=self._sha1.hexdigest(),
            sha256=self._sha256.hexdigest(),
        )

    def _close_part(self) -> None:
        self._finished_parts.append(self._part.digest())
        self._part = hashlib.md5(usedforsecurity=False)
        self._part_length = 0

    def _s3_etag(self) -> str:
        if not self._finished_parts:
            return self._part.hexdigest()
        parts = [*self._finished_parts, self._part.digest()]
        whole = hashlib.md5(b"".join(parts), usedforsecurity=False)
        return f"{whole.hexdigest()}-{len(parts)}"


def checksums_of(pieces: Iterable[bytes], size: int) -> Checksums:
    """Return the checksums of `size` bytes that come in pieces."""
    hasher = Hasher(part_size(size))
    for piece in pieces:
        hasher.update(piece)
    return hasher.checksums()


def pieces_of(stream: BinaryIO) -> Iterable[bytes]:
    """Yield a stream's content in pieces of at most 1 MiB."""
    while piece := stream.read(_PIECE):
        yield piece
