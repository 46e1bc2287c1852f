"""The search index of a replica, in SQLite (docs/behaviour.md 10).

The index can always be rebuilt from its bucket, and is if it is missing, broken or of another
format. It is updated before each query from the listing of the bucket, if the directory's time says
that something changed.
"""

import json
import logging
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from dss_client.types import JSONObject
from dss_client.types import Replica as ReplicaName

from ..storage.documents import ObjectKey, as_object
from ..storage.listing import Listing
from ..storage.store import ObjectCreated, Replica
from .conditions import Condition, matches_regexp
from .query import QueryError, compile_query
from .search_documents import bundle_document
from .terms import Kind, entries

_logger = logging.getLogger(__name__)

_FORMAT = 1
_BUSY = 60  # seconds to wait for another process that writes
_CHUNK = 2000  # bundles indexed in one transaction
_MOST_SECONDS = 10  # that a query may take
_STEPS = 10_000  # of SQLite's machine between two looks at the clock
_CACHE = -64 * 1024  # KiB, by SQLite's rule for negative numbers

SortKey = tuple[str, str, str]

_SCHEMA = """
CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, fqid TEXT UNIQUE, uuid TEXT, version TEXT, tie TEXT
);
CREATE INDEX sorted ON documents (uuid, version, tie);
CREATE TABLE sources (document INTEGER PRIMARY KEY, source BLOB);
CREATE TABLE fields (id INTEGER PRIMARY KEY, path TEXT, kind INTEGER, UNIQUE (path, kind));
CREATE TABLE terms (field INTEGER, value, document INTEGER, PRIMARY KEY (field, value, document))
    WITHOUT ROWID;
CREATE TABLE keys (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""


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
    """The index of one replica."""

    def __init__(self, replica: Replica, path: Path) -> None:
        self._replica = replica
        self._path = path
        self._lock = threading.Lock()  # one thread at a time writes
        self._listing = Listing(replica)
        self._opened = False

    def find(self, condition: Condition, page: Page) -> Hits:
        """Return a page of the matching documents, newest uuid and version first.

        Raises:
            QueryError: It takes too long.
        """
        try:
            return self._find(condition, page)
        except sqlite3.DatabaseError as error:
            if not _is_broken(error):
                raise
            _logger.warning("%s: the search index is broken and is rebuilt", self._replica.name)
            self.rebuild()
            return self._find(condition, page)

    def forget(self) -> None:
        """Record that something was stored, which the next look takes in."""
        self._listing.forget()

    def rebuild(self) -> int:
        """Rebuild the index, and return the number of its documents."""
        self.clear()
        self._refresh()
        with self._connection() as connection:
            return _count(connection, "SELECT count(*) FROM documents")

    def clear(self) -> None:
        """Delete the index; the next look makes it anew."""
        with self._lock:
            self._opened = False
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)

    def _find(self, condition: Condition, page: Page) -> Hits:
        self._refresh()
        with self._connection() as connection:
            connection.execute("BEGIN")
            return _select(connection, condition, page)

    def _refresh(self) -> None:
        """Take in all changes since the last look."""
        with self._lock:
            if self._opened and not self._listing.may_have_changed():
                return
            with self._connection() as connection:
                if not self._opened:
                    _prepare(connection)
                    self._opened = True
                self._update(connection, self._listing.read(), _known(connection))
            self._listing.done()

    def _update(
        self, connection: sqlite3.Connection, stored: set[ObjectKey], known: set[ObjectKey]
    ) -> None:
        changed = stored ^ known
        if not changed:
            return
        uuids = {key.uuid for key in changed if key.version is None}
        touched = {ObjectKey(key.uuid, key.version, dead=False) for key in changed if key.version}
        touched |= {key for key in stored if key.uuid in uuids and key.version and not key.dead}
        ordered = sorted(touched, key=lambda key: key.name)
        for start in range(0, len(ordered), _CHUNK):
            chunk = ordered[start : start + _CHUNK]
            with _transaction(connection):
                _write(connection, self._replica, chunk, stored)
                part = {(key.uuid, key.version) for key in chunk}
                mine = [key for key in changed if (key.uuid, key.version) in part]
                _remember(connection, mine, stored)
        with _transaction(connection):
            _remember(connection, changed, stored)

    @contextmanager
    def _connection(self) -> Generator[sqlite3.Connection]:
        connection = _connect(self._path)
        try:
            yield connection
        finally:
            connection.close()


class SearchIndexes:
    """The indexes of all replicas, in one directory."""

    def __init__(self, replicas: Iterable[Replica], folder: Path) -> None:
        self._indexes: dict[ReplicaName, SearchIndex] = {
            replica.name: SearchIndex(replica, folder / f"{replica.name}.sqlite")
            for replica in replicas
        }

    def take(self, stored: ObjectCreated) -> None:
        """Note an object that was just stored: the writer does not wait for the index."""
        self.of(stored.replica).forget()

    def of(self, replica: Replica) -> SearchIndex:
        """Return the index of a replica."""
        return self._indexes[replica.name]

    def clear(self) -> None:
        """Delete all indexes; the next look makes them anew."""
        for index in self._indexes.values():
            index.clear()

    def rebuild(self) -> dict[ReplicaName, int]:
        """Rebuild all indexes, and return the number of documents in each."""
        return {name: index.rebuild() for name, index in self._indexes.items()}


def document_matches(query: object, fqid: str, source: JSONObject) -> bool:
    """Tell whether one document, which is in no index, matches a query.

    Raises:
        QueryError: The query cannot be run.
    """
    with one_document(fqid, source) as fulfils:
        return fulfils(compile_query(query))


@contextmanager
def one_document(fqid: str, source: JSONObject) -> Generator[Callable[[Condition], bool]]:
    """Yield what tells whether one document, which is in no index, fulfils a condition."""
    connection = _connect(":memory:")
    try:
        connection.executescript(_SCHEMA)
        _insert(connection, [(fqid, source)])
        page = Page(after=None, skip=0, size=0, whole=False)
        yield lambda condition: _select(connection, condition, page).total == 1
    finally:
        connection.close()


def _connect(path: Path | str) -> sqlite3.Connection:
    if isinstance(path, Path):
        path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
    try:
        connection.execute(f"PRAGMA cache_size = {_CACHE}")
        connection.execute("PRAGMA synchronous = OFF")  # what is lost can be rebuilt
        connection.create_function("REGEXP", 2, matches_regexp, deterministic=True)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, unless they are there in this format.

    Raises:
        sqlite3.DatabaseError: The file is broken.
    """
    [found] = connection.execute("PRAGMA user_version").fetchone()
    if found == _FORMAT:
        return
    connection.execute("PRAGMA journal_mode = WAL")
    with _transaction(connection):
        [found] = connection.execute("PRAGMA user_version").fetchone()
        if found == _FORMAT:  # another process was faster
            return
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        for (name,) in tables.fetchall():
            if not name.startswith("sqlite_"):
                connection.execute(f'DROP TABLE "{name}"')
        for statement in _SCHEMA.split(";")[:-1]:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_FORMAT}")


