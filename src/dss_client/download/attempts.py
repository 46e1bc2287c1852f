"""One request for a content, or for a part of it: what comes is checked, hashed and written.

Loops and the slow path feed it; `Fetch` decides what is next.
"""

import hashlib
import threading
from abc import ABC, abstractmethod
from pathlib import Path

from attrs import field, frozen

from dss_client._request import range_header
from dss_client._retry import RetryPolicy
from dss_client.transfer.cancel import Stopped
from dss_client.transfer.progress import FileProgress

from .checks import check_response, network_error
from .errors import ChecksumMismatch, ShortBody, SizeMismatch, WrongRange
from .http1 import Head, ParsedURL, UnsupportedResponse
from .link import Linker
from .partial import Partial, Writer
from .report import FileReport, State
from .source import Source
from .store import FileStore
from .task import FileTask

__all__ = ["Attempt", "Content", "PartAttempt", "TransferContext", "WholeAttempt"]

_AT_ONCE = 1 << 23  # bytes of a content that is published by the thread that has received it


@frozen(kw_only=True)
class TransferContext:
    """How contents are fetched.

    Attributes:
        source: The client.
        store: The store.
        linker: Puts stored contents under their names.
        leftovers: Journals that earlier runs left, by sha256.
        num_retries: Failed attempts allowed per file. Each MiB of new ground gives one back.
        policy: The waits between tries.
        part_size: Bytes of a part, each of which has a checksum of its own until all is there.
        stop: Set to end all transfers soon.
    """

    source: Source
    store: FileStore
    linker: Linker
    leftovers: dict[str, list[Path]]
    num_retries: int
    policy: RetryPolicy
    part_size: int
    stop: threading.Event = field(factory=threading.Event)

    def check_stop(self, *_: object) -> None:
        """End what is under way if the download was stopped.

        Raises:
            Stopped: It was.
        """
        if self.stop.is_set():
            raise Stopped


class Content:
    """A content that is being fetched.

    Attributes:
        task: What is wanted.
        context: How to fetch it.
        progress: Is told of each step.
        partial: What is there of it; None of a small one.
        replaces: Whether a bad file is in its place in the store.
        has_started_over: Whether it is fetched for the second time, since the first was bad.
        ignores_ranges: Whether its storage sends all of it, whatever is asked for.
        needs_httpx: Whether only the slow path can read what its storage answers.
        has_failed: Whether it has failed for good, so that other attempts are to end.
        tries: Requests for it.
        seconds: Time that they took.
    """

    def __init__(self, task: FileTask, context: TransferContext, progress: FileProgress) -> None:
        self.task = task
        self.context = context
        self.progress = progress
        self.partial: Partial | None = None
        self.replaces = False
        self.has_started_over = False
        self.ignores_ranges = False
        self.needs_httpx: bool = False
        self.has_failed = False
        self.tries: int = 0
        self.seconds: float = 0.0

    def publish(self, partial: Partial, *, seconds: float = 0.0) -> FileReport:
        """Put a whole content into the store if it is right, and under its name.

        Args:
            partial: The content.
            seconds: Time of the attempt that was the last.

        Raises:
            ChecksumMismatch: It is not right.
            OSError: The file system refuses.
        """
        actual = partial.hexdigest()
        if actual != self.task.sha256:
            raise ChecksumMismatch(self.task.name, self.task.sha256, actual)
        partial.publish(replace=self.replaces)
        return self.link("downloaded", seconds=seconds)

    def link(self, state: State, *, seconds: float = 0.0) -> FileReport:
        """Put the stored content under its name, and report the file."""
        return self.context.linker.link(
            self.task, state, tries=self.tries, seconds=self.seconds + seconds
        )


class _WriteFailed(Exception):
    """A fault of the disk, not of the connection."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(cause)
        self.cause = cause


class Attempt(ABC):
    """One request, and what came of it.

    Attributes:
        content: What it is about.
        url: What is asked for.
        address: The same, taken apart.
        first: The first byte that is asked for.
        has_ended: Whether nothing more comes of it.
        error: What went wrong, once it has ended.
        needs_httpx: Whether only the slow path can read the answer.
        report: The result of the file, if it is in place.
        seconds: Time that it took.
        renewals: How often the URL of the content had been renewed when this was begun.
    """

    def __init__(self, content: Content, url: str, first: int, end: int) -> None:
        self.content = content
        self.url = url
        self.address: ParsedURL = ParsedURL.of(url)
        self.first = first
        self.has_ended: bool = False
        self.error: Exception | None = None
        self.needs_httpx: bool = False
        self.report: FileReport | None = None
        self.seconds: float = 0.0
        self.renewals: int = 0
        self._end = end
        self._context = content.context
        self._task = content.task

    is_whole: bool = False
    """Whether the content is taken as a whole."""

    @property
    def last(self) -> int | None:
        """The last byte that is asked for; None where that is the content's last."""
        return None if self._end >= self._task.size else self._end - 1

    @property
    def request(self) -> bytes:
        """The request as it is sent."""
        return self.address.request(range_header(self.first, self.last))

    @property
    def is_slow_to_end(self) -> bool:
        """Whether `end` may wait for the disk."""
        return self._context.store.syncs_slowly or self._context.linker.copies

    @abstractmethod
    def begin(self, head: Head) -> None:
        """Look at the head of a good answer; raise to refuse it."""

    @abstractmethod
    def take(self, data: memoryview) -> bool:
        """Take bytes, and tell whether more are wanted."""

    def end(self, error: Exception | None, seconds: float) -> None:
        """Take note that the request has ended, and publish the content if it is whole."""
        self.seconds = seconds
        self.needs_httpx = isinstance(error, UnsupportedResponse)
        if isinstance(error, _WriteFailed):
            self.error = error.cause
        elif isinstance(error, OSError | UnicodeError | EOFError):
            self.error = network_error(error, self.url)
        elif not self.needs_httpx:
            self.error = error
        try:
            self.report = self._settle()
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is this file's alone
            self.error = self.error or fault
        self.has_ended = True

    @abstractmethod
    def _settle(self) -> FileReport | None:
        """Put what has come where it belongs; return the result of the file, if it is in place."""


