"""HTTP as bytes on a socket: what an HTTP library would hide or repair."""

import socket
from urllib.parse import urlsplit

from attrs import field, frozen


@frozen
class Raw:
    """All that came before the connection ended or nothing more came.

    Attributes:
        ended: How: ``closed``, ``reset``, or ``silent`` when nothing came for a while.
    """

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes
    ended: str


def exchange(
    url: str, *lines: str, method: str = "GET", target: str = "", patience: float = 0.3
) -> Raw:
    """Send one last request and read until the connection ends, or is silent for a while.

    A `target` is sent as it is, instead of that of the URL.
    """
    parts = urlsplit(url)
    target = target or (f"{parts.path}?{parts.query}" if parts.query else parts.path)
    headers = [f"{method} {target} HTTP/1.1", "Connection: close", *lines]
    if not any(line.lower().startswith("host:") for line in lines):
        headers.append(f"Host: {parts.netloc}")
    return send(url, "\r\n".join([*headers, "", ""]).encode(), patience=patience)


def send(url: str, data: bytes, *, patience: float = 0.3) -> Raw:
    """Send bytes, and read the answer as above."""
    parts = urlsplit(url)
    received = bytearray()
    with socket.create_connection((parts.hostname or "", parts.port or 80), patience) as connection:
        connection.sendall(data)
        try:
            while piece := connection.recv(65536):
                received += piece
            ended = "closed"
        except ConnectionResetError:
            ended = "reset"
        except TimeoutError:
            ended = "silent"
    if not received:
        return Raw(0, {}, b"", ended)
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in rest)
    headers = {name.lower(): text.strip() for name, _, text in pairs}
    return Raw(int(first.split()[1]), headers, body, ended)
