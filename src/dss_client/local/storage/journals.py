"""Journals of events: each bundle that was stored, with its metadata (docs/behaviour.md 12).

A journal is one object: a line of JSON that tells of its events, then their documents, one after
the other. Which journals there are follows from the bundles in the main bucket and the times of
their manifests, so journals can be thrown away. So many bundles as a journal holds are in one;
the youngest are in journals of one event each, until there are enough of them.
"""

import json
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from attrs import field, frozen

from dss_client.versions import format_version, is_version

from . import documents
from .documents import ObjectKey
from .listing import FOLDER, Listing
from .store import ObjectCreated, Replica

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
    def key(self) -> str:
        """Key of its object in the bucket of events."""
        return _key(self.journal_id)


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
        self.clear()

    def clear(self) -> None:
        """Forget what was read of the journals."""
        self._listing = Listing(self._replica)
        self._stored_at: dict[str, str] = {}
        self._known: dict[str, Journal | None] = {}
        self._journals: list[Journal] = []

    def take(self, stored: ObjectCreated) -> None:
        """Note an object that was just stored: the writer does not wait for the journals."""
        if stored.replica is self._replica:
            self._listing.forget()

    def all(self) -> list[Journal]:
        """Return all journals, the one with the oldest event first."""
        with self._lock:
            names = self._listing.names()
            if names is not None:
                try:
                    self._journals = self._made_of(names)
                except BaseException:
                    self._listing.forget()
                    raise
            return self._journals

    def living(self, journal: Journal) -> list[Event]:
        """Return the events of a journal whose bundles are not deleted."""
        return [event for event in journal.events if self._lives(event.event_id)]

    def _lives(self, fqid: str) -> bool:
        uuid, _, version = fqid.partition(".")
        is_there = self._replica.main.info(f"bundles/{fqid}") is not None
        return is_there and not self._replica.is_dead(uuid, version)

    def _made_of(self, names: Iterable[str]) -> list[Journal]:
        keys = [ObjectKey.parse(f"{FOLDER}{name}") for name in names]
        fqids = [key.name for key in keys if key and key.version and not key.dead]
        for fqid in fqids:
            if fqid not in self._stored_at:
                info = self._replica.main.info(f"bundles/{fqid}")
                time = datetime.fromtimestamp(info.modified if info else 0, UTC)
                self._stored_at[fqid] = format_version(time)
        fqids.sort(key=lambda fqid: (self._stored_at[fqid], fqid))
        whole = len(fqids) - len(fqids) % self._size
        groups = [fqids[at : at + self._size] for at in range(0, whole, self._size)]
        groups += [[fqid] for fqid in fqids[whole:]]
        found = [journal for group in groups if (journal := self._journal(group))]
        return sorted(found, key=lambda journal: journal.journal_id)

    def _journal(self, fqids: Sequence[str]) -> Journal | None:
        """Return the journal of some bundles, None when nothing is to be told of them."""
        first, last = self._stored_at[fqids[0]], self._stored_at[fqids[-1]]
        mark = last if len(fqids) == self._size else _NEW
        identity = uuid5(NAMESPACE_URL, " ".join(fqids))
        journal_id = _SEPARATOR.join((first, last, mark, str(identity)))
        if journal_id not in self._known:
            self._known[journal_id] = self._read(journal_id) or self._write(journal_id, fqids)
        return self._known[journal_id]

    def _read(self, journal_id: str) -> Journal | None:
        """Return a journal that is there already."""
        try:
            with self._replica.events.open(_key(journal_id)) as stream:
                line = stream.readline()
        except FileNotFoundError:
            return None
        entries = documents.as_list((documents.decode(line) or {}).get("events"))
        return None if entries is None else _placed(journal_id, len(line), entries)

    def _write(self, journal_id: str, fqids: Iterable[str]) -> Journal | None:
        entries: list[tuple[str, str, int]] = []
        pieces: list[bytes] = []
        for fqid in filter(self._lives, fqids):
            uuid, _, version = fqid.partition(".")
            document = self._replica.metadata_document(uuid, version)
            if document is not None:
                pieces.append(json.dumps(document).encode())
                entries.append((fqid, self._stored_at[fqid], len(pieces[-1])))
        if not entries:
            return None
        line = json.dumps({"events": entries}).encode() + b"\n"
        self._replica.events.put(_key(journal_id), line + b"".join(pieces))
        return _placed(journal_id, len(line), entries)


def _key(journal_id: str) -> str:
    return f"journals/{journal_id}"


def _placed(journal_id: str, start: int, entries: Iterable[Sequence[object]]) -> Journal:
    """Return a journal whose documents lie one after the other from `start` on."""
    events: list[Event] = []
    offset = start
    for event_id, timestamp, size in entries:
        event = Event(str(event_id), str(timestamp), offset, int(str(size)))
        events.append(event)
        offset += event.size
    return Journal(journal_id=journal_id, size=offset, events=tuple(events))
