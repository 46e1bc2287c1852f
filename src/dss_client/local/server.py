"""`LocalDSS`: the embedded service, to start and stop."""

import os
import shutil
import tempfile
import weakref
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import evolve

from dss_client.types import Replica as ReplicaName

from .faults.compat import Compat
from .faults.scenario import Faults, ScenarioLike
from .loader import BundleExists, LoadedBundle, load_directory
from .notify.delivery import Delivery
from .root_lock import root_lock
from .sample import BUNDLES, write_files
from .service import BASE, Service
from .serving import Running, serve
from .settings import LocalSettings
from .storage.bucket import is_url
from .storage.layout import Layout, RootError, find_layout

_OF_ARCHIVE = ".dss"  # what is the server's own, in the directory of a raw bucket


class LocalDSS:
    """A real DSS over HTTP, in this process, over a directory.

    Example:
        ::

            with LocalDSS(sample=True) as dss:
                print(dss.url)

    Two origins listen on this machine only, unless another `host` is given: the API, and the
    storage that its presigned URLs point to. There are no accounts: everyone who reaches it can
    read everything.

    Args:
        root: Directory that holds the buckets. None: a temporary one, removed at the end. One that
            is read-only is served in read-only mode; copies for checkouts, the journals and the
            search index then last as long as this `LocalDSS`. A URL that fsspec can open
            (`s3://bucket/prefix`, `gs://...`, `memory://...`): the buckets are there, and
            everything that is not an object, such as subscriptions, lasts as long as this
            `LocalDSS`. Or a raw bucket of the original service, with `bundles/` and `blobs/`: it is
            served as one replica, in read-only mode.
        create: Whether a root that is not there is begun as a new one, rather than refused. None:
            with `sample` it is, and so is a directory whose parent exists.
        sample: Add the sample bundles, unless they are there.
        host: Address to listen on.
        port: Port of the API; 0 takes a free one.
        storage_port: Port of the storage; 0 takes a free one.
        faults: What goes wrong, at first: a fault scenario (`docs/reference/faults.md`), or a JSON
            file of one.
        compat: ``"original"`` answers as the deployed service did;
            `dss_client.local.faults.compat` says where that differs.
        settings: All other settings; `faults` and `compat` given here take precedence.

    Raises:
        RootError: The root is neither a root nor a bucket, or cannot be read.
        MissingExtra: The library for such URLs is not installed.
    """

    def __init__(
        self,
        root: Path | str | None = None,
        *,
        create: bool | None = None,
        sample: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        storage_port: int = 0,
        faults: ScenarioLike = None,
        compat: Compat | None = None,
        settings: LocalSettings | None = None,
    ) -> None:
        settings = settings or LocalSettings()
        self._faults = Faults(settings.faults if faults is None else faults)
        self._sample = sample
        self._address = (host, port, storage_port)
        self._running: Running | None = None
        self._ends = ExitStack()
        weakref.finalize(
            self, _end, self._ends, os.getpid()
        )  # when the process ends, at the latest
        if create is None:
            create = sample or not (root is None or is_url(root) or not Path(root).parent.is_dir())
        place = self._temporary() if root is None else root
        is_read = settings.read_only and root is not None
        layout = find_layout(place, create=create, read_only=is_read)
        self._place = str(place)
        self.root: Path = layout.root.directory or self._temporary()
        self.archive: ReplicaName | None = layout.archive
        """The replica that a raw bucket is served as; None: the root has a directory for each."""
        self.is_new: bool = layout.is_new
        """Whether the root held nothing when this was made."""
        is_writable = os.access(self.root, os.W_OK)
        self._home = self._find_home(layout) if is_writable else self._temporary()
        self.settings: LocalSettings = evolve(
            settings,
            compat=compat or settings.compat,
            read_only=settings.read_only or not is_writable or layout.archive is not None,
        )
        self._service = Service(layout, self._home, self.settings)

    @property
    def url(self) -> str:
        """Base URL of the API, such as ``http://127.0.0.1:8010/v1``.

        Raises:
            RuntimeError: The service is not running.
        """
        return f"{self._started().api}{BASE}"

    @property
    def storage_url(self) -> str:
        """Origin of the storage, such as ``http://127.0.0.1:8011``.

        Raises:
            RuntimeError: The service is not running.
        """
        return self._started().storage

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
            RootError: The root is a raw bucket, which is only read.
            BadName: A file's name is not allowed in a bundle.
            dss_client.versions.InvalidVersion: The version is not a valid DSS_VERSION.
            NotADirectoryError: There is no such directory.
        """
        self._refuse_archive()
        target = self._service.storage.replicas[replica]
        with self._service.gate.shared():
            return load_directory(target, Path(src_dir), uuid, version)

    def deliveries(self) -> list[Delivery]:
        """Return the attempts to deliver notifications, oldest first; of many, the last 10,000."""
        return self._service.deliveries.recorded()

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
        return self._service.tokens.mint(email, group, expires_in, claims)

    def reindex(self) -> dict[ReplicaName, int]:
        """Rebuild the search indexes from the buckets; return the number of bundles in each.

        Needed only if an object was replaced outside of the service: new and removed ones are
        noticed. Works whether the service runs or not.

        Raises:
            RuntimeError: Another server works on the root.
        """
        lock = root_lock(self._home) if self._running is None else nullcontext()
        with lock, self._service.gate.shared():
            return {name: index.rebuild() for name, index in self._service.indexes.items()}

    def bundle_counts(self) -> dict[ReplicaName, int]:
        """Count the bundle versions of each replica that are not deleted.

        Lists all of them: for a million in a bucket elsewhere that takes minutes.

        Raises:
            RootError: The store refuses that.
        """
        replicas = self._service.storage.replicas
        try:
            return {name: replica.count_bundles() for name, replica in replicas.items()}
        except OSError as error:
            raise RootError(f"the bundles cannot be listed: {error}") from error

    def reset(self) -> None:
        """Empty the running service, in milliseconds: to begin a test with, for instance.

        All that both replicas hold is deleted, in a `root` of your own, too, and so are the search
        index, subscriptions, notifications and what is known of their deliveries, jobs and
        faults. The sample is not put in again; `load_sample` does that. Addresses, settings and
        the keys of tokens and URLs stay, and clients stay connected. Safe to call from any thread:
        requests that are being answered are waited for, and later ones see the empty service.

        Raises:
            RuntimeError: The service is not running.
            RootError: The root is a raw bucket, which is only read.
        """
        self._refuse_archive()
        running, service = self._started(), self._service
        with service.gate.alone():
            running.loop.call(service.deliveries.clear())
            service.clear()
            self._faults.use(None)

    def start(self) -> Self:
        """Start to serve, in a thread of its own.

        Raises:
            RuntimeError: It is running already, or had a temporary root and was stopped; or another
                server works on the root.
            CannotListen: A port is in use, or the host is not of this machine.
        """
        if self._running is not None:
            raise RuntimeError("This LocalDSS is running already.")
        if not self._home.is_dir():
            raise RuntimeError("The temporary root of this LocalDSS is gone: make a new one.")
        with ExitStack() as ends:
            ends.enter_context(root_lock(self._home))
            ends.callback(self._service.stopping.clear)
            self._service.checkouts.end_lost_jobs()
            if self._sample:
                load_sample(self)
            ends.callback(self._service.forget_jobs)
            self._running = serve(self._service, self._faults, self._address, ends)
            ends.callback(self._service.stopping.set)
            self._ends.push(ends.pop_all())
        return self

    def stop(self) -> None:
        """Stop serving, and remove a temporary root. Does nothing when it is not running."""
        self._running = None
        self._ends.close()

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
        return f"<LocalDSS {self._place!r} {state}>"

    def _refuse_archive(self) -> None:
        if self.archive is not None:
            raise RootError(
                f"{self._place} is a raw bucket, which is only read: a root that can be written to"
                f" has it in {self.archive}/main"
            )

    def _find_home(self, layout: Layout) -> Path:
        """Return the directory for all that is in no main bucket; make one in a raw bucket."""
        if layout.archive is None or layout.root.directory is None:
            return self.root
        home = self.root / _OF_ARCHIVE
        home.mkdir(exist_ok=True)
        return home

    def _temporary(self) -> Path:
        """Make a directory that is removed at the end."""
        path = tempfile.mkdtemp(prefix="dss-local-")
        self._ends.callback(shutil.rmtree, path, ignore_errors=True)
        return Path(path)

    def _started(self) -> Running:
        if self._running is None:
            raise RuntimeError("This LocalDSS is not running: use it in a with block, or start it.")
        return self._running


def _end(ends: ExitStack, process: int) -> None:
    """Stop what is left running, unless it runs in the process that this one was forked from."""
    if os.getpid() == process:
        ends.close()


def load_sample(dss: LocalDSS) -> list[LoadedBundle]:
    """Add the sample's bundles that are missing; return them."""
    loaded: list[LoadedBundle] = []
    for bundle in BUNDLES:
        with tempfile.TemporaryDirectory(prefix="dss-sample-") as folder, suppress(BundleExists):
            write_files(bundle, Path(folder))
            loaded.append(dss.load_bundle(folder, bundle.uuid, bundle.version))
    return loaded
