"""The connection under an answer, for faults that no HTTP library would send."""

import asyncio
import os
import socket
import struct
from typing import Any

from attrs import frozen
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import illegal_arguments

_EXTENSION = "dss.wire"
_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_POLL = 0.001  # seconds


@frozen
class Wire:
    """The open connection of a request."""

    _transport: asyncio.Transport

    @classmethod
    def of(cls, scope: Scope) -> "Wire":
        """Return the connection that a request came by."""
        wire: Wire = scope["extensions"][_EXTENSION]
        return wire

    async def flush(self) -> None:
        """Wait until all bytes are with the operating system."""
        while self._transport.get_write_buffer_size() and not self._transport.is_closing():
            await asyncio.sleep(_POLL)

    def write(self, data: bytes) -> None:
        """Send bytes past HTTP's framing."""
        self._transport.write(data)

    def close(self) -> None:
        """End the connection, as a server does that dies in order."""
        self._transport.close()

    def reset(self) -> None:
        """Break the connection: the peer gets a TCP reset."""
        connection: socket.socket = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()


class WiredProtocol(H11Protocol):
    """uvicorn's HTTP, which hands the connection on to the application."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection."""
        super().connection_made(transport)
        self.app: Any = _Wired(self.app, Wire(transport))

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is not HTTP, or whose head is too large, like other errors."""
        problem = illegal_arguments(msg).response()
        lines = [b"HTTP/1.1 400 Bad Request", b"connection: close"]
        lines += [name + b": " + value for name, value in problem.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(problem.body)]))
        self.transport.close()


@frozen
class _Wired:
    app: ASGIApp
    wire: Wire

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"] = {_EXTENSION: self.wire}
        await self.app(scope, receive, send)
