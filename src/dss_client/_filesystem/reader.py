"""Reads bundles and contents for the file system, on any event loop and in forked processes."""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from functools import partial
from weakref import WeakKeyDictionary

from dss_client._async.operation import AsyncOperation
from dss_client._async.operations.get_bundle import AsyncGetBundle
from dss_client._async.operations.get_bundles_all import AsyncGetBundlesAll
from dss_client._async.ranges import Location, read_range
from dss_client._async.transport import AsyncTransport
from dss_client._endpoints import GET_FILE
from dss_client._fork import reset_after_fork
from dss_client._options import Options
from dss_client._response import no_downgrade
from dss_client.download.urls import MIN_FILES, SMALL_BUNDLE
from dss_client.errors import DSSError, NotFound
from dss_client.models import FileVersion
from dss_client.types import Replica
from dss_client.versions import FQID, InvalidUUID, InvalidVersion, normal_uuid, parse_version

from .errors import PathNotFound
from .listing import Info, Listing, directory_info

__all__ = ["Reader"]

_logger = logging.getLogger(__name__)

_BLOCK = 1 << 25  # bytes that are asked for at once, and kept in memory


class _Session(AsyncOperation):
    """What belongs to one event loop: connections and locks."""

    def __init__(self, options: Options) -> None:
        self.transport = AsyncTransport(options)
        super().__init__(self.transport)
        self.locks: defaultdict[object, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def locate(self, file: FileVersion, replica: Replica) -> str:
        """Return a fresh URL of a file's content."""
        request = GET_FILE.request(uuid=file.uuid, version=file.version, replica=replica)
        return await self._location(request)


class Reader:
    """Reads what is in a deployment, and remembers what cannot change.

    Args:
        options: The settings of the client.
        replica: The replica to read from.
        separator: What stands for ``/`` in the names of files, if anything does.
    """

    def __init__(self, options: Options, replica: Replica, separator: str | None) -> None:
        self._options = options
        self._replica: Replica = replica
        self._separator = separator
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, _Session] = WeakKeyDictionary()
        self._listings: dict[tuple[str, str | None], Listing] = {}
        self._locations: dict[tuple[str, str], Location] = {}
        self._missed: Counter[FQID] = Counter()  # files of a bundle whose URLs were asked for
        reset_after_fork(self)

    def after_fork(self) -> None:
        """Leave connections and locks to the parent process."""
        self._sessions = WeakKeyDictionary()

    def forget(self) -> None:
        """Forget which version of a bundle is the latest, and all else that is known of bundles."""
        self._listings.clear()

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.transport.aclose()

    def close_soon(self) -> None:
        """Have all event loops that still run close their connections."""
        for loop, session in list(self._sessions.items()):
            if loop.is_running():
                asyncio.run_coroutine_threadsafe(session.transport.aclose(), loop)

    async def bundles(self) -> list[Info]:
        """Return all bundles of the replica, as directories."""
        operation = AsyncGetBundlesAll(self._session().transport)
        found = operation.iterate(replica=self._replica)
        return [directory_info(f"{each.uuid}.{each.version}") async for each in found]

    async def listing(self, root: str) -> Listing:
        """Return the files of a bundle; without a version, of the one that was latest at first.

        Args:
            root: ``UUID.VERSION`` or ``UUID``.

        Raises:
            PathNotFound: There is no such bundle.
        """
        key = _bundle_key(root)
        session = self._session()
        async with session.locks[key]:
            listing = self._listings.get(key)
            if listing is None:
                listing = await self._list(session, *key)
                self._listings[key] = self._listings[key[0], listing.bundle.version] = listing
        return listing

    async def _list(self, session: _Session, uuid: str, version: str | None) -> Listing:
        pages = AsyncGetBundle(session.transport).paginate(
            uuid=uuid, version=version, replica=self._replica
        )
        files: list[FileVersion] = []
        found = ""
        try:
            async for page in pages:
                found = page.bundle.version
                files += page.bundle.files
        except NotFound as error:
            name = f"{uuid}.{version}" if version else uuid
            raise PathNotFound(f"no bundle {name} in replica {self._replica}: {error}") from error
        return Listing.of(FQID(uuid, found), files, self._separator)

    async def blocks(
        self, listing: Listing, file: FileVersion, first: int, end: int
    ) -> AsyncIterator[bytes]:
        """Yield the bytes of a file from `first` up to `end`, in blocks.

        Raises:
            DSSError: They cannot be had.
        """
        for start in range(first, end, _BLOCK):
            yield await self._read(listing, file, start, min(start + _BLOCK, end))

    async def _read(self, listing: Listing, file: FileVersion, first: int, end: int) -> bytes:
        """Return a range; a URL that has expired is replaced once, what is transient is retried."""
        locate = partial(self._locate, listing, file)
        transport = self._session().transport
        return await read_range(transport, locate, first=first, end=end, size=file.size)

    async def _locate(
        self, listing: Listing, file: FileVersion, refused: Location | None
    ) -> Location:
        """Return where a file is; of all who were refused there, one asks for another URL."""
        session = self._session()
        key = file.uuid, file.version
        async with session.locks[key]:
            if self._is_missing(key, refused) and listing.size <= SMALL_BUNDLE:
                await self._locate_together(session, listing.bundle)
            if self._is_missing(key, refused):
                self._locations[key] = Location(await session.locate(file, self._replica))
            return self._locations[key]

    def _is_missing(self, key: tuple[str, str], refused: Location | None) -> bool:
        location = self._locations.get(key)
        return location is None or location is refused

    async def _locate_together(self, session: _Session, bundle: FQID) -> None:
        """Ask for the URLs of a whole bundle, once that several of its files were missing.

        If that fails, each file is asked for separately, and has its own answer or error.
        """
        self._missed[bundle] += 1
        if self._missed[bundle] < MIN_FILES:
            return
        before = self._missed[bundle]
        async with session.locks[bundle]:
            if self._missed[bundle] < before:
                return  # another file has asked in the meantime
            try:
                await self._ask_for_bundle(session, bundle)
            except DSSError:
                _logger.debug("dss://%s: files are located one by one", bundle, exc_info=True)
            self._missed[bundle] = 0

    async def _ask_for_bundle(self, session: _Session, bundle: FQID) -> None:
        pages = AsyncGetBundle(session.transport).paginate(
            uuid=bundle.uuid, version=bundle.version, replica=self._replica, presignedurls=True
        )
        async for page in pages:
            for file in page.bundle.files:
                if file.url and no_downgrade(self._options.base_url, file.url):
                    self._locations[file.uuid, file.version] = Location(file.url)

    def _session(self) -> _Session:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            session = self._sessions[loop] = _Session(self._options)
        return session


def _bundle_key(root: str) -> tuple[str, str | None]:
    uuid, dot, version = root.partition(".")
    try:
        if dot:
            parse_version(version)
        return normal_uuid(uuid), version if dot else None
    except (InvalidUUID, InvalidVersion) as error:
        raise PathNotFound(f"{error}. A path is dss://UUID.VERSION/name") from error
