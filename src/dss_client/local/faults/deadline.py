"""The deadline that the original's gateway gave a request (docs/behaviour.md 3.5)."""

import random

from attrs import frozen
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

FAULT_HEADER = "DSS_FAKE_504_PROBABILITY"
_random = random.SystemRandom()


@frozen
class FakeTimeouts:
    """Answers as the gateway did after its deadline, as often as a request asks for it."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if _random.random() < _probability(Headers(scope=scope).get(FAULT_HEADER, "")):
            await timed_out()(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def timed_out() -> Response:
    """Return the 504 of shape C."""
    traces: dict[str, list[str]] = {}
    content = {"code": "timed_out", "status": 504, "title": "Timed out.", "traces": traces}
    return JSONResponse(content, 504, media_type="application/problem+json")


def _probability(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
