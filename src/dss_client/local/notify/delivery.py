"""Sends notifications, in a thread of its own (docs/behaviour.md 11.4)."""

import asyncio
import logging
import threading
import time
from collections import deque
from contextlib import suppress
from uuid import uuid4

import httpx
from attrs import field, frozen

from dss_client.types import JSONObject
from dss_client.versions import create_version

from ..settings import LocalSettings
from .delivery_queue import DeliveryQueue, Notification
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
    """Sends what is queued while it is started, and records every attempt."""

    def __init__(
        self, queue: DeliveryQueue, subscriptions: Subscriptions, settings: LocalSettings
    ) -> None:
        self._queue = queue
        self._subscriptions = subscriptions
        self._settings = settings
        self._recorded: deque[Delivery] = deque(maxlen=_MOST_RECORDED)
        self._sender: _Sender | None = None

    def add(self, subscription: Subscription, payload: JSONObject) -> None:
        """Queue a notification, to be sent at once or when this is started."""
        self._queue.add(subscription.uuid, payload, time.time())
        if self._sender is not None:
            self._sender.wake()

    def recorded(self) -> list[Delivery]:
        """Return the latest attempts, oldest first."""
        return list(self._recorded)

    def start(self, dss_api: str) -> None:
        """Start to send, with the address that receivers come back to."""
        self._sender = _Sender(self, dss_api)

    def stop(self) -> None:
        """Stop promptly; what is on its way then stays in the queue."""
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()
        self._queue.close()

    def clear(self) -> None:
        """Forget what is queued and what was recorded, while nothing is being sent."""
        self._queue.clear()
        self._recorded.clear()

    async def next(self, sending: set[int], wake: asyncio.Event) -> list[Notification]:
        """Wait for notifications that are due, and return as many as may be sent now."""
        while True:
            wake.clear()
            first = self._queue.first(_MOST_AT_ONCE + len(sending))
            waiting = [each for each in first if each.id not in sending]
            now, free = time.time(), _MOST_AT_ONCE - len(sending)
            due = [each for each in waiting if each.due <= now][:free]
            if due:
                return due
            until = waiting[0].due - now if waiting and free else None
            with suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), until)

    async def attempt(
        self, client: httpx.AsyncClient, notification: Notification, dss_api: str
    ) -> None:
        """Send a notification, unless its subscription is gone; queue it again if that fails."""
        subscription = self._subscriptions.get(notification.subscription)
        if subscription is None:
            self._queue.remove(notification)
            return
        payload = _completed(subscription, notification.payload, dss_api)
        status, error = await self._sent(client, subscription, payload, notification.attempt)
        delivery = Delivery(
            subscription=subscription.uuid,
            transaction_id=payload["transaction_id"],
            url=subscription.get("callback_url"),
            attempt=notification.attempt,
            status=status,
            error=error,
            time=time.time(),
        )
        delays = self._settings.retry_delays
        delays = RETRY_DELAYS[subscription.kind] if delays is None else delays
        if not delivery.ok and notification.attempt < len(delays):
            self._queue.again(notification, time.time() + delays[notification.attempt])
        else:
            self._queue.remove(notification)
        self._recorded.append(delivery)

    def drop(self, notification: Notification) -> None:
        """Remove a notification from the queue, sent or not."""
        self._queue.remove(notification)

    async def _sent(
        self,
        client: httpx.AsyncClient,
        subscription: Subscription,
        payload: JSONObject,
        attempt: int,
    ) -> tuple[int | None, str | None]:
        """Return the status of an answer, or why there was none."""
        limit = self._settings.delivery_timeout
        try:
            request = webhook_request(subscription, payload, attempt, time.time())
            async with asyncio.timeout(limit):
                response = await client.send(request, stream=True)
                try:
                    async for _ in response.aiter_raw():
                        pass  # a receiver may do more once its answer is taken whole
                finally:
                    await response.aclose()
        except TimeoutError:
            return None, f"no answer within {limit:g} s"
        except Exception as error:  # noqa: BLE001 - what others ask for fails in any way
            return None, str(error) or type(error).__name__
        return response.status_code, None


class _Sender:
    """The thread that sends, with an event loop so that a slow receiver keeps none waiting."""

    def __init__(self, deliveries: Deliveries, dss_api: str) -> None:
        self._deliveries = deliveries
        self._dss_api = dss_api
        self._loop = asyncio.new_event_loop()
        self._wake = asyncio.Event()
        self._sending: set[int] = set()
        self._task = self._loop.create_task(self._run())
        self._thread = threading.Thread(target=self._work, name="dss-local-delivery", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look at the queue again."""
        with suppress(RuntimeError):  # closed just now
            self._loop.call_soon_threadsafe(self._wake.set)

    def close(self) -> None:
        """End the thread, with everything it is sending."""
        with suppress(RuntimeError):  # closed since its queue failed
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def _work(self) -> None:
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        except Exception:
            _logger.exception("notifications are delivered no more")
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _run(self) -> None:
        # The client takes time to make, which a service without subscriptions need not wait for.
        # It uses no proxy: most receivers are on this machine.
        batch = await self._deliveries.next(self._sending, self._wake)
        async with (
            httpx.AsyncClient(timeout=None, trust_env=False) as client,  # noqa: S113 - limited above
            asyncio.TaskGroup() as group,
        ):
            while True:
                for notification in batch:
                    self._sending.add(notification.id)
                    group.create_task(self._attempt(client, notification))
                batch = await self._deliveries.next(self._sending, self._wake)

    async def _attempt(self, client: httpx.AsyncClient, notification: Notification) -> None:
        try:
            await self._deliveries.attempt(client, notification, self._dss_api)
        except Exception:
            _logger.exception("a notification of %s is dropped", notification.subscription)
            self._deliveries.drop(notification)
        finally:
            self._sending.discard(notification.id)
            self._wake.set()


def _completed(subscription: Subscription, payload: JSONObject, dss_api: str) -> JSONObject:
    """Return a payload with the parts that are new in each attempt of the jmespath kind.

    See docs/behaviour.md 11.3.
    """
    if subscription.kind == "elasticsearch":
        return payload
    uuid, version = payload["match"]["bundle_uuid"], payload["match"]["bundle_version"]
    return {
        **payload,
        "transaction_id": str(uuid4()),
        "event_timestamp": create_version(),
        "dss_api": dss_api,
        "bundle_url": f"{dss_api}/v1/bundles/{uuid}?version={version}",
    }
