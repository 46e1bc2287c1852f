"""The verified ranges of a partial file, kept next to it so that the next run can continue.

``<sha256>.<run>.part`` holds bytes, ``<sha256>.<run>.journal`` says which of them count: a line for
each range, with a checksum of its bytes and one of the line itself. Every entry is checked against
the bytes, so a torn line or a block that never reached the disk does no harm.

There are no file locks, since they are unreliable on network file systems. Only one run writes a
partial file: another run takes it over by renaming it, but only from an owner that is gone: on the
same machine there is no such process; on another one nothing was written for some minutes. From any
other owner it copies the verified ranges.
"""

import hashlib
import os
import re
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from attrs import field, frozen

from dss_client.transfer.checked_lines import line, records
from dss_client.transfer.owner import is_alive, is_here, may_run, owner

__all__ = [
    "WEEK",
    "Digest",
    "Journal",
    "Range",
    "delete",
    "entry",
    "header",
    "is_at_work",
    "leftovers",
    "proven",
    "read_at",
    "remove_abandoned",
    "room_of",
    "tidy",
    "write_at",
]

WEEK = timedelta(days=7)
"""After so long nobody is thought to go on with what an interrupted download left."""

_GONE = 600.0  # seconds without a write, after which a run on another machine has ended
_FORMAT = 1
_BLOCK = 1 << 20
_NAME = re.compile(r"([0-9a-f]{64})\.[0-9a-z-]+\.journal")
_TAGGED = re.compile(r"(?:([0-9a-f]{64})\.)?([0-9a-f]{8})-([0-9]+)-([0-9]*)-[0-9a-z-]+\.[a-z]+")


class Digest(Protocol):
    """A sha256 that is being computed."""

    def update(self, data: Any, /) -> None:
        """Add bytes."""
        ...

    def copy(self) -> "Digest":
        """Return a copy."""
        ...

    def hexdigest(self) -> str:
        """Return the hash so far, in lower case."""
        ...


@frozen
class Range:
    """Bytes that were received.

    Attributes:
        start: The first of them.
        end: The one after the last.
        sha256: Of all bytes from the file's first to `end`, where `start` is where the bytes
            hashed before end; else None.
        crc32: Of these bytes alone, where there is no sha256.
    """

    start: int
    end: int
    sha256: str | None = None
    crc32: int | None = None


@frozen
class Journal:
    """A journal that was read.

    Attributes:
        path: Where it is.
        size: Size of the whole content, in bytes.
        etag: The storage's ETag of the content, or empty.
        owner: Who wrote it.
        ranges: Its ranges, in order.
    """

    path: Path
    size: int
    etag: str
    owner: str
    ranges: tuple[Range, ...] = field(repr=False)

    @property
    def part(self) -> Path:
        """The partial file."""
        return self.path.with_suffix(".part")

    @classmethod
    def read(cls, path: Path) -> "Journal | None":
        """Read a journal up to its first line that is torn; None if that is its header."""
        try:
            text = path.read_bytes()
        except OSError:
            return None
        read = list(records(text))
        if not read or read[0].get("format") != _FORMAT:
            return None
        try:
            header = read[0]
            ranges = tuple(_range(record) for record in read[1:])
            return cls(path, int(header["size"]), str(header["etag"]), str(header["owner"]), ranges)
        except (ArithmeticError, KeyError, TypeError, ValueError):
            return None


def header(size: int, etag: str) -> bytes:
    """Return the first line of a journal."""
    return line({"format": _FORMAT, "size": size, "etag": etag, "owner": owner()})


def entry(range_: Range) -> bytes:
    """Return the line for a range."""
    proof: dict[str, object] = {"from": range_.start, "to": range_.end}
    if range_.sha256 is not None:
        proof["sha256"] = range_.sha256
    else:
        proof["crc32"] = range_.crc32
    return line(proof)


def _range(record: dict[str, Any]) -> Range:
    start, end = int(record["from"]), int(record["to"])
    if not 0 <= start < end:
        raise ValueError("no range")
    sha256 = record.get("sha256")
    if sha256 is not None:
        return Range(start, end, sha256=str(sha256))
    return Range(start, end, crc32=int(record["crc32"]))


def leftovers(partials: Path) -> dict[str, list[Path]]:
    """Return the journals that are there, by the sha256 of their content."""
    found: dict[str, list[Path]] = {}
    with suppress(OSError):  # somebody else's, perhaps: it is fetched from the start
        for name in sorted(os.listdir(partials)):
            if match := _NAME.fullmatch(name):
                found.setdefault(match[1], []).append(partials / name)
    return found


def is_at_work(found: Journal) -> bool:
    """Tell whether the owner of a journal may still write."""
    if is_here(found.owner):
        return is_alive(found.owner)
    return _age(found.path) < _GONE


def _age(path: Path) -> float:
    """Return the seconds since a partial file or its journal was written to."""
    written = 0.0
    for each in {path, path.with_suffix(".part"), path.with_suffix(".journal")}:
        with suppress(FileNotFoundError):
            written = max(written, each.stat().st_mtime)
    return time.time() - written


