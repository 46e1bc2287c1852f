"""A manifest on its way into the results, and out again with the paths of its files."""

import csv
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from dss_client.manifest import (
    USED,
    ManifestReader,
    ManifestSource,
    RawRow,
    is_joined,
    joined_values,
    row_text,
    write_texts,
)
from dss_client.transfer.progress import Progress
from dss_client.versions import FQID

from .errors import ManifestMismatch, manifest_error
from .http1 import BLOCK
from .report import FileReport, State, Totals
from .results import ResultStore
from .shard import Shard
from .store import PLACE, FileStore
from .task import FileTask

__all__ = ["ListedBundles", "ListedFiles", "ShardReader"]

_PATH = "file_path"
_THERE = frozenset({"downloaded", "reused"})
_PATIENCE = 0.1  # seconds
_LONG = 0.001  # seconds to read a small content
_SPLIT = 1 << 40  # the first number of what rows of several bundles are split into


class ShardReader(ManifestReader):
    """Reads the rows of a shard: whole bundles, or contents where the layout is ``none``.

    Args:
        source: The manifest.
        layout: The layout of the download.
        shard: The shard.
        urls: The column that has the URLs of contents, if it is not the service that knows them.

    Raises:
        ManifestError: It cannot be read, or its header lacks columns: the message names them.
    """

    def __init__(
        self, source: ManifestSource, layout: str, shard: Shard, urls: str | None = None
    ) -> None:
        by_bundle = layout == "bundle"
        needed = USED[layout] if urls is None else (*USED[layout], *USED["none"], urls)
        super().__init__(
            source,
            allow_unnamed=by_bundle and urls is None,
            allow_joined=True,
            needed=tuple(dict.fromkeys(needed)),
        )
        self.shard: Shard = shard
        self.urls: str | None = urls
        self._by_bundle = by_bundle
        self._versions: dict[str, str | None] = {}

    def batches(self) -> Generator[list[RawRow]]:
        """Yield the rows in batches, each checked.

        Raises:
            ManifestError: A row is bad, of whatever shard; it names the line and the columns.
        """
        for batch in super().batches():
            if self._by_bundle:
                self._learn(batch)
            mine = batch if self.shard.count == 1 else [row for row in batch if self._takes(row)]
            if mine:
                yield mine

    def url(self, row: RawRow) -> str | None:
        """Return the URL in a row; None where it is the service that knows it."""
        return None if self.urls is None else self.cell(row[7], self.urls).strip()

    def _takes(self, row: RawRow) -> bool:
        if not self._by_bundle:
            return self.shard.takes(row[5])
        return is_joined(row) or self.shard.takes(f"{row[0]}.{row[1]}")

    def _learn(self, batch: Sequence[RawRow]) -> None:
        """Take note of the versions of bundles; a bundle with two of them has None."""
        for uuids, versions, *_ in batch:
            if len(joined_values(versions)) == 1:
                for uuid in joined_values(uuids):
                    if self._versions.setdefault(uuid, versions) != versions:
                        self._versions[uuid] = None

    def bundles_of(self, row: RawRow) -> list[FQID] | None:
        """Return the bundles of a row with several, once all rows have been read.

        The data portal sorts ids and versions each by itself, so that only what other rows say
        tells which belong together. None where they do not.
        """
        uuids, versions = joined_values(row[0]), joined_values(row[1])
        if len(uuids) == 1 or len(versions) == 1:
            return [FQID(uuid, version) for uuid in uuids for version in versions]
        known = {uuid: self._versions.get(uuid) for uuid in uuids}
        unknown = [uuid for uuid in uuids if known[uuid] not in versions]
        others = [version for version in versions if version not in known.values()]
        if len(unknown) == len(others) == 1:
            known[unknown[0]] = others[0]
        elif unknown:
            return None
        return [FQID(uuid, str(version)) for uuid, version in known.items()]


