"""Keeps a notification from being processed twice.

A notification that was verified is *claimed*. Once it was processed the claim is *confirmed*, and
the notification is refused from then on; if processing fails the claim is *released*, so that the
service's next attempt is taken.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, Protocol

from attrs import define

from .errors import ReplayGuardFull
from .notification import Notification

__all__ = ["Claim", "MemoryReplayGuard", "ReplayGuard", "processing"]

Claim = Literal["new", "running", "done"]
"""The result of a claim: it was made, or is held by someone else, or was confirmed before."""


class ReplayGuard(Protocol):
    """Remembers notifications by their transaction ids. Its methods are called by any thread.

    Processes that share the work need a guard in a database that they share: `claim` has to be one
    atomic step there, such as ``SET key running NX EXAT until`` of Redis.
    """

    def claim(self, transaction_id: str, *, now: float, until: float) -> Claim:
        """Claim a notification, unless it was claimed or confirmed already.

        Args:
            transaction_id: Its id.
            now: The time, in seconds since 1970.
            until: When it can be forgotten: from then its date is too old.

        Raises:
            ReplayGuardFull: There is no room to remember it.
        """
        ...

    def confirm(self, transaction_id: str) -> None:
        """Record that a notification was processed. Doing so twice does no harm."""
        ...

    def release(self, transaction_id: str) -> None:
        """Forget a claim that is not confirmed, so that the notification is accepted again."""
        ...


@define
class _Entry:
    until: float
    done: bool = False


class MemoryReplayGuard:
    """A guard in the memory of one process, for all its threads.

    Args:
        capacity: How many notifications it remembers, about 200 bytes each. When it is full of
            ones that could still be replayed, new ones are refused: the service sends them later.
    """

    def __init__(self, capacity: int = 100_000) -> None:
        self._capacity = capacity
        self._entries: dict[str, _Entry] = {}  # in the order of their claims
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def claim(self, transaction_id: str, *, now: float, until: float) -> Claim:
        """Claim a notification, unless it was claimed or confirmed already.

        Args:
            transaction_id: Its id.
            now: The time, in seconds since 1970.
            until: When it can be forgotten.

        Raises:
            ReplayGuardFull: There is no room to remember it.
        """
        with self._lock:
            self._forget_first(now)
            entry = self._entries.get(transaction_id)
            if entry is not None and entry.until >= now:
                return "done" if entry.done else "running"
            if len(self._entries) >= self._capacity:
                self._forget_all(now)
            if len(self._entries) >= self._capacity:
                raise ReplayGuardFull(f"{self._capacity:,} notifications are remembered already")
            self._entries[transaction_id] = _Entry(until)
            return "new"

    def confirm(self, transaction_id: str) -> None:
        """Record that a notification was processed."""
        with self._lock:
            entry = self._entries.get(transaction_id)
            if entry is not None:
                entry.done = True

    def release(self, transaction_id: str) -> None:
        """Forget a claim that is not confirmed."""
        with self._lock:
            entry = self._entries.get(transaction_id)
            if entry is not None and not entry.done:
                del self._entries[transaction_id]

    def _forget_first(self, now: float) -> None:
        """Forget expired claims at the front, where the oldest are."""
        while self._entries:
            first = next(iter(self._entries))
            if self._entries[first].until >= now:
                return
            del self._entries[first]

    def _forget_all(self, now: float) -> None:
        self._entries = {key: each for key, each in self._entries.items() if each.until >= now}


@contextmanager
def processing(notification: Notification, guard: ReplayGuard) -> Generator[Notification]:
    """Confirm a notification that `verify` has claimed, or release it if the block raises.

    It is for ``with`` in plain and in asynchronous functions: a guard does not wait for anything.

    Args:
        notification: What `verify` returned.
        guard: The guard that it was given.
    """
    try:
        yield notification
    except BaseException:
        guard.release(notification.transaction_id)
        raise
    guard.confirm(notification.transaction_id)
