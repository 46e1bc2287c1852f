"""The short path of small files: many connections, one thread, one read, one write, one rename.

A thread for each connection would spend more time on handing the interpreter to and fro than on the
files. Here one loop waits for all sockets at once. It handles the good case only: everything else
goes to the crew, with the fault.
"""

import hashlib
import re
import selectors
import socket
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Protocol

from attrs import define, field, frozen

from dss_client._redact import secrets_in
from dss_client._response import check_content_encoding
from dss_client._storage import (
    NETWORK_ERRORS,
    Connection,
    ConnectionPool,
    ParsedURL,
    storage_error,
    storage_request,
)
from dss_client.errors import DSSError, DSSResponseError, ResponseInfo

from .errors import ChecksumMismatch, ShortBody, SizeMismatch
from .fetch import Urls
from .task import FileTask
from .threads import Threads

__all__ = ["SMALL", "Job", "SmallFiles"]

SMALL = 1 << 18
"""Largest content, in bytes, that takes the short path."""

_HEAD = 1 << 14
_BURST = 16  # connections that are opened at once
_FIRST = 8  # and for the first contents
_ROUNDS = 16  # after which results are passed on at the latest: each time costs a change of threads
_TICK = 0.005  # seconds after which it is looked whether more connections would help
_IDLE = 0.6  # part of that time
_STATUS = re.compile(rb"HTTP/1\.[0-9] ([0-9]{3})[ \r]")
_LENGTH = re.compile("[0-9]{1,32}")  # what is longer, int() may refuse
_LINES = re.compile(rb"\r\n([^:\r\n]+):[ \t]*([^\r\n]*)")
_FRAMING = re.compile(
    rb"\r\n(content-length|transfer-encoding|content-encoding|connection):[ \t]*([^\r\n]*)",
    re.IGNORECASE,
)


@frozen(eq=False)
class Job:
    """A small content to be fetched.

    Attributes:
        task: What is wanted.
        url: Where it is.
        urls: Where its URL comes from, for the crew.
    """

    task: FileTask
    url: str
    urls: Urls


@define(eq=False)
class _Line:
    """A connection, and what it is busy with."""

    connection: Connection
    origin: tuple[str, str, int]
    buffer: bytearray
    view: memoryview = field(init=False)
    job: Job | None = None
    is_open: bool = True
    is_used: bool = False  # an answer came by it
    filled: int = 0
    body: int = 0  # where it begins; 0 before the head is whole
    asked_at: float = 0.0
    heard_at: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.view = memoryview(self.buffer)


class Boss(Protocol):
    """Takes what comes of small files. Called by the loop's own thread."""

    def store_small(self, job: Job, content: memoryview, seconds: float) -> None:
        """Take a verified content, and the time it took; the buffer is used again afterwards."""
        ...

    def hand_over(self, job: Job, error: Exception | None) -> None:
        """Take a job back, with what was wrong.

        None where the answer is only framed in a way that this loop does not read.
        """
        ...

    def pass_on(self) -> None:
        """Pass results on; called every few rounds, and when there is nothing more to do."""
        ...

    def crashed(self, error: BaseException) -> None:
        """Take an unexpected exception; the loop has ended."""
        ...