class _Listed(ABC):
    """A manifest that is being downloaded.

    Args:
        reader: The manifest.
        results: Where its rows are kept.
        store: Where its files go.
        download_dir: The directory of the store as the user spells it; paths begin with it.
    """

    def __init__(
        self,
        reader: ShardReader,
        results: ResultStore,
        store: FileStore,
        download_dir: str | os.PathLike[str],
    ) -> None:
        self._reader = reader
        self._results = results
        self._store = store
        self._base = os.path.join(download_dir, *PLACE, "")  # noqa: PTH118 - spelled as it was
        self._appended = _PATH not in reader.columns
        # Whether the place of a file can be put after the text of its row as it is.
        root = self._base
        self._plain = os.sep == "/" and self._appended and row_text([root]) == root

    def write(self, directory: Path) -> Path:
        """Write the manifest with the paths of the files that exist, and return its own path.

        Raises:
            DirectoryError: It cannot be written, and what is there says something else.
        """
        source = self._reader.path
        path = directory / self._reader.output_name
        if source and path.exists() and path.samefile(source):
            path = path.with_name(f"{path.stem}.downloaded.tsv")
        try:
            write_texts(path, self._texts())
        except OSError as error:
            if not self._is_written(path):
                raise manifest_error(path, error) from error
        return path

    def _is_written(self, path: Path) -> bool:
        """Tell whether an earlier run has written the same to a place that is read-only now."""
        texts = (f"{text}\r\n" for batch in self._texts() for text in batch)
        try:
            with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
                return all(file.read(len(text)) == text for text in texts) and not file.read(1)
        except (OSError, UnicodeError):
            return False

    def _texts(self) -> Iterator[Sequence[str]]:
        yield [row_text(tuple(dict.fromkeys((*self._reader.columns, _PATH))))]
        yield from self._rows()

    def _place(self, sha256: str) -> str:
        """Return the path of a content, as it is written."""
        key = sha256.lower()
        return f"{self._base}{key[:2]}{os.sep}{key[2:6]}{os.sep}{key}"

    @abstractmethod
    def _rows(self) -> Iterator[Sequence[str]]: ...

    def _with_path(self, text: str, place: str) -> str:
        """Return the text of a row with the place of its file."""
        if self._plain:
            return f"{text}\t{place}"
        cell = row_text([place.replace(os.sep, "/")]) if place else ""
        if self._appended:
            return f"{text}\t{cell}"
        cells = next(csv.reader([text], "excel-tab"))
        cells[self._reader.columns.index(_PATH)] = place.replace(os.sep, "/")
        return row_text(cells)


class ListedFiles(_Listed):
    """A manifest whose rows are files for the store.

    A row whose file is there is done at once: what is kept of it is the text that is written at
    the end. Only the others are kept as files.
    """

    _there = _there_bytes = _count = 0
    _is_worth_it = True  # to verify contents here
    _seconds = 0.0  # that it took longer than it may

    def read(self, progress: Progress, tick: Callable[[int], object], *, verify: bool) -> None:
        """Read the rows, and look which files are there.

        Args:
            progress: Is told of the files, batch by batch.
            tick: Called when a content is read; may raise to stop.
            verify: Read small contents of which it is not known yet whether they are right.

        Raises:
            ManifestError: A row is bad.
        """
        for batch in self._reader.batches():
            files, size = self._there, self._there_bytes
            sizes = [int(row[6]) for row in batch]
            texts = self._read_batch(batch, sizes, tick if verify else None)
            self._results.add_texts(self._count, texts)
            self._count += len(batch)
            there = {"files_there": self._there - files, "bytes_there": self._there_bytes - size}
            progress.plan(len(batch), sum(sizes), **there)

    def _read_batch(
        self, batch: Sequence[RawRow], sizes: list[int], tick: Callable[[int], object] | None
    ) -> list[str]:
        keys = [row[5].lower() for row in batch]
        # As `_place` does; here every call counts.
        base = self._base
        places = [f"{base}{key[:2]}{os.sep}{key[2:6]}{os.sep}{key}" for key in keys]
        if 0 not in sizes and self._store.all_verified(places, keys, sizes):
            self._there += len(batch)
            self._there_bytes += sum(sizes)
            if self._plain:
                return [f"{row[7]}\t{place}" for row, place in zip(batch, places, strict=True)]
            return [
                self._with_path(row[7], place) for row, place in zip(batch, places, strict=True)
            ]
        return self._read_one_by_one(batch, places, keys, sizes, tick)

    def _read_one_by_one(
        self,
        batch: Sequence[RawRow],
        places: list[str],
        keys: list[str],
        sizes: list[int],
        tick: Callable[[int], object] | None,
    ) -> list[str]:
        texts: list[str] = []
        missing: list[tuple[object, ...]] = []
        look = self._store.look_at
        rows = zip(batch, places, keys, sizes, strict=True)
        for number, (row, place, key, size) in enumerate(rows, self._count):
            found = look(place, key, size) if size else "missing"
            if found == "unverified" and tick is not None and self._verify(key, size, tick):
                found = "verified"
            if found == "verified":
                self._there += 1
                self._there_bytes += size
                texts.append(self._with_path(row[7], place))
                continue
            texts.append(row[7])
            bundle = f"{row[0].lower()}.{row[1]}" if _has_bundle(row) else None
            known = (number, bundle, row[2], row[3].lower(), row[4], key, size)
            missing.append((*known, None, "planned", None, 0, 0.0, "", self._reader.url(row)))
        self._results.add_rows(missing)
        return texts

    def _verify(self, key: str, size: int, tick: Callable[[int], object]) -> bool:
        """Read a content and mark it, where the engine's threads would not do it better."""
        if not self._is_worth_it or size > BLOCK:
            return False
        started = time.perf_counter()
        try:
            is_good = self._store.find(key, size, tick)
            is_marked = self._store.look(key, size) == "verified"
        except OSError:
            return False  # the engine meets it, too, and says so
        self._seconds += time.perf_counter() - started - _LONG
        # Else they are to share what they have read of a content, or to wait for the disk together.
        self._is_worth_it = (is_marked or not is_good) and self._seconds < _PATIENCE
        return is_good and is_marked

    def _rows(self) -> Iterator[Sequence[str]]:
        for first, texts in self._results.texts():
            for number, state, sha256 in self._results.states(first, first + len(texts)):
                place = self._place(sha256) if state in _THERE else ""
                texts[number - first] = self._with_path(texts[number - first], place)
            yield texts

    # As the entries of a report

    def __len__(self) -> int:
        return self._count

    def totals(self) -> Totals:
        """Return numbers of files and bytes by state."""
        known = self._results.totals()
        return Totals(
            _plus(known.files, "reused", self._there),
            _plus(known.bytes, "reused", self._there_bytes),
            known.links,
        )

    def reports(self, state: State | None = None) -> Iterator[FileReport]:
        """Yield the reports of all files, or of those in one state."""
        if state not in {None, "reused"}:
            yield from self._results.reports(state)
            return
        for first, texts in self._results.texts():
            yield from self._reports(first, texts, state)

    def _reports(
        self, first: int, texts: Sequence[str], state: State | None
    ) -> Iterator[FileReport]:
        known = self._results.reports_between(first, first + len(texts))
        for number, text in enumerate(texts, first):
            report = known.get(number) or self._report(text)
            if state is None or report.state == state:
                yield report

    def report(self, index: int) -> FileReport:
        """Return the report of one file, by its place in the order."""
        known = self._results.reports_between(index, index + 1)
        return known.get(index) or self._report(self._results.text(index))

    def _report(self, text: str) -> FileReport:
        row = self._reader.row(text)
        return FileReport(
            bundle=FQID(row[0], row[1]) if _has_bundle(row) else None,
            name=row[2],
            uuid=row[3].lower(),
            version=row[4],
            sha256=row[5].lower(),
            size=int(row[6]),
            path=self._store.path(row[5]),
            state="reused",
            reason="in the store, and verified",
        )


