"""JSON records as lines with a checksum each, for files that a crash may cut short."""

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any, cast

__all__ = ["line", "records"]

_LINE = re.compile(rb"([0-9a-f]{8}) (.*)", re.DOTALL)


def line(record: dict[str, object]) -> bytes:
    """Return a record as a line with its own checksum."""
    text = json.dumps(record, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def records(text: bytes) -> Iterator[dict[str, Any]]:
    """Yield the records of a text, up to the first line that is torn."""
    *lines, torn = text.split(b"\n")
    for each in lines:
        match = _LINE.fullmatch(each)
        if match is None or zlib.crc32(match[2]) != int(match[1], 16):
            return
        try:
            record: object = json.loads(match[2])
        except ValueError:  # the checksum of nothing is 0
            return
        if not isinstance(record, dict):
            return
        yield cast("dict[str, Any]", record)
    del torn  # a line without its end says nothing
