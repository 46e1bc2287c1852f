"""Threads that do short tasks. They hold up neither Ctrl-C nor the end of the interpreter."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["Threads"]


class Threads:
    """A few daemon threads with a queue of tasks.

    More threads than needed only compete for the interpreter. So there are few at first, and more
    when tasks have to wait: see `grow`.

    Args:
        name: What the threads are called.
        limit: How many there may be.
        first: How many are started without being asked for.
    """

    def __init__(self, name: str, limit: int, *, first: int) -> None:
        self._name = name
        self._limit = limit
        self._first = min(first, limit)
        self._tasks: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._started = 0
        self._ended = False

    @property
    def is_behind(self) -> bool:
        """Whether there are tasks that no thread has taken."""
        return not self._tasks.empty()

    def submit(self, task: Callable[[], object]) -> None:
        """Run a task. It must not raise."""
        self._tasks.put(task)
        if self._started < self._first:
            self.grow(1)

    def grow(self, more: int) -> None:
        """Start more threads, up to the limit."""
        with self._lock:
            for _ in range(min(more, self._limit - self._started)):
                if not self._ended:
                    name = f"{self._name}-{self._started}"
                    threading.Thread(target=self._run, name=name, daemon=True).start()
                    self._started += 1

    def end(self) -> None:
        """Let the threads end after what they are at; tasks that wait are dropped."""
        with self._lock:
            self._ended = True
            for _ in range(self._started):
                self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None and not self._ended:
            task()
