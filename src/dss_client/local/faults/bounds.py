"""What a request may be: how large, and for which host; and the gateway's deadline on demand."""

import random
import re
from collections.abc import Iterable

from attrs import frozen
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import Problem

FAULT_HEADER = "DSS_FAKE_504_PROBABILITY"
# `[::1]`, any 127.x.x.x and localhost, with or without a port.
_LOOPBACK = re.compile(
    r"(\[::1\]|127(\.[0-9]{1,3}){3}|([a-z0-9-]+\.)*localhost)(:[0-9]*)?", re.IGNORECASE
)
_random = random.SystemRandom()


@frozen(eq=False)
class Bounds:
    """Refuses requests that are too large, or that came for another host.

    Args:
        app: What serves the others.
        max_body: Bytes that a body may have.
        loopback: Whether this is bound to loopback: then a request for the name of another host
            comes from a web page that had its name point here (DNS rebinding).
    """

    app: ASGIApp
    max_body: int
    loopback: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        headers = Headers(scope=scope)
        try:
            if self.loopback:
                _check_host(headers.get("host"))
            messages = await self._read(headers, receive)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        await self.app(scope, _replay(messages, receive), send)

    async def _read(self, headers: Headers, receive: Receive) -> list[Message]:
        """Return the messages of a request's body, or those before the client left."""
        left = self.max_body - int(headers.get("content-length", "0"))
        if left < 0:
            raise self._too_large()
        messages: list[Message] = []
        size = 0
        while True:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            if size > self.max_body:
                raise self._too_large()
            if not message.get("more_body", False):
                return messages

    def _too_large(self) -> Problem:
        title = f"The body is larger than {self.max_body} bytes."
        return Problem(413, "request_entity_too_large", title)


@frozen(eq=False)
class FakeTimeouts:
    """Answers as the gateway does after its deadline, as often as a request asks for it.

    See docs/behaviour.md 3.5.
    """

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if _random.random() < _probability(Headers(scope=scope).get(FAULT_HEADER, "")):
            await _timed_out()(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _check_host(host: str | None) -> None:
    if host is not None and not _LOOPBACK.fullmatch(host):
        title = (
            f"This service listens on loopback only, and is not {host!r}: "
            "call it by localhost, or start it with the host that it is to be reached by."
        )
        raise Problem(403, "Forbidden", title)


def _replay(messages: Iterable[Message], receive: Receive) -> Receive:
    pending = iter(messages)

    async def next_message() -> Message:
        message = next(pending, None)
        return await receive() if message is None else message

    return next_message


def _probability(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _timed_out() -> Response:
    """Return the 504 of shape C."""
    body = b'{"code": "timed_out", "status": 504, "title": "Timed out.", "traces": {}}'
    return Response(body, 504, media_type="application/problem+json")
