"""The replay of events over the network, as `Replay` says."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from .._backend.asynchronous import sleep
from ..errors import DSSError, NotFound
from ..events import Batch, BundleEvent, Replay, RetryState
from ..models import EventsManifest
from ..types import Replica
from .operations import AsyncOperations
from .transport import AsyncTransport

__all__ = ["AsyncReplayer"]

_PAGE = 10  # the most journals that the service lists at once


class _Response(Protocol):
    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


class _BatchReader:
    """Reads the bytes of a batch from a response of storage."""

    def __init__(self, batch: Batch, answer: _Response) -> None:
        self._before = batch.skipped(answer.status_code, answer.headers)
        self._wanted = batch.last - batch.first + 1
        self.content = bytearray()

    def feed(self, piece: bytes) -> bool:
        """Read a piece; tell whether the batch is complete."""
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
        for batch in replay.flush():
            async for event in self._events_of(batch):
                yield event

    async def _events_of(self, batch: Batch) -> AsyncIterator[BundleEvent]:
        retries = RetryState(self._transport.options.retries)
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
                delay = retries.failed(error)
                if delay is None:
                    waiting[:1] = await self._relist(batch)
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
            reader = _BatchReader(batch, answer)
            async for piece in answer.iter_bytes():
                if reader.feed(piece):
                    break
        batch.check(reader.content)
        return reader.content

    async def _relist(self, batch: Batch) -> list[Batch]:
        """List the journals of a batch anew: they have fresh URLs, and may be other ones."""
        journals: list[EventsManifest] = []
        async for journal in self.get_events.iterate(
            replica=self._replica, from_date=batch.entries[0].key.timestamp, per_page=_PAGE
        ):
            if batch.ends_before(journal):
                break
            journals.append(journal)
        return self._replay.relocate(batch, journals)

    async def _one_by_one(self, batch: Batch) -> AsyncIterator[BundleEvent]:
        """Ask for each event by itself, of a service that does not say where its journals are."""
        for entry in batch.entries:
            fqid = entry.fqid
            try:
                document = await self.get_event(
                    uuid=fqid.uuid, version=fqid.version, replica=self._replica
                )
            except NotFound:
                continue  # its bundle was deleted meanwhile
            yield entry.event(document)
