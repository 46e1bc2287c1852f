"""The replay of events over the network, as `Replay` says."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from .._backend.asynchronous import sleep
from ..errors import DSSError, NotFound
from ..events import Batch, BundleEvent, Replay, Tries
from ..models import EventsManifest
from ..types import Replica
from .operations import AsyncOperations
from .transport import AsyncTransport

__all__ = ["AsyncReplayer"]

_PAGE = 10  # the most journals that the service lists at once


class _Answer(Protocol):
    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


class _Cut:
    """Takes the bytes of a batch out of an answer of storage."""

    def __init__(self, batch: Batch, answer: _Answer) -> None:
        self._before = batch.skipped(answer.status_code, answer.headers)
        self._wanted = batch.last - batch.first + 1
        self.content = bytearray()

    def take(self, piece: bytes) -> bool:
        """Take a piece; return whether it was the last that is needed."""
        skipped = min(self._before, len(piece))
        self._before -= skipped
        self.content += piece[skipped : skipped + self._wanted - len(self.content)]
        return len(self.content) == self._wanted


class AsyncReplayer(AsyncOperations):
    """Reads the events of a replay.

    Args:
        transport: Lists journals, and reads them from storage.
        replay: What is wanted.
        replica: Replica to use.
    """

    def __init__(self, transport: AsyncTransport, replay: Replay, replica: Replica) -> None:
        self._transport = transport
        self._replay = replay
        self._replica: Replica = replica

    async def events(self) -> AsyncIterator[BundleEvent]:
        """Yield the events, in the order of time."""
        replay = self._replay
        if replay.is_empty:
            return
        journals = self.get_events.iterate(
            replica=self._replica,
            from_date=replay.from_date,
            to_date=replay.to_date,
            per_page=_PAGE,
        )
        async for journal in journals:
            for batch in replay.add(journal):
                async for event in self._events_of(batch):
                    yield event
        for batch in replay.rest():
            async for event in self._events_of(batch):
                yield event

    async def _events_of(self, batch: Batch) -> AsyncIterator[BundleEvent]:
        tries = Tries(self._transport.options.retries)
        waiting = [batch]
        while waiting:
            batch = waiting[0]
            if batch.url is None:
                async for event in self._one_by_one(batch):
                    yield event
                del waiting[0]
                continue
            try:
                content = await self._read(batch, batch.url)
            except DSSError as error:
                delay = tries.failed(error)
                if delay is None:
                    waiting[:1] = await self._renewed(batch)
                else:
                    await sleep(delay)
            else:
                del waiting[0]
                for event in batch.events(content):
                    yield event

    async def _read(self, batch: Batch, url: str) -> bytearray:
        """Return the bytes of a batch."""
        storage = self._transport.open_storage(url, first=batch.first, last=batch.last)
        async with storage as answer:
            cut = _Cut(batch, answer)
            async for piece in answer.iter_bytes():
                if cut.take(piece):
                    break
        batch.check(cut.content)
        return cut.content

    async def _renewed(self, batch: Batch) -> list[Batch]:
        """List the journals of a batch anew: they have fresh URLs, and may be other ones."""
        journals: list[EventsManifest] = []
        async for journal in self.get_events.iterate(
            replica=self._replica, from_date=batch.places[0].key.timestamp, per_page=_PAGE
        ):
            if batch.ends_before(journal):
                break
            journals.append(journal)
        return self._replay.renewed(batch, journals)

    async def _one_by_one(self, batch: Batch) -> AsyncIterator[BundleEvent]:
        """Ask for each event by itself, of a service that does not say where its journals are."""
        for place in batch.places:
            fqid = place.fqid
            try:
                document = await self.get_event(
                    uuid=fqid.uuid, version=fqid.version, replica=self._replica
                )
            except NotFound:
                continue  # its bundle was deleted meanwhile
            yield place.event(document)
