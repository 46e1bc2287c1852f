"""`LocalDSS`: the embedded service, to start and stop."""

import asyncio
import ipaddress
import os
import shutil
import socket
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from attrs import evolve
from starlette.types import ASGIApp

from dss_client.types import Replica as ReplicaName

from .app import BASE, api_app
from .auth import Tokens
from .faults.compat import Compat, Original
from .faults.fault_app import FaultApp
from .faults.identify import api_target, storage_target
from .faults.scenario import Faults, ScenarioLike
from .faults.wire import WiredProtocol
from .gate import Gate
from .loader import LoadedBundle, load_directory
from .notify.delivery import Deliveries, Delivery
from .notify.delivery_queue import DeliveryQueue
from .notify.notifications import Notifier
from .notify.subscription_store import Subscriptions
from .root_lock import RootLock
from .sample import load_sample
from .search.index import SearchIndexes
from .service import Service
from .settings import LocalSettings
from .storage.bucket import is_url
from .storage.checkout import Checkouts
from .storage.collection_store import Collections
from .storage.copies import Copies
from .storage.jobs import Jobs
from .storage.journals import EventJournals
from .storage.replication import Replication
from .storage.s3_sources import S3Sources
from .storage.signing import Signer
from .storage.sources import BucketSources, Sources
from .storage.storage_app import storage_app
from .storage.store import Storage

_BACKLOG = 2048
_THREADS = 32
_GRACE = 1  # seconds that open answers get when the service stops
_ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - names what it is bound to


