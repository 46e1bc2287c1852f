"""The content of one file, from storage into an open file: verified, resumed, retried."""

import hashlib
import re
import threading
from typing import IO

from attrs import field, frozen

from dss_client._retry import RetryPolicy, parse_retry_after
from dss_client.errors import (
    DSSConnectionError,
    DSSError,
    DSSResponseError,
    DSSTimeout,
    Forbidden,
    RangeNotSatisfiable,
)

from .errors import ChecksumMismatch, FileDownloadError, SizeMismatch
from .plan import FileTask
from .progress import FileProgress
from .source import Content, Replica, Source

_MIB = 1 << 20
_CHUNK = 1 << 18
_MAX_DELAY = 60.0
_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+|\*)")


class Stopped(Exception):
    """The download was given up, by an interrupt or an error elsewhere."""


class ShortBody(FileDownloadError):
    """The content ended before its size; worth a retry."""


class WrongRange(FileDownloadError):
    """Storage sent another part than the one asked for."""


@frozen(kw_only=True)
class Transfer:
    """How contents are fetched.

    Attributes:
        source: Where from.
        replica: Which copy.
        num_retries: Failures that a file may have. Each MiB that comes makes up for one of them
            (§14.10).
        min_delay_seconds: Upper bound of the first wait, in seconds; it doubles with each failure
            up to 60 s (C22), and each MiB that comes halves it again.
        stop: Set to end all transfers soon.
    """

    source: Source
    replica: Replica
    num_retries: int = 10
    min_delay_seconds: float = 0.25
    stop: threading.Event = field(factory=threading.Event)

    def fetch(self, task: FileTask, out: IO[bytes], progress: FileProgress) -> None:
        """Write the content of `task` to the empty file `out`.

        Raises:
            SizeMismatch, ChecksumMismatch: The content is another one.
            DSSError: Storage or service failed for good.
            Stopped: `stop` was set.
        """
        _Attempts(self, task, out, progress).run()


class _Attempts:
    """The state of one file's transfer."""

    def __init__(
        self, how: Transfer, task: FileTask, out: IO[bytes], progress: FileProgress
    ) -> None:
        self._how = how
        self._task = task
        self._out = out
        self._progress = progress
        self._policy = RetryPolicy(
            initial_delay=how.min_delay_seconds, max_delay=_MAX_DELAY, max_retry_after=_MAX_DELAY
        )
        self._budget = how.num_retries
        self._failures = 0
        self._credit = 0
        self._started_over = False
        self._url: str | None = None
        self._written = 0
        self._digest = hashlib.sha256()

    def run(self) -> None:
        # Nothing is asked for when the connection broke after the last byte.
        while self._written < self._task.size or not self._is_good():
            # Outside the try: the client has retried its own requests already.
            url = self._url = self._url or self._locate()
            try:
                self._read(url)
            except Forbidden as error:
                self._url = None  # expired
                self._wait_after(error)
            except RangeNotSatisfiable as error:
                self._start_over(self._wrong_range("nothing", error))
            except WrongRange as error:
                self._start_over(error)
            except DSSResponseError as error:
                if error.status_code != 429 and error.status_code < 500:
                    raise
                self._wait_after(error, error.response.headers.get("retry-after"))
            except (DSSConnectionError, DSSTimeout, ShortBody) as error:
                self._wait_after(error)

    def _locate(self) -> str:
        task = self._task
        return self._how.source.locate(
            uuid=task.uuid or "", version=task.version, replica=self._how.replica
        )

    def _read(self, url: str) -> None:
        self._progress.tries += 1
        with self._how.source.open(url, offset=self._written) as content:
            self._align(content)
            for chunk in content.iter_bytes(_CHUNK):
                if self._how.stop.is_set():
                    raise Stopped
                self._write(chunk)
        if self._written < self._task.size:
            raise ShortBody(
                self._task.name,
                f"the content ended after {self._written} of {self._task.size} bytes",
            )

    def _align(self, content: Content) -> None:
        """Make sure that what comes next belongs where writing has come to (C4)."""
        size = self._task.size
        if content.status_code == 206:
            given = content.headers.get("content-range", "no Content-Range")
            match = _CONTENT_RANGE.fullmatch(given)
            if match is None or int(match[1]) != self._written:
                raise self._wrong_range(given)
            if match[3] not in {"*", str(size)}:
                raise self._wrong_size(int(match[3]))
            return
        # The range was ignored: this is the content from its first byte on.
        self._reset()
        length = content.headers.get("content-length", "")
        if length.isdigit() and int(length) > size:
            raise self._wrong_size(int(length))

    def _write(self, chunk: bytes) -> None:
        if self._written + len(chunk) > self._task.size:
            raise self._wrong_size(None)
        self._out.write(chunk)
        self._digest.update(chunk)
        self._written += len(chunk)
        self._progress.advance_to(self._written)
        self._credit += len(chunk)
        mibs, self._credit = divmod(self._credit, _MIB)
        self._budget = min(self._how.num_retries, self._budget + mibs)
        self._failures = max(0, self._failures - mibs)

    def _is_good(self) -> bool:
        actual = self._digest.hexdigest()
        if actual == self._task.sha256:
            return True
        self._start_over(ChecksumMismatch(self._task.name, self._task.sha256, actual))
        return False

    def _start_over(self, error: DSSError) -> None:
        """Begin again from the first byte, but only once."""
        if self._started_over:
            raise error
        self._started_over = True
        self._url = None
        self._reset()

    def _reset(self) -> None:
        self._out.seek(0)
        self._out.truncate()
        self._written = 0
        self._digest = hashlib.sha256()

    def _wait_after(self, error: DSSError, retry_after: str | None = None) -> None:
        self._budget -= 1
        if self._budget < 0:
            raise error
        self._failures += 1
        delay = self._policy.delay(self._failures, parse_retry_after(retry_after))
        if self._how.stop.wait(delay):
            raise Stopped

    def _wrong_range(self, given: str, cause: Exception | None = None) -> WrongRange:
        return WrongRange(
            self._task.name,
            f"asked storage for the content from byte {self._written} of {self._task.size} on,"
            f" and was given {given!r}",
            cause=cause,
        )

    def _wrong_size(self, actual: int | None) -> SizeMismatch:
        return SizeMismatch(self._task.name, self._task.size, actual)
