"""The transfer of one content, with a decision for each fault.

Several threads may work on a `Fetch` at once, each on its own range. One place decides on faults:
go on, wait, ask for a new URL, start over once, or give up.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from attrs import evolve, field, frozen

from dss_client._retry import RetryPolicy, parse_retry_after
from dss_client._storage import PERMANENT_ERRORS
from dss_client.errors import (
    DSSConnectionError,
    DSSError,
    DSSResponseError,
    DSSTimeout,
    Forbidden,
    RangeNotSatisfiable,
)
from dss_client.transfer.cancel import Stopped
from dss_client.transfer.progress import FileProgress

from .errors import (
    ChecksumMismatch,
    ShortBody,
    SizeMismatch,
    WrongRange,
    file_error,
)
from .filestore import FileStore
from .partial import Partial, Writer
from .ranges import Asked, check_answer, short_content
from .source import Content, Source
from .task import FileResult, FileTask

__all__ = ["Fetch", "How", "Urls"]

_MIB = 1 << 20
_MAX_DELAY = 60.0


class Urls(Protocol):
    """Where the contents of some tasks are."""

    def url(self, task: FileTask) -> str:
        """Return the URL of a content; ask the service for it if needed."""
        ...

    def renew(self, task: FileTask, stale: str) -> None:
        """Forget a URL that has expired, and those issued with it."""
        ...


class Place(Protocol):
    """Puts a stored content under its name."""

    def __call__(self, task: FileTask, /, *, downloaded: bool) -> FileResult:
        """Return its path now, and the kind of link."""
        ...


@frozen(kw_only=True)
class How:
    """How contents are fetched.

    Attributes:
        source: The client.
        store: The store.
        left: Journals that earlier runs left, by sha256.
        place: Puts a stored content under its name.
        num_retries: Failed attempts allowed per file. Each MiB that arrives gives one back.
        min_delay_seconds: Upper bound of the first wait, in seconds; it doubles with each failure
            up to 60 s, and each MiB that arrives halves it again.
        part_size: Bytes that one thread takes at a time.
        stop: Set to end all transfers soon.
    """

    source: Source
    store: FileStore
    left: dict[str, list[Path]]
    place: "Place"
    num_retries: int
    min_delay_seconds: float
    part_size: int
    stop: threading.Event = field(factory=threading.Event)

    @property
    def policy(self) -> RetryPolicy:
        """The waits between tries."""
        return RetryPolicy(
            initial_delay=self.min_delay_seconds,
            max_delay=_MAX_DELAY,
            max_retry_after=_MAX_DELAY,
        )


class _Overtaken(Exception):
    """Another worker found that the content must be fetched from its start."""


class Fetch:
    """The transfer of one content into the store.

    Args:
        task: What is wanted.
        urls: Gives its URL.
        how: How to fetch it.
        progress: Is told of each step.
        unsure: A file of the right size is in the store already: check it first.

    Attributes:
        ready_at: When the next attempt is due, by the monotonic clock.
        workers: Threads at work on it, counted by the crew.
        closed: Whether no further thread may join; set by the crew.
    """

    def __init__(
        self,
        task: FileTask,
        urls: Urls,
        how: How,
        progress: FileProgress,
        *,
        unsure: bool = False,
    ) -> None:
        self.task = task
        self.ready_at: float = 0.0
        self.workers = 0
        self.closed = False
        self._urls = urls
        self._how = how
        self._progress = progress
        self._unsure = unsure
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._partial: Partial | None = None
        self._budget = how.num_retries
        self._failures = 0
        self._credit = 0
        self._started_over = False
        self._restart = False
        self._whole_only = False  # storage ignores ranges
        self._error: Exception | None = None
        self._stopped = False
        self._found = False

    @property
    def is_stopped(self) -> bool:
        """Whether it was given up."""
        return self._stopped

    @property
    def can_be_shared(self) -> bool:
        """Whether one more thread would help."""
        partial = self._partial
        return (
            partial is not None
            and not (self._whole_only or self._restart or self._error or self._stopped)
            and time.monotonic() >= self.ready_at
            and partial.can_be_shared
        )

    def work(self, buffer: memoryview, share: "Callable[[Fetch], object]") -> None:
        """Fetch ranges to the end, or until a fault needs a wait or is final. Never raises.

        Args:
            buffer: For the bytes received.
            share: Called when one more worker would help.
        """
        try:
            if self._partial is None and self._goes_on:
                self._open()
            while self._goes_on and (writer := self._claim()) is not None:
                share(self)
                self._transfer(writer, buffer)
        except Stopped:
            self._stopped = True
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this file's alone
            with self._lock:
                self._error = self._error or error

    def failed_before(self, error: Exception, url: str) -> None:
        """Record an attempt that was made elsewhere and failed."""
        self._progress.tries += 1
        try:
            self._decide(error, url)
        except (DSSError, OSError) as fatal:
            self._error = fatal

    def abandon(self) -> None:
        """Leave the partial file to a later run."""
        if self._partial is not None:
            self._partial.suspend()

    def settle(self) -> FileResult | None:
        """After the last worker has left: return the result, or None if work must go on.

        Raises:
            Stopped: The download was stopped; the partial file is left to a later run.
        """
        if self._stopped:
            self.abandon()
            raise Stopped
        try:
            return self._result()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this file's alone
            return self._failed(error)

    # What happens to a range

    @property
    def _goes_on(self) -> bool:
        if self._how.stop.is_set():
            raise Stopped
        return (
            self._error is None
            and not self._restart
            and not self._found
            and time.monotonic() >= self.ready_at
        )

    def _open(self) -> None:
        store, task = self._how.store, self.task
        if self._unsure and store.find(task.sha256, task.size):
            self._found = True
            return
        partial = Partial(store, task.sha256, task.size, self._how.part_size)
        there = partial.open(self._how.left.get(task.sha256, []))
        if there:
            self._progress.advance(there)
        self._partial = partial

    def _claim(self) -> Writer | None:
        return None if self._partial is None else self._partial.claim()

    @property
    def _opened(self) -> Partial:
        if self._partial is None:
            raise RuntimeError("nothing can be written before the file was made")
        return self._partial

    def _transfer(self, writer: Writer, buffer: memoryview) -> None:
        """Make one request, and write its content; decide what a fault means."""
        try:
            url = self._urls.url(self.task)  # its own retries are made there
        except BaseException:
            writer.leave()
            raise
        try:
            self._request(writer, url, buffer)
        except _Overtaken:
            return
        except DSSError as error:
            self._decide(error, url)

    def _request(self, writer: Writer, url: str, buffer: memoryview) -> None:
        partial = self._opened
        current: Writer = writer
        try:
            alone = self.workers <= 1
            end = partial.run_from(writer.end) if alone else writer.end
            asked = Asked(writer.start, max(end, writer.end), self.task.size)
            with self._lock:
                self._progress.tries += 1
            with self._how.source.open(url, first=asked.first, last=asked.last) as content:
                answer = check_answer(self.task, asked, content)
                self._compare(url, answer.etag)
                if answer.whole and (asked.first or not alone):
                    current = self._from_the_start(writer)
                end = self.task.size if answer.whole else asked.end
                while True:
                    self._read(content, current, buffer)
                    current.leave()
                    if current.position < current.end or current.position >= end:
                        break
                    further = partial.claim(current.position, alone=True)
                    if further is None:
                        return
                    current = further
                if answer.whole and content.readinto(buffer[:1]):
                    raise SizeMismatch(self.task.name, self.task.size, None)
            if current.position < current.end:
                raise ShortBody(
                    self.task.name,
                    f"the content ended after {current.position} of {self.task.size} bytes",
                )
        finally:
            current.leave()

    def _compare(self, url: str, etag: str) -> None:
        """Make sure that storage still has the same content.

        Only answers for one object can be compared: a copy of it has another ETag.
        """
        if not etag:
            return
        partial, place = self._opened, url.partition("?")[0]
        before, _, known = partial.etag.partition("\t")
        if before == place and known != etag and not self._started_over:
            reason = f"the content changed in storage: its ETag was {known}, and is {etag}"
            raise WrongRange(self.task.name, reason)
        partial.etag = f"{place}\t{etag}"

    def _from_the_start(self, writer: Writer) -> Writer:
        """Start over where storage ignores ranges (docs/behaviour.md C4)."""
        partial = self._opened
        writer.leave()
        with self._lock:
            self._whole_only = True
            if self.workers > 1:
                self._restart = True
                raise _Overtaken
        self._progress.advance(-partial.bytes_done)
        partial.start_over()
        return partial.claim_first()

    def _read(self, content: Content, writer: Writer, buffer: memoryview) -> None:
        while writer.position < writer.end:
            if self._how.stop.is_set():
                raise Stopped
            if self._restart or self._error is not None:
                raise _Overtaken
            count = content.readinto(buffer[: writer.end - writer.position])
            if not count:
                return
            writer.write(buffer[:count])
            self._came(count)

    def _came(self, count: int) -> None:
        self._progress.advance(count)
        with self._lock:
            self._credit += count
            mibs, self._credit = divmod(self._credit, _MIB)
            self._budget = min(self._how.num_retries, self._budget + mibs)
            self._failures = max(0, self._failures - mibs)

    # What a fault means

    def _decide(self, error: Exception, url: str) -> None:
        """Decide how to go on after a fault.

        Raises:
            DSSError: The fault is final.
        """
        retry_after: str | None = None
        if isinstance(error, RangeNotSatisfiable | WrongRange | ChecksumMismatch):
            self._start_over(short_content(self.task, error))
            self._urls.renew(self.task, "")
            return
        if isinstance(error, Forbidden):
            self._urls.renew(self.task, url)
        elif isinstance(error, DSSResponseError):
            if error.status_code != 429 and error.status_code < 500:
                raise error
            retry_after = error.response.headers.get("retry-after")
        elif not isinstance(error, DSSConnectionError | DSSTimeout | ShortBody):
            raise error
        if isinstance(error.__cause__, PERMANENT_ERRORS):
            raise error
        with self._lock:
            self._budget -= 1
            if self._budget < 0:
                raise error
            self._failures += 1
            delay = self._how.policy.delay(self._failures, parse_retry_after(retry_after))
            self.ready_at = max(self.ready_at, time.monotonic() + delay)

    def _start_over(self, error: Exception) -> None:
        """Begin again from the first byte, but only once."""
        with self._lock:
            if self._started_over and not self._restart:
                raise error
            self._started_over = self._restart = True

    # The end

    def _result(self) -> FileResult | None:
        partial = self._partial
        if self._error is not None:
            return self._failed(self._error)
        if self._found:
            return self._placed(downloaded=False)
        if partial is None:
            self._restart = False
            return None
        if not self._restart and partial.is_whole:
            actual = partial.hexdigest()
            if actual == self.task.sha256:
                partial.publish()
                return self._placed(downloaded=True)
            self._decide(ChecksumMismatch(self.task.name, self.task.sha256, actual), "")
        if self._restart:
            self._restart = False
            self._progress.advance(-partial.bytes_done)
            partial.start_over()
        return None

    def _placed(self, *, downloaded: bool) -> FileResult:
        return self._told(self._how.place(self.task, downloaded=downloaded))

    def _failed(self, error: Exception) -> FileResult:
        if self._partial is not None:
            spoilt = isinstance(error, ChecksumMismatch | SizeMismatch)
            self._partial.discard() if spoilt else self._partial.suspend()
        named = file_error(self.task.name, self.task.bundle, error)
        return self._told(FileResult(self.task.number, "failed", error=named))

    def _told(self, result: FileResult) -> FileResult:
        seconds = time.monotonic() - self._started
        return evolve(result, tries=self._progress.tries, seconds=seconds)
