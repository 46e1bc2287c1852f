"""Finds what a download directory no longer needs, and removes it if asked."""

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import chain
from pathlib import Path

import attrs

from dss_client._files import TEMPORARY_NAME
from dss_client.errors import InvalidArgument
from dss_client.manifest import ManifestReader

from .journal import WEEK
from .store import FileStore
from .tree import (
    BadDescription,
    BundleDirectory,
    bundle_directories,
    collection_directories,
    files_below,
    stored_contents,
)
from .tree_report import Garbage, GarbageKind, GarbageReport

__all__ = ["WEEK", "collect_garbage"]


def collect_garbage(
    directory: str | os.PathLike[str],
    *,
    keep: Sequence[str | os.PathLike[str]] = (),
    older_than: timedelta = WEEK,
    dry_run: bool = True,
) -> GarbageReport:
    """Find what a download directory does not need; with ``dry_run=False``, remove it.

    That is each content of the store to which no file is a hard link, and which no ``bundle.json``
    of a bundle's directory and no manifest of `keep` lists; partial files of downloads that did not
    end, which then start again; and temporary files. What is younger than `older_than` stays, so
    that a download that runs, and one to the store alone (the layout ``none``) of the last days,
    loses nothing.

    Args:
        directory: The directory that was downloaded to.
        keep: Manifests whose contents stay, whatever their age.
        older_than: How long ago a file has to have been written. With less than an hour, let no
            download to the directory run at the same time.
        dry_run: Only report what would be removed.

    Raises:
        InvalidArgument: `directory` holds no store.
        ManifestError: A manifest cannot be read.
        OSError: A directory cannot be read.
    """
    root = Path(directory)
    store = FileStore(root)
    if not store.root.parent.is_dir():
        raise InvalidArgument(f"{root} holds no store (.hca): name a directory downloaded to")
    before = time.time() - older_than.total_seconds()
    linked = recent = 0
    unlinked: dict[str, Garbage] = {}
    for path, sha256 in stored_contents(store.root):
        status = path.lstat()
        if sha256 is None or not stat.S_ISREG(status.st_mode):
            continue
        if status.st_nlink > 1:
            linked += 1
        elif int(status.st_mtime) > before:  # the fraction of the second is the mark
            recent += 1
        else:
            unlinked[sha256] = Garbage(path, "content", status.st_size)
    found = len(unlinked)
    for sha256 in chain(_listed_by_bundles(root), _listed_by_manifests(keep)):
        unlinked.pop(sha256, None)
    items = [*unlinked.values(), *_leftovers(root, store.partials, before)]
    return GarbageReport(
        directory=root,
        dry_run=dry_run,
        items=tuple(items if dry_run else map(_remove, items)),
        linked=linked,
        listed=found - len(unlinked),
        recent=recent,
    )


def _listed_by_bundles(root: Path) -> Iterator[str]:
    for folder in bundle_directories(root):
        with suppress(FileNotFoundError, BadDescription):
            bundle = BundleDirectory.read(folder)
            yield bundle.sha256
            yield from (file.sha256 for file in bundle.files)


def _listed_by_manifests(manifests: Sequence[str | os.PathLike[str]]) -> Iterator[str]:
    for manifest in manifests:
        needed = ("file_sha256",)
        with ManifestReader(
            manifest, allow_unnamed=True, allow_joined=True, needed=needed
        ) as reader:
            for row in chain.from_iterable(reader.batches()):
                yield row[5].lower()


def _leftovers(root: Path, partials: Path, before: float) -> Iterator[Garbage]:
    """Yield the files that interrupted downloads left."""
    yield from _old(files_below(partials), "partial", before)
    folders = chain(bundle_directories(root), collection_directories(root))
    paths = chain(root.iterdir(), *map(files_below, folders))
    temporary = (path for path in paths if TEMPORARY_NAME.fullmatch(path.name))
    yield from _old(temporary, "temporary", before)


def _old(paths: Iterator[Path], kind: GarbageKind, before: float) -> Iterator[Garbage]:
    for path in paths:
        status = path.lstat()
        if status.st_mtime <= before:
            blocks: int = getattr(status, "st_blocks", -1)  # partial files have holes
            size = status.st_size if blocks < 0 else min(status.st_size, blocks * 512)
            yield Garbage(path, kind, size)


def _remove(item: Garbage) -> Garbage:
    try:
        if item.kind == "content" and item.path.lstat().st_nlink > 1:
            return attrs.evolve(item, error="it has come into use meanwhile")
        item.path.unlink(missing_ok=True)
    except OSError as error:
        return attrs.evolve(item, error=error.strerror or str(error))
    if item.kind == "content":
        with suppress(OSError):  # others are there
            item.path.parent.rmdir()
            item.path.parent.parent.rmdir()
    return attrs.evolve(item, removed=True)
