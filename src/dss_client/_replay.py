"""Replays of events over the network: the blocking and the asynchronous one, as `Replay` says."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import takewhile
from typing import TYPE_CHECKING, Literal, Protocol

from .errors import DSSError, NotFound
from .events import Batch, BundleEvent, Replay, Tries

if TYPE_CHECKING:
    from .client import AsyncDSSClient, DSSClient
    from .models import EventsManifest

__all__ = ["replay_events", "replay_events_async"]

Replica = Literal["aws", "gcp"]

_PAGE = 10  # the most journals that the service lists at once


class _Answer(Protocol):
    status_code: int
    headers: Mapping[str, str]


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


def replay_events(client: "DSSClient", replay: Replay, replica: Replica) -> Iterator[BundleEvent]:
    """Yield the events of a replay; see `DSSClient.replay_events`.

    Args:
        client: Lists journals, and knows storage.
        replay: What is wanted.
        replica: Replica to use.
    """
    if replay.is_empty:
        return
    journals = client.get_events.iterate(
        replica=replica, from_date=replay.from_date, to_date=replay.to_date, per_page=_PAGE
    )
    for journal in journals:
        for batch in replay.add(journal):
            yield from _events(client, replay, batch, replica)
    for batch in replay.rest():
        yield from _events(client, replay, batch, replica)


def _events(
    client: "DSSClient", replay: Replay, batch: Batch, replica: Replica
) -> Iterator[BundleEvent]:
    transport = client._transport  # pyright: ignore[reportPrivateUsage] - same package
    tries = Tries(transport.options.retries)
    waiting = [batch]
    while waiting:
        batch = waiting[0]
        if batch.url is None:
            yield from _one_by_one(client, batch, replica)
            del waiting[0]
            continue
        try:
            with transport.open_storage(batch.url, first=batch.first, last=batch.last) as answer:
                cut = _Cut(batch, answer)
                any(cut.take(piece) for piece in answer.iter_bytes())
            batch.check(cut.content)
        except DSSError as error:
            delay = tries.failed(error)
            if delay is None:
                waiting[:1] = _renewed(client, replay, batch, replica)
            else:
                time.sleep(delay)
        else:
            del waiting[0]
            yield from batch.events(cut.content)


def _renewed(client: "DSSClient", replay: Replay, batch: Batch, replica: Replica) -> list[Batch]:
    """List the journals of a batch anew: they have fresh URLs, and may be other ones."""
    journals = client.get_events.iterate(
        replica=replica, from_date=batch.places[0].key.timestamp, per_page=_PAGE
    )
    return replay.renewed(batch, takewhile(lambda it: not batch.ends_before(it), journals))


def _one_by_one(client: "DSSClient", batch: Batch, replica: Replica) -> Iterator[BundleEvent]:
    """Ask for each event by itself, of a service that does not say where its journals are."""
    for place in batch.places:
        fqid = place.fqid
        try:
            document = client.get_event(uuid=fqid.uuid, version=fqid.version, replica=replica)
        except NotFound:
            continue  # its bundle was deleted meanwhile
        yield place.event(document)


async def replay_events_async(
    client: "AsyncDSSClient", replay: Replay, replica: Replica
) -> AsyncIterator[BundleEvent]:
    """Yield the events of a replay; see `AsyncDSSClient.replay_events`.

    Args:
        client: Lists journals, and knows storage.
        replay: What is wanted.
        replica: Replica to use.
    """
    if replay.is_empty:
        return
    journals = client.get_events.iterate(
        replica=replica, from_date=replay.from_date, to_date=replay.to_date, per_page=_PAGE
    )
    async for journal in journals:
        for batch in replay.add(journal):
            async for event in _events_async(client, replay, batch, replica):
                yield event
    for batch in replay.rest():
        async for event in _events_async(client, replay, batch, replica):
            yield event


async def _events_async(
    client: "AsyncDSSClient", replay: Replay, batch: Batch, replica: Replica
) -> AsyncIterator[BundleEvent]:
    transport = client._transport  # pyright: ignore[reportPrivateUsage] - same package
    tries = Tries(transport.options.retries)
    waiting = [batch]
    while waiting:
        batch = waiting[0]
        if batch.url is None:
            async for event in _one_by_one_async(client, batch, replica):
                yield event
            del waiting[0]
            continue
        try:
            async with transport.open_storage(
                batch.url, first=batch.first, last=batch.last
            ) as answer:
                cut = _Cut(batch, answer)
                async for piece in answer.iter_bytes():
                    if cut.take(piece):
                        break
            batch.check(cut.content)
        except DSSError as error:
            delay = tries.failed(error)
            if delay is None:
                waiting[:1] = await _renewed_async(client, replay, batch, replica)
            else:
                await asyncio.sleep(delay)
        else:
            del waiting[0]
            for event in batch.events(cut.content):
                yield event


async def _renewed_async(
    client: "AsyncDSSClient", replay: Replay, batch: Batch, replica: Replica
) -> list[Batch]:
    journals: list[EventsManifest] = []
    async for journal in client.get_events.iterate(
        replica=replica, from_date=batch.places[0].key.timestamp, per_page=_PAGE
    ):
        if batch.ends_before(journal):
            break
        journals.append(journal)
    return replay.renewed(batch, journals)


async def _one_by_one_async(
    client: "AsyncDSSClient", batch: Batch, replica: Replica
) -> AsyncIterator[BundleEvent]:
    for place in batch.places:
        fqid = place.fqid
        try:
            document = await client.get_event(uuid=fqid.uuid, version=fqid.version, replica=replica)
        except NotFound:
            continue
        yield place.event(document)
