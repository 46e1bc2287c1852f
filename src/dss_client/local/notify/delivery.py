"""Sends notifications, and sends them again (docs/behaviour.md 11.4)."""

import asyncio
import functools
import json
import logging
import sqlite3
import ssl
import time
from collections import deque
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from attrs import field, frozen

from dss_client.types import JSONObject
from dss_client.versions import create_version

from ..settings import LocalSettings
from .subscription_store import Subscription, SubscriptionKind, Subscriptions
from .webhooks import webhook_request

_logger = logging.getLogger(__name__)

RETRY_DELAYS: dict[SubscriptionKind, tuple[float, ...]] = {
    # For as long as the original's queue keeps a message, three days.
    "jmespath": (900.0, *[21_600.0] * 11),
    "elasticsearch": (60.0, 600.0, 3600.0, 21_600.0, 60_540.0, *[86_400.0] * 6),
}
"""Seconds from one attempt to the next, where the settings name none."""
_MOST_AT_ONCE = 16
_MOST_RECORDED = 10_000
_TABLE = """
CREATE TABLE IF NOT EXISTS notifications (
    id INTEGER PRIMARY KEY,
    due REAL NOT NULL,
    attempt INTEGER NOT NULL,
    subscription TEXT NOT NULL,
    payload TEXT NOT NULL
)
"""


def _without_query(url: str) -> str:
    return repr(url.partition("?")[0])


@frozen
class Delivery:
    """One attempt to deliver a notification.

    Attributes:
        subscription: Uuid of the subscription.
        transaction_id: The payload's id; of the jmespath kind each attempt has its own.
        url: Where it went.
        attempt: 0 for the first one.
        status: The receiver's status; None when it gave none.
        error: Why there is no status; None when there is one.
        time: When the attempt ended, in seconds since 1970.
    """

    subscription: str
    transaction_id: str
    url: str = field(repr=_without_query)
    attempt: int
    status: int | None
    error: str | None
    time: float

    @property
    def ok(self) -> bool:
        """Whether the receiver took it; only a status 2xx says so."""
        return self.status is not None and 200 <= self.status < 300


class Deliveries:
    """Notifications on their way: a row of a file, and a task while the service runs, for each.

    Args:
        path: The file, made when it is first needed.
        subscriptions: Say where notifications go.
        settings: Say how long to wait.
    """

    def __init__(self, path: Path, subscriptions: Subscriptions, settings: LocalSettings) -> None:
        self._path = path
        self._subscriptions = subscriptions
        self._settings = settings
        self._recorded: deque[Delivery] = deque(maxlen=_MOST_RECORDED)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def recorded(self) -> list[Delivery]:
        """Return the latest attempts, oldest first."""
        return list(self._recorded)

    def add(self, subscription: Subscription, payload: JSONObject) -> None:
        """Queue a notification from any thread, to be sent at once or after the next start."""
        values = (time.time(), subscription.uuid, json.dumps(payload))
        with self._queue() as queue:
            added = "INSERT INTO notifications (due, attempt, subscription, payload)"
            number = queue.execute(f"{added} VALUES (?, 0, ?, ?)", values).lastrowid
        if self._loop is not None and number is not None:
            with suppress(RuntimeError):  # stopped just now
                self._loop.call_soon_threadsafe(self._begin, number)

    async def start(self, dss_api: str) -> None:
        """Send what is queued, from now on.

        Args:
            dss_api: Origin of the API, which notifications name.
        """
        self._dss_api = dss_api
        self._free = asyncio.Semaphore(_MOST_AT_ONCE)
        self._loop = asyncio.get_running_loop()
        try:
            for (number,) in self._rows("SELECT id FROM notifications ORDER BY due, id"):
                self._begin(number)
        except sqlite3.Error:
            _logger.exception("%s: what is queued is not delivered", self._path.name)

    async def stop(self) -> None:
        """Stop at once; what is on its way stays queued."""
        self._loop = None
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    async def clear(self) -> None:
        """Forget what is queued and what was recorded; nothing is added meanwhile."""
        loop = self._loop
        await self.stop()
        self._loop = loop
        self._rows("DELETE FROM notifications")
        self._recorded.clear()

    @contextmanager
    def _queue(self) -> Generator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            # No wait for the disk at each notification: a crash of the machine may lose the last.
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_TABLE)
            yield connection

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        if not self._path.exists():
            return []
        with self._queue() as queue:
            return queue.execute(statement, values).fetchall()

    def _begin(self, number: int) -> None:
        if self._loop is not None and number not in self._tasks:
            self._tasks[number] = asyncio.create_task(self._deliver(number))

    async def _deliver(self, number: int) -> None:
        try:
            await self._send(number)
        except Exception:
            _logger.exception("notification %s is dropped", number)
        finally:
            self._tasks.pop(number, None)
        self._rows("DELETE FROM notifications WHERE id = ?", number)

    async def _send(self, number: int) -> None:
        """Send a notification until it is taken, was tried often enough, or is not wanted."""
        columns = "subscription, payload, due, attempt"
        [row] = self._rows(f"SELECT {columns} FROM notifications WHERE id = ?", number)  # noqa: S608
        uuid, text = row[:2]
        due: float = row[2]
        attempt: int = row[3]
        while True:
            await asyncio.sleep(due - time.time())
            async with self._free:
                subscription = self._subscriptions.get(uuid)
                if subscription is None:
                    return
                delivery = await self._attempt(subscription, json.loads(text), attempt)
            self._recorded.append(delivery)
            delays = self._settings.retry_delays
            delays = RETRY_DELAYS[subscription.kind] if delays is None else delays
            if delivery.ok or attempt >= len(delays):
                return
            due, attempt = time.time() + delays[attempt], attempt + 1
            again = "UPDATE notifications SET due = ?, attempt = ? WHERE id = ?"
            self._rows(again, due, attempt, number)

    async def _attempt(
        self, subscription: Subscription, payload: JSONObject, attempt: int
    ) -> Delivery:
        if subscription.kind == "jmespath":
            payload |= self._each_time(payload["match"])
        limit = self._settings.delivery_timeout
        status, error = None, None
        try:
            request = webhook_request(subscription, payload, attempt, time.time())
            # No proxy: most receivers are on this machine.
            async with (
                asyncio.timeout(limit),
                httpx.AsyncClient(verify=_tls(), timeout=None, trust_env=False) as client,  # noqa: S113
            ):
                response = await client.send(request, stream=True)
                async for _ in response.aiter_raw():
                    pass  # a receiver may do more once its answer is taken whole
                status = response.status_code
        except TimeoutError:
            error = f"no answer within {limit:g} s"
        except Exception as caught:  # noqa: BLE001 - what others ask for fails in any way
            error = str(caught) or type(caught).__name__
        return Delivery(
            subscription=subscription.uuid,
            transaction_id=payload["transaction_id"],
            url=subscription.get("callback_url"),
            attempt=attempt,
            status=status,
            error=error,
            time=time.time(),
        )

    def _each_time(self, match: JSONObject) -> JSONObject:
        """Return what is new in each attempt of the jmespath kind (docs/behaviour.md 11.3)."""
        uuid, version = match["bundle_uuid"], match["bundle_version"]
        return {
            "transaction_id": str(uuid4()),
            "event_timestamp": create_version(),
            "dss_api": self._dss_api,
            "bundle_url": f"{self._dss_api}/v1/bundles/{uuid}?version={version}",
        }


@functools.cache
def _tls() -> ssl.SSLContext:
    """Return what https needs, which takes time to make."""
    return httpx.create_ssl_context(trust_env=False)
