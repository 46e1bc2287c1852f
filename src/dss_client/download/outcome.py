"""The last step of a file: it gets its name, and its result is reported."""

import hashlib

from dss_client.errors import DSSError

from .errors import ChecksumMismatch, file_error
from .filestore import FileStore
from .layout import Placer
from .report import State
from .task import FileResult, FileTask

__all__ = ["Finisher", "failed", "verified"]


class Finisher:
    """Puts stored contents under their names. Safe to be used by threads.

    Args:
        store: Where contents are.
        placer: Links them.
    """

    def __init__(self, store: FileStore, placer: Placer) -> None:
        self._store = store
        self._placer = placer

    def place(
        self, task: FileTask, *, downloaded: bool, tries: int = 0, seconds: float = 0.0
    ) -> FileResult:
        """Put a stored content under its name, where it has one.

        Args:
            task: What was wanted.
            downloaded: It came now, and was not there before.
            tries: Requests that it took.
            seconds: Time that they took.
        """
        state: State = "downloaded" if downloaded else "reused"
        stored = self._store.place(task.sha256)
        if task.target is None:
            return FileResult(task.number, state, stored, None, tries, seconds)
        try:
            path, link = self._placer.place(stored, task.target)
        except (DSSError, OSError) as error:
            return failed(task, error, tries=tries, seconds=seconds)
        return FileResult(task.number, state, path, link, tries, seconds)


def failed(task: FileTask, error: Exception, *, tries: int = 0, seconds: float = 0.0) -> FileResult:
    """Return the result of a task that failed."""
    named = file_error(task.name, task.bundle, error)
    return FileResult(task.number, "failed", None, None, tries, seconds, error=named)


def verified(task: FileTask) -> bytes:
    """Return the content of a task that is known without asking for it.

    Raises:
        ChecksumMismatch: It has another checksum.
    """
    content = task.content or b""
    actual = hashlib.sha256(content).hexdigest()
    if actual != task.sha256:
        raise ChecksumMismatch(task.name, task.sha256, actual)
    return content
