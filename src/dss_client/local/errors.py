"""Errors that the embedded service answers with (docs/behaviour.md 3)."""

import errno
import json
from collections.abc import Mapping

from starlette.responses import Response

_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


class Problem(Exception):
    """A refusal: becomes an ``application/problem+json`` answer of shape A (docs/behaviour.md 3.1).

    Attributes:
        status: The HTTP status.
        code: The machine-readable reason, one of docs/behaviour.md 3.2.
        title: The same for people.
        headers: Further response headers.
    """

    def __init__(
        self, status: int, code: str, title: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, code, title)
        self.status = status
        self.code = code
        self.title = title
        self.headers: dict[str, str] = dict(headers or {})

    def __str__(self) -> str:
        return self.title

    def response(self) -> Response:
        """Return the answer. The stack trace is always empty (docs/behaviour.md S15)."""
        body = {
            "code": self.code,
            "stacktrace": "",
            "status": self.status,
            "title": self.title,
        }
        return Response(
            json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"),
            status_code=self.status,
            headers=self.headers,
            media_type="application/problem+json",
        )


def is_full(error: Exception) -> bool:
    """Tell whether there was no room on the disk for what was to be stored."""
    return isinstance(error, OSError) and error.errno in _FULL


def illegal_arguments(title: str) -> Problem:
    """Return the 400 for a bad parameter or body."""
    return Problem(400, "illegal_arguments", title)


def not_found(title: str) -> Problem:
    """Return the 404 for a missing file, bundle or job."""
    return Problem(404, "not_found", title)
