"""Progress as events, for displays of any kind."""

import logging
import threading
from collections.abc import Callable
from typing import Literal

from attrs import frozen

from dss_client.versions import FQID

_logger = logging.getLogger("dss_client")

Kind = Literal["planned", "started", "advanced", "finished", "failed"]


@frozen(kw_only=True)
class ProgressEvent:
    """One step of a download or upload.

    Attributes:
        kind: ``planned`` comes first, with the totals and what is there already, and again
            whenever more becomes known; then for each file ``started``, any number of
            ``advanced``, and ``finished`` or ``failed``.
        name: The file; empty for ``planned``.
        bundle: The bundle it is wanted for, if any.
        file_bytes_done: Bytes of this file so far. It shrinks when a file starts over.
        file_bytes_total: Size of this file, in bytes.
        bytes_done: Bytes of all files so far, without those of failed files.
        bytes_total: Bytes of all files.
        files_done: Number of files finished or failed.
        files_total: Number of all files.
    """

    kind: Kind
    name: str = ""
    bundle: FQID | None = None
    file_bytes_done: int = 0
    file_bytes_total: int = 0
    bytes_done: int
    bytes_total: int
    files_done: int
    files_total: int


ProgressCallback = Callable[[ProgressEvent], object]


class Progress:
    """Counts, and calls back under one lock, so that the callback needs none of its own.

    A callback that raises is logged and not called again: no display may harm a download.
    """

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._lock = threading.Lock()
        self._files_done = self._files_total = 0
        self._bytes_done = self._bytes_total = 0

    @property
    def is_watched(self) -> bool:
        """Whether there is a callback."""
        return self._callback is not None

    def plan(self, files: int, size: int, *, files_there: int = 0, bytes_there: int = 0) -> None:
        """Say how much more there is to do, in files and bytes, and how much of it is there."""
        with self._lock:
            self._files_total += files
            self._bytes_total += size
            self._files_done += files_there
            self._bytes_done += bytes_there
            self._emit("planned", "", None, 0, 0)

    def file(self, name: str, bundle: FQID | None, size: int) -> "FileProgress":
        """Say that a file is started."""
        progress = FileProgress(self, name, bundle, size)
        if self._callback is not None:
            self.move(progress, "started", 0)
        return progress

    def move(self, file: "FileProgress", kind: Kind, more: int) -> None:
        """Record the result of a file, and how many more of its bytes are there."""
        with self._lock:
            file.done += more
            self._bytes_done += more
            self._files_done += kind in {"finished", "failed"}
            self._emit(kind, file.name, file.bundle, file.done, file.size)

    def _emit(self, kind: Kind, name: str, bundle: FQID | None, done: int, size: int) -> None:
        if self._callback is None:
            return
        event = ProgressEvent(
            kind=kind,
            name=name,
            bundle=bundle,
            file_bytes_done=done,
            file_bytes_total=size,
            bytes_done=self._bytes_done,
            bytes_total=self._bytes_total,
            files_done=self._files_done,
            files_total=self._files_total,
        )
        try:
            self._callback(event)
        except Exception:
            _logger.exception("the progress callback failed; it is not called again")
            self._callback = None


class FileProgress:
    """The progress of one file.

    Attributes:
        done: Bytes that are there.
        tries: Requests made for its content.
    """

    def __init__(self, progress: Progress, name: str, bundle: FQID | None, size: int) -> None:
        self._progress = progress
        self.name = name
        self.bundle = bundle
        self.size = size
        self.done = 0
        self.tries = 0

    def advance(self, more: int) -> None:
        """Say how many more bytes of the file are there; fewer where it starts over."""
        if self._progress.is_watched:
            self._progress.move(self, "advanced", more)

    def finish(self) -> None:
        """Say that the file is in place."""
        self._progress.move(self, "finished", self.size - self.done)

    def fail(self) -> None:
        """Say that the file failed; its bytes no longer count."""
        self._progress.move(self, "failed", -self.done)
