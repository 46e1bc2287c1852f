"""The four checksums of a DSS file, in one pass (docs/behaviour.md 4.4)."""

import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import BinaryIO, cast

import google_crc32c
from attrs import frozen

_MIB = 1024 * 1024
_MIN_PART = 64 * _MIB
_MAX_PARTS = 10_000
_PIECE = _MIB
_md5 = partial(hashlib.md5, usedforsecurity=False)
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
        self._parts = [_md5()]
        self._left = part_size  # bytes that the last part still takes

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        self._crc32c = _extend(self._crc32c, piece)
        self._sha1.update(piece)
        self._sha256.update(piece)
        rest = memoryview(piece)
        while rest:
            # A new part only begins when more follows: exactly one part stays a plain MD5.
            if self._left == 0:
                self._parts.append(_md5())
                self._left = self._part_size
            head, rest = rest[: self._left], rest[self._left :]
            self._parts[-1].update(head)
            self._left -= len(head)

    def checksums(self) -> Checksums:
        """Return the checksums of all that was taken."""
        etag = self._parts[0].hexdigest()
        if len(self._parts) > 1:
            whole = _md5(b"".join(part.digest() for part in self._parts))
            etag = f"{whole.hexdigest()}-{len(self._parts)}"
        return Checksums(
            crc32c=f"{self._crc32c:08x}",
            s3_etag=etag,
            sha1=self._sha1.hexdigest(),
            sha256=self._sha256.hexdigest(),
        )


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
