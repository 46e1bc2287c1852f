"""A whole answer as a value, for what is changed on its way to the client."""

from attrs import frozen
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BODYLESS = frozenset({204, 304})


@frozen
class Answer:
    """Status, headers and body."""

    status: int
    headers: MutableHeaders
    body: bytes

    @classmethod
    def of(cls, response: Response) -> "Answer":
        """Return what a response of Starlette says."""
        return cls(response.status_code, response.headers, bytes(response.body))

    def framed(self, method: str) -> "Answer":
        """Set `Content-Length` by the body, where there may be one."""
        if method != "HEAD" and self.status not in _BODYLESS:
            self.headers["Content-Length"] = str(len(self.body))
        return self

    @property
    def start(self) -> Message:
        """The ASGI message that the answer begins with."""
        return {
            "type": "http.response.start",
            "status": self.status,
            "headers": self.headers.raw,
        }

    async def send(self, send: Send) -> None:
        """Send all of it."""
        await send(self.start)
        await send({"type": "http.response.body", "body": self.body})


async def record(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    """Return the answer of an application, instead of sending it."""
    starts: list[Message] = []
    body = bytearray()

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            starts.append(message)
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, keep)
    [start] = starts
    return Answer(start["status"], MutableHeaders(raw=list(start["headers"])), bytes(body))
