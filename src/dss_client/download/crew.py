"""The threads that transfer contents: one for each file, more if there are few files."""

import heapq
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import count

from dss_client.transfer.cancel import Stopped

from .fetch import Fetch
from .task import FileResult

__all__ = ["Crew"]

_BUFFER = 1 << 20
_MAX_WORKERS = 8  # for one file: what a single connection is limited by is met by then
_GRACE = 5.0  # seconds that threads get to end after an interrupt
_FIRST = (os.cpu_count() or 1) + 1  # threads that can be of use before any is known to wait


class Crew:
    """Threads that work on fetches until they are settled.

    The threads are daemons: one that hangs on a dead connection blocks neither Ctrl-C nor the end
    of the interpreter. More threads than processors only help where threads wait; else they compete
    for the interpreter. So there are few at first: see `grow`.

    Args:
        threads: The most threads; they are started as needed.
        report: Called with each result, in the thread that has it.
        crashed: Called with an unexpected exception; it ends the thread.
    """

    def __init__(
        self,
        threads: int,
        report: Callable[[FileResult], object],
        crashed: Callable[[BaseException], object],
    ) -> None:
        self._limit = threads
        self._allowed = min(_FIRST, threads)
        self._report = report
        self._crashed = crashed
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._ended = False
        self._waiting: deque[Fetch] = deque()
        self._delayed: list[tuple[float, int, Fetch]] = []
        self._active: list[Fetch] = []
        self._numbers = count()

    def add(self, fetch: Fetch) -> None:
        """Fetch a content."""
        with self._changed:
            self._put(fetch)

    def _put(self, fetch: Fetch) -> None:
        if fetch.ready_at > time.monotonic():
            heapq.heappush(self._delayed, (fetch.ready_at, next(self._numbers), fetch))
        else:
            self._waiting.append(fetch)
        self._wake()

    def _wake(self) -> None:
        if self._idle:
            self._changed.notify()
        elif len(self._threads) < self._allowed and not self._ended:
            name = f"dss-download-{len(self._threads)}"
            thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def grow(self) -> None:
        """Allow twice as many threads, up to the limit, where there is work for them."""
        with self._changed:
            if self._allowed == self._limit or len(self._threads) < self._allowed or self._idle:
                return
            self._allowed = min(2 * self._allowed, self._limit)
            for _ in range(self._allowed - len(self._threads)):
                self._wake()

    def share(self, fetch: Fetch) -> None:
        """Ask for another thread to help with a content that was begun, if that helps."""
        with self._changed:
            if not self._waiting and fetch.workers < _MAX_WORKERS and fetch.can_be_shared:
                self._wake()

    def end(self) -> None:
        """Let the threads end when they have nothing more to do now."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        deadline = time.monotonic() + _GRACE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        left = [*self._waiting, *(each for _, _, each in self._delayed)]
        if not any(thread.is_alive() for thread in self._threads):
            left += self._active  # of a thread that crashed
        for fetch in left:
            fetch.abandon()

    def _run(self) -> None:
        buffer = memoryview(bytearray(_BUFFER))
        try:
            while (fetch := self._take()) is not None:
                fetch.work(buffer, self.share)
                self._leave(fetch)
        except BaseException as error:  # noqa: BLE001 - raised again by the calling thread
            self._crashed(error)

    def _take(self) -> Fetch | None:
        """Wait for work and return it; None when there will be no more."""
        with self._changed:
            while True:
                if self._ended:
                    return None
                fetch = self._next()
                if fetch is not None:
                    fetch.workers += 1
                    if self._waiting:  # whoever was woken before may not have come yet
                        self._wake()
                    return fetch
                due = self._delayed[0][0] - time.monotonic() if self._delayed else None
                self._idle += 1
                try:
                    self._changed.wait(None if due is None else max(0.0, due))
                finally:
                    self._idle -= 1

    def _next(self) -> Fetch | None:
        now = time.monotonic()
        while self._delayed and self._delayed[0][0] <= now:
            self._waiting.append(heapq.heappop(self._delayed)[2])
        if self._waiting:
            fetch = self._waiting.popleft()
            self._active.append(fetch)
            return fetch
        for fetch in self._active:
            if not fetch.closed and 0 < fetch.workers < _MAX_WORKERS and fetch.can_be_shared:
                return fetch
        return None

    def _leave(self, fetch: Fetch) -> None:
        with self._changed:
            fetch.workers -= 1
            if fetch.workers:
                return
            fetch.closed = True
        try:
            result = fetch.settle()
        except Stopped:
            result = None
        else:
            if result is not None:
                self._report(result)
        with self._changed:
            self._active.remove(fetch)
            fetch.closed = False
            if result is None and not fetch.is_stopped:
                self._put(fetch)
