"""Reads again what was downloaded, and reports what is wrong.

Unlike a download, this does not rely on an earlier verification, since disks fail. Good contents
get the mark of the verified, which downloads trust, and bad ones lose it.
"""

import hashlib
import os
import stat
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from functools import cached_property, lru_cache
from pathlib import Path

from attrs import evolve, frozen

from dss_client.errors import InvalidArgument
from dss_client.manifest import USED, ManifestReader, RawRow, joined_values
from dss_client.transfer.cancel import Stopped
from dss_client.transfer.errors import UnsafeName
from dss_client.transfer.names import BUNDLE_JSON, safe_relative_path
from dss_client.transfer.progress import FileProgress, Progress, ProgressCallback

from .errors import InvalidChecksum
from .run import Layout
from .store import FileStore
from .tree import (
    BadDescription,
    BundleDirectory,
    ListedFile,
    bundle_directories,
    collection_directories,
    files_below,
    stored_contents,
)
from .tree_report import Fault, FaultKind, VerifyReport

__all__ = ["verify_tree"]

_BLOCK = 1 << 20
_FILES, _BYTES = 64, 1 << 24  # of a batch
_AHEAD = 256  # batches
_STEP = 0.05  # seconds
_RECENT = 1 << 16  # contents of a manifest that are remembered as read
_BUNDLES = 64  # whose descriptions are remembered
_AGAIN = "delete it, and run the download again"
_UNDESCRIBED = "the bundle's other files were not looked at"
_REPLACED = "the next download replaces it"
_REMEDIES = {
    "missing": "run the download again, or allow it (--allow-missing) if it was left out",
    "unreadable": "make it readable, or delete it, and run the download again",
}


def verify_tree(
    directory: str | os.PathLike[str],
    *,
    manifest: str | os.PathLike[str] | None = None,
    layout: Layout | None = None,
    allow_missing: bool = False,
    threads: int | None = None,
    progress: ProgressCallback | None = None,
) -> VerifyReport:
    """Read again all that was downloaded to a directory, and compare sizes and checksums.

    That is each content in the store and each file that the ``bundle.json`` of a bundle's directory
    lists, and that file itself. A hard link to a content is read once.

    Args:
        directory: The directory that was downloaded to.
        manifest: Check only what this manifest lists.
        layout: How the manifest was downloaded. If not given, a row's file is looked for in its
            bundle's directory if there is one, else in the store.
        allow_missing: Allow files that a bundle lists to be missing, as after a download with
            filters.
        threads: Files to read at once; the number of processors if not given.
        progress: Called with each `ProgressEvent`.

    Returns:
        The report.

    Raises:
        InvalidArgument: `directory` is not a directory, or holds no download.
        ManifestError: The manifest is not valid.
        OSError: A directory cannot be read.
    """
    root = Path(directory)
    if not root.is_dir():
        raise InvalidArgument(f"{root} is not a directory: expected the one that was downloaded to")
    check = _Verification(root, allow_missing=allow_missing)
    if manifest is not None:
        passes = (check.contents_of(manifest), check.files_of(manifest, layout))
    elif FileStore(root).root.is_dir() or next(bundle_directories(root), None) is not None:
        passes = (check.contents(), check.files())
    else:
        raise InvalidArgument(
            f"{root} holds neither a store (.hca) nor the directory of a bundle: name the directory"
            " that was downloaded to"
        )
    told = Progress(progress)
    threads = threads or os.cpu_count() or 1
    for expected in passes:
        with closing(_read_all(expected, threads, told)) as findings:
            for finding in findings:
                check.add(finding)
    return check.report()


@frozen
class _Expected:
    """A file that should be there; its sha256 is empty where any that the store has will do."""

    path: Path
    sha256: str
    size: int
    content: bool = False


@frozen
class _Finding:
    """What is wrong with a file, None if nothing is; and what is there: its sha256, or words."""

    file: _Expected
    problem: FaultKind | None
    found: str
    status: os.stat_result | None = None


