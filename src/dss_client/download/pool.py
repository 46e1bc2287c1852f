"""Threads for what has to wait: they hold up neither Ctrl-C nor the end of the interpreter."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import TypeVar

from dss_client._threads import no_thread
from dss_client.transfer.cancel import Stopped

__all__ = ["WorkerPool", "wait_for"]


T = TypeVar("T")

_STEP = 0.05  # seconds


class WorkerPool:
    """A few daemon threads with a queue of tasks; they are started as they are needed.

    Unlike those of `concurrent.futures.ThreadPoolExecutor`, a thread that hangs on a dead
    connection is left behind.

    Args:
        name: What the threads are called.
        limit: How many there may be.
    """

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._tasks: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._free = 0  # threads that wait, less the tasks that are meant for them
        self._ended = False

    def submit(self, task: Callable[[], object]) -> None:
        """Run a task. It must not raise.

        Raises:
            DSSError: The system allows no thread at all.
        """
        with self._lock:
            self._free -= 1
            if self._free < 0 and len(self._threads) < self._limit:
                self._start()
        self._tasks.put(task)

    def _start(self) -> None:
        thread = threading.Thread(
            target=self._run, name=f"{self._name}-{len(self._threads)}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            if not self._threads:
                raise no_thread(error) from error
            return
        self._threads.append(thread)
        self._free += 1

    def end(self, *, grace: float = 0.0) -> None:
        """Let the threads end after what they are at; tasks that wait are dropped.

        Args:
            grace: Seconds to wait for them, in all.
        """
        self._ended = True
        for _ in self._threads:
            self._tasks.put(None)
        deadline = time.monotonic() + grace
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None and not self._ended:
            task()
            with self._lock:
                self._free += 1


def wait_for(work: Callable[[], T], stop: threading.Event | None) -> T:
    """Return the result of something that may wait long, unless the download is stopped.

    Args:
        work: What is to be done, in a thread of its own.
        stop: Ends the wait, and leaves the thread behind.

    Raises:
        Stopped: `stop` was set.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised by who waits
            done.set_exception(error)

    pool = WorkerPool("dss-ask", 1)
    pool.submit(run)
    while not done.done():
        if stop is not None and stop.is_set():
            raise Stopped
        wait([done], timeout=_STEP)  # in short steps, since a signal just before does not end it
    pool.end()
    return done.result()
