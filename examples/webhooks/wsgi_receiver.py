"""A receiver of notifications as a plain WSGI application, for gunicorn, mod_wsgi or wsgiref.

Start it with ``WEBHOOK_SECRET=... python wsgi_receiver.py``, and subscribe its URL with the same
``hmac_secret_key``. Without the variable it accepts requests from anyone.
"""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING
from wsgiref.simple_server import make_server

from dss_client import webhooks

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SECRET = os.environ.get("WEBHOOK_SECRET")
GUARD = webhooks.MemoryReplayGuard()


def handle(notification: webhooks.Notification) -> None:
    """Do the work. If this raises, the service sends the notification again."""
    print(notification.event_type, notification.match.fqid, notification.attachments, flush=True)


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Take one notification."""
    try:
        take(webhooks.wsgi_headers(environ), read(environ))
    except webhooks.WebhookError as error:
        start_response(f"{error.status} {type(error).__name__}", [("Content-Type", "text/plain")])
        return [error.reason.encode()]
    start_response("200 OK", [("Content-Length", "0")])
    return []


def take(headers: webhooks.Headers, body: bytes) -> None:
    """Verify a notification, and handle it."""
    if SECRET is None:
        handle(webhooks.parse(headers, body))
        return
    notification = webhooks.verify(headers, body, secrets=SECRET, replay_guard=GUARD)
    with webhooks.processing(notification, GUARD):
        handle(notification)


def read(environ: "WSGIEnvironment") -> bytes:
    """Return the body, or the beginning if it is too large."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(min(length, webhooks.MAX_BODY + 1))
    return body


if __name__ == "__main__":
    with make_server("", 8080, app) as server:
        server.serve_forever()