def _read_all(files: Iterable[_Expected], threads: int, progress: Progress) -> Generator[_Finding]:
    """Read files, several at once, and yield what is found, in their order."""
    stop = threading.Event()
    pool = ThreadPoolExecutor(threads, "dss-verify")
    pending: deque[Future[list[_Finding]]] = deque()
    try:
        for batch in _batches(files):
            progress.plan(len(batch), sum(file.size for file in batch))
            pending.append(pool.submit(_read_batch, batch, progress, stop))
            if len(pending) > _AHEAD:
                yield from _result(pending.popleft())
        while pending:
            yield from _result(pending.popleft())
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _batches(files: Iterable[_Expected]) -> Iterator[list[_Expected]]:
    batch: list[_Expected] = []
    size = 0
    for file in files:
        batch.append(file)
        size += file.size
        if len(batch) == _FILES or size >= _BYTES:
            yield batch
            batch, size = [], 0
    yield batch


def _result(future: "Future[list[_Finding]]") -> list[_Finding]:
    # In short steps, since a signal just before a wait does not end it.
    while not future.done():
        wait([future], timeout=_STEP)
    return future.result()


def _read_batch(
    batch: list[_Expected], progress: Progress, stop: threading.Event
) -> list[_Finding]:
    return [_read(file, progress, stop) for file in batch]


def _read(file: _Expected, progress: Progress, stop: threading.Event) -> _Finding:
    told = progress.file(file.path.name, None, file.size)
    try:
        finding = _compare(file, told, stop)
    except (FileNotFoundError, NotADirectoryError):
        finding = _Finding(file, "missing", "nothing")
    except OSError as error:
        finding = _Finding(file, "unreadable", f"a file that cannot be read ({error.strerror})")
    told.fail() if finding.problem else told.finish()
    return finding


def _compare(file: _Expected, progress: FileProgress, stop: threading.Event) -> _Finding:
    status = file.path.lstat()
    if not stat.S_ISREG(status.st_mode):
        what = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "a directory or device"
        return _Finding(file, "irregular", what)
    if file.sha256 and status.st_size != file.size:
        return _Finding(file, "size", f"{status.st_size} bytes", status)
    digest = hashlib.sha256()
    with file.path.open("rb", buffering=0) as opened:
        while block := opened.read(_BLOCK):
            if stop.is_set():
                raise Stopped
            digest.update(block)
            progress.advance(len(block))
    sha256 = digest.hexdigest()
    if file.sha256 not in {"", sha256}:
        return _Finding(file, "sha256", f"sha256 {sha256}", status)
    return _Finding(file, None, sha256, status)