class LocalDSS:
    """A real DSS over HTTP, in this process, over a directory.

    ```python
    with LocalDSS(sample=True) as dss:
        print(dss.url)
    ```

    Two origins listen on this machine only, unless another `host` is given: the API, and the
    storage that its presigned URLs point to. There are no accounts: everyone who reaches it can
    read everything.

    Args:
        root: Directory that holds the buckets, made when missing. None: a temporary one, removed at
            the end. A URL that fsspec can open (`s3://bucket/prefix`, `gs://...`, `memory://...`):
            the buckets are there, and everything that is not an object, such as subscriptions,
            lasts as long as this `LocalDSS`.
        sample: Add the sample bundles, unless they are there.
        host: Address to listen on.
        port: Port of the API; 0 takes a free one.
        storage_port: Port of the storage; 0 takes a free one.
        faults: What goes wrong, at first: a fault scenario (`docs/faults.md`), or a JSON file of
            one.
        compat: ``"original"`` answers as the deployed service did;
            `dss_client.local.faults.compat` says where that differs.
        settings: All other settings; `faults` and `compat` given here take precedence.
    """

    def __init__(
        self,
        root: Path | str | None = None,
        *,
        sample: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        storage_port: int = 0,
        faults: ScenarioLike = None,
        compat: Compat | None = None,
        settings: LocalSettings | None = None,
    ) -> None:
        settings = settings or LocalSettings()
        self.settings: LocalSettings = evolve(settings, compat=compat or settings.compat)
        self._faults = Faults(settings.faults if faults is None else faults)
        self._sample = sample
        self._host = host
        self._ports = (port, storage_port)
        self._running: _Running | None = None
        self._gate = Gate()
        self._cleanup: Callable[[], object] | None = None
        url = root if is_url(root) else None
        if root is None or url:
            folder = tempfile.mkdtemp(prefix="dss-local-")
            self._cleanup = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            root = folder
        self.root: Path = Path(root).absolute()
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock = RootLock(self.root)
        self._storage = Storage(url or self.root)
        self._sources: tuple[Sources, ...] = (BucketSources(self.settings.sources, self._storage),)
        if self.settings.s3_endpoint:
            self._sources += (S3Sources.at(self.settings.s3_endpoint),)
        self._tokens = Tokens(self.settings)
        self._indexes = SearchIndexes(self._storage.replicas.values(), self.root / ".index")
        self._storage.bus.subscribe(self._indexes.take)
        self._journals = EventJournals(
            self._storage.replicas.values(), self.settings.journal_events
        )
        self._storage.bus.subscribe(self._journals.take)
        self._subscriptions = Subscriptions(self.root / ".subscriptions")
        queue = DeliveryQueue(self.root / ".deliveries.sqlite3")
        self._deliveries = Deliveries(queue, self._subscriptions, self.settings)
        self._storage.bus.subscribe(Notifier(self._subscriptions, self._deliveries).take)
        self._replication = Replication(
            self.settings.replication,
            self.settings.replication_delay,
            self._storage,
        )

    @property
    def url(self) -> str:
        """Base URL of the API, such as `http://127.0.0.1:8010/v1`.

        Raises:
            RuntimeError: The service is not running.
        """
        return f"{self._origin(self._started().api)}{BASE}"

    @property
    def storage_url(self) -> str:
        """Origin of the storage, such as `http://127.0.0.1:8011`.

        Raises:
            RuntimeError: The service is not running.
        """
        return self._origin(self._started().storage)

    @property
    def faults(self) -> Faults:
        """The faults in force, and how often they occurred.

        Assign a scenario to change it while the service runs: ``dss.faults = [{"on": "storage",
        "nth": 1, "status": 503}]``; None ends all faults.
        """
        return self._faults

    @faults.setter
    def faults(self, scenario: ScenarioLike) -> None:
        self._faults.use(scenario)

    def load_bundle(
        self,
        src_dir: Path | str,
        uuid: str | None = None,
        version: str | None = None,
        replica: ReplicaName = "aws",
    ) -> LoadedBundle:
        """Make a bundle from the files in a directory. Works also before the service is started.

        Files named `*.json` are indexed for search.

        Args:
            src_dir: The directory; names in the bundle are relative to it.
            uuid: Uuid of the bundle; a new one when not given.
            version: DSS_VERSION of the bundle and its files; now when not given.
            replica: Replica to put it in.

        Raises:
            LoadError: The directory cannot become a bundle, or the bundle exists.
            BadName: A file's name is not allowed in a bundle.
            dss_client.versions.InvalidVersion: The version is not a valid DSS_VERSION.
            NotADirectoryError: There is no such directory.
        """
        target = self._storage.replicas[replica]
        with self._gate.shared():
            return load_directory(target, Path(src_dir), uuid, version)

    def deliveries(self) -> list[Delivery]:
        """Return the attempts to deliver notifications, oldest first; of many, the last 10,000."""
        return self._deliveries.recorded()

    def mint_token(
        self,
        *,
        email: str | None = "someone@example.org",
        group: str | None = "hca",
        expires_in: float = 3600.0,
        **claims: object,
    ) -> str:
        """Return a token that only this server accepts. Works also before it is started.

        Args:
            email: The holder's email; None: the token has no email claim.
            group: The holder's group; None: the token has no group claim.
            expires_in: Seconds that it is valid; a negative number makes an expired one.
            **claims: Further claims, or replacements; None leaves a claim out.
        """
        return self._tokens.mint(email, group, expires_in, claims)

    def reindex(self) -> dict[ReplicaName, int]:
        """Rebuild the search indexes from the buckets; return the number of bundles in each.

        Needed only if an object was replaced outside of the service: new and removed ones are
        noticed. Works whether the service runs or not.
        """
        with self._gate.shared():
            return self._indexes.rebuild()

    def reset(self) -> None:
        """Empty the running service, in milliseconds: to begin a test with, for instance.

        All that both replicas hold is deleted, in a `root` of your own, too, and so are the search
        index, subscriptions, notifications and what is known of their deliveries, jobs and
        faults. The sample is not put in again; `load_sample` does that. Addresses, settings and
        the keys of tokens and URLs stay, and clients stay connected. Safe to call from any thread:
        requests that are being answered are waited for, and later ones see the empty service.

        Raises:
            RuntimeError: The service is not running.
        """
        running = self._started()
        with self._gate.alone():
            self._deliveries.stop()
            self._replication.stop()
            running.jobs.clear()
            running.copies.clear()
            self._storage.clear()
            self._indexes.clear()
            self._journals.clear()
            self._subscriptions.clear()
            self._deliveries.clear()
            self._replication.clear()
            self._faults.use(None)
            self._replication.start()
            self._deliveries.start(self._origin(running.api))

    def start(self) -> Self:
        """Start to serve, in a thread of its own.

        Raises:
            RuntimeError: It is running already, or had a temporary root and was stopped; or another
                server works on the root.
            OSError: A port is in use, or the host is not of this machine.
        """
        if self._running is not None:
            raise RuntimeError("This LocalDSS is running already.")
        if not self.root.is_dir():
            raise RuntimeError("The temporary root of this LocalDSS is gone: make a new one.")
        self._lock.take()
        try:
            self._serve()
        except BaseException:
            self._lock.release()
            raise
        return self

    def _serve(self) -> None:
        if self._sample:
            load_sample(self)
        sockets = _listen(self._host, self._ports)
        jobs = Jobs(self.settings.checkout_polls)
        copies = Copies(jobs, self.settings.copy_polls)
        service = Service(
            settings=self.settings,
            storage=self._storage,
            checkouts=Checkouts(self._storage, jobs, self.settings.clock, self.settings.email_dir),
            indexes=self._indexes,
            journals=self._journals,
            signer=Signer(self.settings.clock),
            copies=copies,
            sources=self._sources,
            collections=Collections(self._storage),
            subscriptions=self._subscriptions,
            tokens=self._tokens,
            gate=self._gate,
            storage_port=sockets[1].getsockname()[1],
        )
        host = ipaddress.ip_address(sockets[0].getsockname()[0])
        apps = _apps(service, self._faults, loopback=host.is_loopback)
        configs = [_config(app, self.settings.max_head) for app in apps]
        self._running = _Running(configs, sockets, jobs, copies)
        self._deliveries.start(self._origin(self._running.api))
        self._replication.start()

    def stop(self) -> None:
        """Stop serving, and remove a temporary root. Does nothing when it is not running."""
        running, self._running = self._running, None
        if running is not None:
            running.close()
            self._replication.stop()
        self._deliveries.stop()
        self._lock.release()
        if self._cleanup is not None:
            self._cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = self.url if self._running else "not running"
        return f"<LocalDSS {str(self.root)!r} {state}>"

    def _started(self) -> "_Running":
        if self._running is None:
            raise RuntimeError("This LocalDSS is not running: use it in a with block, or start it.")
        return self._running

    def _origin(self, port: int) -> str:
        host = _ANY_HOST.get(self._host, self._host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Running:
    """The two servers, on one event loop in one thread."""

    def __init__(
        self,
        configs: list[uvicorn.Config],
        sockets: list[socket.socket],
        jobs: Jobs,
        copies: Copies,
    ) -> None:
        self.api, self.storage = (each.getsockname()[1] for each in sockets)
        self.jobs = jobs
        self.copies = copies
        self._sockets = sockets
        self._servers = [_Server(config) for config in configs]
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dss-local", daemon=True)
        self._thread.start()
        self._up.wait()

    def close(self) -> None:
        """Stop both servers and the jobs."""
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._end)
        self._thread.join()
        self.jobs.close()

    def _end(self) -> None:
        for server in self._servers:
            server.end.set()

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                runner.run(self._serve())
        finally:
            self._up.set()

    async def _serve(self) -> None:
        # An own pool: its threads are joined at the end, and waiting polls do not use it up.
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="dss-local-request")
        asyncio.get_running_loop().set_default_executor(pool)
        pairs = zip(self._servers, self._sockets, strict=True)
        serving = asyncio.gather(*(server.serve(sockets=[sock]) for server, sock in pairs))
        while not all(server.started for server in self._servers):
            await asyncio.sleep(0.001)
        self._up.set()
        await serving


