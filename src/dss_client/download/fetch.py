"""The transfer of one content, with a decision for each fault.

All decisions are made in the engine's thread: go on, wait, ask for a new URL, start over once, go
by way of httpx, follow a redirect, or give up.
"""

import time

from dss_client._http import is_permanent
from dss_client._response import MAX_REDIRECTS, StorageRedirect
from dss_client._retry import parse_retry_after
from dss_client.errors import (
    DSSConnectionError,
    DSSResponseError,
    DSSTimeout,
    Forbidden,
    RangeNotSatisfiable,
)
from dss_client.transfer.cancel import Stopped
from dss_client.transfer.errors import FileDownloadError
from dss_client.transfer.progress import FileProgress

from .attempts import Attempt, Content, PartAttempt, TransferContext, WholeAttempt
from .checks import short_content
from .errors import ChecksumMismatch, ShortBody, SizeMismatch, WrongRange, lacks_descriptors
from .http1 import BLOCK, ParsedURL
from .partial import Overtaken, Partial
from .report import FileReport
from .task import FileTask
from .urls import BundleUrls

__all__ = ["Fetch"]

_MIB = 1 << 20
_MAX_ATTEMPTS = 8  # at once for one content: what limits a single connection is met by then
_WORTH_SHARING = 2.0  # seconds that one connection would still need
_SHORTAGE = 0.2  # seconds to wait where there are no more descriptors
_MAX_SHORTAGES = 300
_MAX_REFUSALS = 3  # of new URLs, before storage is taken at its word


