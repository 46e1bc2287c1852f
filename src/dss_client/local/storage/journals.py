"""Journals of events: each bundle that was stored, with its metadata (docs/behaviour.md 12).

A journal is one object: a line of JSON that tells of its events, then their documents, one after
the other. Journals hold nothing that the main bucket does not tell, so they can be thrown away; an
event's time is that of the bundle's manifest in the bucket. Once there are so many journals of one
event as one journal holds, they become one; their objects stay, for those who have their URLs.
"""

import json
import logging
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import uuid4

from attrs import field, frozen

from dss_client.types import Replica as ReplicaName
from dss_client.versions import create_version, format_version, is_version

from . import documents
from .documents import ObjectKey
from .listing import Listing
from .store import ObjectCreated, Replica

_logger = logging.getLogger(__name__)

_FOLDER = "journals/"
_SEPARATOR = "--"
_NEW = "new"
_PARTS = 4


@frozen
class Event:
    """Where one event lies in its journal.

    Attributes:
        event_id: The bundle's `<uuid>.<version>`.
        timestamp: When the bundle was stored, as a DSS_VERSION.
        offset: Its first byte in the journal.
        size: Its size in bytes.
    """

    event_id: str
    timestamp: str
    offset: int
    size: int


@frozen
class Journal:
    """One journal. Its id tells the times of its first and last event, and so do its properties."""

    journal_id: str
    size: int
    events: tuple[Event, ...] = field(repr=False)

    @property
    def from_date(self) -> str:
        """Time of its first event."""
        return self.journal_id.split(_SEPARATOR)[0]

    @property
    def to_date(self) -> str:
        """Time of its last event."""
        return self.journal_id.split(_SEPARATOR)[1]

    @property
    def is_new(self) -> bool:
        """Whether it waits to become part of a larger one."""
        return self.journal_id.split(_SEPARATOR)[2] == _NEW

    @property
    def key(self) -> str:
        """Key of its object in the bucket of events."""
        return f"{_FOLDER}{self.journal_id}"


@frozen
class _Record:
    timestamp: str
    event_id: str
    content: bytes = field(repr=False)


def is_journal_id(text: str) -> bool:
    """Tell whether a text could be the id of a journal."""
    parts = text.split(_SEPARATOR)
    return len(parts) == _PARTS and is_version(parts[0]) and is_version(parts[1])


