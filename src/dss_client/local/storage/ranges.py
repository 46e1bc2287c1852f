"""The `Range` header, as object storage reads it: one range of bytes."""

import re

from attrs import frozen

_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)", re.IGNORECASE)

_DIGITS = 20


class Unsatisfiable(Exception):
    """A range that starts behind the end of the object."""


@frozen
class ByteRange:
    """Bytes from `start` up to, not with, `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.end - self.start

    def content_range(self, size: int) -> str:
        """Return the `Content-Range` value of this part of `size` bytes."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """Return the range that a header asks of an object of `size` bytes.

    None means the whole object: no header, another unit, several ranges, or no sense in it.

    Raises:
        Unsatisfiable: No byte of the object is in the range.
    """
    match = _RANGE.fullmatch((header or "").strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = map(_number, match.groups())
    if first is None:
        if not last or size == 0:
            raise Unsatisfiable
        return ByteRange(max(size - last, 0), size)
    if last is not None and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return ByteRange(first, size if last is None else min(last + 1, size))


def _number(text: str) -> int | None:
    """Return a number, cut off where no object is as large: int() takes 4,300 digits at most."""
    digits = text.lstrip("0")
    return int(digits[:_DIGITS] or 0) if text else None
