"""A receiver of notifications, and what tests of them share."""

import json
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import httpx
from attrs import frozen

from dss_client.local import Delivery, LocalDSS
from tests.local.calls import Load

PATIENCE = 20  # seconds; only a failing test waits so long
EVERYTHING: dict[str, Any] = {"query": {"match_all": {}}}
_HALF = b"." * 200_000


@frozen
class Received:
    """One request as it came."""

    method: str
    path: str
    headers: Message
    body: bytes

    @property
    def payload(self) -> dict[str, Any]:
        """The body, which has to be JSON."""
        assert self.headers["Content-Type"] == "application/json"
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def form(self) -> Iterator[tuple[dict[str, str], bytes]]:
        """The parts of a multipart body: headers and content."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        for part in message_from_bytes(head + self.body).get_payload():
            assert isinstance(part, Message)
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            yield {name: str(value) for name, value in part.items()}, content


class Receiver:
    """Takes requests and answers with the statuses given, at last with 200 for ever.

    A status of 0 closes the connection without an answer; one of -1 never answers.

    Attributes:
        pause: Seconds before the second half of the next answer's body.
        done: An item for each answer that was sent whole.
    """

    def __init__(self, *statuses: int, pause: float = 0) -> None:
        self.statuses = list(statuses)
        self.pause = pause
        self.done: queue.Queue[int] = queue.Queue()
        self.received: queue.Queue[Received] = queue.Queue()
        self._closing = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                receiver.received.put(Received(self.command, self.path, self.headers, body))
                if status == -1:
                    receiver._closing.wait()
                if status <= 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Location", f"{receiver.url}/elsewhere")
                half = b"" if status == 204 else _HALF
                self.send_header("Content-Length", str(2 * len(half)))
                self.end_headers()
                self.wfile.write(half)
                pause, receiver.pause = receiver.pause, 0
                receiver._closing.wait(pause)
                self.wfile.write(half)
                receiver.done.put(status)

            do_PUT = do_POST  # noqa: N815 - the library's name
            do_GET = do_POST  # noqa: N815 - what a followed redirect would make of it

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def next(self) -> Received:
        """Wait for the next request."""
        return self.received.get(timeout=PATIENCE)

    def all(self) -> list[Received]:
        """Return the requests that came and were not taken yet."""
        return [self.next() for _ in range(self.received.qsize())]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def subscribe(client: httpx.Client, url: str, kind: str = "jmespath", **body: Any) -> str:
    """Make a subscription in replica aws, and return its uuid."""
    if kind == "elasticsearch":
        body.setdefault("es_query", EVERYTHING)
    content = {"callback_url": url, **body}
    response = client.put("/subscriptions", params={"replica": "aws"}, json=content)
    assert response.status_code == 201, response.text
    return str(response.json()["uuid"])


def queued(dss: LocalDSS) -> int:
    """Count what waits to be delivered."""
    with closing(sqlite3.connect(dss.root / ".deliveries.sqlite3")) as connection:
        [count] = connection.execute("SELECT count(*) FROM notifications").fetchone()
    return int(count)


def settled(dss: LocalDSS) -> list[Delivery]:
    """Wait until nothing is queued, and return all attempts."""
    until = time.monotonic() + PATIENCE
    while queued(dss):
        assert time.monotonic() < until, dss.deliveries()
        time.sleep(0.01)
    return dss.deliveries()


@frozen
class Hook:
    """A service that notifies a receiver, and what tests do with them."""

    dss: LocalDSS
    client: httpx.Client
    receiver: Receiver
    load: Load

    def subscribe(self, kind: str = "jmespath", path: str = "", **body: Any) -> str:
        """Make a subscription for the receiver, and return its uuid."""
        return subscribe(self.client, self.receiver.url + path, kind, **body)

    def happen(self, files: Mapping[str, object]) -> list[Delivery]:
        """Load a bundle, and return all attempts to notify of it and of what came before."""
        self.load(self.dss, files)
        return settled(self.dss)

    def received(self) -> dict[str, Received]:
        """Return the requests for what happened so far, by subscription: one each."""
        settled(self.dss)
        requests = self.receiver.all()
        found = {request.payload["subscription_id"]: request for request in requests}
        assert len(found) == len(requests)
        return found