def tidy(partials: Path, place: Callable[[str], str]) -> None:
    """Remove files of runs that are gone, if no run can continue them.

    What cannot be removed, or not even looked at, belongs to somebody else, and stays.

    Args:
        partials: Where partial files are.
        place: Tells where a content is stored, by its sha256.
    """
    names: set[str] = set()
    with suppress(OSError):
        names.update(os.listdir(partials))
    for name in names:
        match = _TAGGED.fullmatch(name)
        if match is not None:
            with suppress(OSError):
                _tidy(partials / name, names, match, place)


def _tidy(path: Path, names: set[str], match: re.Match[str], place: Callable[[str], str]) -> None:
    if not _is_gone(path, match):
        return
    journal, part = (path.with_suffix(end) for end in (".journal", ".part"))
    stored = match[1] is None or os.path.exists(place(match[1]))
    if path.suffix == ".tmp":
        path.unlink(missing_ok=True)
    elif stored or not {journal.name, part.name} <= names or Journal.read(journal) is None:
        delete(journal)


def _is_gone(path: Path, match: re.Match[str]) -> bool:
    """Tell whether the run that a name tells of has ended."""
    if is_here(match[2]):
        return not may_run(*match.groups()[1:])
    return _age(path) > _GONE


def remove_abandoned(partials: Path) -> None:
    """Remove what runs that are gone have left, and nobody has gone on with for a week."""
    with suppress(OSError):
        for name in os.listdir(partials):
            path, match = partials / name, _TAGGED.fullmatch(name)
            with suppress(OSError):
                if match and _age(path) > WEEK.total_seconds() and _is_gone(path, match):
                    path.unlink(missing_ok=True)


def room_of(journal: Path) -> int:
    """Return the bytes of the disk that the partial file of a journal has."""
    try:
        status = os.stat(journal.with_suffix(".part"))
    except OSError:
        return 0
    return min(status.st_size, getattr(status, "st_blocks", 0) * 512)


def proven(
    journal: Journal, source: int, copy_to: int | None, tick: Callable[[int], object]
) -> tuple[list[Range], Digest]:
    """Read the bytes that a journal lists, and return the ranges that are right.

    Args:
        journal: The journal.
        source: The open partial file.
        copy_to: Where to write the bytes as well, or None.
        tick: Called with the number of bytes that were read; may raise to stop.

    Returns:
        The ranges whose bytes are as the journal says, and a sha256 object over those of them that
        begin at the first byte of the file.
    """
    good: list[Range] = []
    digest: Digest = hashlib.sha256()
    hashed = 0
    for each in journal.ranges:
        if each.end > journal.size:
            break
        if each.sha256 is None:
            crc = _Crc()
            if _read(source, each, crc, copy_to, tick) and crc.value == each.crc32:
                good.append(each)
            continue
        further = digest.copy()
        # What was written further on was read back before the hash went on from there.
        while hashed < each.start:
            between = next((one for one in good if one.start == hashed), None)
            if between is None or not _read(source, between, further, None, tick):
                return good, digest
            hashed = between.end
        if hashed != each.start or not _read(source, each, further, copy_to, tick):
            break
        if further.hexdigest() != each.sha256:
            break
        digest, hashed = further, each.end
        good.append(each)
    return good, digest


class _Crc:
    def __init__(self) -> None:
        self.value = 0

    def update(self, data: bytes, /) -> None:
        self.value = zlib.crc32(data, self.value)


def _read(
    source: int,
    range_: Range,
    digest: "Digest | _Crc",
    copy_to: int | None,
    tick: Callable[[int], object],
) -> bool:
    """Feed the bytes of a range to a digest; tell whether all of them are there."""
    position = range_.start
    while position < range_.end:
        block = read_at(source, min(_BLOCK, range_.end - position), position)
        if not block:
            return False
        digest.update(block)
        tick(len(block))
        if copy_to is not None:
            write_at(copy_to, memoryview(block), position)
        position += len(block)
    return True


if hasattr(os, "pread"):
    read_at = os.pread

    def write_at(descriptor: int, data: memoryview, position: int) -> None:
        """Write all of `data` to a place in a file."""
        while data:
            written = os.pwrite(descriptor, data, position)
            data, position = data[written:], position + written

else:  # pragma: no cover - Windows
    from threading import Lock

    _seeking = Lock()

    def read_at(descriptor: int, count: int, position: int, /) -> bytes:
        """Read from a place in a file."""
        with _seeking:
            os.lseek(descriptor, position, os.SEEK_SET)
            return os.read(descriptor, count)

    def write_at(descriptor: int, data: memoryview, position: int) -> None:
        """Write all of `data` to a place in a file."""
        with _seeking:
            os.lseek(descriptor, position, os.SEEK_SET)
            while data:
                data = data[os.write(descriptor, data) :]


def delete(journal: Path) -> None:
    """Remove a journal and its partial file."""
    for path in (journal.with_suffix(".part"), journal):
        path.unlink(missing_ok=True)