class _Server(uvicorn.Server):
    """Stops when it is told to: uvicorn's own looks ten times a second, twice."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.end = asyncio.Event()

    async def main_loop(self) -> None:
        """Serve until the end, with the date of now in each second's answers."""
        while not self.end.is_set():
            await self.on_tick(0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.end.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more requests, and give those that are being answered a grace."""
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        until = time.monotonic() + _GRACE
        while (state.connections or state.tasks) and time.monotonic() < until:
            await asyncio.sleep(0.001)
        for task in state.tasks:
            task.cancel()
        for connection in list(state.connections):
            connection.transport.abort()  # what is left after the grace, or it would leak


def _apps(service: Service, faults: Faults, *, loopback: bool) -> list[ASGIApp]:
    """Return the API and the storage, with their wrappers."""
    api = api_app(service, loopback=loopback)
    if service.settings.compat:
        api = Original(api, service.settings.read_only)
    storage = storage_app(service.storage, service.signer)
    return [
        FaultApp(api, faults, api_target),
        FaultApp(storage, faults, partial(storage_target, service.storage)),
    ]


def _config(app: ASGIApp, max_head: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=WiredProtocol,
        h11_max_incomplete_event_size=max_head,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
    )


def _listen(host: str, ports: tuple[int, int]) -> list[socket.socket]:
    with ExitStack() as opened:
        sockets = [opened.enter_context(_bound(host, port)) for port in ports]
        opened.pop_all()
    return sockets


def _bound(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    family, kind, protocol, _, address = found[0]
    # Not socket.create_server: its sockets name no protocol, so asyncio would leave Nagle's
    # algorithm on, which costs 40 ms on every answer of two segments.
    made = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return made
