"""What a run has to leave to the next one: the ids that it gave out.

What was done is not noted: the staging bucket knows which objects and parts it has, and the service
which files. So the state of an upload is one small file, which is replaced as a whole when a file
begins that is sent in parts: ``<state directory>/uploads/<upload>.<run>.state``.

Its name says which process it belongs to, or that none does any more. To continue it is to rename
it, which only one process can do. Two runs at the same time have a state each, and share nothing
but the bucket, in which all names are new.
"""

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from uuid import uuid4

from attrs import asdict, evolve, field, frozen

from dss_client._files import write_file
from dss_client.settings import user_directory
from dss_client.transfer.checked_lines import line, records
from dss_client.transfer.owner import may_run, tag
from dss_client.versions import create_version

from .errors import UploadError
from .request import UploadRequest
from .staging import Staging
from .walk import SourceFile

__all__ = ["FileState", "NewBundle", "UploadState", "open_state", "state_place"]

_FORMAT = 1
_NAME = re.compile(r"[0-9a-f]+\.(?:left|([0-9a-f]{8})-([0-9]+)-([0-9]*))-[0-9a-f]{8}\.state")


@frozen(kw_only=True)
class NewBundle:
    """The bundle that an upload makes."""

    uuid: str
    version: str
    creator_uid: int


@frozen
class FileState:
    """A file and its ids.

    Attributes:
        source: The file as it was found.
        uuid: The id it gets.
        upload: The bucket's id of the upload in parts, if there is one.
        is_known: Whether an earlier run may have sent something of it.
    """

    source: SourceFile
    uuid: str = field(factory=lambda: str(uuid4()))
    upload: str | None = None
    is_known: bool = False

    @property
    def key(self) -> str:
        """The name of its object in the bucket."""
        return f"{self.uuid}/{self.source.name.rpartition('/')[2]}"


class UploadState:
    """The state of this run. Threads may share it.

    Attributes:
        bundle: The bundle that is made.
    """

    def __init__(self, path: Path, bundle: NewBundle, files: Iterable[FileState] = ()) -> None:
        self.bundle = bundle
        self._path = path
        self._files = {file.source.name: file for file in files}
        self._lock = threading.Lock()

    @property
    def files(self) -> list[FileState]:
        """The files, in order."""
        return list(self._files.values())

    def set_sources(self, sources: Iterable[SourceFile]) -> None:
        """Set the files, with the ids that those have that are the same as before.

        Raises:
            UploadError: The state cannot be written; what it was before is kept.
        """
        before = {file.source: file for file in self.files}
        self._files = {
            source.name: evolve(before.get(source) or FileState(source), source=source)
            for source in sources
        }
        self._save()

    def set_upload(self, file: FileState, upload: str | None) -> FileState:
        """Set the bucket's id of an upload in parts; return the file with it.

        Raises:
            UploadError: The state cannot be written; what it was before is kept.
        """
        with self._lock:
            changed = self._files[file.source.name] = evolve(file, upload=upload)
            self._save()
        return changed

    def _save(self) -> None:
        record: dict[str, object] = {
            "format": _FORMAT,
            **asdict(self.bundle),
            "files": {
                name: [file.uuid, file.upload, *file.source.facts]
                for name, file in self._files.items()
            },
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_file(self._path, line(record), mode=0o600)
        except OSError as error:
            raise UploadError(
                str(self._path),
                f"the state of the upload cannot be written: {error.strerror}. Make room for it,"
                " or name another directory with DSS_STATE_DIR",
                cause=error,
            ) from error

    def leave(self) -> None:
        """Leave the state to the next run, unless it was removed."""
        with suppress(OSError):  # then the end of this process tells as much
            self._path.rename(_path(self._path, "left"))

    def remove(self) -> None:
        """Remove the state: all is done, or nothing of it is wanted."""
        with suppress(OSError):  # then it will not fit the next run
            self._path.unlink()

    @classmethod
    def take_over(cls, place: Path) -> "list[UploadState]":
        """Take over the states of runs that are over, so that no other run can; latest first."""
        found: list[tuple[int, UploadState]] = []
        for path in place.parent.glob(f"{place.name}.*.state"):
            match = _NAME.fullmatch(path.name)
            if match is None or (match[1] is not None and may_run(*match.groups())):
                continue
            with suppress(OSError):  # another run was faster
                own = path.rename(_path(place, tag()))
                state = cls._parse(own, own.read_bytes())
                if state is None:
                    own.unlink()
                else:
                    found.append((own.stat().st_mtime_ns, state))
        found.sort(key=lambda each: each[0], reverse=True)
        return [state for _, state in found]

    @classmethod
    def _parse(cls, path: Path, text: bytes) -> "UploadState | None":
        """Read a state; None if it is of another format or damaged."""
        record = next(records(text), None)
        if record is None or record.pop("format", None) != _FORMAT:
            return None
        files = [
            FileState(SourceFile(name, Path(), *facts), uuid, upload, is_known=True)
            for name, (uuid, upload, *facts) in record.pop("files").items()
        ]
        return cls(path, NewBundle(**record), files)


def _path(place: Path, run: str) -> Path:
    """Return a new name for a state that belongs to a run."""
    upload = place.name.partition(".")[0]
    return place.with_name(f"{upload}.{run}-{token_hex(4)}.state")


def state_place(**upload: str) -> Path:
    """Return how the paths of all states of an upload begin: by source, deployment and bucket.

    Raises:
        NoHome: They would be nowhere.
    """
    key = hashlib.sha256(json.dumps(upload, sort_keys=True).encode()).hexdigest()[:32]
    named = os.environ.get("DSS_STATE_DIR")
    state = Path(named) if named else user_directory("state")
    return state / "uploads" / key


def open_state(
    place: Path,
    request: UploadRequest,
    sources: Sequence[SourceFile],
    staging: Staging,
    is_stored: Callable[[NewBundle], bool],
) -> UploadState:
    """Return a state with every file, those that an earlier run knew with the ids that they had.

    Args:
        place: How the paths of states of this upload begin.
        request: The upload.
        sources: The files as they are now.
        staging: Where files were sent; parts that cannot be used are removed.
        is_stored: Tells whether the service has a bundle already.

    Raises:
        UploadError: The state cannot be written; those of earlier runs are kept.
    """

    def is_usable(state: UploadState) -> bool:
        bundle = state.bundle
        return (
            not request.fresh
            and request.bundle_uuid in {None, bundle.uuid}
            and request.version in {None, bundle.version}
            and request.creator_uid == bundle.creator_uid
            and ([file.source for file in state.files] == list(sources) or not is_stored(bundle))
        )

    earlier = UploadState.take_over(place)
    useless = {file for state in earlier for file in state.files}
    try:
        state = next(filter(is_usable, earlier), None)
        if state is None:
            bundle = NewBundle(
                uuid=request.bundle_uuid or str(uuid4()),
                version=request.version or create_version(),
                creator_uid=request.creator_uid,
            )
            state = UploadState(_path(place, tag()), bundle)
        state.set_sources(sources)
    except BaseException:
        for each in earlier:
            each.leave()
        raise
    for each in earlier:
        if each is not state:
            each.remove()
    for file in useless.difference(state.files):
        if file.upload is not None:
            staging.abort(file.key, file.upload)
    return state