class ListedBundles(_Listed):
    """A manifest whose rows name files of bundles, or bundles as a whole."""

    def read(self) -> None:
        """Read the rows.

        Raises:
            ManifestError: A row is bad.
        """
        first = bundle = 0
        last: tuple[str, str] = ("", "")
        for batch in self._reader.batches():
            rows: list[tuple[object, ...]] = []
            for number, row in enumerate(batch, first):
                if is_joined(row):
                    rows.append(self._cells(number, None, row, row[7]))
                    continue
                if row[:2] != last:
                    last = row[:2]
                    bundle = self._results.number_of(FQID(*last))
                rows.append(self._cells(number, bundle, row, row[7]))
            self._results.add_cells(rows)
            first += len(batch)
        self._results.index_cells()
        self._split_joined()

    def _cells(
        self, number: int, bundle: int | None, row: RawRow, text: str | None
    ) -> tuple[object, ...]:
        _, _, name, file, version, sha256, size, _ = row
        length = (int(size) if size else None) if name else 0
        known = (name, file.lower(), version, sha256.lower(), length, self._reader.url(row))
        return (number, bundle, *known, text)

    def _split_joined(self) -> None:
        """Add a row for each bundle of those that name several."""
        numbers = count(_SPLIT)
        for batch in self._results.joined_texts():
            rows: list[tuple[object, ...]] = []
            for number, text in batch:
                row = self._reader.row(text)
                bundles = self._reader.bundles_of(row)
                if bundles is None:
                    self._results.record([_untold(number, row)])
                for bundle in bundles or ():
                    if self._reader.shard.takes(str(bundle)):
                        place = self._results.number_of(bundle)
                        rows.append(self._cells(next(numbers), place, row, None))
            self._results.add_cells(rows)

    def _rows(self) -> Iterator[Sequence[str]]:
        for batch in self._results.cells():
            texts: list[str] = []
            for name, sha256, size, text in batch:
                there = name and self._store.find(sha256, size)
                texts.append(self._with_path(text, self._place(sha256) if there else ""))
            yield texts


def _has_bundle(row: RawRow) -> bool:
    """Tell whether a row names one bundle, not none or several."""
    return bool(row[0] and row[1]) and not is_joined(row)


def _untold(number: int, row: RawRow) -> tuple[FileTask, FileReport]:
    """Report a row of which it cannot be told into which directories its file belongs."""
    task = FileTask(
        number=-1 - number,  # before all bundles
        bundle=None,
        name=row[2],
        uuid=row[3].lower(),
        version=row[4],
        sha256=row[5].lower(),
        size=int(row[6] or 0),
    )
    reason = (
        f"its row names the bundles {row[0]} and the versions {row[1]}, each sorted by itself, and"
        " no other row tells which belong together: download it with the layout 'none'"
    )
    return task, task.report("failed", error=ManifestMismatch(task.name, reason))


def _plus(counts: Mapping[str, int], state: str, more: int) -> dict[str, int]:
    return {**counts, state: counts.get(state, 0) + more}
