"""The check of everything that was downloaded to one directory."""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

from dss_client.manifest import USED, ManifestReader, RawRow
from dss_client.transfer.names import BUNDLE_JSON, safe_relative_path
from dss_client.transfer.progress import Progress, ProgressCallback
from dss_client.versions import FQID

from .check_report import Fault, FaultKind, VerifyReport
from .contents import (
    BadDescription,
    Described,
    Description,
    bundle_directories,
    collection_directories,
    files_below,
    stored_contents,
)
from .errors import InvalidChecksum, UnsafeName
from .filestore import FileStore
from .inspect_files import FileCheck, Finding, inspect_all
from .run import Layout

__all__ = ["Checker"]

_AGAIN = "delete it, and run the download again"
_UNDESCRIBED = "the download again; the bundle's other files were not looked at"
_LEFT_OUT = "run the download again, or allow it (--allow-missing) if it was left out on purpose"
_REMEDIES = {
    "missing": _LEFT_OUT,
    "unreadable": "make it readable, or delete it, and run the download again",
    "changing": "look again when nobody writes to it",
}
_RECENT = 1 << 16  # contents of a manifest that are remembered as read
_BUNDLES = 64  # whose descriptions are remembered


class Checker:
    """One check of one directory."""

    def __init__(
        self,
        root: Path,
        threads: int,
        progress: ProgressCallback | None,
        *,
        allow_missing: bool,
    ) -> None:
        self.root = root
        self.store: FileStore = FileStore(root)
        self._threads = threads
        self._progress = Progress(progress)
        self._stop = threading.Event()
        self._allow_missing = allow_missing
        self._has_store = self.store.root.is_dir()
        self._bad: set[str] = set()  # contents
        self._bundles: set[str] = set()
        self._descriptions: OrderedDict[str, tuple[Described, ...] | None] = OrderedDict()
        self._faults: dict[Path, Fault] = {}
        self._absent: list[Path] = []
        self._extra: list[Path] = []
        self._files = self._bytes = self._contents = self._content_bytes = 0

    def check_all(self) -> VerifyReport:
        """Check everything."""
        self._read(self._all_contents())
        self._read(self._all_files())
        return self._report()

    def check_manifest(
        self, manifest: str | os.PathLike[str], layout: Layout | None
    ) -> VerifyReport:
        """Check what a manifest lists."""
        self._read(self._listed_contents(manifest))
        self._read(self._listed_files(manifest, layout))
        return self._report()

    def _report(self) -> VerifyReport:
        return VerifyReport(
            directory=self.root,
            bundles=len(self._bundles),
            files=self._files,
            bytes=self._bytes,
            contents=self._contents,
            content_bytes=self._content_bytes,
            faults=tuple(self._faults.values()),
            absent=tuple(self._absent),
            extra=tuple(self._extra),
        )

    def _read(self, checks: Iterable[FileCheck]) -> None:
        try:
            for finding in inspect_all(
                checks, threads=self._threads, progress=self._progress, stop=self._stop
            ):
                if finding.check.content:
                    self._enter_content(finding)
                else:
                    self._enter_file(finding)
        except BaseException:
            self._stop.set()
            raise

    # The store

    def _all_contents(self) -> Iterator[FileCheck]:
        for path, key in stored_contents(self.store.root):
            if key is None:
                self._extra.append(Path(path))
            else:
                yield FileCheck(path, key, os.lstat(path).st_size, content=True)

    def _listed_contents(self, manifest: str | os.PathLike[str]) -> Iterator[FileCheck]:
        """Yield the contents that are listed and exist, usually each of them once."""
        recent: OrderedDict[str, None] = OrderedDict()
        for row in _rows(manifest, ("file_sha256",)):
            key = row[5].lower()
            if not row[2] or key in recent:
                continue
            recent[key] = None
            if len(recent) > _RECENT:
                recent.popitem(last=False)
            place = self.store.place(key)
            if os.path.lexists(place):
                size = int(row[6]) if row[6] else os.lstat(place).st_size
                yield FileCheck(place, key, size, content=True)

    def _enter_content(self, finding: Finding) -> None:
        check, status = finding.check, finding.status
        if not finding.problem:
            self.store.seal(check.sha256, cast("os.stat_result", status))
            self._contents += 1
            self._content_bytes += check.size
            return
        remedy = ""
        if finding.problem == "size":  # of the content or of the row, which the others will show
            remedy = "the next download replaces it"
        else:
            self._bad.add(check.sha256)
            if finding.problem == "sha256" and status and self.store.unseal(check.sha256, status):
                remedy = "it no longer counts as verified: the next download replaces it"
        self._add_fault(check, finding.problem, finding.found, remedy)

    # Bundles

    def _all_files(self) -> Iterator[FileCheck]:
        for folder in bundle_directories(self.root):
            self._bundles.add(folder.name)
            described = self._read_description(folder)
            if described is None:
                continue
            for file in described:
                yield from self._file(folder, file)
            known = {folder / BUNDLE_JSON}
            known |= {folder / file.target for file in described if file.target}
            self._extra += [path for path in files_below(folder) if path not in known]
        if self._has_store:
            for folder in collection_directories(self.root):
                for path in files_below(folder):
                    yield FileCheck(str(path), "", path.lstat().st_size)

    def _listed_files(
        self, manifest: str | os.PathLike[str], layout: Layout | None
    ) -> Iterator[FileCheck]:
        needed = USED[layout] if layout else ("file_name", "file_sha256")
        for row in _rows(manifest, needed):
            folder = self.root / str(FQID(row[0], row[1])) if row[0] and row[1] else None
            described: tuple[Described, ...] = ()
            if folder is not None:
                self._bundles.add(folder.name)
                if layout == "none" or (layout is None and not folder.is_dir()):
                    folder = None
                else:
                    described = self._described(folder) or ()
            if not row[2]:
                continue
            if folder is not None:
                yield from self._file(folder, _listed(row, described))
            else:
                yield from self._stored(row[5].lower(), int(row[6]) if row[6] else None)

    def _described(self, folder: Path) -> tuple[Described, ...] | None:
        """Return what the bundle of a directory should hold; record what is wrong with that."""
        if folder.name in self._descriptions:
            return self._descriptions[folder.name]
        files = self._descriptions[folder.name] = self._read_description(folder)
        if len(self._descriptions) > _BUNDLES:
            self._descriptions.popitem(last=False)
        return files

    def _read_description(self, folder: Path) -> tuple[Described, ...] | None:
        path = folder / BUNDLE_JSON
        expected = f"the description of bundle {folder.name}"
        try:
            description = Description.read(folder)
        except (FileNotFoundError, NotADirectoryError):
            self._add(Fault(path, "missing", expected, "nothing", f"run {_UNDESCRIBED}"))
            return None
        except (OSError, BadDescription) as error:
            remedy = f"delete it, and run {_UNDESCRIBED}"
            self._add(Fault(path, "description", expected, str(error), remedy))
            return None
        if self._has_store and not os.path.lexists(self.store.place(description.sha256)):
            found = f"sha256 {description.sha256}, which the store does not have"
            self._add(Fault(path, "description", expected, found, _AGAIN))
        return description.files

    def _file(self, folder: Path, file: Described) -> Iterator[FileCheck]:
        """Check a file of a bundle, and yield it if it has to be read."""
        path = folder / (file.target or file.name)
        check = FileCheck(str(path), file.sha256, file.size)
        if file.target is None:
            self._enter_file(Finding(check, "missing", f"nothing: {file.reason}"))
        elif file.clashes and not os.path.lexists(path):
            self._absent.append(path)
        elif not self._is_content(path, file):
            yield check
        elif file.sha256 in self._bad:
            self._enter_file(Finding(check, "sha256", "a hard link of a content that is bad"))
        else:
            self._enter_good(file.size)

    def _is_content(self, path: Path, file: Described) -> bool:
        """Tell whether a file is a hard link to its content, which was read already."""
        try:
            own, stored = os.lstat(path), os.lstat(self.store.place(file.sha256))
        except (OSError, InvalidChecksum):
            return False
        if own.st_size != file.size:
            return False
        return own.st_ino != 0 and (own.st_dev, own.st_ino) == (stored.st_dev, stored.st_ino)

    def _stored(self, sha256: str, size: int | None) -> Iterator[FileCheck]:
        """Check the content of a row that has no place in the directory of a bundle."""
        place = self.store.place(sha256)
        try:
            found = os.lstat(place).st_size
        except FileNotFoundError:
            found = None
        if found is None or size not in {None, found}:
            yield FileCheck(place, sha256, size or 0)
        elif sha256 not in self._bad:
            self._enter_good(found)

    def _enter_file(self, finding: Finding) -> None:
        check = finding.check
        if finding.problem == "missing" and self._allow_missing:
            self._absent.append(Path(check.path))
        elif finding.problem:
            self._add_fault(check, finding.problem, finding.found)
        elif not check.sha256 and not os.path.lexists(self.store.place(finding.found)):
            # A collection's file can only be compared with the store.
            found = f"sha256 {finding.found}"
            expected = "a content that the store has"
            self._add(Fault(Path(check.path), "sha256", expected, found, _AGAIN))
        else:
            self._enter_good(check.size)

    def _enter_good(self, size: int) -> None:
        self._files += 1
        self._bytes += size

    def _add_fault(self, check: FileCheck, kind: FaultKind, found: str, remedy: str = "") -> None:
        expected = f"{check.size} bytes" if kind == "size" else f"sha256 {check.sha256}"
        remedy = remedy or _REMEDIES.get(kind, _AGAIN)
        self._add(Fault(Path(check.path), kind, expected, found, remedy))

    def _add(self, fault: Fault) -> None:
        self._faults.setdefault(fault.path, fault)


def _rows(manifest: str | os.PathLike[str], needed: Sequence[str]) -> Iterator[RawRow]:
    with ManifestReader(manifest, allow_unnamed=True, needed=needed) as reader:
        for batch in reader.batches():
            yield from batch


def _listed(row: RawRow, described: Iterable[Described]) -> Described:
    """Return the file of a row, under the name that it has in the directory of its bundle."""
    name, sha256 = row[2], row[5].lower()
    for file in described:
        if file.name == name:
            size = int(row[6]) if row[6] else file.size
            return Described(name, file.target, sha256, size, file.clashes, file.reason)
    size = int(row[6] or 0)
    try:
        safe_relative_path(name)
    except UnsafeName as error:
        return Described(name, None, sha256, size, reason=error.reason)
    return Described(name, name, sha256, size)
