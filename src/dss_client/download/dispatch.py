"""Which content is asked for next, and by whom.

Small contents are asked for at once. Large ones wait for their turn: for each origin only so many
requests are under way, and one that has nothing else to do helps with a content that was begun.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from attrs import define, field

from dss_client.errors import DSSError

from .attempts import Attempt
from .fetch import Fetch
from .loops import LoopPool
from .pool import WorkerPool
from .slowpath import fetch_over_httpx
from .source import Source

__all__ = ["Dispatcher"]

_CONNECTIONS = 128  # of one loop to one origin
_LOOPS = (os.cpu_count() or 1) + 1
_SHORT_GRACE = 0.3  # seconds that threads get to end; they may wait for the network

Origin = tuple[str, str, int]


@define(eq=False)
class _Queue:
    """The large contents of one origin."""

    waiting: deque[Fetch] = field(factory=deque[Fetch])
    begun: dict[Fetch, None] = field(factory=dict[Fetch, None])
    active: int = 0  # requests under way


class Dispatcher:
    """Has contents fetched. Only the engine's thread uses it.

    Args:
        source: The client.
        large: Requests for large contents of one origin at once.
        threads: The most connections to one origin; None for as many as help.
        disk: Where loops leave what waits for the disk.
        go_on: Called with a content that needs something else than a request.
        report: Called, in any thread, with attempts that have ended.
        crashed: Called, in any thread, with an unexpected exception.
    """

    def __init__(
        self,
        source: Source,
        *,
        large: int,
        threads: int | None,
        disk: WorkerPool,
        go_on: Callable[[Fetch], object],
        report: Callable[[Sequence[Attempt]], object],
        crashed: Callable[[BaseException], object],
    ) -> None:
        self._source = source
        self._limit = large
        self._go_on = go_on
        self._report = report
        self._slow = WorkerPool("dss-slow", large)
        self._loops: LoopPool | None = None
        if source.direct is not None:
            self._loops = LoopPool(
                _shares(threads, min(large, _LOOPS)),
                source.direct,
                wait=disk.submit,
                report=report,
                crashed=crashed,
            )
        self._queues: dict[Origin, _Queue] = {}
        self._queue_of: dict[Attempt, _Queue] = {}
        self._changed: dict[_Queue, None] = {}
        self._small: list[Attempt] = []  # to be sent
        self._large: list[Attempt] = []

    def add(self, fetch: Fetch, url: str) -> None:
        """Have a content asked for, a large one when its turn comes.

        Raises:
            DSSError: It is not a URL of http or https.
        """
        if fetch.is_small:
            attempt = fetch.attempt(url)
            self._small += [] if attempt is None else [attempt]
            return
        queue = self._queues.setdefault(fetch.origin(url), _Queue())
        queue.waiting.append(fetch)
        self._changed[queue] = None

    def share(self, fetch: Fetch) -> None:
        """Let free connections help with a content that was begun."""
        url = fetch.url
        if url is not None and not fetch.is_small:
            queue = self._queues.get(fetch.origin(url))
            if queue is not None:
                self._changed[queue] = None

    def release(self, attempt: Attempt, fetch: Fetch) -> None:
        """Take note that an attempt has ended: something else can have its place."""
        queue = self._queue_of.pop(attempt, None)
        if queue is None:
            return
        queue.active -= 1
        if not fetch.active:
            queue.begun.pop(fetch, None)
        self._changed[queue] = None

    def send(self) -> None:
        """Send what was decided since the last time, and what has got a free place.

        All that waits is known by then, so that nobody helps where others could begin.
        """
        changed, self._changed = self._changed, {}
        for queue in changed:
            self._start(queue)
        small, self._small = self._carried_by_loops(self._small), []
        large, self._large = self._carried_by_loops(self._large), []
        if self._loops is not None and (small or large):
            self._loops.send(small, large)

    def _carried_by_loops(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Return what the loops can do, and have the rest done over httpx."""
        direct: list[Attempt] = []
        for attempt in attempts:
            if self._goes_slowly(attempt):
                self._slow.submit(partial(self._fetch_over_httpx, attempt))
            else:
                direct.append(attempt)
        return direct

    def end(self) -> None:
        """Close all connections; what is under way ends with an error."""
        if self._loops is not None:
            self._loops.end()
        self._slow.end(grace=_SHORT_GRACE)

    def _start(self, queue: _Queue) -> None:
        """Start requests for large contents, as many as there may be."""
        while queue.active < self._limit and queue.waiting:
            fetch = queue.waiting.popleft()
            if not self._begin(queue, fetch):
                self._go_on(fetch)
        for fetch in list(queue.begun):
            while queue.active < self._limit and fetch.can_be_shared:
                if not self._begin(queue, fetch):
                    break

    def _begin(self, queue: _Queue, fetch: Fetch) -> bool:
        url = fetch.url
        try:
            attempt = None if url is None else fetch.attempt(url)
        except DSSError as error:
            fetch.fail(error)
            return False
        if attempt is None:
            return False
        queue.begun[fetch] = None
        queue.active += 1
        self._queue_of[attempt] = queue
        self._large.append(attempt)
        return True

    def _goes_slowly(self, attempt: Attempt) -> bool:
        direct = self._source.direct
        return (
            direct is None
            or attempt.content.needs_httpx
            or attempt.address.has_login
            or not direct.leads_to(*attempt.address.origin)
        )

    def _fetch_over_httpx(self, attempt: Attempt) -> None:
        fetch_over_httpx(attempt, self._source)
        self._report([attempt])


def _shares(threads: int | None, loops: int) -> list[int]:
    """Return the most connections to one origin of each loop."""
    if threads is None:
        return [_CONNECTIONS] * loops
    each = threads // loops
    return [threads - each * (loops - 1), *[each] * (loops - 1)]
