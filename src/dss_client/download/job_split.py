"""Splits the rows of a manifest into shards, in bounded memory."""

import heapq
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from attrs import frozen

from dss_client.manifest import ManifestReader, RawRow, row_text, write_texts

from .filestore import FileStore

__all__ = ["ShardTotals", "Splitter"]

_FILE_COST = 1 << 20  # bytes that could be downloaded in the time that one file costs
_PIECES = 4  # of a shard, that a bundle too large for one is cut into
_BATCH = 1000
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -32768;
PRAGMA temp_store = FILE;
CREATE TABLE units (number INTEGER PRIMARY KEY, uuid TEXT, version TEXT, weight INTEGER);
CREATE INDEX units_by_id ON units (uuid, version);
CREATE TABLE rows (
    number INTEGER PRIMARY KEY, unit INTEGER, weight INTEGER, size INTEGER, text TEXT
);
CREATE TABLE shards (unit INTEGER PRIMARY KEY, shard INTEGER);
BEGIN;
"""


@frozen
class ShardTotals:
    """The totals of a shard, or of all."""

    rows: int = 0
    bytes: int = 0

    def plus(self, rows: int, size: int) -> "ShardTotals":
        """Return the totals with so much more."""
        return ShardTotals(self.rows + rows, self.bytes + size)


class Splitter:
    """Splits one manifest. Use it in a ``with`` statement.

    The rows are in a private SQLite database, which keeps them in a temporary file if there are
    many. Bundles stay whole: the largest goes first, each to the shard that has least to do. What
    is in the store already costs no bytes.

    Args:
        store: The store of the files.

    Attributes:
        totals: All rows.
        there: Those whose file is in the store.
    """

    def __init__(self, store: FileStore) -> None:
        self.totals: ShardTotals = ShardTotals()
        self.there: ShardTotals = ShardTotals()
        self._store = store
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._db.close()

    def enter(self, reader: ManifestReader) -> None:
        """Take up the rows of a manifest.

        Raises:
            ManifestError: A row is bad.
        """
        last: tuple[str, str] | None = None
        unit = 0
        for batch in reader.batches():
            rows: list[tuple[int, int, int, int, str]] = []
            for number, row in enumerate(batch, self.totals.rows):
                if row[:2] != last:
                    last = row[:2]
                    unit = self._unit(row[0].lower(), row[1])
                size, weight = self._weigh(row)
                rows.append((number, unit, weight, size, row[7]))
            self._db.executemany("INSERT INTO rows VALUES (?,?,?,?,?)", rows)
            self.totals = self.totals.plus(len(rows), sum(row[3] for row in rows))
        self._db.execute("CREATE INDEX rows_by_unit ON rows (unit, number)")
        weights = "SELECT sum(weight) FROM rows WHERE rows.unit = units.number"
        self._db.execute(f"UPDATE units SET weight = ({weights})")  # noqa: S608 - constants

    def _unit(self, uuid: str, version: str) -> int:
        sql = "SELECT number FROM units WHERE uuid = ? AND version = ?"
        found = self._db.execute(sql, (uuid, version)).fetchone()
        if found is not None:
            return cast("int", found[0])
        sql = "INSERT INTO units (uuid, version) VALUES (?,?)"
        return cast("int", self._db.execute(sql, (uuid, version)).lastrowid)

    def _weigh(self, row: RawRow) -> tuple[int, int]:
        """Return the size of a row's file, and the bytes to download for it."""
        if not row[2]:
            return 0, _FILE_COST
        size = int(row[6] or 0)
        if size and self._store.look(row[5].lower(), size) != "absent":
            self.there = self.there.plus(1, size)
            return size, _FILE_COST
        return size, _FILE_COST + size

    def assign(self, shards: int, *, whole: bool) -> None:
        """Give each bundle its shard.

        Args:
            shards: Number of shards.
            whole: Never cut a bundle.
        """
        if not whole:
            self._cut(shards)
        load = [(0, shard) for shard in range(1, shards + 1)]
        found = self._db.execute("SELECT number, weight FROM units ORDER BY weight DESC, number")
        for unit, weight in found:
            least, shard = load[0]
            heapq.heapreplace(load, (least + cast("int", weight), shard))
            self._db.execute("INSERT INTO shards VALUES (?,?)", (unit, shard))
        self._db.execute("CREATE INDEX units_by_shard ON shards (shard)")

    def _cut(self, shards: int) -> None:
        """Cut bundles that are more than an even share of the work."""
        (total,) = self._db.execute("SELECT sum(weight) FROM rows").fetchone()
        share = (total or 0) / shards
        sql = "SELECT number, uuid, version FROM units WHERE weight > ?"
        for unit, uuid, version in self._db.execute(sql, (share,)).fetchall():
            pieces = self._pieces(cast("int", unit), share / _PIECES)
            for first, last, weight in pieces[1:]:
                insert = "INSERT INTO units (uuid, version, weight) VALUES (?,?,?)"
                piece = self._db.execute(insert, (uuid, version, weight)).lastrowid
                move = "UPDATE rows SET unit = ? WHERE unit = ? AND number BETWEEN ? AND ?"
                self._db.execute(move, (piece, unit, first, last))
            rest = "UPDATE units SET weight = ? WHERE number = ?"
            self._db.execute(rest, (pieces[0][2], unit))

    def _pieces(self, unit: int, limit: float) -> list[tuple[int, int, int]]:
        """Return the first row, the last row and the weight of each piece of a bundle."""
        sql = "SELECT number, weight FROM rows WHERE unit = ? ORDER BY number"
        pieces: list[tuple[int, int, int]] = []
        for number, weight in self._db.execute(sql, (unit,)):
            if pieces and pieces[-1][2] + weight <= limit:
                first, _, total = pieces.pop()
                pieces.append((first, number, total + weight))
            else:
                pieces.append((number, number, weight))
        return pieces

    def write(self, shard: int, path: Path, columns: Sequence[str]) -> ShardTotals:
        """Write the manifest of a shard, with the numbers of its rows; return how much it is.

        Args:
            shard: Which, from 1.
            path: Where to.
            columns: The columns, first that of the numbers.
        """
        sql = (
            "SELECT rows.number, text, size FROM shards JOIN rows ON rows.unit = shards.unit"
            " WHERE shard = ? ORDER BY rows.number"
        )
        found = self._db.execute(sql, (shard,))
        totals = ShardTotals()

        def texts() -> Iterator[Sequence[str]]:
            nonlocal totals
            yield [row_text(columns)]
            while batch := found.fetchmany(_BATCH):
                totals = totals.plus(len(batch), sum(size for _, _, size in batch))
                yield [f"{number}\t{text}" for number, text, _ in batch]

        write_texts(os.fspath(path), texts())
        return totals
