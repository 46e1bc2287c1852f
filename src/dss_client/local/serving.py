"""Serves the API and the storage over HTTP, on one event loop in a thread of its own."""

import asyncio
import os
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, TypeVar

from attrs import frozen
from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from dss_client.errors import DSSError

from .faults.fault_app import FaultApp, storage_target
from .faults.scenario import Faults
from .routes import api_app
from .service import Service
from .storage.storage_app import storage_app

T = TypeVar("T")

_BACKLOG = 2048
_THREADS = 32  # an own pool: polls that wait for a job must not use it up
_GRACE = 1  # seconds that open answers get when the service stops
_ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - names what it is bound to


class EventLoop:
    """An event loop in a thread of its own, which ends with the process at the latest."""

    def __init__(self) -> None:
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._work, name="dss-local", daemon=True)
        self._thread.start()
        self._begun.wait()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the loop, and wait for it; called from any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """End the loop, with all that runs on it."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _work(self) -> None:
        # A script that forgot to stop it: Python ends, and lets no thread end those of requests.
        with suppress(RuntimeError), asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="dss-local-request")
            self._loop.set_default_executor(pool)
            self._end = asyncio.Event()
            self._loop.call_soon(self._begun.set)
            runner.run(self._end.wait())


@frozen
class Running:
    """A service that is being served.

    Attributes:
        api: Origin of the API, such as `http://127.0.0.1:8010`.
        storage: Origin of the storage.
        loop: The event loop of its servers and deliveries.
    """

    api: str
    storage: str
    loop: EventLoop


def serve(
    service: Service, faults: Faults, address: tuple[str, int, int], ends: ExitStack
) -> Running:
    """Serve the two origins, deliver notifications and replicate.

    Args:
        service: What is served.
        faults: What goes wrong.
        address: Host, port of the API, port of the storage.
        ends: Takes what ends all of this.

    Raises:
        CannotListen: A port is in use, or the host is not of this machine.
    """
    host, port, storage_port = address
    loop = EventLoop()
    ends.callback(loop.close)
    servers = _Servers(service.settings.max_head)
    ends.callback(lambda: loop.call(servers.close()))

    storage: ASGIApp = storage_app(service.storage, service.signer)
    target = partial(storage_target, service.storage)
    storage = FaultApp(storage, faults, servers.state, target)
    bound, service.storage_port = loop.call(servers.listen(storage, host, storage_port))

    api = api_app(service, faults, servers.state, bound)
    _, port = loop.call(servers.listen(api, host, port))

    service.replication.start()
    ends.callback(service.replication.stop)
    origin = _origin(host, port)
    dss_api = origin.replace("http", service.settings.self_scheme, 1)
    loop.call(service.deliveries.start(dss_api))
    ends.callback(lambda: loop.call(service.deliveries.stop()))
    return Running(origin, _origin(host, service.storage_port), loop)


class CannotListen(DSSError, OSError):
    """A port is in use, or the host is not of this machine."""

    def __init__(self, host: str, port: int, cause: OSError) -> None:
        is_unknown = isinstance(cause, socket.gaierror)
        reason = cause.strerror if is_unknown else os.strerror(cause.errno or 0)
        super().__init__(f"cannot listen on {host}:{port}: {reason}")
        self.errno: int | None = cause.errno


class _Servers:
    """HTTP servers that end when they are told to: uvicorn's own looks ten times a second."""

    def __init__(self, max_head: int) -> None:
        self._max_head = max_head
        self.state = ServerState()
        self._listening: list[asyncio.Server] = []

    async def listen(self, app: ASGIApp, host: str, port: int) -> tuple[str, int]:
        """Serve an application, and return the address and port that it has."""
        config = Config(
            app,
            h11_max_incomplete_event_size=self._max_head,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,  # they would hide the client that a connection belongs to
        )
        protocol = partial(H11Protocol, config, self.state, {})
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(protocol, host, port, backlog=_BACKLOG)
        except OSError as error:
            raise CannotListen(host, port, error) from error
        self._listening.append(server)
        name: tuple[str, int] = server.sockets[0].getsockname()[:2]
        return name

    async def close(self) -> None:
        """Take no more requests, and give those that are being answered a grace."""
        for server in self._listening:
            server.close()
        for connection in list(self.state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                while self.state.connections or self.state.tasks:
                    await asyncio.sleep(0.001)
        for connection in list(self.state.connections):
            connection.transport.abort()  # or it would leak


def _origin(host: str, port: int) -> str:
    host = _ANY_HOST.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
