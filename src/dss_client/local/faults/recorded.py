"""A whole answer as a value, for what is changed on its way to the client."""

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope

_BODYLESS = frozenset({204, 304})


async def record(app: ASGIApp, scope: Scope, receive: Receive) -> Response:
    """Return the answer of an application, instead of sending it."""
    response = Response()
    body = bytearray()

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            response.status_code = message["status"]
            response.raw_headers = list(message["headers"])
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, keep)
    response.body = bytes(body)
    return response


def replace_body(response: Response, method: str, body: bytes) -> None:
    """Give an answer another body, and the length of it where it may have one."""
    response.body = body
    if method != "HEAD" and response.status_code not in _BODYLESS:
        response.headers["Content-Length"] = str(len(body))