def _write(
    connection: sqlite3.Connection,
    replica: Replica,
    bundles: Iterable[ObjectKey],
    stored: set[ObjectKey],
) -> None:
    """Replace the documents of bundle versions, or remove them where the manifest is gone."""
    found: list[tuple[str, JSONObject]] = []
    for key in bundles:
        # The terms of the old document stay: ids are never used twice, so nothing meets them.
        old = connection.execute("SELECT id FROM documents WHERE fqid = ?", (key.name,)).fetchone()
        if old is not None:
            connection.execute("DELETE FROM documents WHERE id = ?", old)
            connection.execute("DELETE FROM sources WHERE document = ?", old)
        source = bundle_document(replica, key.uuid, key.version or "") if key in stored else None
        if source is not None:
            found.append((key.name, source))
    _insert(connection, found)


def _insert(connection: sqlite3.Connection, found: Sequence[tuple[str, JSONObject]]) -> None:
    fields: dict[tuple[str, Kind], int] = {}
    rows: list[tuple[int, int | float | str, int]] = []
    for fqid, source in found:
        values = (fqid, *_sort_key(fqid, source))
        document = connection.execute(
            "INSERT INTO documents (fqid, uuid, version, tie) VALUES (?, ?, ?, ?)", values
        ).lastrowid
        packed = zlib.compress(json.dumps(source).encode(), 1)
        connection.execute("INSERT INTO sources VALUES (?, ?)", (document, packed))
        for path, kind, value in entries(fqid, source):
            field = _field_id(connection, fields, path, kind)
            rows.append((field, value, document or 0))
    # In the order of the table: neighbours go to one page.
    rows.sort(key=lambda row: (row[0], isinstance(row[1], str), row[1]))
    connection.executemany("INSERT OR IGNORE INTO terms VALUES (?, ?, ?)", rows)


