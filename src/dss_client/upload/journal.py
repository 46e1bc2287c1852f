"""The steps of an upload, kept until it is complete so that the next run can continue.

One journal for each run, ``<state directory>/uploads/<key>/<run>.journal``: a line for each step,
with its checksum, so that a torn line does no harm. A run that ends early calls it ``<run>.left``.
The next one takes that over, or the journal of one that is proven dead, by moving it away first,
which only one can do; where both are alive, each has its own and they share nothing but the bucket,
in which all names are new.
"""

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from attrs import asdict, define, evolve, field, frozen

from dss_client.settings import user_directory
from dss_client.transfer.checked_lines import line, records
from dss_client.transfer.owner import is_alive, owner, tag

from .checksums import Checksums
from .errors import UploadError
from .walk import SourceFile

__all__ = ["Bundle", "FileState", "Journal", "SentPart", "journal_folder"]

_FORMAT = 1
_LEFT = ".left"


@frozen(kw_only=True)
class Bundle:
    """The bundle that an upload makes."""

    uuid: str
    version: str
    creator_uid: int


@frozen
class SentPart:
    """A part that the staging bucket has.

    Attributes:
        md5: Digest of its bytes, in hexadecimal.
        etag: What the bucket calls it.
    """

    md5: str
    etag: str


@define
class FileState:
    """The progress of a file.

    Attributes:
        source: The file as it was found.
        uuid: The id it gets.
        upload: The bucket's id of the upload in parts, if there is one.
        step: Bytes of these parts.
        parts: Those that were sent, by number.
        checksums: Those of the file, once the bucket has all of it.
        stored: Whether the service has it.
    """

    source: SourceFile
    uuid: str = field(factory=lambda: str(uuid4()))
    upload: str | None = None
    step: int = 0
    parts: dict[int, SentPart] = field(factory=dict[int, SentPart])
    checksums: Checksums | None = None
    stored: bool = False


def journal_folder(**what: str) -> Path:
    """Return where the journals of one upload are: of one source, deployment and bucket.

    Raises:
        NoHome: They would be nowhere.
    """
    key = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]
    named = os.environ.get("DSS_STATE_DIR")
    state = Path(named) if named else user_directory("state")
    return state / "uploads" / key


