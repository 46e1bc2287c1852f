"""The token of "not ready yet" answers: 301 to the same URL (docs/behaviour.md 8.2, 8.4)."""

import json
from typing import Any

from attrs import frozen
from starlette.responses import Response

from ..errors import Problem
from ..service import Call, redirect
from .paging import with_query


@frozen
class Token:
    """What a client sends back while it waits."""

    job_id: str
    start_time: float
    attempts: int

    def again(self) -> "Token":
        """Return the token of the next attempt."""
        return Token(self.job_id, self.start_time, self.attempts + 1)


def parse_token(text: str | None, required: tuple[str, ...]) -> Token | None:
    """Return a request's token, None when it has none.

    Empty and `None` are what old page links carry, and mean nothing (docs/behaviour.md S2).

    Args:
        text: The query parameter.
        required: Keys that the token must have.

    Raises:
        Problem: 400 `illegal_token`.
    """
    if text in {None, "", "None"}:
        return None
    try:
        content: Any = json.loads(text or "")
        if any(key not in content for key in required):
            raise KeyError
        return Token(
            job_id=str(content.get("execution_id", "")),
            start_time=float(content.get("start_time", 0.0)),
            attempts=int(content["attempts"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        needed = " and ".join(required)
        title = f"The token is not a JSON object with {needed}; leave it out to start again."
        raise Problem(400, "illegal_token", title) from None


def not_ready(call: Call, token: Token) -> Response:
    """Return the 301 that asks to come back."""
    content = {
        "execution_id": token.job_id,
        "start_time": token.start_time,
        "attempts": token.attempts,
    }
    headers = {"Retry-After": str(call.service.settings.retry_after)}
    return redirect(with_query(call.url, {"token": json.dumps(content)}), 301, headers)