def _field_id(
    connection: sqlite3.Connection, known: dict[tuple[str, Kind], int], path: str, kind: Kind
) -> int:
    found = known.get((path, kind))
    if found is None:
        connection.execute("INSERT OR IGNORE INTO fields (path, kind) VALUES (?, ?)", (path, kind))
        [found] = connection.execute(
            "SELECT id FROM fields WHERE path = ? AND kind = ?", (path, kind)
        ).fetchone()
        known[path, kind] = found
    return found


def _sort_key(fqid: str, source: JSONObject) -> SortKey:
    """Return what a document is sorted by; a missing version sorts last, as the empty text.

    The id only separates the versions under one tombstone of all versions (docs/behaviour.md S27).
    """
    version = source["manifest"].get("version")
    return (source["uuid"], version or "", "" if version else fqid)


def _select(connection: sqlite3.Connection, condition: Condition, page: Page) -> Hits:
    """Return a page of what matches.

    Raises:
        QueryError: It takes too long.
    """
    end = time.monotonic() + _MOST_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        return _selected(connection, condition, page)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        raise QueryError(f"it takes more than {_MOST_SECONDS} seconds: ask for less") from error


def _selected(connection: sqlite3.Connection, condition: Condition, page: Page) -> Hits:
    all_of_them = f"SELECT count(*) FROM documents d WHERE {condition.sql}"  # noqa: S608 - values are bound
    total = _count(connection, all_of_them, condition.values)
    after = " AND (uuid, version, tie) < (?, ?, ?)" if page.after else ""
    sql = (
        f"SELECT id, fqid, uuid, version, tie FROM documents d WHERE {condition.sql}{after}"  # noqa: S608 - values are bound
        " ORDER BY uuid DESC, version DESC, tie DESC LIMIT ? OFFSET ?"
    )
    values = (*condition.values, *(page.after or ()), page.size, page.skip)
    found = connection.execute(sql, values).fetchall()
    hits = [
        Hit(
            fqid=fqid,
            sort=(uuid, version, tie),
            source=_source(connection, document) if page.whole else None,
        )
        for document, fqid, uuid, version, tie in found
    ]
    return Hits(page=hits, total=total)


def _source(connection: sqlite3.Connection, document: int) -> JSONObject:
    [packed] = connection.execute(
        "SELECT source FROM sources WHERE document = ?", (document,)
    ).fetchone()
    return as_object(json.loads(zlib.decompress(packed))) or {}


def _count(connection: sqlite3.Connection, sql: str, values: Sequence[object] = ()) -> int:
    [count] = connection.execute(sql, values).fetchone()
    return int(count)


def _known(connection: sqlite3.Connection) -> set[ObjectKey]:
    names = connection.execute("SELECT name FROM keys").fetchall()
    return {key for (name,) in names if (key := ObjectKey.parse(f"bundles/{name}")) is not None}


def _remember(
    connection: sqlite3.Connection, keys: Iterable[ObjectKey], stored: set[ObjectKey]
) -> None:
    for key in keys:
        if key in stored:
            connection.execute("INSERT OR IGNORE INTO keys VALUES (?)", (key.name,))
        else:
            connection.execute("DELETE FROM keys WHERE name = ?", (key.name,))


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _is_broken(error: sqlite3.DatabaseError) -> bool:
    # Its subclasses tell of other things: a wrong statement, a lock, a full disk.
    return type(error) is sqlite3.DatabaseError
