"""Processes that share the work of a download, made and ended by it."""

import os
import signal
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from typing import Any, ParamSpec, TypeVar

__all__ = ["worker_processes"]

P = ParamSpec("P")
T = TypeVar("T")

_ENDED = 128 + signal.SIGTERM
_PATIENCE = 10  # seconds that a process has to end


class _Pool(ProcessPoolExecutor):
    """A pool whose processes end when they are told to, and keep what they have until then."""

    def __init__(self, count: int) -> None:
        # Spawned, since a fork takes along locks that threads hold.
        super().__init__(count, get_context("spawn"), initializer=_prepare)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Have a process call a function."""
        return super().submit(_call, fn, *args, **kwargs)


@contextmanager
def worker_processes(count: int) -> Generator[Executor]:
    """Yield a pool of processes; on an exception they are ended at once.

    Args:
        count: Number of processes.
    """
    others = set(active_children())
    pool = _Pool(count)
    try:
        yield pool
    except BaseException:
        children = set(active_children()) - others
        for child in children:
            child.terminate()
        for child in children:
            child.join(_PATIENCE)
            child.kill()
        raise
    finally:
        # Waits for the thread that manages them: at the end of Python it would be in the way.
        pool.shutdown(cancel_futures=True)


def _prepare() -> None:
    """Prepare a worker: it ends at SIGTERM, and when the process that started it is gone.

    Ctrl-C and the end of a terminal come to all processes: the parent tells its workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_watch_parent, name="dss-parent", daemon=True).start()


def _end(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: what follows is to be finished
    raise SystemExit(_ENDED)


def _watch_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        signal.raise_signal(signal.SIGTERM)


def _call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function in a worker, which must take up nothing more once it is told to end."""
    try:
        return function(*args, **kwargs)
    except SystemExit:
        os._exit(_ENDED)
