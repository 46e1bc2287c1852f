"""The search index of a replica, in SQLite (docs/behaviour.md 10).

The index can always be rebuilt from its bucket, and is if it is missing, broken or of another
format. It is updated before each query: from what the service itself stored, and from the listing
of the bucket, where something may have changed.
"""

import json
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from pathlib import Path

from attrs import frozen

from dss_client.types import JSONObject

from ..gate import Gate
from ..storage.documents import ObjectKey
from ..storage.listing import FOLDER, Listing
from ..storage.store import ObjectCreated, Replica
from .document import Document
from .entries import Entry, SortKey, entries_of, source_of
from .lookup import Ids, Lookup, TooSlow
from .query import QueryError
from .tokens import tokenizer, tokens_of
from .tree import Query

_logger = logging.getLogger(__name__)

_FORMAT = 4  # the next is 6: an index of strict reading has one more
_BUSY = 60  # seconds to wait for another process that writes
_MOST_SECONDS = 10  # that a query may take
_PATIENCE = 10  # seconds to wait while another search takes in changes
_LONG = 5_000  # bundles that take seconds to index
_FEW = 1_000  # hits that are cheaper to sort than to meet in order
_CACHE = -64 * 1024  # KiB, by SQLite's rule for negative numbers

_SCHEMA = f"""
CREATE TABLE documents (
    id INTEGER PRIMARY KEY, fqid TEXT UNIQUE, uuid TEXT, version TEXT, tie TEXT,
    source BLOB
);
CREATE INDEX sorted ON documents (uuid, version, tie);
CREATE TABLE fields (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE keys (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE VIRTUAL TABLE terms USING fts5(
    tokens, content='', detail=none, columnsize=0, tokenize={tokenizer()}
);
CREATE VIRTUAL TABLE places USING fts5vocab(terms, instance);
"""


class NotReady(Exception):
    """The index cannot answer at the moment; the message says why."""


@frozen
class Hit:
    """A document that matches.

    Attributes:
        fqid: Its id.
        sort: What it is sorted by.
        source: The document; None where only its id was asked for.
    """

    fqid: str
    sort: SortKey
    source: JSONObject | None


@frozen
class Hits:
    """One page of matching documents, and how many match in all."""

    page: list[Hit]
    total: int


@frozen
class Page:
    """Which of the matching documents are wanted.

    Attributes:
        after: The sort values that they come after; None begins with the first.
        skip: How many to leave out.
        size: How many there are at most.
        whole: Whether their sources are wanted, too.
    """

    after: SortKey | None
    skip: int
    size: int
    whole: bool


class SearchIndex:
    """The index of one replica.

    Args:
        replica: The replica.
        path: Where the index is.
        stopping: Tells that nobody waits for it any more.
        strict: Whether one odd file leaves a bundle out, as in the original.
    """

    def __init__(
        self, replica: Replica, path: Path, *, stopping: threading.Event, strict: bool = False
    ) -> None:
        self._replica = replica
        self._path = path
        self._stopping = stopping
        self._strict = strict
        self._gate = Gate()  # shared by those who use the file, for one alone who deletes it
        self._listing = Listing(replica)
        self._lock = threading.Lock()  # one thread at a time writes
        self._known: set[str] | None = None  # names of the objects that were taken in
        self._told: deque[str] = deque()  # names of objects that were stored since

    def find(self, query: Query, page: Page) -> Hits:
        """Return a page of the matching documents, newest uuid and version first.

        Raises:
            QueryError: It takes too long.
            NotReady: It is being made by another search, or the service stops.
        """
        try:
            return self._find(query, page)
        except sqlite3.DatabaseError as error:
            if not _is_broken(error):
                raise
            _logger.warning("%s: the search index is broken and is rebuilt", self._replica.name)
            self.rebuild()
            return self._find(query, page)

    def take(self, stored: ObjectCreated) -> None:
        """Note an object that was just stored: the writer does not wait for the index."""
        if stored.replica is self._replica and stored.key.startswith(FOLDER):
            self._told.append(stored.key.removeprefix(FOLDER))

    def rebuild(self) -> int:
        """Rebuild the index, and return the number of its documents."""
        self.clear()
        with self._gate.shared(), self._refreshed(patience=-1) as connection:
            [count] = connection.execute("SELECT count(*) FROM documents").fetchone()
            return int(count)

    def clear(self) -> None:
        """Delete the index; the next look makes it anew."""
        with self._gate.alone():
            self._known = None
            _delete(self._path)

    def _find(self, query: Query, page: Page) -> Hits:
        with self._gate.shared(), self._refreshed(_PATIENCE) as connection:
            connection.execute("BEGIN")
            try:
                lookup = Lookup(connection, _MOST_SECONDS)
                return _hits(connection, lookup, lookup.find(query), page)
            except TooSlow as error:
                title = f"it takes more than {_MOST_SECONDS} seconds: ask for less"
                raise QueryError(title) from error

    @contextmanager
    def _refreshed(self, patience: float) -> Generator[sqlite3.Connection]:
        self._refresh(patience)
        with _connection(self._path) as connection:
            yield connection

    def _refresh(self, patience: float) -> None:
        """Take in all changes since the last look, and wait so long for another that does."""
        # Those who wait for long would use up the threads that answer all other requests.
        if not self._lock.acquire(timeout=patience):
            raise NotReady("The search index is being made: try again soon.")
        try:
            self._take_in()
        except BaseException:
            self._known = None  # the next look lists again
            raise
        finally:
            self._lock.release()

    def _take_in(self) -> None:
        if self._known is None:
            # What it holds depends on `strict`, so that is a part of its format.
            self._known = _prepare(self._path, _FORMAT + self._strict)
            self._listing.forget()
        told = {self._told.popleft() for _ in range(len(self._told))}
        listed = self._listing.names()
        stored = self._known | told if listed is None else listed
        if stored != self._known:
            with _connection(self._path) as connection:
                self._update(connection, stored, self._known ^ stored)
            self._known = stored

    def _update(self, connection: sqlite3.Connection, stored: set[str], changed: set[str]) -> None:
        touched = sorted(_touched(changed, stored))
        # Whoever waits for the first search of an archive is told why: a log shows warnings.
        level = logging.INFO if len(touched) < _LONG else logging.WARNING
        text = "%s: %d bundles are indexed, and searches wait for it"
        _logger.log(level, text, self._replica.name, len(touched))
        with _transaction(connection):
            _delete_documents(connection, touched)
        entries = entries_of(
            self._replica, [it for it in touched if it in stored], strict=self._strict
        )
        for batch in entries:
            if self._stopping.is_set():
                raise NotReady("The service stops.")
            with _transaction(connection):
                _insert(connection, batch)
                _remember(connection, changed.intersection(entry.fqid for entry in batch), stored)
        with _transaction(connection):
            _remember(connection, changed, stored)


