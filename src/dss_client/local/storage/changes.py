"""Tells the parts of the service that an object was stored in a main bucket."""

import threading
from collections.abc import Callable

from attrs import frozen

from .store import Replica

Listener = Callable[["Stored"], None]


@frozen
class Stored:
    """An object that was just written, and is on disk."""

    replica: Replica
    key: str


class Changes:
    """Writes objects to main buckets, and calls the listeners in their order.

    The search index, the events, the subscriptions and the replication live from it. A listener
    runs in the thread of the request that wrote, so what takes its time belongs in a thread of the
    listener's own.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def listen(self, listener: Listener) -> None:
        """Call `listener` after each object stored from now on."""
        with self._lock:
            self._listeners.append(listener)

    def store(self, replica: Replica, key: str, content: bytes) -> None:
        """Write an object to a replica's main bucket, and tell."""
        replica.main.put(key, content)
        self.tell(Stored(replica, key))

    def store_new(self, replica: Replica, key: str, content: bytes) -> bytes | None:
        """Write an object unless there is one, and tell.

        Returns:
            The content that is there instead, and was left alone; None when it was written.
        """
        with self._writing:
            there = replica.main.get(key)
            if there is not None:
                return there
            replica.main.put(key, content)
        self.tell(Stored(replica, key))
        return None

    def tell(self, stored: Stored) -> None:
        """Tell of an object that was written otherwise."""
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(stored)
