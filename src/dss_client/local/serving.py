"""Serves the API and the storage over HTTP, on one event loop in a thread of its own."""

import asyncio
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from email.utils import formatdate
from functools import partial

from anyio.from_thread import BlockingPortal, start_blocking_portal
from attrs import frozen
from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from .faults.fault_app import FaultApp, storage_target
from .faults.scenario import Faults
from .routes import api_app
from .service import Service
from .storage.storage_app import storage_app

_BACKLOG = 2048
_THREADS = 32  # an own pool: polls that wait for a job must not use it up
_GRACE = 1  # seconds that open answers get when the service stops
_ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - names what it is bound to


@frozen
class Running:
    """A service that is being served.

    Attributes:
        api: Origin of the API, such as `http://127.0.0.1:8010`.
        storage: Origin of the storage.
        portal: Runs something on the event loop, from any other thread.
    """

    api: str
    storage: str
    portal: BlockingPortal


@contextmanager
def serve(
    service: Service, faults: Faults, host: str, port: int, storage_port: int
) -> Generator[Running]:
    """Serve the two origins, deliver notifications and replicate, until the block ends.

    Raises:
        OSError: A port is in use, or the host is not of this machine.
    """
    settings = service.settings
    with start_blocking_portal() as portal, ExitStack() as ends:
        servers = _Servers(settings.max_head)
        portal.call(servers.use_threads)
        ends.callback(portal.call, servers.close)
        ends.callback(portal.start_task_soon(servers.keep_date).cancel)

        storage: ASGIApp = storage_app(service.storage, service.signer)
        target = partial(storage_target, service.storage)
        storage = FaultApp(storage, faults, servers.state, target)
        address, service.storage_port = portal.call(servers.listen, storage, host, storage_port)

        api = api_app(service, faults, servers.state, address)
        _, port = portal.call(servers.listen, api, host, port)

        running = Running(_origin(host, port), _origin(host, service.storage_port), portal)
        service.replication.start()
        ends.callback(service.replication.stop)
        dss_api = running.api.replace("http", settings.self_scheme, 1)
        portal.call(service.deliveries.start, dss_api)
        ends.callback(portal.call, service.deliveries.stop)
        yield running


class _Servers:
    """HTTP servers that end when they are told to: uvicorn's own looks ten times a second."""

    def __init__(self, max_head: int) -> None:
        self._max_head = max_head
        self.state = ServerState()
        self._listening: list[asyncio.Server] = []

    async def use_threads(self) -> None:
        """Let requests be answered in threads that end with the event loop."""
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="dss-local-request")
        asyncio.get_running_loop().set_default_executor(pool)

    async def keep_date(self) -> None:
        """Send the time of now with each answer."""
        while True:
            self.state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
            await asyncio.sleep(1)

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
        server = await loop.create_server(protocol, host, port, backlog=_BACKLOG)
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
