"""Notifications that wait to be sent, kept over a restart (docs/behaviour.md 11.4)."""

import json
import sqlite3
import threading
from pathlib import Path

from attrs import frozen

from dss_client.types import JSONObject

_TABLE = """
CREATE TABLE IF NOT EXISTS notifications (
    id INTEGER PRIMARY KEY,
    due REAL NOT NULL,
    attempt INTEGER NOT NULL,
    subscription TEXT NOT NULL,
    payload TEXT NOT NULL
)
"""


@frozen
class Notification:
    """A notification to send.

    Attributes:
        id: Its place in the queue.
        due: When to send it, in seconds since 1970.
        attempt: How many times it was sent before.
        subscription: Uuid of the subscription that it is for.
        payload: What to send; each attempt adds what is new each time.
    """

    id: int
    due: float
    attempt: int
    subscription: str
    payload: JSONObject


class DeliveryQueue:
    """A queue in an SQLite file, which is made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    def add(self, subscription: str, payload: JSONObject, due: float) -> None:
        """Put a new notification in."""
        with self._lock, self._connection() as connection:
            connection.execute(
                "INSERT INTO notifications (due, attempt, subscription, payload)"
                " VALUES (?, 0, ?, ?)",
                (due, subscription, json.dumps(payload)),
            )

    def first(self, limit: int) -> list[Notification]:
        """Return the notifications that are due first, whether already or not."""
        with self._lock:
            if self._opened is None and not self._path.exists():
                return []
            with self._connection() as connection:
                rows = connection.execute(
                    "SELECT id, due, attempt, subscription, payload FROM notifications"
                    " ORDER BY due, id LIMIT ?",
                    (limit,),
                ).fetchall()
        return [
            Notification(number, due, attempt, subscription, json.loads(payload))
            for number, due, attempt, subscription, payload in rows
        ]

    def again(self, notification: Notification, due: float) -> None:
        """Keep a notification that could not be sent, for another attempt."""
        with self._lock, self._connection() as connection:
            connection.execute(
                "UPDATE notifications SET due = ?, attempt = attempt + 1 WHERE id = ?",
                (due, notification.id),
            )

    def remove(self, notification: Notification) -> None:
        """Take a notification out."""
        with self._lock, self._connection() as connection:
            connection.execute("DELETE FROM notifications WHERE id = ?", (notification.id,))

    def clear(self) -> None:
        """Take all notifications out."""
        with self._lock:
            if self._opened is not None or self._path.exists():
                with self._connection() as connection:
                    connection.execute("DELETE FROM notifications")

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            # Used by one thread at a time, under the lock.
            self._opened = sqlite3.connect(self._path, check_same_thread=False)
            # No wait for the disk at each notification: a crash of the machine may lose the last.
            self._opened.execute("PRAGMA journal_mode = WAL")
            self._opened.execute("PRAGMA synchronous = NORMAL")
            self._opened.execute(_TABLE)
        return self._opened