class SmallFiles:
    """Fetches small contents.

    Args:
        pool: Opens connections.
        limit: How many there may be.
        boss: Takes the results.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        limit: int,
        boss: Boss,
    ) -> None:
        self._pool = pool
        self._limit = limit
        self._boss = boss
        self._lock = threading.Lock()
        self._jobs: deque[Job] = deque()
        self._opened: deque[tuple[Connection | Exception, tuple[str, str, int]]] = deque()
        self._idle: dict[tuple[str, str, int], list[_Line]] = {}
        self._lines: Counter[tuple[str, str, int]] = Counter()  # all that are open
        self._busy = 0
        self._coming = 0
        self._ended = False
        self._now = self._look_at = 0.0
        self._rounds = 0
        self._looked_at = self._waited = 0.0
        self._patience = min(1.0, (pool.read_timeout or 4.0) / 4)
        self._thread: threading.Thread | None = None
        self._selector = selectors.DefaultSelector()
        self._openers = Threads("dss-connect", _BURST, first=_BURST)
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ, None)

    def add(self, jobs: Iterable[Job]) -> None:
        """Have contents fetched."""
        self._jobs.extend(jobs)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dss-small", daemon=True)
                self._thread.start()
        self._ring()

    def end(self) -> None:
        """End the thread and close all connections; what is under way is dropped."""
        self._ended = True
        self._ring()
        if self._thread is not None:
            self._thread.join(5)
        self._openers.end()
        self._close_opened()
        for end in (self._bell, self._ear):
            end.close()

    def _close_opened(self) -> None:
        """Close connections that came too late."""
        with suppress(IndexError):
            while True:
                opened, _ = self._opened.popleft()
                if isinstance(opened, Connection):
                    opened.close()

    def _ring(self) -> None:
        with suppress(OSError):
            self._bell.send(b"!")

    # The loop

    def _run(self) -> None:
        try:
            while not self._ended:
                self._round()
        except BaseException as error:  # noqa: BLE001 - raised again by the calling thread
            self._boss.crashed(error)
        finally:
            for key in list(self._selector.get_map().values()):
                if isinstance(key.data, _Line):
                    key.data.connection.close()
            self._selector.close()

    def _round(self) -> None:
        self._send_out()
        starved = bool(self._jobs) and self._busy > 0 and self._room > 0
        patience = self._patience if self._busy else None
        before = time.monotonic()
        events = self._selector.select(_TICK if starved else patience)
        self._now = time.monotonic()
        self._waited += self._now - before
        if self._now - self._looked_at >= _TICK:
            # Where this loop does nothing but wait, more connections bring more.
            idle = self._waited > _IDLE * (self._now - self._looked_at)
            if idle and starved and not self._coming:
                self._grow()
            self._looked_at, self._waited = self._now, 0.0
        for key, _ in events:
            if key.data is None:
                self._hear()
            else:
                self._advance(key.data)
        if self._busy and self._now >= self._look_at:
            self._look_for_stalls()
        self._rounds += 1
        if not self._jobs or self._rounds % _ROUNDS == 0:
            self._boss.pass_on()

    @property
    def _room(self) -> int:
        """Connections that may still be opened."""
        idle = sum(map(len, self._idle.values()))
        return self._limit - self._busy - self._coming - idle

    def _hear(self) -> None:
        with suppress(OSError):
            self._ear.recv(4096)
        while self._opened:
            opened, origin = self._opened.popleft()
            self._coming -= 1
            if isinstance(opened, Connection):
                opened.socket.setblocking(False)
                line = _Line(opened, origin, bytearray(SMALL + _HEAD))
                self._selector.register(opened.socket, selectors.EVENT_READ, line)
                self._idle.setdefault(origin, []).append(line)
                self._lines[origin] += 1
            elif self._jobs and _leads_to(self._jobs[0].url, origin):
                job = self._jobs.popleft()
                self._boss.hand_over(job, storage_error(opened, job.url))

    def _send_out(self) -> None:
        """Give jobs to connections that have none."""
        while self._jobs:
            job = self._jobs[0]
            try:
                address = ParsedURL.of(job.url)
            except DSSError as error:
                self._jobs.popleft()
                self._boss.hand_over(job, error)
                continue
            lines = self._idle.get(address.origin)
            if not lines:
                if not (self._coming or self._lines.get(address.origin)):
                    self._grow()
                return
            self._jobs.popleft()
            self._ask(lines.pop(), job, address)

    def _grow(self) -> None:
        """Open more connections for the job that is next."""
        address = ParsedURL.of(self._jobs[0].url)
        if self._room <= 0:
            self._close_idle()
        burst = _BURST if self._busy else _FIRST
        for _ in range(min(burst, self._room, len(self._jobs))):
            self._coming += 1
            self._openers.submit(partial(self._open, address))

    def _close_idle(self) -> None:
        """Make room: connections to other origins have had their time."""
        for lines in self._idle.values():
            while lines:
                self._drop(lines.pop())

    def _open(self, address: ParsedURL) -> None:
        opened: Connection | Exception
        try:
            opened = self._pool.connect(address)
        except Exception as error:  # noqa: BLE001 - whatever it is, the crew says it of the file
            opened = error
        self._opened.append((opened, address.origin))
        self._ring()
        if self._ended:
            self._close_opened()

    def _ask(self, line: _Line, job: Job, address: ParsedURL) -> None:
        line.job, line.filled, line.body = job, 0, 0
        line.asked_at = line.heard_at = time.monotonic()
        self._busy += 1
        try:
            line.connection.socket.send(line.connection.head(address))
        except NETWORK_ERRORS as error:
            self._broke(line, error)

    def _advance(self, line: _Line) -> None:
        """Read what has come over a connection."""
        if not line.is_open:  # it was closed since the selector looked
            return
        try:
            while True:
                count = line.connection.socket.recv_into(line.view[line.filled :])
                line.filled += count
                line.heard_at = self._now
                if not count or self._take(line) or line.job is None:
                    break
                if not isinstance(line.connection.socket, ssl.SSLSocket):
                    break
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except NETWORK_ERRORS as error:
            self._broke(line, error)
            return
        if not count:
            self._broke(line, ConnectionError("the connection ended before the content"))

    def _broke(self, line: _Line, error: Exception) -> None:
        job = line.job
        if job is None:  # an idle connection that the other side has closed
            self._idle[line.origin].remove(line)
            self._drop(line)
        elif line.is_used and not line.filled:  # closed just as it was to be used again
            self._fail(line, None)
        else:
            self._fail(line, storage_error(error, job.url))

    def _take(self, line: _Line) -> bool:
        """Take an answer that is whole; tell whether it was."""
        job = line.job
        if job is None:  # bytes that nobody asked for
            self._idle[line.origin].remove(line)
            self._drop(line)
            return True
        if not line.body:
            end = line.buffer.find(b"\r\n\r\n", 0, line.filled)
            if end < 0:
                if line.filled == len(line.buffer):
                    self._fail(
                        line, storage_error(ConnectionError("its head is too long"), job.url)
                    )
                return False
            line.body = end + 4
        head = bytes(line.view[: line.body - 2])
        if not head.startswith(b"HTTP/1."):  # maybe it follows the answer before
            error = ConnectionError("the answer is not valid HTTP")
            self._fail(line, None if line.is_used else storage_error(error, job.url))
            return True
        if not _is_plain(head, job.task.size):
            self._fail(line, _fault(job, head, line))
            return True
        if line.filled < line.body + job.task.size:
            return False
        self._finish(line, job, head)
        return True

    def _finish(self, line: _Line, job: Job, head: bytes) -> None:
        task = job.task
        content = line.view[line.body : line.body + task.size]
        actual = hashlib.sha256(content).hexdigest()
        if actual != task.sha256:
            self._fail(line, ChecksumMismatch(task.name, task.sha256, actual))
            return
        self._boss.store_small(job, content, time.monotonic() - line.asked_at)
        self._busy -= 1
        if b"\r\nconnection: close" in head.lower() or line.filled > line.body + task.size:
            self._drop(line)
        else:
            line.job, line.is_used = None, True
            self._idle.setdefault(line.origin, []).append(line)
            self._send_out()

    def _fail(self, line: _Line, error: Exception | None) -> None:
        """Hand a job over; its connection cannot be used again."""
        job = line.job
        self._drop(line)
        if job is not None:
            self._busy -= 1
            self._boss.hand_over(job, error)

    def _drop(self, line: _Line) -> None:
        line.job, line.is_open = None, False
        self._lines[line.origin] -= 1
        with suppress(KeyError, ValueError):
            self._selector.unregister(line.connection.socket)
        line.connection.close()

    def _look_for_stalls(self) -> None:
        self._look_at = self._now + self._patience
        limit = self._pool.read_timeout
        if limit is None:
            return
        for key in list(self._selector.get_map().values()):
            line = key.data
            if isinstance(line, _Line) and line.job and self._now - line.heard_at > limit:
                self._fail(line, storage_error(TimeoutError(), line.job.url))


def _leads_to(url: str, origin: tuple[str, str, int]) -> bool:
    try:
        return ParsedURL.of(url).origin == origin
    except DSSError:
        return False


def _is_plain(head: bytes, size: int) -> bool:
    """Whether an answer is the whole content, uncoded and in one piece."""
    fields = {name.lower(): value for name, value in _FRAMING.findall(head)}
    return (
        head.startswith(b"HTTP/1.1 200")
        and fields.pop(b"content-length", b"") == b"%d" % size
        and fields.keys() <= {b"connection"}
    )


def _fault(job: Job, head: bytes, line: _Line) -> Exception | None:
    """Return what is wrong with an answer that is not plain; None where it is only framed so."""
    task = job.task
    found = _STATUS.match(head)
    status = int(found[1]) if found else 0
    if status < 200:  # another answer follows
        return None
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in _LINES.findall(head)
    }
    request = storage_request(job.url)
    if not 200 <= status < 300:
        body = bytes(line.view[line.body : line.filled])
        info = ResponseInfo.masked(status, headers, body, secrets_in(job.url))
        proxy = line.connection.proxy
        hint = proxy.refusal(status) if proxy is not None else ""
        return DSSResponseError.for_response(request=request, response=info, hint=hint)
    try:
        check_content_encoding(status, headers, request, secrets_in(job.url))
    except DSSError as error:
        return error
    length = headers.get("content-length", "")
    announced = int(length) if _LENGTH.fullmatch(length) else task.size
    if announced > task.size:
        return SizeMismatch(task.name, task.size, announced)
    if announced < task.size:
        return ShortBody(task.name, f"storage announces {announced} bytes of {task.size}")
    return None
