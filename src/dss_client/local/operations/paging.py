"""Links to the next request: to another page, and to the same URL while a copy is not ready.

See docs/behaviour.md 7, 8.2, 8.4.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from attrs import frozen
from starlette.responses import Response

from ..errors import Problem, illegal_arguments
from ..service import Call, json_response, redirect


def page_response(content_key: str, content: object, next_url: str | None) -> Response:
    """Return the answer of one page; `next_url` is None on the last one."""
    headers = {
        "X-OpenAPI-Paginated-Content-Key": content_key,
        "X-OpenAPI-Pagination": "false" if next_url is None else "true",
    }
    if next_url is not None:
        headers["Link"] = f'<{next_url}>; rel="next"'
    return json_response(content, 200 if next_url is None else 206, headers)


def start_of_page(call: Call) -> int:
    """Return the query parameter `start_at`.

    Raises:
        Problem: It is negative.
    """
    start_at: int = call.query("start_at") or 0
    if start_at < 0:
        raise illegal_arguments("Query parameter 'start_at' must be at least 0.")
    return start_at


def with_query(url: str, changes: Mapping[str, str | int | None]) -> str:
    """Return a URL with query parameters set, which moves them to the end; None removes one."""
    base, _, query = url.partition("?")
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in changes]
    added = [(name, str(value)) for name, value in changes.items() if value is not None]
    return f"{base}?{urlencode(kept + added)}"


@frozen
class Token:
    """What a client sends back while it waits, in the 301 to the same URL."""

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