class _Verification:
    """The verification of one directory: first its contents, then the files that use them."""

    def __init__(self, root: Path, *, allow_missing: bool) -> None:
        self._root = root
        self._store = FileStore(root)
        self._allow_missing = allow_missing
        self._listed = lru_cache(_BUNDLES)(self._files_by_name)
        self._bad: set[str] = set()  # contents
        self._bundles: set[str] = set()
        self._faults: dict[Path, Fault] = {}
        self._absent: list[Path] = []
        self._extra: list[Path] = []
        self._files = self._bytes = self._contents = self._content_bytes = 0

    @cached_property
    def _directories(self) -> frozenset[str]:
        """The names of the directories of bundles."""
        return frozenset(folder.name for folder in bundle_directories(self._root))

    def report(self) -> VerifyReport:
        return VerifyReport(
            directory=self._root,
            bundles=len(self._bundles),
            files=self._files,
            bytes=self._bytes,
            contents=self._contents,
            content_bytes=self._content_bytes,
            faults=tuple(self._faults.values()),
            absent=tuple(self._absent),
            extra=tuple(self._extra),
        )

    # What there should be

    def contents(self) -> Iterator[_Expected]:
        """Yield all contents of the store."""
        for path, sha256 in stored_contents(self._store.root):
            if sha256 is None:
                self._extra.append(path)
            else:
                yield _Expected(path, sha256, path.lstat().st_size, content=True)

    def files(self) -> Iterator[_Expected]:
        """Yield the files of all bundles and collections that have to be read."""
        for folder in bundle_directories(self._root):
            self._bundles.add(folder.name)
            files = self._files_of(folder)
            if files is None:
                continue
            for file in files:
                yield from self._file(folder, file)
            known = {BUNDLE_JSON, *(file.name.target for file in files)}
            paths = files_below(folder)
            self._extra += (p for p in paths if p.relative_to(folder).as_posix() not in known)
        if self._store.root.is_dir():
            for folder in collection_directories(self._root):
                for path in files_below(folder):
                    yield _Expected(path, "", path.lstat().st_size)

    def contents_of(self, manifest: str | os.PathLike[str]) -> Iterator[_Expected]:
        """Yield the contents that a manifest lists and that exist, usually each of them once."""
        recent: set[str] = set()
        for row in _rows(manifest, ("file_sha256",)):
            sha256 = row[5].lower()
            path = Path(self._store.place(sha256)) if row[2] else None
            if path and sha256 not in recent and os.path.lexists(path):
                yield _Expected(path, sha256, _size(row) or path.lstat().st_size, content=True)
            if len(recent) >= _RECENT:
                recent.clear()
            recent.add(sha256)

    def files_of(
        self, manifest: str | os.PathLike[str], layout: Layout | None
    ) -> Iterator[_Expected]:
        """Yield the files that a manifest lists and that have to be read."""
        needed = USED[layout] if layout else ("file_name", "file_sha256")
        for row in _rows(manifest, needed):
            folders = self._folders_of(row, layout)
            for folder in folders:
                yield from self._file_of_row(folder, row)
            if not folders and row[2]:
                sha256, size = row[5].lower(), _size(row)
                path = Path(self._store.place(sha256))
                if size is None:
                    size = path.lstat().st_size if os.path.lexists(path) else 0
                yield from self._unread(_Expected(path, sha256, size))

    def _folders_of(self, row: RawRow, layout: Layout | None) -> list[Path]:
        """Return the directories of a row's bundles that should have its file."""
        if not (row[0] and row[1]):
            return []
        names = [
            f"{uuid.lower()}.{version}"
            for uuid in joined_values(row[0])
            for version in joined_values(row[1])
        ]
        there = [name for name in names if name in self._directories]
        self._bundles.update(there or names[:1])
        if layout == "none":
            return []
        return [self._root / name for name in there or (names[:1] if layout else [])]

    def _file_of_row(self, folder: Path, row: RawRow) -> Iterator[_Expected]:
        name, sha256, size = row[2], row[5].lower(), _size(row)
        described = os.path.lexists(folder / BUNDLE_JSON)
        if name and size is not None and folder.name in self._directories and not described:
            # It was downloaded from URLs: nothing but its rows says what is in it.
            expected = _Expected(folder / name, sha256, size)
            try:
                safe_relative_path(name)
            except UnsafeName as error:
                self.add(_Finding(expected, "missing", f"nothing: {error.reason}"))
            else:
                yield from self._unread(expected)
            return
        listed = self._listed(folder)
        if listed is None or not name:
            return
        file = listed.get((name, sha256))
        if file is not None:
            yield from self._file(folder, file if size is None else evolve(file, size=size))
            return
        expected = _Expected(folder / name, sha256, 0)
        self.add(_Finding(expected, "missing", "nothing of that kind in its bundle.json"))

    def _files_by_name(self, folder: Path) -> dict[tuple[str, str], ListedFile] | None:
        files = self._files_of(folder)
        if files is None:
            return None
        return {(file.name.name, file.sha256): file for file in reversed(files)}

    def _files_of(self, folder: Path) -> tuple[ListedFile, ...] | None:
        """Return what the bundle of a directory should hold; record what is wrong with that."""
        path = folder / BUNDLE_JSON
        expected = f"the description of bundle {folder.name}"
        try:
            bundle = BundleDirectory.read(folder)
        except (OSError, BadDescription) as error:
            gone = isinstance(error, FileNotFoundError | NotADirectoryError)
            kind: FaultKind = "missing" if gone else "description"
            found = "nothing" if gone else str(error)
            remedy = f"{'run the download again' if gone else _AGAIN}; {_UNDESCRIBED}"
            self._add_fault(Fault(path, kind, expected, found, remedy))
            return None
        if self._store.root.is_dir() and not os.path.lexists(self._store.place(bundle.sha256)):
            found = f"sha256 {bundle.sha256}, which the store does not have"
            self._add_fault(Fault(path, "description", expected, found, _AGAIN))
        return bundle.files

    def _file(self, folder: Path, file: ListedFile) -> Iterator[_Expected]:
        """Check a file of a bundle, and yield it if it has to be read."""
        target = file.name.target
        expected = _Expected(folder / (target or file.name.name), file.sha256, file.size)
        if target is None:
            self.add(_Finding(expected, "missing", f"nothing: {file.name.reason}"))
        elif file.may_be_left_out and not os.path.lexists(expected.path):
            self._absent.append(expected.path)
        else:
            yield from self._unread(expected)

    def _unread(self, file: _Expected) -> Iterator[_Expected]:
        """Yield a file, unless it is its content in the store, which was read: then count it."""
        if not self._is_content(file):
            yield file
        elif file.sha256 in self._bad:
            self.add(_Finding(file, "sha256", "a hard link of a content that is bad"))
        else:
            self._add_good(file.size)

    def _is_content(self, file: _Expected) -> bool:
        try:
            own, stored = file.path.lstat(), os.lstat(self._store.place(file.sha256))
        except (OSError, InvalidChecksum):
            return False
        return own.st_size == file.size and os.path.samestat(own, stored)

    # What is there

    def add(self, finding: _Finding) -> None:
        """Count a good file, or record what is wrong; mark a content as verified or not."""
        file, problem, status = finding.file, finding.problem, finding.status
        remedy = _REMEDIES.get(problem or "", _AGAIN)
        if problem is None and file.content:
            if status:
                self._store.mark(file.sha256, status)
            self._contents += 1
            self._content_bytes += file.size
        elif problem is None and not file.sha256 and not self._has(finding.found):
            found = f"sha256 {finding.found}"
            self._add_fault(Fault(file.path, "sha256", "a content of the store", found, _AGAIN))
        elif problem is None:
            self._add_good(file.size)
        elif problem == "missing" and self._allow_missing:
            self._absent.append(file.path)
        else:
            if file.content and problem == "size":
                remedy = _REPLACED
            elif file.content:
                self._bad.add(file.sha256)
                if status and self._store.unmark(file.sha256, status):
                    remedy = f"it no longer counts as verified: {_REPLACED}"
            expected = f"{file.size} bytes" if problem == "size" else f"sha256 {file.sha256}"
            self._add_fault(Fault(file.path, problem, expected, finding.found, remedy))

    def _has(self, sha256: str) -> bool:
        return os.path.lexists(self._store.place(sha256))

    def _add_good(self, size: int) -> None:
        self._files += 1
        self._bytes += size

    def _add_fault(self, fault: Fault) -> None:
        self._faults.setdefault(fault.path, fault)


def _rows(manifest: str | os.PathLike[str], needed: Sequence[str]) -> Iterator[RawRow]:
    with ManifestReader(manifest, allow_unnamed=True, allow_joined=True, needed=needed) as reader:
        for batch in reader.batches():
            yield from batch


def _size(row: RawRow) -> int | None:
    return int(row[6]) if row[6] else None