class Journals:
    """The journals of one replica, brought up to date with its bucket at each look."""

    def __init__(self, replica: Replica, size: int) -> None:
        self._replica = replica
        self._size = size  # events in a journal
        self._lock = threading.Lock()
        self._listing = Listing(replica)
        self._journals: dict[str, Journal] | None = None
        self._recorded: set[str] = set()

    def all(self) -> list[Journal]:
        """Return all journals, the one with the oldest event first."""
        with self._lock:
            if self._journals is None:
                self._load()
            if self._listing.may_have_changed():
                self._record(self._listing.read())
                self._listing.done()
            return [journal for _, journal in sorted((self._journals or {}).items())]

    def forget(self) -> None:
        """Note that something was stored, which the next look takes in."""
        self._listing.forget()

    def living(self, journal: Journal) -> list[Event]:
        """Return the events of a journal whose bundles are not deleted."""
        return [event for event in journal.events if self._lives(event.event_id)]

    def _lives(self, fqid: str) -> bool:
        main = self._replica.main
        dead = (f"bundles/{fqid}.dead", f"bundles/{fqid.partition('.')[0]}.dead")
        return main.info(f"bundles/{fqid}") is not None and not any(map(main.info, dead))

    def _load(self) -> None:
        """Read the journals of earlier runs; one that became part of another is left out."""
        self._journals = {}
        found = [self._read(key) for key in self._replica.events.keys(_FOLDER)]
        known = [journal for journal in found if journal is not None]
        for journal in sorted(known, key=lambda journal: journal.is_new):
            ids = {event.event_id for event in journal.events}
            if not ids <= self._recorded and (self.living(journal) or not journal.is_new):
                self._journals[journal.journal_id] = journal
                self._recorded |= ids

    def _read(self, key: str) -> Journal | None:
        journal_id = key.removeprefix(_FOLDER)
        bucket = self._replica.events
        with bucket.open(key) as stream:
            line = stream.readline()
        info = bucket.info(key)
        entries = documents.as_list((documents.decode(line) or {}).get("events"))
        if info is None or entries is None or not is_journal_id(journal_id):
            _logger.warning("%s: %a is skipped, it is not a journal", bucket.name, key)
            return None
        return _journal(journal_id, len(line), entries)

    def _record(self, keys: Iterable[ObjectKey]) -> None:
        """Record the bundles that are not recorded, and merge journals where there are enough."""
        wanted = {key.name for key in keys if key.version and not key.dead} - self._recorded
        found = sorted((time, fqid) for fqid in wanted if (time := self._stored_at(fqid)))
        whole = len(found) - len(found) % self._size
        for start in range(0, whole, self._size):
            self._write(self._records(found[start : start + self._size]), create_version())
        for record in self._records(found[whole:]):
            self._write([record], _NEW)
        self._merge()

    def _stored_at(self, fqid: str) -> str | None:
        """Return when a bundle was stored, None when it is gone or dead."""
        info = self._replica.main.info(f"bundles/{fqid}")
        if info is None or not self._lives(fqid):
            return None
        return format_version(datetime.fromtimestamp(info.modified, UTC))

    def _records(self, found: Iterable[tuple[str, str]]) -> list[_Record]:
        records: list[_Record] = []
        for timestamp, fqid in found:
            uuid, _, version = fqid.partition(".")
            document = self._replica.metadata_document(uuid, version)
            if document is not None:
                content = json.dumps(document).encode()
                records.append(_Record(timestamp, fqid, content))
        return records

    def _write(self, records: Sequence[_Record], mark: str) -> None:
        if not records:
            return
        parts = [records[0].timestamp, records[-1].timestamp, mark, str(uuid4())]
        journal_id = _SEPARATOR.join(parts)
        entries = [[it.event_id, it.timestamp, len(it.content)] for it in records]
        line = json.dumps({"events": entries}).encode() + b"\n"
        journal = _journal(journal_id, len(line), entries)
        self._replica.events.put(journal.key, line + b"".join(record.content for record in records))
        if self._journals is not None:
            self._journals[journal_id] = journal
        self._recorded.update(record.event_id for record in records)

    def _merge(self) -> None:
        journals = self._journals or {}
        new = [journal for _, journal in sorted(journals.items()) if journal.is_new]
        if len(new) < self._size or self._size == 1:
            return
        for journal in new[: self._size]:
            del journals[journal.journal_id]
        pieces = [self._pieces(journal) for journal in new[: self._size]]
        self._write([record for piece in pieces for record in piece], create_version())

    def _pieces(self, journal: Journal) -> list[_Record]:
        """Return the events of a journal that are still there, with their documents."""
        with self._replica.events.open(journal.key) as stream:
            content = stream.read()
        return [
            _Record(it.timestamp, it.event_id, content[it.offset : it.offset + it.size])
            for it in self.living(journal)
        ]


class EventJournals:
    """The journals of all replicas."""

    def __init__(self, replicas: Iterable[Replica], size: int) -> None:
        self._replicas = tuple(replicas)
        self._size = size
        self.clear()

    def clear(self) -> None:
        """Forget what was read of the journals."""
        self._journals: dict[ReplicaName, Journals] = {
            replica.name: Journals(replica, self._size) for replica in self._replicas
        }

    def take(self, stored: ObjectCreated) -> None:
        """Note an object that was just stored: the writer does not wait for the journals."""
        self.of(stored.replica).forget()

    def of(self, replica: Replica) -> Journals:
        """Return the journals of a replica."""
        return self._journals[replica.name]


def _journal(journal_id: str, start: int, entries: Sequence[Sequence[object]]) -> Journal:
    events: list[Event] = []
    offset = start
    for event_id, timestamp, size in entries:
        event = Event(str(event_id), str(timestamp), offset, int(str(size)))
        events.append(event)
        offset += event.size
    return Journal(journal_id=journal_id, size=offset, events=tuple(events))
