"""A receiver of notifications as a Starlette application.

Start it with ``WEBHOOK_SECRET=... uvicorn starlette_receiver:app --port 8080``, and subscribe its
URL with the same ``hmac_secret_key``. Without the variable it accepts requests from anyone.
"""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dss_client import webhooks

SECRET = os.environ.get("WEBHOOK_SECRET")
GUARD = webhooks.MemoryReplayGuard()


async def handle(notification: webhooks.Notification) -> None:
    """Do the work. If this raises, the service sends the notification again."""
    print(notification.event_type, notification.match.fqid, notification.attachments, flush=True)


async def receive(request: Request) -> Response:
    """Take one notification."""
    try:
        body = await read(request)
        if SECRET is None:
            await handle(webhooks.parse(request.headers.raw, body))
            return Response()
        notification = webhooks.verify(
            request.headers.raw, body, secrets=SECRET, replay_guard=GUARD
        )
    except webhooks.WebhookError as error:
        return PlainTextResponse(error.reason, error.status)
    with webhooks.processing(notification, GUARD):
        await handle(notification)
    return Response()


async def read(request: Request) -> bytes:
    """Return the body, or the beginning if it is too large."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > webhooks.MAX_BODY:
            break
    return body


app = Starlette(routes=[Route("/", receive, methods=["POST", "PUT"])])