class WholeAttempt(Attempt):
    """Asks for a small content, which is taken as a whole."""

    is_whole: bool = True

    def __init__(self, content: Content, url: str) -> None:
        super().__init__(content, url, 0, content.task.size)
        self._bytes: memoryview | None = None

    def begin(self, head: Head) -> None:
        """Make sure that it is the whole content."""
        check_response(self._task, 0, self._task.size, head)

    def take(self, data: memoryview) -> bool:
        """Compare its checksum."""
        if len(data) > self._task.size:
            raise SizeMismatch(self._task.name, self._task.size, None)
        if len(data) < self._task.size:
            raise _short(self._task.name, len(data), self._task.size)
        actual = hashlib.sha256(data).hexdigest()
        if actual != self._task.sha256:
            raise ChecksumMismatch(self._task.name, self._task.sha256, actual)
        self._bytes = data
        return False

    def _settle(self) -> FileReport | None:
        data, self._bytes = self._bytes, None
        if data is not None and self.error is None:
            self._context.store.put(self._task.sha256, data, replace=self.content.replaces)
            return self.content.link("downloaded", seconds=self.seconds)
        return None


class PartAttempt(Attempt):
    """Asks for a range of a large content, which is written as it comes.

    Args:
        content: What it is about.
        url: What is asked for.
        partial: What is there of the content.
        writer: Writes the range.
        alone: Whether no other attempt for this content is under way. Then it asks for all that
            follows, and goes on with the next part for as long as nobody else has that.
    """

    def __init__(
        self, content: Content, url: str, partial: Partial, writer: Writer, *, alone: bool
    ) -> None:
        end = max(partial.run_from(writer.end), writer.end) if alone else writer.end
        super().__init__(content, url, writer.start, end)
        self._partial = partial
        self._writer = writer
        self._is_done = False

    def begin(self, head: Head) -> None:
        """Make sure that it is the range that was asked for, of the same content."""
        whole = check_response(self._task, self.first, self._end, head)
        self._compare(head.headers().get("etag", ""))
        if not whole:
            return
        if self.first or self._end < self._task.size:
            self.content.ignores_ranges = True
        if self.first:  # (docs/behaviour.md C4)
            self.content.progress.advance(-self._partial.bytes_done)
            self._writer = self._partial.restart(self._writer)
            self.first = 0
        self._end = self._task.size

    def _compare(self, etag: str) -> None:
        """Make sure that storage still has the same content.

        Only answers for one object can be compared: a copy of it has another ETag.
        """
        if not etag:
            return
        place = self.url.partition("?")[0]
        before, _, known = self._partial.etag.partition("\t")
        if before == place and known != etag and not self.content.has_started_over:
            raise WrongRange(
                self._task.name,
                f"the content changed in storage: its ETag was {known}, and is {etag}",
            )
        self._partial.etag = f"{place}\t{etag}"

    def take(self, data: memoryview) -> bool:
        """Write bytes to their place."""
        self._context.check_stop()
        if self._is_done and data:
            raise SizeMismatch(self._task.name, self._task.size, None)
        while data:
            writer = self._writer
            piece = data[: writer.end - writer.position]
            try:
                writer.write(piece)
            except OSError as error:
                raise _WriteFailed(error) from error
            self.content.progress.advance(len(piece))
            data = data[len(piece) :]
            if writer.position < writer.end:
                break
            writer.leave()
            if writer.end >= self._end:
                self._is_done = True
                if data:
                    raise SizeMismatch(self._task.name, self._task.size, None)
                return False
            following = self._partial.claim(writer.end, alone=True)
            if following is None:  # somebody else has it
                return False
            self._writer = following
        return not self.content.has_failed

    def _settle(self) -> FileReport | None:
        self._writer.leave()
        if self.error is not None or self.needs_httpx:
            return None
        if self._writer.position < self._writer.end and not self.content.has_failed:
            raise _short(self._task.name, self._writer.position, self._task.size)
        # One part has one writer; what is larger, or shared, the engine has published.
        most = min(_AT_ONCE, self._context.part_size)
        if self._task.size <= most and self._partial.is_whole:
            return self.content.publish(self._partial, seconds=self.seconds)
        return None


def _short(name: str, there: int, size: int) -> ShortBody:
    return ShortBody(name, f"the content ended after {there} of {size} bytes")
