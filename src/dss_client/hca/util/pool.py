"""A pool of threads, as scripts for `hca` use it; `concurrent.futures` has better ones."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import ParamSpec

from .._swagger_client import DEFAULT_THREAD_COUNT

__all__ = ["ThreadPool"]

P = ParamSpec("P")


class ThreadPool:
    """Threads that do tasks, one after another.

    Args:
        num_threads: How many threads.

    Attributes:
        thread_failure: The last exception that a task ended with, if any did.
    """

    def __init__(self, num_threads: int = DEFAULT_THREAD_COUNT) -> None:
        self.thread_failure: Exception | None = None
        self._executor = ThreadPoolExecutor(num_threads)
        self._tasks: set[Future[object]] = set()

    def add_task(self, func: Callable[P, object], *args: P.args, **kargs: P.kwargs) -> None:
        """Have `func` called in one of the threads."""
        task = self._executor.submit(func, *args, **kargs)
        self._tasks.add(task)
        task.add_done_callback(self._note)

    def _note(self, task: Future[object]) -> None:
        failure = task.exception()
        if isinstance(failure, Exception):
            self.thread_failure = failure

    def wait_for_completion(self) -> None:
        """Wait until all tasks are done."""
        while self._tasks:  # tasks may add others
            self._tasks -= wait(set(self._tasks)).done