class Journal:
    """The journal of this run. Threads may share it.

    Attributes:
        bundle: The bundle that it is of.
        files: The progress of each file, by name.
        is_closing: Whether an earlier run may have put the bundle.
    """

    def __init__(self, path: Path, bundle: Bundle) -> None:
        self.path = path
        self.bundle = bundle
        self.files: dict[str, FileState] = {}
        self.is_closing: bool = False
        self._descriptor = -1
        self._lock = threading.Lock()

    @classmethod
    def start(cls, folder: Path, bundle: Bundle, *, found: "Journal | None" = None) -> Self:
        """Start a journal.

        Args:
            folder: Where journals of this upload are.
            bundle: The bundle.
            found: The steps of an earlier run to continue.

        Raises:
            UploadError: It cannot be written.
        """
        journal = cls(folder / f"{tag()}-{uuid4().hex[:8]}.journal", bundle)
        head: dict[str, object] = {"format": _FORMAT, "owner": owner(), **asdict(bundle)}
        text = line(head)
        if found is not None:
            journal.files, journal.is_closing = found.files, found.is_closing
            text += b"".join(map(line, found._steps()))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            journal._descriptor = os.open(journal.path, flags, 0o600)
            journal._write(text)
        except OSError as error:
            journal.remove()
            raise _unwritable(journal.path, error) from error
        return journal

    def _steps(self) -> "list[dict[str, object]]":
        steps: list[dict[str, object]] = []
        for name, state in self.files.items():
            steps.append(_found(state))
            if state.upload is not None:
                steps.append({"begun": name, "upload": state.upload, "step": state.step})
            parts: list[dict[str, object]] = [
                {"part": name, "number": number, **asdict(part)}
                for number, part in sorted(state.parts.items())
            ]
            steps += parts
            if state.checksums is not None:
                steps.append({"sent": name, **asdict(state.checksums)})
            if state.stored:
                steps.append({"stored": name})
        return [*steps, {"closing": True}] if self.is_closing else steps

    def _take(self, record: Mapping[str, Any]) -> None:
        """Repeat a step that was read."""
        match record:
            case {"file": name, "uuid": uuid, "path": path, **facts}:
                source = SourceFile(
                    name, Path(path), facts["size"], facts["mtime_ns"], facts["inode"]
                )
                self.files[name] = FileState(source, uuid)
            case {"begun": name, "upload": upload, "step": step}:
                self.files[name].upload, self.files[name].step = upload, step
            case {"part": name, "number": number, "md5": md5, "etag": etag}:
                self.files[name].parts[number] = SentPart(md5, etag)
            case {"sent": name, **sums}:
                self.files[name].checksums = Checksums(**sums)
            case {"stored": name}:
                self.files[name].stored = True
            case {"closing": _}:
                self.is_closing = True
            case _:
                raise ValueError("a step of another kind")

    def _write(self, text: bytes) -> None:
        while text:
            text = text[os.write(self._descriptor, text) :]

    def _note(self, record: dict[str, object]) -> None:
        try:
            with self._lock:
                self._write(line(record))
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def add(self, source: SourceFile) -> FileState:
        """Note that a file is to be sent from its first byte, under a new id."""
        state = FileState(source)
        self._note(_found(state))
        self.files[source.name] = state
        return state

    def forget(self, names: set[str]) -> None:
        """Drop files that are no longer wanted."""
        for name in names:
            del self.files[name]

    def begun(self, state: FileState, upload: str, step: int) -> None:
        """Note that the bucket waits for the parts of a file."""
        self._note({"begun": state.source.name, "upload": upload, "step": step})
        state.upload, state.step = upload, step

    def part_sent(self, state: FileState, number: int, part: SentPart) -> None:
        """Note that the bucket has a part."""
        self._note({"part": state.source.name, "number": number, **asdict(part)})
        state.parts[number] = part

    def sent(self, state: FileState, checksums: Checksums) -> None:
        """Note that the bucket has all of a file."""
        self._note({"sent": state.source.name, **asdict(checksums)})
        state.checksums = checksums

    def stored(self, state: FileState) -> None:
        """Note that the service has a file."""
        self._note({"stored": state.source.name})
        state.stored = True

    def closing(self) -> None:
        """Note that the bundle is about to be put."""
        self._note({"closing": True})

    def close(self) -> None:
        """Leave the journal to the next run, unless it was removed."""
        if self._shut():
            with suppress(OSError):  # then it is known by its owner's death
                self.path.rename(self.path.with_suffix(_LEFT))

    def _shut(self) -> bool:
        """Write no more; tell whether that was possible until now."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        return descriptor >= 0

    def remove(self) -> None:
        """Remove the journal: all is done."""
        self._shut()
        with suppress(OSError):  # never made; or another run is there
            self.path.unlink(missing_ok=True)
            self.path.parent.rmdir()

    @classmethod
    def take_over(cls, folder: Path) -> "list[Journal]":
        """Take over the journals of dead runs, so that no other run can; the latest first."""
        found: list[tuple[int, Journal]] = []
        for path in [*folder.glob("*.journal"), *folder.glob(f"*{_LEFT}")]:
            with suppress(OSError):  # another run was faster
                if path.suffix == _LEFT or _is_abandoned(path):
                    taken = path.rename(path.with_suffix(f".{uuid4().hex[:8]}.taken"))
                    journal = cls.parse(taken, taken.read_bytes())
                    changed = taken.stat().st_mtime_ns
                    taken.unlink()
                    found += [(changed, journal)] if journal is not None else []
        found.sort(key=lambda each: each[0], reverse=True)
        return [journal for _, journal in found]

    @classmethod
    def parse(cls, path: Path, text: bytes) -> "Journal | None":
        """Read a journal up to its first torn line; None where that is the first one."""
        head, *steps = [*records(text)] or [{}]
        if head.get("format") != _FORMAT:
            return None
        journal = None
        with suppress(KeyError, TypeError, ValueError):
            bundle = Bundle(
                uuid=head["uuid"], version=head["version"], creator_uid=head["creator_uid"]
            )
            journal = cls(path, bundle)
            for step in steps:
                journal._take(step)
        return journal


def _found(state: FileState) -> dict[str, object]:
    facts = asdict(evolve(state.source, path=Path()), filter=lambda each, _: each.name != "path")
    return {
        "file": facts.pop("name"),
        "uuid": state.uuid,
        "path": os.fspath(state.source.path),
        **facts,
    }


def _is_abandoned(path: Path) -> bool:
    """Tell whether the run that wrote a journal is over."""
    head = next(records(path.read_bytes()), None)
    # One without a first line is being started, or was torn there and holds nothing.
    return head is not None and not is_alive(str(head.get("owner")))


def _unwritable(path: Path, error: OSError) -> UploadError:
    return UploadError(
        str(path),
        f"the journal of the upload cannot be written: {error.strerror}. Make room for it, or name"
        " another directory with DSS_STATE_DIR",
        cause=error,
    )
