"""The threads that carry contents: each an event loop with its connections.

A loop gets requests whose URL is known, and reports what came of them in batches. It decides
nothing: that is the engine's.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import cycle
from typing import Any

from attrs import define, field

from dss_client._threads import no_thread

from .attempts import Attempt
from .errors import lacks_descriptors
from .http1 import ClosedByServer, Connection, UnsupportedResponse
from .source import DirectAccess

__all__ = ["LoopPool"]

_FEW = 8  # connections to an origin, as long as something comes all the time
_MORE = 4  # times as many, where nothing came for a while
_QUIET = 0.01  # seconds
_BURST = 16  # connections that are opened at once
_BATCH = 64  # results that are reported together
_SOON = 0.02  # seconds after which a result is reported at the latest
_LOOK = 0.25  # seconds between two looks for connections that stall
_GRACE = 5.0  # seconds that a thread gets to end

Origin = tuple[str, str, int]
_Connection = Connection[Attempt]


@define(eq=False)
class _ConnectionPool:
    """The connections to one origin, and the requests that wait for one."""

    todo: deque[Attempt] = field(factory=deque[Attempt])
    idle: list[_Connection] = field(factory=list[_Connection])
    open: int = 0
    opening: int = 0
    most: int = 1  # until the first answer shows what they look like
    is_full: bool = False  # more could not be opened
    heard: int = 0  # answers
    needs_httpx: bool = False  # its answers are framed in a way that is not read here
    is_watched: bool = False

    def adapt(self, error: Exception | None) -> None:
        """Open no more, and close half of them where this process has no descriptor left."""
        if self.open <= self.most:  # else some are to be closed already
            self.most = max(1, self.open // 2 if lacks_descriptors(error) else self.open)
        self.is_full = True


class LoopPool:
    """A few loops. The engine's thread hands out requests.

    Args:
        connections: The most connections to one origin, of each loop.
        direct: How connections are made.
        wait: Runs a function that may wait for the disk in another thread.
        report: Called with the attempts that have ended, in a loop's thread.
        crashed: Called with an unexpected exception.
    """

    def __init__(
        self,
        connections: Sequence[int],
        direct: DirectAccess,
        *,
        wait: Callable[[Callable[[], object]], object],
        report: Callable[[Sequence[Attempt]], object],
        crashed: Callable[[BaseException], object],
    ) -> None:
        self._make = partial(_Loop, direct=direct, wait=wait, report=report, crashed=crashed)
        self._connections = connections
        self._turns = cycle(range(len(connections)))
        self._loops: list[_Loop] = []

    def send(self, small: Sequence[Attempt], large: Sequence[Attempt] = ()) -> None:
        """Carry out requests: small ones in one loop, large ones in turn.

        Small answers need the interpreter more than the processor, so that more threads would only
        compete for it.
        """
        if small:
            self._loop(0).add(small)
        for attempt in large:
            self._loop(next(self._turns)).add([attempt])

    def _loop(self, number: int) -> "_Loop":
        """Return one of the loops, started when it is first used."""
        if len(self._loops) <= number:
            try:
                self._loops.append(self._start())
            except RuntimeError as error:
                if not self._loops:
                    raise no_thread(error) from error
        return self._loops[min(number, len(self._loops) - 1)]

    def _start(self) -> "_Loop":
        loop = self._make(self._connections[len(self._loops)])
        loop.start()
        return loop

    def end(self) -> None:
        """Close all connections; what is under way ends with an error."""
        for loop in self._loops:
            loop.stop()
        for loop in self._loops:
            loop.join(_GRACE)
        self._loops.clear()  # an error may keep this, and their buffers are large


class _Loop:
    def __init__(
        self,
        connections: int,
        *,
        direct: DirectAccess,
        wait: Callable[[Callable[[], object]], object],
        report: Callable[[Sequence[Attempt]], object],
        crashed: Callable[[BaseException], object],
    ) -> None:
        self._thread = threading.Thread(target=self._run, name="dss-loop", daemon=True)
        self._limit = connections
        self._timeout = direct.timeout
        self._tls = direct.tls
        self._wait = wait
        self._report = report
        self._crashed = crashed
        self._loop = _new_loop()
        self._ended: asyncio.Event | None = None
        self._pools: dict[Origin, _ConnectionPool] = {}
        self._connections: set[_Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._results: list[Attempt] = []
        self._is_stopped = False

    # Called by the engine's thread

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: There can be no more.
        """
        try:
            self._thread.start()
        except RuntimeError:
            self._loop.close()
            raise

    def add(self, attempts: Sequence[Attempt]) -> None:
        """Carry out requests."""
        with suppress(RuntimeError):  # the loop has ended, and said why
            self._loop.call_soon_threadsafe(self._add, attempts)

    def stop(self) -> None:
        """End soon."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop)

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread."""
        self._thread.join(seconds)

    # In the loop's thread

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._main())
        except BaseException as error:  # noqa: BLE001 - raised again by the engine
            self._crashed(error)

    async def _main(self) -> None:
        self._loop.set_exception_handler(self._failed)
        self._ended = asyncio.Event()
        try:
            while not self._is_stopped:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), _LOOK)
                self._look_for_stalls()
        finally:
            self._close()

    def _failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take an exception that no part of this module has handled."""
        error = context.get("exception")
        if isinstance(error, BaseException) and not isinstance(error, OSError):
            self._crashed(error)

    def _stop(self) -> None:
        self._is_stopped = True
        if self._ended is not None:
            self._ended.set()

    def _close(self) -> None:
        """Close all connections; what is under way ends with an error."""
        self._is_stopped = True
        for task in self._opening:
            task.cancel()
        stopped = ConnectionAbortedError("the download was stopped")
        for connection in list(self._connections):
            if connection.receiver is None:
                connection.close()
            else:
                connection.fail(stopped)
        self._flush()

    def _add(self, attempts: Sequence[Attempt]) -> None:
        if self._is_stopped:
            return
        origins: set[Origin] = set()
        for attempt in attempts:
            origin = attempt.address.origin
            self._pools.setdefault(origin, _ConnectionPool()).todo.append(attempt)
            origins.add(origin)
        for origin in origins:
            self._go_on(origin)

    def _go_on(self, origin: Origin) -> None:
        """Give requests to connections, and open more where that helps."""
        if self._is_stopped:
            return
        pool = self._pools[origin]
        while pool.todo and pool.needs_httpx:
            self._finish(pool.todo.popleft(), UnsupportedResponse(), 0.0)
        while pool.todo and pool.idle:
            pool.idle.pop().ask(pool.todo.popleft())
        most = min(pool.most, self._limit)
        more = min(len(pool.todo) - pool.opening, most - pool.open - pool.opening, _BURST)
        for _ in range(more):
            pool.opening += 1
            task = self._loop.create_task(self._open(origin, pool))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        if pool.todo and not (pool.is_watched or pool.is_full) and most < self._limit:
            pool.is_watched = True
            self._loop.call_later(_QUIET, self._look_for_quiet, origin, pool.heard)

    def _look_for_quiet(self, origin: Origin, heard: int) -> None:
        """Allow more connections if all of them only wait."""
        pool = self._pools[origin]
        pool.is_watched = False
        if pool.open and not (pool.opening or pool.is_full) and pool.heard == heard:
            pool.most *= _MORE
        self._go_on(origin)

    async def _open(self, origin: Origin, pool: _ConnectionPool) -> None:
        scheme, host, port = origin
        try:
            async with asyncio.timeout(self._timeout.connect):
                _, connection = await self._loop.create_connection(
                    lambda: _Connection(origin, self._answered, self._lost),
                    host,
                    port,
                    ssl=self._tls() if scheme == "https" else None,
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said of a file
            pool.opening -= 1
            if pool.open:
                pool.adapt(error)
            elif pool.todo:
                self._finish(pool.todo.popleft(), error, 0.0)
            self._go_on(origin)
            return
        pool.opening -= 1
        pool.open += 1
        self._connections.add(connection)
        pool.idle.append(connection)
        self._go_on(origin)

    def _answered(self, connection: _Connection, attempt: Attempt, error: Exception | None) -> None:
        """Take the end of a request."""
        pool = self._pools[connection.origin]
        seconds = time.monotonic() - connection.asked_at
        if not connection.is_open:
            self._drop(connection)
        if isinstance(error, ClosedByServer):
            pool.todo.appendleft(attempt)
            self._go_on(connection.origin)
            return
        pool.needs_httpx |= isinstance(error, UnsupportedResponse)
        pool.heard += 1
        pool.most = pool.most if pool.is_full else max(pool.most, _FEW)
        if error is None and attempt.is_slow_to_end:
            # The content is in the connection's buffer: it waits, too.
            self._wait(lambda: self._end_elsewhere(connection, attempt, seconds))
            return
        self._finish(attempt, error, seconds)
        self._free(connection)

    def _end_elsewhere(self, connection: _Connection, attempt: Attempt, seconds: float) -> None:
        """Do what waits for the disk, in another thread."""
        attempt.end(None, seconds)

        def go_on() -> None:
            self._add_result(attempt)
            self._free(connection)

        with suppress(RuntimeError):  # the loop has ended: the download was stopped
            self._loop.call_soon_threadsafe(go_on)

    def _free(self, connection: _Connection) -> None:
        """Let a connection be used for the next request."""
        pool = self._pools[connection.origin]
        if connection.is_open and pool.open > pool.most:
            connection.close()
            self._drop(connection)
        elif connection.is_open:
            pool.idle.append(connection)
        self._go_on(connection.origin)

    def _lost(self, connection: _Connection) -> None:
        pool = self._pools[connection.origin]
        if connection in pool.idle:
            pool.idle.remove(connection)
        self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._pools[connection.origin].open -= 1

    def _look_for_stalls(self) -> None:
        limit = self._timeout.read
        if limit is None:
            return
        now = time.monotonic()
        for connection in list(self._connections):
            if connection.receiver is not None and now - connection.heard_at > limit:
                connection.fail(TimeoutError())

    # Results

    def _finish(self, attempt: Attempt, error: Exception | None, seconds: float) -> None:
        attempt.end(error, seconds)
        if attempt.error is not None and lacks_descriptors(attempt.error):
            self._pools[attempt.address.origin].adapt(attempt.error)
        self._add_result(attempt)

    def _add_result(self, attempt: Attempt) -> None:
        if not self._results:
            busy = bool(self._pools[attempt.address.origin].todo)
            self._loop.call_later(_SOON if busy else 0, self._flush)
        self._results.append(attempt)
        if len(self._results) >= _BATCH or attempt.error is not None:
            self._flush()

    def _flush(self) -> None:
        results, self._results = self._results, []
        if results:
            self._report(results)


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's loop where that is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
