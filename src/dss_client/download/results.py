"""The files of a download and their results, row by row, in bounded memory.

A manifest may have a million rows. So rows and results are not kept as objects but in a private
SQLite database, in memory while it is small and in an unnamed temporary file otherwise, or below
the download directory where the directory of temporary files has no room. It ends with the object.
"""

import marshal
import os
import secrets
import sqlite3
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TypeVar, cast
from weakref import finalize

from attrs import frozen

from dss_client.transfer.owner import tag
from dss_client.versions import FQID

from .errors import DiskFull, FileDownloadError
from .report import FileReport, Link, State, Totals
from .task import FileTask

__all__ = ["ManifestEntry", "ResultStore"]

_BATCH = 1000
_OPTIONS = """
PRAGMA journal_mode = MEMORY;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -1024;
"""
_TABLES = """
PRAGMA temp_store = FILE;
CREATE TABLE bundles (number INTEGER PRIMARY KEY, uuid TEXT, version TEXT);
CREATE INDEX bundles_by_id ON bundles (uuid, version);
CREATE TABLE files (
    number INTEGER PRIMARY KEY, bundle TEXT, name TEXT, uuid TEXT, version TEXT, sha256 TEXT,
    size INTEGER, target TEXT, state TEXT, link TEXT, tries INTEGER, seconds REAL, reason TEXT,
    url TEXT
);
CREATE TABLE cells (
    number INTEGER PRIMARY KEY, bundle INTEGER, name TEXT, uuid TEXT, version TEXT, sha256 TEXT,
    size INTEGER, url TEXT, text TEXT
);
CREATE TABLE texts (first INTEGER PRIMARY KEY, texts BLOB);
"""
_FILE = f"INSERT OR REPLACE INTO files VALUES ({','.join('?' * 14)})"  # noqa: S608 - constants
_ALL = "SELECT * FROM files"
_LISTED = (
    "SELECT sha256, size FROM cells WHERE name != '' AND size IS NOT NULL"
    " UNION ALL SELECT sha256, size FROM files WHERE state = 'planned'"
)
_LISTED_BYTES = f"SELECT sum(size) FROM ({_LISTED})"  # noqa: S608 - constants
_CONTENTS = f"SELECT DISTINCT sha256, size FROM ({_LISTED})"  # noqa: S608 - constants
_Row = tuple[object, ...]
T = TypeVar("T")
_Entry = tuple[int, str, str, str, str, int | None, str | None]


@frozen
class ManifestEntry:
    """A row of a manifest as it is stored.

    Attributes:
        number: Its place, from 0.
        name: Name of the file in its bundle; empty where the row stands for the bundle alone.
        uuid: Id of the file, in lower case; empty where the manifest does not say it.
        version: Its version; empty as above.
        sha256: Its checksum, in lower case.
        size: Its size, in bytes; None as above.
        url: Where its content is; None where the service knows it.
    """

    number: int
    name: str
    uuid: str
    version: str
    sha256: str
    size: int | None
    url: str | None = None


@frozen
class ExportedResults:
    """Results of files, on their way from one process to another.

    Attributes:
        files: Their rows.
        errors: Why files failed, by their numbers.
    """

    files: list[_Row]
    errors: dict[int, FileDownloadError]


