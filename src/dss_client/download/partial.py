"""A large content that is being fetched: a file that several loops fill, and its sha256."""

import hashlib
import os
import secrets
import threading
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from dss_client.transfer.owner import owner, tag

from . import journal
from .journal import Digest, Journal, Range
from .store import FileStore

__all__ = ["Overtaken", "Partial", "Writer"]

_BLOCK = 1 << 20
_WORTH_KEEPING = 1 << 20  # bytes
_at_work: set[str] = set()  # the partial files that this process is writing


class Overtaken(Exception):
    """The content must be fetched from its start, and others are still at work on it."""


class Partial:
    """A partial file, its journal and its hash. Safe to be used by threads.

    The sha256 of a file needs its bytes in order. Whoever writes at the place that the hash has
    come to hashes on the way; what others write further on is read back, from memory as a rule, by
    `catch_up`. So both cores are busy, and no byte is hashed twice.

    Args:
        store: The store that the content is for.
        key: Its sha256, in lower case.
        size: Its size, in bytes.
        part_size: How many bytes are proven, and taken by one writer, at a time.
    """

    def __init__(self, store: FileStore, key: str, size: int, part_size: int) -> None:
        self.size = size
        self.etag: str = ""
        self._store = store
        self._key = key
        self._part_size = part_size
        name = f"{store.partials}{os.sep}{key}.{tag()}-{secrets.token_hex(4)}"
        self._path = f"{name}.part"
        self._journal = Path(f"{name}.journal")
        self._lock = threading.Lock()
        self._descriptor = -1
        self._digest: Digest = hashlib.sha256()
        self._hashed = 0
        self._hashing = False
        self._todo: list[tuple[int, int]] = [(0, size)]
        self._done: list[tuple[int, int]] = []
        self._writers = 0
        self._records = 0
        _at_work.add(self._path)

    # What earlier runs left

    def resume(self, left: list[Path], tick: Callable[[int], object]) -> None:
        """Take up what earlier runs left of the content, as far as its bytes are right.

        Args:
            left: Journals of this content.
            tick: Called with the number of bytes that were read; may raise to stop.
        """
        try:
            for path in left:
                found = Journal.read(path)
                if found is not None and found.size == self.size and self._adopt(found, tick):
                    return
        except BaseException:
            # Where there is a journal, a file was taken over: it is left to a later run.
            self._close() if self._journal.exists() else self.discard()
            raise

    def _adopt(self, found: Journal, tick: Callable[[int], object]) -> bool:
        mine = found.owner == owner()
        dead = str(found.part) not in _at_work if mine else not journal.is_at_work(found)
        try:
            if dead:
                self._take_over(found)
                source = os.open(self._path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            else:
                source = os.open(found.part, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError:
            self.etag = ""
            return False
        try:
            self._descriptor = source if dead else self._store.create(self._path)
            if dead and os.fstat(source).st_size > self.size:
                os.ftruncate(source, self.size)
            target = None if dead else self._descriptor
            good, self._digest = journal.proven(found, source, target, tick)
        finally:
            if not dead:
                os.close(source)
        self.etag = found.etag
        for each in good:
            self._take((each.start, each.end))
            self._done.append((each.start, each.end))
            self._hashed = each.end if each.sha256 is not None else self._hashed
        if not good:  # the first record begins the journal
            self._journal.unlink(missing_ok=True)
        elif not dead or len(good) < len(found.ranges):
            self._write_journal(good)
        self._records = len(good)
        return True

    def _take_over(self, found: Journal) -> None:
        """Rename a partial file, and have a journal for its new name.

        There always is a journal next to the file, so that a later run can use it even if this one
        is killed.
        """
        self.etag = found.etag
        self._write_journal(found.ranges)
        try:
            # The rename decides: of several runs that want it, one succeeds.
            os.rename(found.part, self._path)
        except OSError:
            self._journal.unlink()
            raise
        found.path.unlink(missing_ok=True)

    def _write_journal(self, ranges: Sequence[Range]) -> None:
        text = [journal.header(self.size, self.etag), *map(journal.entry, ranges)]
        temporary = self._store.new_temporary()
        Path(temporary).write_bytes(b"".join(text))
        os.replace(temporary, self._journal)

    # What there is to do

    @property
    def bytes_done(self) -> int:
        """Bytes that are there."""
        return sum(end - start for start, end in self._done)

    @property
    def is_whole(self) -> bool:
        """Whether every byte is there and hashed."""
        return self._hashed == self.size

    @property
    def writers(self) -> int:
        """How many writers are at work."""
        return self._writers

    @property
    def has_work(self) -> bool:
        """Whether there is a range that nobody has claimed."""
        return bool(self._todo)

    def claim(self, at: int | None = None, *, alone: bool = False) -> "Writer | None":
        """Take a free range, and return its writer; None if there is none.

        Args:
            at: Where the caller has come to: what follows is preferred, so that it can read on.
            alone: Take only what starts at `at`.
        """
        with self._lock:
            if not self._todo:
                return None
            starts = [start for start, _ in self._todo]
            if at in starts:
                start, end = self._todo[starts.index(at)]
            elif alone:
                return None
            else:
                start, end = self._todo[0]
            end = min(end, start - start % self._part_size + self._part_size)
            self._take((start, end))
            hashing = not self._hashing and start == self._hashed
            self._hashing = self._hashing or hashing
            self._writers += 1
            return Writer(self, start, end, self._digest if hashing else None)

    def restart(self, writer: "Writer") -> "Writer":
        """Start over, since storage sends the content from its first byte on.

        Args:
            writer: The writer that takes it; it is left.

        Raises:
            Overtaken: There are other writers.
        """
        writer.leave()
        with self._lock:
            if self._writers:
                raise Overtaken
        self.start_over()
        first = self.claim(0, alone=True)
        if first is None:
            raise Overtaken
        return first

    def run_from(self, start: int) -> int:
        """Return where the unclaimed bytes that begin at `start` end."""
        with self._lock:
            for begin, end in self._todo:  # in their order
                start = end if begin == start else start
            return start

    def _take(self, span: tuple[int, int]) -> None:
        start, end = span
        kept: list[tuple[int, int]] = []
        for begin, stop in self._todo:
            kept += [(begin, min(stop, start))] if begin < start else []
            kept += [(max(begin, end), stop)] if stop > end else []
        self._todo = kept

    def leave(self, writer: "Writer") -> None:
        """Record what a writer has written, and return the rest of its range."""
        start, position, end = writer.start, writer.position, writer.end
        with self._lock:
            self._writers -= 1
            if position < end:
                self._todo = sorted([*self._todo, (position, end)])
            if position > start:
                self._done.append((start, position))
            if writer.digest is not None:
                self._hashing = False
                if position > start:
                    self._hashed = position
                    self._record(Range(start, position, sha256=self._digest.hexdigest()))
            elif position > start:
                self._record(Range(start, position, crc32=writer.crc32))

    @property
    def can_catch_up(self) -> bool:
        """Whether something was written further on that the hash has come to now."""
        with self._lock:
            return not self._hashing and self._next_end() is not None

    def _next_end(self) -> int | None:
        return next((end for start, end in self._done if start == self._hashed), None)

    def catch_up(self, tick: Callable[[], object]) -> None:
        """Hash what was written further on.

        Args:
            tick: Called for each block; may raise to stop.
        """
        while True:
            with self._lock:
                end = self._next_end()
                if self._hashing or end is None:
                    return
                self._hashing = True
            position = self._hashed
            while position < end:
                tick()
                block = journal.read_at(self._descriptor, min(_BLOCK, end - position), position)
                self._digest.update(block)
                position += len(block)
                if not block:  # somebody else cut the file; the checksum will tell
                    position = end
            with self._lock:
                self._hashed = end
                self._hashing = False

    def write(self, data: memoryview, position: int) -> None:
        """Write bytes to their place."""
        if self._descriptor < 0:
            self._create()
        journal.write_at(self._descriptor, data, position)

    def _create(self) -> None:
        with self._lock:
            if self._descriptor < 0:
                self._descriptor = self._store.create(self._path)

    def _record(self, range_: Range) -> None:
        # A journal for what came in one piece would cost more than it saves.
        count = range_.end - range_.start
        if self.size <= self._part_size and (count < _WORTH_KEEPING or count == self.size):
            return
        text = journal.entry(range_)
        if not self._records:
            text = journal.header(self.size, self.etag) + text
        self._records += 1
        with open(self._journal, "ab", buffering=0) as file:
            file.write(text)

    # The end

    def hexdigest(self) -> str:
        """Return the sha256 of all that is there."""
        return self._digest.hexdigest()

    def start_over(self) -> None:
        """Forget everything. No writer may be at work."""
        with self._lock:
            if self._descriptor >= 0:
                os.ftruncate(self._descriptor, 0)
            self._journal.unlink(missing_ok=True)
            self._digest = hashlib.sha256()
            self._hashed = self._records = 0
            self._hashing = False
            self._todo, self._done = [(0, self.size)], []
            self.etag = ""

    def publish(self, *, replace: bool = False) -> None:
        """Put the whole, verified content into the store.

        Args:
            replace: What is there is bad.
        """
        self._store.finish(self._descriptor, self._path, self._key)
        self._close()
        self._store.publish(self._path, self._key, replace=replace)
        if self._records:
            with suppress(OSError):  # the content is in place
                self._journal.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the file and its journal."""
        self._close()
        journal.delete(self._journal)

    def suspend(self) -> None:
        """Leave the file to a later run, if there is something in it that is worth it."""
        if not self._records or self.bytes_done < min(_WORTH_KEEPING, self._part_size):
            self.discard()
        else:
            self._close()

    def _close(self) -> None:
        _at_work.discard(self._path)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Writer:
    """Writes one range of a partial file, from its start on; `leave` it at the end.

    Attributes:
        start: Its first byte.
        end: The one after its last.
        position: Where writing has come to.
        crc32: Of what was written, where it is not hashed on the way.
    """

    def __init__(self, partial: Partial, start: int, end: int, digest: Digest | None) -> None:
        self.start = start
        self.end = end
        self.position: int = start
        self.digest = digest
        self.crc32: int = 0
        self._partial = partial
        self._left = False

    def write(self, data: memoryview) -> None:
        """Write what comes next."""
        self._partial.write(data, self.position)
        if self.digest is not None:
            self.digest.update(data)
        else:
            self.crc32 = zlib.crc32(data, self.crc32)
        self.position += len(data)

    def leave(self) -> None:
        """Hand the range back, written or not; it can be called again."""
        if not self._left:
            self._left = True
            self._partial.leave(self)
