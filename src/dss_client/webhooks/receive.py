"""The two functions that receivers call: from a request to a notification."""

import time
from collections.abc import Callable

from .body import read_body
from .errors import AlreadyProcessed, BodyTooLarge, DateOutOfWindow, StillProcessing
from .headers import HeaderFields, Headers
from .notification import Notification
from .replay import ReplayGuard
from .signature import Secrets, check_digest, check_signature, signed_date

__all__ = ["MAX_AGE", "MAX_BODY", "parse", "verify"]

MAX_AGE = 300.0
"""Seconds that the date of a request may differ from the receiver's clock."""

MAX_BODY = 1 << 20
"""Largest body, in bytes: attachments have at most 131,072."""


def verify(
    headers: Headers,
    body: bytes,
    *,
    secrets: Secrets,
    max_age: float = MAX_AGE,
    replay_guard: ReplayGuard | None = None,
    payload_form_field: str = "payload",
    max_body: int = MAX_BODY,
    clock: Callable[[], float] = time.time,
) -> Notification:
    """Prove that a request is from the service, and return the notification in it.

    The signature has to cover date and digest; the date has to be the present one, and the digest
    that of the body. The method and path of the request are not signed, so they prove nothing.

    With a `replay_guard` the notification is also *claimed*: report the result to the guard, with
    `processing` or its methods; else the service's next attempt is refused until `max_age` is over.

    Args:
        headers: The headers of the request, as a mapping or as pairs.
        body: Its body, as it came.
        secrets: The secret of the subscription (`hmac_secret_key`), or secrets by key id
            (`hmac_key_id`; ``hca-dss:<subscription id>`` if the subscription names none), or a
            function that returns the secret of a key id, or None.
        max_age: Seconds that its date may differ from the clock, to either side.
        replay_guard: Remembers what was processed; None to accept the same request repeatedly.
        payload_form_field: Name of the form field that holds the payload, as in the subscription.
        max_body: Largest body that is taken, in bytes. Do not read more than one byte beyond it.
        clock: Gives the time, in seconds since 1970.

    Raises:
        WebhookError: It is refused; the class says why, `status` what to answer.
        InvalidArgument: The secret is empty.
    """
    fields = _fields(headers, body, max_body)
    check_signature(fields, secrets)
    now, date = clock(), signed_date(fields)
    if abs(now - date) > max_age:
        age = now - date
        where = f"{age:.0f} s old" if age > 0 else f"{-age:.0f} s in the future"
        raise DateOutOfWindow(f"the request is {where}, and {max_age:g} s are allowed")
    check_digest(fields, body)
    notification = read_body(fields, body, payload_form_field)
    if replay_guard is not None:
        _claim(notification, replay_guard, now, date + max_age)
    return notification


def parse(
    headers: Headers,
    body: bytes,
    payload_form_field: str = "payload",
    *,
    max_body: int = MAX_BODY,
) -> Notification:
    """Return the notification in an unsigned request: anyone may have sent it.

    For subscriptions without `hmac_secret_key`, where something else keeps others out.

    Args:
        headers: The headers of the request, as a mapping or as pairs.
        body: Its body, as it came.
        payload_form_field: Name of the form field that holds the payload, as in the subscription.
        max_body: Largest body that is taken, in bytes.

    Raises:
        WebhookError: It is refused; the class says why, `status` what to answer.
    """
    return read_body(_fields(headers, body, max_body), body, payload_form_field)


def _fields(headers: Headers, body: bytes, max_body: int) -> HeaderFields:
    if len(body) > max_body:
        raise BodyTooLarge(f"the body has more than {max_body:,} bytes")
    return HeaderFields(headers)


def _claim(notification: Notification, guard: ReplayGuard, now: float, until: float) -> None:
    claim = guard.claim(notification.transaction_id, now=now, until=until)
    if claim == "done":
        raise AlreadyProcessed("this notification was processed before")
    if claim == "running":
        raise StillProcessing("this notification is being processed: try again later")