class ResultStore:
    """The files of one download, in the order of their numbers. Safe to be used by threads.

    Args:
        stored: Returns the place of a content in the store.
        root: Where names of files begin.
        spare: Where the database goes if there is no room in the directory of temporary files.

    Raises:
        DiskFull: By any method: there is no room for the database anywhere.
    """

    def __init__(self, stored: Callable[[str], str], root: Path, *, spare: Path | None) -> None:
        self._stored = stored
        self._root = root
        self._spare = spare
        self._lock = threading.Lock()
        self._errors: dict[int, FileDownloadError] = {}
        self._places = f"{tempfile.gettempdir()} (TMPDIR)"
        self._closing = ExitStack()
        finalize(self, self._closing.close)  # a report may keep it, or an exception end its use
        self._db = self._open("")
        self._db.executescript(_TABLES)

    def _open(self, path: str | Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._closing.callback(db.close)
        db.executescript(_OPTIONS)
        return db

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the database; where it has no room, move it first."""
        with self._lock:
            try:
                return work(self._db)
            except sqlite3.Error as error:
                self._move(error)
            try:
                return work(self._db)
            except sqlite3.Error as error:
                raise self._no_room(error) from error

    def _change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Change something in the database, all or nothing."""

        def change(db: sqlite3.Connection) -> T:
            db.execute("BEGIN")
            try:
                result = work(db)
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # it was done by itself
                    db.execute("ROLLBACK")
                raise
            return result

        return self._do(change)

    def _move(self, error: sqlite3.Error) -> None:
        """Go on with the database below the download directory. Its open cursors stay good."""
        folder, self._spare = self._spare, None
        if folder is None:
            raise self._no_room(error) from error
        self._places += f", nor in {folder}"
        path = folder / f"{tag()}-{secrets.token_hex(6)}.tmp"  # removed if this process is killed
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._closing.callback(path.unlink, missing_ok=True)
            moved = self._open(path)
            moved.execute("PRAGMA temp_store = MEMORY")
            self._db.backup(moved)
        except (OSError, sqlite3.Error) as fault:
            raise self._no_room(fault) from fault
        if os.name != "nt":
            path.unlink()
        self._db = moved

    def _no_room(self, error: Exception) -> DiskFull:
        return DiskFull(
            "results",
            f"there is no room for the list of files in {self._places} ({error}): make room, or set"
            " TMPDIR to a directory with more",
        )

    # Bundles of a manifest

    def number_of(self, bundle: FQID) -> int:
        """Return the number of a bundle; a new one gets the next."""
        key = (bundle.uuid, bundle.version)
        for row in self._each("SELECT number FROM bundles WHERE uuid = ? AND version = ?", key):
            return _int(row[0])
        sql = "INSERT INTO bundles (uuid, version) VALUES (?,?)"
        return self._change(lambda db: _int(db.execute(sql, key).lastrowid))

    def bundles(self) -> Iterator[tuple[int, FQID]]:
        """Yield the bundles by their numbers."""
        for number, uuid, version in self._each("SELECT number, uuid, version FROM bundles"):
            yield _int(number), FQID(str(uuid), str(version))

    # Files

    def add_rows(self, rows: Sequence[_Row]) -> None:
        """Add files as rows of the table."""
        self._change(lambda db: db.executemany(_FILE, rows))

    def record(self, results: Iterable[tuple[FileTask, FileReport]]) -> None:
        """Record what became of files."""
        rows: list[_Row] = []
        for task, report in results:
            rows.append(
                (
                    task.number,
                    None if task.bundle is None else str(task.bundle),
                    task.name,
                    task.uuid,
                    task.version,
                    task.sha256,
                    task.size,
                    task.target,
                    report.state,
                    report.link,
                    report.tries,
                    report.seconds,
                    report.reason,
                    None,  # its URL is of no use any more
                )
            )
            if report.error is not None:
                self._errors[task.number] = report.error
        self.add_rows(rows)

    def pending(self) -> Iterator[FileTask]:
        """Yield the files that are still to be fetched, those of a bundle together."""
        rows = self._each(f"{_ALL} WHERE state = 'planned' ORDER BY bundle, number")
        return map(_task, rows)

    # Rows of a manifest

    def add_cells(self, rows: Sequence[_Row]) -> None:
        """Add rows of a manifest as rows of the table."""
        sql = "INSERT INTO cells VALUES (?,?,?,?,?,?,?,?,?)"
        self._change(lambda db: db.executemany(sql, rows))

    def index_cells(self) -> None:
        """Make it quick to find the rows of a bundle."""
        sql = "CREATE INDEX cells_by_bundle ON cells (bundle, number)"
        self._change(lambda db: db.execute(sql))

    def entries_of(self, bundle: int) -> list[ManifestEntry]:
        """Return the rows of a bundle."""
        sql = "SELECT number, name, uuid, version, sha256, size, url FROM cells WHERE bundle = ?"
        return [ManifestEntry(*cast("_Entry", row)) for row in self._each(sql, (bundle,))]

    def cells(self) -> Iterator[list[tuple[str, str, int | None, str]]]:
        """Yield the rows in batches: name, sha256, size, and the text of the row."""
        sql = "SELECT name, sha256, size, text FROM cells WHERE text IS NOT NULL ORDER BY number"
        rows = self._each(sql)
        while batch := list(islice(rows, _BATCH)):
            yield cast("list[tuple[str, str, int | None, str]]", batch)

    def joined_texts(self) -> Iterator[list[tuple[int, str]]]:
        """Yield number and text of the rows of several bundles, in batches."""
        rows = self._each("SELECT number, text FROM cells WHERE bundle IS NULL")
        while batch := list(islice(rows, _BATCH)):
            yield cast("list[tuple[int, str]]", batch)

    # Texts of rows, in batches

    def add_texts(self, first: int, texts: list[str]) -> None:
        """Add the texts of rows, from number `first` on."""
        row = (first, marshal.dumps(texts))
        self._change(lambda db: db.execute("INSERT INTO texts VALUES (?,?)", row))

    def texts(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the batches of texts, each with the number of its first."""
        for first, texts in self._each("SELECT first, texts FROM texts", size=1):
            yield _int(first), marshal.loads(cast("bytes", texts))  # noqa: S302 - our own bytes

    def text(self, number: int) -> str:
        """Return one text."""
        sql = "SELECT first, texts FROM texts WHERE first <= ? ORDER BY first DESC LIMIT 1"
        first, texts = next(self._each(sql, (number,)))
        found: list[str] = marshal.loads(cast("bytes", texts))  # noqa: S302 - our own bytes
        return found[number - _int(first)]

    def states(self, start: int, end: int) -> list[tuple[int, str, str]]:
        """Return number, state and sha256 of the files with numbers in a range."""
        sql = "SELECT number, state, sha256 FROM files WHERE number >= ? AND number < ?"
        return [cast("tuple[int, str, str]", row) for row in self._each(sql, (start, end))]

    def reports_between(self, start: int, end: int) -> dict[int, FileReport]:
        """Return the reports of the files with numbers in a range, by their numbers."""
        sql = f"{_ALL} WHERE number >= ? AND number < ?"
        return {_int(row[0]): self._report(row) for row in self._each(sql, (start, end))}

    # From one store to another

    def export(self) -> "ExportedResults":
        """Return all files and their results, as one value that can be pickled."""
        return ExportedResults(list(self._each(_ALL)), dict(self._errors))

    def take_over(self, export: "ExportedResults") -> list[FileReport]:
        """Add files from another store, and return their reports; those known get their results."""
        self.add_rows(export.files)
        self._errors.update(export.errors)
        return list(map(self._report, export.files))

    # Results

    def totals(self) -> Totals:
        """Return numbers of files and bytes by state, and of files by link."""
        files: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        links: Counter[str] = Counter()
        sql = "SELECT state, link, count(*), sum(size) FROM files GROUP BY state, link"
        for state, link, count, size in self._each(sql):
            files[str(state)] += _int(count)
            sizes[str(state)] += _int(size)
            if link is not None:
                links[str(link)] += _int(count)
        return Totals(files, sizes, links)

    def listed_bytes(self) -> int:
        """Return the bytes of all rows of the manifest."""
        return _int(next(self._each(_LISTED_BYTES))[0] or 0)

    def contents(self) -> Iterator[tuple[str, int]]:
        """Yield each content that the manifest lists once: its sha256 and size."""
        for sha256, size in self._each(_CONTENTS):
            yield str(sha256), _int(size)

    @property
    def errors(self) -> tuple[FileDownloadError, ...]:
        """Why files failed, in their order."""
        return tuple(error for _, error in sorted(self._errors.items()))

    def __len__(self) -> int:
        return _int(next(self._each("SELECT count(*) FROM files"))[0])

    def reports(self, state: State | None = None) -> Iterator[FileReport]:
        """Yield the reports of all files, or of those in one state."""
        if state is None:
            rows = self._each(f"{_ALL} ORDER BY number")
        else:
            rows = self._each(f"{_ALL} WHERE state = ? ORDER BY number", (state,))
        return map(self._report, rows)

    def report(self, index: int) -> FileReport:
        """Return the report of one file, by its place in the order."""
        sql = f"{_ALL} ORDER BY number LIMIT 1 OFFSET ?"
        return self._report(next(self._each(sql, (index,))))

    def _report(self, row: _Row) -> FileReport:
        task = _task(row)
        state, link, tries, seconds, reason = row[8:13]
        path: Path | None = None
        if task.target is None and state in {"downloaded", "reused"}:
            path = Path(self._stored(task.sha256))
        elif task.target is not None and link is not None:
            path = self._root / task.target
        return FileReport(
            bundle=task.bundle,
            name=task.name,
            uuid=task.uuid,
            version=task.version,
            sha256=task.sha256,
            size=task.size,
            path=path,
            state=_state(state),
            link=_link(link),
            tries=_int(tries),
            seconds=float(str(seconds)),
            reason=str(reason),
            error=self._errors.get(task.number),
        )

    def _each(self, sql: str, values: _Row = (), *, size: int = _BATCH) -> Iterator[_Row]:
        """Yield rows, fetched in batches: others may write in between."""

        def begin(db: sqlite3.Connection) -> tuple[sqlite3.Cursor, list[_Row]]:
            cursor = db.execute(sql, values)
            return cursor, cursor.fetchmany(size)

        cursor, batch = self._do(begin)
        while batch:
            yield from batch
            with self._lock:
                try:
                    batch = cursor.fetchmany(size)
                except sqlite3.Error as error:
                    raise self._no_room(error) from error

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._closing.close()


@lru_cache(maxsize=256)
def _fqid(text: str) -> FQID:
    return FQID.parse(text)


def _task(row: _Row) -> FileTask:
    number, bundle, name, uuid, version, sha256, size, target = cast(
        "tuple[int, str | None, str, str | None, str | None, str, int, str | None]", row[:8]
    )
    return FileTask(
        number=number,
        bundle=None if bundle is None else _fqid(bundle),
        name=name,
        uuid=uuid,
        version=version,
        sha256=sha256,
        size=size,
        target=target,
        url=None if row[13] is None else str(row[13]),
    )


def _int(value: object) -> int:
    return cast("int", value)


def _state(value: object) -> State:
    return cast("State", value)


def _link(value: object) -> Link | None:
    return cast("Link | None", value)
