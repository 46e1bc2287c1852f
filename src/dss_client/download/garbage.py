"""Finds what a download directory no longer needs, and removes it if asked."""

import csv
import os
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path

from attrs import define, evolve, field

from dss_client._files import TEMPORARY_NAME
from dss_client.errors import DSSError, InvalidArgument
from dss_client.manifest import ManifestReader

from .contents import (
    BadDescription,
    Description,
    bundle_directories,
    collection_directories,
    contents_of_files,
    stored_contents,
)
from .filestore import FileStore
from .garbage_report import Garbage, GarbageReport
from .journal import Journal, is_alive

__all__ = ["DownloadUnderWay", "Garbage", "GarbageReport", "collect_garbage"]

_PATH = "file_path"
_OLD = 86_400.0  # seconds
_BUSY = 600.0  # seconds
_PARTIAL = (".part", ".journal")


class DownloadUnderWay(DSSError):
    """Something is being downloaded to the directory, so that nothing can be removed now."""


def collect_garbage(
    directory: str | os.PathLike[str],
    *,
    keep: Sequence[str | os.PathLike[str]] = (),
    dry_run: bool = True,
) -> GarbageReport:
    """Find what a download directory does not need; with ``dry_run=False``, remove it.

    That is each content of the store that nothing refers to, partial files of downloads that have
    ended, temporary files older than a day, and empty directories of the store. A content stays
    when

    * a file of a bundle is a hard link to it, or
    * the ``bundle.json`` of a directory lists it, since reflinks and copies are not hard links, or
    * a manifest lists it: one of `keep`, or a ``*.tsv`` in the directory itself that has a column
      ``file_path``. With such a column, a row refers to its content only if it has a path.

    With the layout ``none`` only manifests refer to a content: give those in other directories as
    `keep`. No download to the directory should run at the same time.

    Args:
        directory: The directory that was downloaded to.
        keep: Manifests whose contents stay.
        dry_run: Only report what would be removed.

    Raises:
        InvalidArgument: `directory` holds no store.
        ManifestError: A manifest cannot be read.
        DownloadUnderWay: Something is being downloaded to the directory, as far as can be told.
        OSError: A directory cannot be read.
    """
    root = Path(directory)
    store = FileStore(root)
    if not store.root.parent.is_dir():
        raise InvalidArgument(f"{root} holds no store (.hca): name a directory downloaded to")
    if not dry_run:
        _refuse_while_busy(store)
    manifests = [*map(Path, keep), *_manifests_in(root)]
    contents = _Contents()
    with closing(_Wanted()) as wanted:
        wanted.add(_standing(root, manifests))
        contents.sort(store, wanted)
    items = [*contents.unwanted, *_leftovers(root, store)]
    if not dry_run:
        items = [_remove(item) for item in items]
    items += _empty_directories(store, {item.path for item in items}, dry_run=dry_run)
    return GarbageReport(
        directory=root,
        dry_run=dry_run,
        items=tuple(items),
        linked=contents.linked,
        listed=contents.listed,
        manifests=tuple(manifests),
    )


class _Wanted:
    """The contents that stay, in a temporary file if there are many."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            " CREATE TABLE wanted (sha256 TEXT PRIMARY KEY) WITHOUT ROWID; BEGIN;"
        )

    def add(self, keys: Iterable[str]) -> None:
        """Add contents."""
        rows = ((key,) for key in keys)
        self._db.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", rows)

    def __contains__(self, key: str) -> bool:
        found = self._db.execute("SELECT 1 FROM wanted WHERE sha256 = ?", (key,))
        return found.fetchone() is not None

    def close(self) -> None:
        """Close the database."""
        self._db.close()


@define
class _Contents:
    linked: int = 0
    listed: int = 0
    unwanted: list[Garbage] = field(factory=list[Garbage])

    def sort(self, store: FileStore, wanted: _Wanted) -> None:
        """Find the contents that stay."""
        for place, key in stored_contents(store.root):
            status = os.lstat(place)
            if key is None or not stat.S_ISREG(status.st_mode):
                continue
            if status.st_nlink > 1:
                self.linked += 1
            elif key in wanted:
                self.listed += 1
            else:
                self.unwanted.append(Garbage(Path(place), "content", status.st_size))


def _standing(root: Path, manifests: Iterable[Path]) -> Iterator[str]:
    """Yield the contents that something refers to."""
    for folder in bundle_directories(root):
        yield from _contents_of_bundle(folder)
    for folder in collection_directories(root):
        yield from (sha256 for _, sha256 in contents_of_files(folder))
    for path in manifests:
        yield from _contents_of_manifest(path)


def _contents_of_bundle(folder: Path) -> Iterator[str]:
    """Yield the contents that a bundle's directory refers to."""
    try:
        description = Description.read(folder)
    except (FileNotFoundError, BadDescription):
        # No description lists its files, so all of them stay.
        for _, sha256 in contents_of_files(folder):
            yield sha256
        return
    yield description.sha256
    for file in description.files:
        yield file.sha256