def _touched(changed: set[str], stored: set[str]) -> set[str]:
    """Return the FQIDs whose documents changes of objects touch."""
    found: set[str] = set()
    uuids: set[str] = set()
    for name in changed:
        key = ObjectKey.parse(f"{FOLDER}{name}")
        if key is not None and key.version:
            found.add(f"{key.uuid}.{key.version}")
        elif key is not None:
            uuids.add(key.uuid)
    if uuids:  # their tombstones are over all versions
        found |= _touched({name for name in stored if name.partition(".")[0] in uuids}, set())
    return found


def _prepare(path: Path, version: int) -> set[str]:
    """Make the tables, unless they are there in this format; return the names taken in.

    Raises:
        sqlite3.DatabaseError: The file is broken.
    """
    with _connection(path) as connection:
        [found] = connection.execute("PRAGMA user_version").fetchone()
        if found == version:
            return {name for (name,) in connection.execute("SELECT name FROM keys")}
    _delete(path)
    with _connection(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {version}; COMMIT;")
    return set()


def _delete_documents(connection: sqlite3.Connection, fqids: Iterable[str]) -> None:
    for fqid in fqids:
        for number, packed in connection.execute(
            "SELECT id, source FROM documents WHERE fqid = ?", (fqid,)
        ).fetchall():
            tokens = tokens_of(Document.of(fqid, source_of(packed)))
            connection.execute(
                "INSERT INTO terms (terms, rowid, tokens) VALUES ('delete', ?, ?)",
                (number, tokens),
            )
            connection.execute("DELETE FROM documents WHERE id = ?", (number,))


def _insert(connection: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    for entry in entries:
        number = connection.execute(
            "INSERT INTO documents (fqid, uuid, version, tie, source) VALUES (?, ?, ?, ?, ?)",
            (entry.fqid, *entry.sort, entry.source),
        ).lastrowid
        connection.execute(
            "INSERT INTO terms (rowid, tokens) VALUES (?, ?)", (number, entry.tokens)
        )
    paths = {path for entry in entries for path in entry.paths}
    connection.executemany("INSERT OR IGNORE INTO fields VALUES (?)", [(it,) for it in paths])


def _remember(connection: sqlite3.Connection, names: Iterable[str], stored: set[str]) -> None:
    for name in names:
        if name in stored:
            connection.execute("INSERT OR IGNORE INTO keys VALUES (?)", (name,))
        else:
            connection.execute("DELETE FROM keys WHERE name = ?", (name,))


def _hits(connection: sqlite3.Connection, lookup: Lookup, ids: Ids, page: Page) -> Hits:
    # Few are looked up and sorted; for many, + has them found in the order that they are sorted by.
    column = "id" if len(ids) < _FEW else "+id"
    where = f"{column} IN (SELECT value FROM json_each(?))"  # noqa: S608 - a constant
    values = [json.dumps(list(ids))]
    if page.after:
        where += " AND (uuid, version, tie) < (?, ?, ?)"
        values += page.after
    rows = connection.execute(
        f"SELECT id, fqid, uuid, version, tie FROM documents WHERE {where}"  # noqa: S608 - values are bound
        " ORDER BY uuid DESC, version DESC, tie DESC LIMIT ? OFFSET ?",
        (*values, page.size, page.skip),
    ).fetchall()
    numbers = {number for number, *_ in rows} if page.whole else frozenset[int]()
    sources = {number: source for number, _, source in lookup.sources(numbers)}
    hits = [
        Hit(fqid=fqid, sort=(uuid, version, tie), source=sources.get(number))
        for number, fqid, uuid, version, tie in rows
    ]
    return Hits(page=hits, total=len(ids))


@contextmanager
def _connection(path: Path) -> Generator[sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=_BUSY, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA cache_size = {_CACHE}")
        connection.execute("PRAGMA synchronous = OFF")  # what is lost can be rebuilt
        yield connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def _delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _is_broken(error: sqlite3.DatabaseError) -> bool:
    # Its subclasses tell of other things: a lock, a full disk. A missing table is a missing file.
    return type(error) is sqlite3.DatabaseError or "no such table" in str(error)
