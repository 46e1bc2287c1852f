"""What the asynchronous client waits with; the twin of `blocking`."""

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Generic, ParamSpec, TypeVar

from .._threads import no_thread
from ..errors import DSSError, InvalidArgument

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

sleep = asyncio.sleep


async def run_blocking(function: Callable[..., T], *arguments: Any) -> T:
    """Run a function that blocks, in a thread beside the event loop."""
    return await asyncio.to_thread(function, *arguments)


async def call_token_function(function: Callable[[], object]) -> str:
    """Return the token that a function of the user's gives, plain or awaited.

    Raises:
        InvalidArgument: It gives something else.
    """
    value: object = function()
    if inspect.isawaitable(value):
        value = await value
    if not isinstance(value, str):
        raise InvalidArgument(f"the token function returned {type(value).__name__}: expected str")
    return value


async def run_transfer(function: Callable[[threading.Event], T]) -> T:
    """Run a download or an upload in a thread of its own, and return its result.

    In a thread of the loop's own pool it could wait for ever: the loop looks up the addresses of
    hosts there, and when all of its threads wait for an answer, none is free to look.

    When the task is cancelled, the engine is told to stop and waited for: what it has of large
    files is kept for the next run.

    Args:
        function: The transfer; it is given the event that tells it to stop.

    Raises:
        DSSError: The system allows no further thread.
    """
    stop = threading.Event()
    own = ThreadPoolExecutor(1, thread_name_prefix="dss-transfer")
    context = copy_context()
    loop = asyncio.get_running_loop()
    try:
        work = loop.run_in_executor(own, lambda: context.run(function, stop))
    except RuntimeError as error:
        raise no_thread(error) from error
    own.shutdown(wait=False)  # takes nothing more, and ends when this is done
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([work])
        raise asyncio.CancelledError from work.exception()


class Bridge:
    """Lets the threads of an engine ask an asynchronous client; made in the client's loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def call(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Have the loop call a method of the client, and wait for its result."""
        return self._wait(function(*args, **kwargs))

    def each(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Yield what comes, one by one."""

        async def next_one() -> tuple[T, ...]:
            async for item in items:
                return (item,)
            return ()

        while found := self._wait(next_one()):
            yield found[0]

    def _wait(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()


class LoopGuard:
    """Knows the event loop that connections belong to."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def has_moved(self) -> bool:
        """Tell whether another loop runs now than the last time, whose connections are lost.

        Raises:
            DSSError: The other one still runs.
        """
        before, self._loop = self._loop, asyncio.get_running_loop()
        if before is None or before is self._loop:
            return False
        if before.is_running():
            self._loop = before
            raise DSSError(
                "the client is in use in another event loop that runs: make one for each loop"
            )
        return True

    def need_same(self) -> None:
        """Refuse another loop, for an HTTP client that was given and cannot be made anew.

        Raises:
            DSSError: Another loop runs now than the last time.
        """
        if self.has_moved():
            raise DSSError(
                "the HTTP client that was given belongs to an event loop that has ended: make both"
                " anew"
            )


class Prefetcher(Generic[T]):
    """Asks for things ahead, and gives them back in order."""

    def __init__(self) -> None:
        self._asked: deque[asyncio.Task[T]] = deque()

    def __len__(self) -> int:
        return len(self._asked)

    def start(self, function: Callable[[ItemT], Coroutine[Any, Any, T]], item: ItemT) -> None:
        """Begin to ask for one more."""
        self._asked.append(asyncio.create_task(function(item)))

    async def take(self) -> T:
        """Wait for the oldest."""
        return await self._asked.popleft()

    async def aclose(self) -> None:
        """Wait for what is under way to end, since it uses the client."""
        asked, self._asked = self._asked, deque()
        await asyncio.gather(*asked, return_exceptions=True)
