"""What the blocking client waits with; the twin of `asynchronous`."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, ParamSpec, TypeVar

from .._fork import need_process
from ..errors import InvalidArgument

__all__ = [
    "Bridge",
    "LoopGuard",
    "Prefetcher",
    "call_token_function",
    "run_blocking",
    "run_transfer",
    "sleep",
]

P = ParamSpec("P")
T = TypeVar("T")
ItemT = TypeVar("ItemT")

sleep = time.sleep


def run_blocking(function: Callable[..., T], *arguments: Any) -> T:
    """Run a function that blocks."""
    return function(*arguments)


def call_token_function(function: Callable[[], object]) -> str:
    """Return the token that a function of the user's gives.

    Raises:
        InvalidArgument: It gives something else, or has to be awaited.
    """
    value: object = function()
    if not isinstance(value, str):
        raise InvalidArgument(
            f"the token function returned {type(value).__name__}: expected str; a function that"
            " has to be awaited is for AsyncDSSClient"
        )
    return value


def run_transfer(function: Callable[[threading.Event], T]) -> T:
    """Run a download or an upload, and return its result.

    Args:
        function: The transfer; it is given an event that would tell it to stop.
    """
    return function(threading.Event())


class Bridge:
    """Lets the threads of an engine ask a blocking client: they can do so themselves."""

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the client."""
        return function(*args, **kwargs)

    def each(self, items: Iterator[T]) -> Iterator[T]:
        """Return what comes."""
        return items


class LoopGuard:
    """Knows that the connections of a blocking client belong to no event loop."""

    def has_moved(self) -> bool:
        """Return False."""
        return False

    def need_same(self) -> None:
        """Do nothing: any thread can use an HTTP client that was given."""


class Prefetcher(Generic[T]):
    """Asks for things ahead, and gives them back in order."""

    def __init__(self) -> None:
        self._asked: deque[Future[T]] = deque()
        self._pool = ThreadPoolExecutor(thread_name_prefix="dss-prefetch")
        self._process = os.getpid()

    def __len__(self) -> int:
        return len(self._asked)

    def start(self, function: Callable[[ItemT], T], item: ItemT) -> None:
        """Begin to ask for one more."""
        need_process(self._process)  # the threads are not in another one
        self._asked.append(self._pool.submit(function, item))

    def take(self) -> T:
        """Wait for the oldest."""
        need_process(self._process)
        return self._asked.popleft().result()

    def close(self) -> None:
        """Wait for what is under way to end, since it uses the client."""
        self._asked.clear()
        self._pool.shutdown(cancel_futures=True)
