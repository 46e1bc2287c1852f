"""A gzip file whose bytes do not depend on the compression library of the machine."""

import struct
import zlib

_BLOCK = 65535
# Deflate, no flags (so no file name), time 0, no extra flags, unknown system.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def gzip_stored(content: bytes) -> bytes:
    """Return `content` as a gzip file of stored, that is uncompressed, blocks (RFC 1951, 1952)."""
    blocks = [content[start : start + _BLOCK] for start in range(0, len(content), _BLOCK)] or [b""]
    parts = [_HEADER]
    for number, block in enumerate(blocks, start=1):
        is_last = number == len(blocks)
        parts += [struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF), block]
    parts.append(struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF))
    return b"".join(parts)
