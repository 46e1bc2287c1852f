"""Makes requests fail as a scenario says: wraps the API and the storage.

An answer that a rule changes is held in memory whole; all others pass through untouched.
"""

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable
from urllib.parse import parse_qsl

from attrs import frozen
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from ..errors import Problem
from ..storage.storage_app import storage_error
from ..storage.store import Storage
from ..validation import Identified
from .recorded import record, replace_body
from .scenario import Faults, Rule, Target

_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


def api_target(scope: Scope) -> Target:
    """Return what a request to the API asks for."""
    query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    identified: Identified = scope["state"]["identified"]
    replica = query.get("replica", "")
    return Target("api", identified.operation_id, scope["method"], scope["path"], replica)


def storage_target(storage: Storage, scope: Scope) -> Target:
    """Return what a request to the storage asks for."""
    path: str = scope["path"]
    bucket = path.split("/")[1]
    names = (
        name
        for name, replica in storage.replicas.items()
        if bucket in {each.name for each in replica.buckets}
    )
    return Target("storage", "", scope["method"], path, next(names, ""))


@frozen(eq=False)
class FaultApp:
    """An application some of whose answers go wrong.

    Args:
        app: The application.
        faults: Which requests, and how.
        state: Of the HTTP server: its connections.
        target: Tells what a request asks for.
    """

    app: ASGIApp
    faults: Faults
    state: ServerState
    target: Callable[[Scope], Target] = api_target

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        target = None if self.faults.idle else self.target(scope)
        rule = self.faults.due(target) if target else None
        if target is None or rule is None:
            await self.app(scope, receive, send)
            return
        await asyncio.sleep(rule.delay)
        response = _made(rule, target) or await record(self.app, scope, receive)
        _change(response, rule, target.method)
        if rule.breaks_at is None:
            await response(scope, receive, send)
        else:
            await self._break(response, rule, scope, receive, send)

    async def _break(
        self, response: Response, rule: Rule, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Send an answer as far as its rule lets it come."""
        start = {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
        body, rest = bytes(response.body), b""
        if isinstance(rule.breaks_at, int):
            body, rest = body[: rule.breaks_at], body[rule.breaks_at :]
            await send(start)
            await send({"type": "http.response.body", "body": body, "more_body": True})
        if rule.stall is None:
            self._end_connection(scope, reset=rule.reset is not None)
        if await _is_gone(receive, rule.stall_seconds):
            return
        if rule.breaks_at == "start":
            await send(start)
            rest = body
        await send({"type": "http.response.body", "body": rest})

    def _end_connection(self, scope: Scope, *, reset: bool) -> None:
        """End a request's connection once all that was written is sent."""
        wanted = (scope["client"], scope["server"])
        for each in self.state.connections:
            if isinstance(each, H11Protocol) and (each.client, each.server) == wanted:
                if reset:  # which may overtake bytes sent before it
                    connection: socket.socket = each.transport.get_extra_info("socket")
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                each.transport.close()


def _made(rule: Rule, target: Target) -> Response | None:
    """Return the answer of a rule that leaves the application out, None for all others."""
    if rule.expired:
        return storage_error(403, "ExpiredToken")
    if rule.status is None or rule.redirect is not None:
        return None
    if rule.status < 400:
        return Response(None, rule.status)
    if target.origin == "storage":
        return storage_error(rule.status, "InjectedFault")
    title = "This answer was asked for by a fault scenario."
    return Problem(rule.status, "injected_fault", title).response()


def _change(response: Response, rule: Rule, method: str) -> None:
    body = bytearray(response.body)
    if rule.redirect is not None:
        response.status_code = rule.status or 302
        response.headers["Location"] = rule.redirect
        body.clear()
    if isinstance(rule.body, str):
        response.headers["Content-Type"] = "text/plain; charset=utf-8"
        body[:] = rule.body.encode()
    elif rule.body is not None:
        response.headers["Content-Type"] = "application/json"
        body[:] = json.dumps(rule.body).encode()
    for name, text in rule.headers.items():
        if text is None:
            del response.headers[name]
        else:
            response.headers[name] = text
    for position in [rule.flip] if isinstance(rule.flip, int) else rule.flip:
        if -len(body) <= position < len(body):
            body[position] ^= 0xFF
    replace_body(response, method, bytes(body))


async def _is_gone(receive: Receive, seconds: float | None) -> bool:
    """Wait for the end of the connection; return False when the time is over before."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True