def _contents_of_manifest(path: Path) -> Iterator[str]:
    with ManifestReader(path, allow_unnamed=True, needed=("file_sha256",)) as reader:
        at = reader.columns.index(_PATH) if _PATH in reader.columns else None
        for row in chain.from_iterable(reader.batches()):
            if at is None or next(csv.reader([row[7]], "excel-tab"))[at]:
                yield row[5].lower()


def _manifests_in(root: Path) -> Iterator[Path]:
    """Yield the manifests with paths in a directory, not other tables."""
    for path in sorted(root.glob("*.tsv")):
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            if _PATH in file.readline().rstrip("\r\n").split("\t"):
                yield path


def _refuse_while_busy(store: FileStore) -> None:
    now = time.time()
    for path in _entries(store.partials):
        recent = now - path.lstat().st_mtime < _BUSY
        if path.suffix == ".journal" and recent:
            journal = Journal.read(path)
            if journal is not None and is_alive(journal.owner):
                raise DownloadUnderWay(
                    f"{path} was written to just now, and its download may be running: try again"
                    f" when it has ended"
                )


def _leftovers(root: Path, store: FileStore) -> Iterator[Garbage]:
    """Yield the files that interrupted downloads left."""
    now = time.time()
    for path in _entries(store.partials):
        status = path.lstat()
        if path.suffix in _PARTIAL:
            journal = Journal.read(path.with_suffix(".journal"))
            dead = not is_alive(journal.owner) if journal else now - status.st_mtime > _OLD
            if dead:
                yield Garbage(path, "partial", _room(status))
        elif path.suffix == ".tmp" and now - status.st_mtime > _OLD:
            yield Garbage(path, "temporary", _room(status))
    for folder in (root, *bundle_directories(root), *collection_directories(root)):
        for base, _, names in os.walk(folder):
            for name in filter(TEMPORARY_NAME.fullmatch, names):
                path = Path(base, name)
                status = path.lstat()
                if now - status.st_mtime > _OLD:
                    yield Garbage(path, "temporary", _room(status))
            if folder == root:
                break  # what else is there is no concern


def _room(status: os.stat_result) -> int:
    """Return the bytes on the disk: partial files have holes."""
    blocks: int = getattr(status, "st_blocks", -1)
    return status.st_size if blocks < 0 else min(status.st_size, blocks * 512)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _empty_directories(store: FileStore, gone: set[Path], *, dry_run: bool) -> Iterator[Garbage]:
    """Yield the directories of the store that are empty, or will be, from the bottom up."""
    empty: set[Path] = set()
    for base, folders, names in os.walk(store.root, topdown=False):
        path = Path(base)
        left = [name for name in names if path / name not in gone]
        left += [name for name in folders if path / name not in empty]
        if left or path == store.root:
            continue
        empty.add(path)
        item = Garbage(path, "directory", 0)
        if dry_run:
            yield item
        else:
            with suppress(OSError):  # something came into it meanwhile
                path.rmdir()
                yield evolve(item, removed=True)


def _remove(item: Garbage) -> Garbage:
    try:
        if item.kind == "content" and item.path.lstat().st_nlink > 1:
            return evolve(item, error="it has come into use meanwhile")
        item.path.unlink(missing_ok=True)
    except OSError as error:
        return evolve(item, error=error.strerror or str(error))
    return evolve(item, removed=True)