class Fetch(Content):
    """The transfer of one content into the store.

    Args:
        task: What is wanted.
        urls: Gives its URL.
        context: How to fetch it.
        progress: Is told of each step.

    Attributes:
        urls: Gives its URL.
        waiting: Further files that want the same content.
        active: Attempts that are under way.
        ready_at: When the next attempt is due, by the monotonic clock.
        is_busy: Whether a thread of the disk's pool is at work on it.
        error: Why it failed for good.
        report: The result, when it is in place.
    """

    tries: int
    seconds: float

    def __init__(
        self, task: FileTask, urls: BundleUrls, context: TransferContext, progress: FileProgress
    ) -> None:
        super().__init__(task, context, progress)
        self.urls = urls
        self.waiting: list[tuple[FileTask, BundleUrls]] = []
        self.active: set[Attempt] = set()
        self.ready_at: float = 0.0
        self.is_busy = False
        self.error: Exception | None = None
        self.report: FileReport | None = None
        self._redirect: str | None = None
        self._redirects = 0
        self._shortages = 0
        self._begun = 0.0, 0  # when an attempt was begun alone, and the bytes there were then
        self._budget = context.num_retries
        self._failures = 0
        self._best = 0  # most bytes that were ever there
        self._renewed_at = -1  # bytes that were there when the URL was renewed
        self._renewals = 0
        self._refusals = 0  # of URLs that were new
        self._must_restart = False

    @property
    def is_small(self) -> bool:
        """Whether it is taken as a whole."""
        return self.task.size <= BLOCK

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing more to do for it but to report it."""
        is_over = self.error is not None or self.report is not None
        return is_over and not self.active and not self.is_busy

    @property
    def can_be_shared(self) -> bool:
        """Whether one more attempt at once would help."""
        return (
            self.partial is not None
            and self.error is None
            and not (self._must_restart or self.ignores_ranges)
            and 0 < len(self.active) < _MAX_ATTEMPTS
            and (len(self.active) > 1 or self._takes_long)
            and self.partial.writers == len(self.active)  # none has just ended
            and time.monotonic() >= self.ready_at
            and self.partial.has_work
        )

    @property
    def _takes_long(self) -> bool:
        """Whether one connection would need so long that another one pays.

        It has to be opened, what it brings is read again to be hashed, and the first one is closed
        where it comes to that.
        """
        since, there = self._begun
        gained = self._bytes_done - there
        return gained <= 0 or (
            self.bytes_missing * (time.monotonic() - since) > _WORTH_SHARING * gained
        )

    @property
    def url(self) -> str | None:
        """Where the content is, as far as that is known."""
        return self._redirect or self.urls.get(self.task)

    def attempt(self, url: str) -> Attempt | None:
        """Return the next request to be made; None if there is nothing to ask for now."""
        made: Attempt
        if self.is_small:
            made = WholeAttempt(self, url)
        else:
            if self.partial is None:
                self.partial = self._new_partial()
            alone = not self.active
            if alone:
                self._begun = time.monotonic(), self._bytes_done
            writer = self.partial.claim()
            if writer is None:
                return None
            made = PartAttempt(self, url, self.partial, writer, alone=alone)
        self.tries += 1
        made.renewals = self._renewals
        self.active.add(made)
        return made

    def _new_partial(self) -> Partial:
        """Return a partial file for the content, not made yet."""
        context = self.context
        return Partial(context.store, self.task.sha256, self.task.size, context.part_size)

    @property
    def bytes_missing(self) -> int:
        """Bytes that are still to be written."""
        return self.task.size - self._bytes_done

    @property
    def _bytes_done(self) -> int:
        return 0 if self.partial is None else self.partial.bytes_done

    def origin(self, url: str) -> tuple[str, str, int]:
        """Return whose requests are counted together.

        Raises:
            DSSError: It is not a URL of http or https.
        """
        return ParsedURL.of(url).origin

    # In a thread of the disk's pool

    @property
    def can_be_resumed(self) -> bool:
        """Whether earlier runs have left some of it."""
        left = self.context.leftovers.get(self.task.sha256)
        return not self.is_small and self.partial is None and bool(left)

    def resume(self) -> None:
        """Take up what earlier runs have left.

        Raises:
            Stopped: The download was stopped.
        """
        read = 0

        def tick(count: int) -> None:
            nonlocal read
            self.context.check_stop()
            self.progress.advance(count)
            read += count

        partial = self._new_partial()
        partial.resume(self.context.leftovers.pop(self.task.sha256), tick)
        self.progress.advance(partial.bytes_done - read)
        self.partial = partial
        self._best = partial.bytes_done

    @property
    def can_catch_up(self) -> bool:
        """Whether something that was written further on can be hashed now."""
        return self.partial is not None and not self.is_busy and self.partial.can_catch_up

    def catch_up(self) -> None:
        """Hash what was written further on."""
        if self.partial is not None:
            self.partial.catch_up(self.context.check_stop)

    def complete(self) -> None:
        """Publish the content, which is whole."""
        if self.partial is not None:
            self.report = self.publish(self.partial)

    # In the engine's thread

    def ended(self, attempt: Attempt) -> None:
        """Take note that an attempt has ended, and decide what its fault means."""
        self.active.discard(attempt)
        self.seconds += attempt.seconds
        self._count_progress()
        if attempt.report is not None:
            self.report = attempt.report
        elif attempt.needs_httpx:
            self.needs_httpx = True
            self.tries -= 1
        elif attempt.error is not None:
            is_old = attempt.renewals < self._renewals  # another attempt was refused like it
            if not (is_old and isinstance(attempt.error, Forbidden)):
                self.decide(attempt.error, attempt.url)
        self.restart_if_needed()

    def restart_if_needed(self) -> None:
        """Begin again from the first byte, if that was decided and nobody is at work."""
        if not self._must_restart or self.active or self.is_busy or self.error is not None:
            return
        self._must_restart = False
        if self.partial is not None:
            self.progress.advance(-self.partial.bytes_done)
            self.partial.start_over()

    def _count_progress(self) -> None:
        """Let new ground refill the budget; bytes that came a second time do not."""
        gain = max(0, self._bytes_done - self._best) // _MIB
        if gain:
            self._best += gain * _MIB
            self._budget = min(self.context.num_retries, self._budget + gain)
            self._failures = max(0, self._failures - gain)

    def decide(self, error: Exception, url: str) -> None:
        """Decide how to go on after a fault.

        Args:
            error: The fault.
            url: What was asked for.
        """
        if isinstance(error, Stopped | Overtaken):
            return  # the last of those at work gets the content from its start
        if isinstance(error, RangeNotSatisfiable | WrongRange | ChecksumMismatch):
            self._begin_again(short_content(self.task, error))
            return
        if lacks_descriptors(error):
            self._wait_for_descriptor(error)
            return
        if self._redirect not in {None, url} and isinstance(error, DSSResponseError):
            return  # it was asked for before the redirect was known
        if isinstance(error, Forbidden):
            self._redirect = None
            self._redirects = 0
            self.urls.renew(self.task, url)
            self._renewals += 1
            if self._renewed_at < self._best or self._renewed_at < 0:
                self._renewed_at = self._best
                self._refusals = 0
                return  # the time of a URL is no fault of the storage
            self._refusals += 1
            if self._refusals == _MAX_REFUSALS:
                self.fail(error)
                return
        elif isinstance(error, StorageRedirect) and self._redirects < MAX_REDIRECTS:
            self._redirects += 1
            self._redirect = error.target
            return
        self._wait_or_fail(error)

    def _wait_for_descriptor(self, error: Exception) -> None:
        self.ready_at = time.monotonic() + _SHORTAGE
        self._shortages += 1
        if self._shortages > _MAX_SHORTAGES:
            reason = f"{error}, and none is closed: raise the limit (ulimit -n)"
            self.fail(FileDownloadError(self.task.name, reason, cause=error))

    def _wait_or_fail(self, error: Exception) -> None:
        cause = error.__cause__
        is_passing = isinstance(error, DSSConnectionError | DSSTimeout | ShortBody | Forbidden) or (
            isinstance(error, DSSResponseError)
            and (error.status_code == 429 or error.status_code >= 500)
        )
        self._budget -= 1
        if (
            not is_passing
            or self._budget < 0
            or (isinstance(cause, Exception) and is_permanent(cause))
        ):
            self.fail(error)
            return
        self._failures += 1
        retry_after: str | None = None
        if isinstance(error, DSSResponseError):
            retry_after = error.response.headers.get("retry-after")
        delay = self.context.policy.delay(self._failures, parse_retry_after(retry_after))
        self.ready_at = max(self.ready_at, time.monotonic() + delay)

    def _begin_again(self, error: Exception) -> None:
        """Begin again from the first byte, but only once."""
        if self._must_restart:
            return
        self._budget -= 1
        if self.has_started_over or self._budget < 0:
            self.fail(error)
            return
        self.has_started_over = self._must_restart = True
        self._redirect = None
        self.urls.renew(self.task, "")

    def fail(self, error: Exception) -> None:
        """Give up."""
        if self.error is None:
            self.error = error
        self.has_failed = True

    def leave(self) -> None:
        """Leave what is there to a later run, unless it is bad."""
        partial = self.partial
        if partial is None or self.report is not None:
            return
        if self.is_busy or not all(attempt.has_ended for attempt in self.active):
            return  # a thread that hangs may still write to it
        self.partial = None
        if isinstance(self.error, ChecksumMismatch | SizeMismatch):
            partial.discard()
        else:
            partial.suspend()
