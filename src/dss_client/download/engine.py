"""Runs tasks: each content is fetched once, then put under all of its names."""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from attrs import frozen

from dss_client.errors import DSSError

from .errors import ChecksumMismatch, FileDownloadError, SizeMismatch
from .filestore import FileStore
from .layout import place
from .plan import FileTask
from .progress import FileProgress, Progress
from .report import FileReport, Link, State
from .transfer import Stopped, Transfer

_GRACE = 5.0  # seconds that threads get to end after an interrupt
_STEP = 0.05

T = TypeVar("T")
R = TypeVar("R")
_Numbered = tuple[int, FileTask]


def in_threads(
    function: Callable[[T], R], items: Sequence[T], *, threads: int, stop: threading.Event
) -> list[R]:
    """Call `function` with each item, in a number of threads, and return the results in order.

    On an interrupt or an exception `stop` is set, and the exception raised. The threads are
    daemons: one that is stuck in a dead connection holds up neither Ctrl-C nor the interpreter.
    """
    crew = _Crew(function, items, stop)
    workers = [
        threading.Thread(target=crew.work, name=f"dss-download-{number}", daemon=True)
        for number in range(min(threads, len(items)))
    ]
    try:
        for worker in workers:
            worker.start()
        for _ in workers:
            crew.wait_for_one()
    except BaseException:
        stop.set()
        deadline = time.monotonic() + _GRACE
        for worker in workers:
            if worker.is_alive():
                worker.join(max(0.0, deadline - time.monotonic()))
        raise
    if crew.errors:
        raise crew.errors[0]
    return [crew.results[index] for index in range(len(items))]


class _Crew(Generic[T, R]):
    """What the threads of one `in_threads` share."""

    def __init__(
        self, function: Callable[[T], R], items: Sequence[T], stop: threading.Event
    ) -> None:
        self.results: dict[int, R] = {}
        self.errors: list[BaseException] = []
        self._function = function
        self._stop = stop
        self._todo: SimpleQueue[tuple[int, T]] = SimpleQueue()
        self._finished: SimpleQueue[None] = SimpleQueue()
        for numbered in enumerate(items):
            self._todo.put(numbered)

    def work(self) -> None:
        try:
            while not self._stop.is_set() and (numbered := self._next()) is not None:
                index, item = numbered
                self.results[index] = self._function(item)
        except BaseException as error:  # noqa: BLE001 - raised again by the calling thread
            self.errors.append(error)
            self._stop.set()
        finally:
            self._finished.put(None)

    def _next(self) -> tuple[int, T] | None:
        try:
            return self._todo.get_nowait()
        except Empty:
            return None

    def wait_for_one(self) -> None:
        """Wait until one more thread has finished.

        In short steps, since a signal that comes just before a wait does not end it; and not by
        join(), since an interrupted one takes a running thread for a finished one (Python 3.11).
        """
        while True:
            with suppress(Empty):
                return self._finished.get(timeout=_STEP)


@frozen(kw_only=True)
class Engine:
    """What it takes to run tasks.

    Attributes:
        transfer: Fetches contents.
        download_dir: Where to.
        threads: How many files are worked on at once.
        progress: Told of each step.
        store: The contents below `download_dir`.
    """

    transfer: Transfer
    download_dir: Path
    threads: int
    progress: Progress
    store: FileStore

    def each(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Call `function` with each item in the engine's threads."""
        return in_threads(function, items, threads=self.threads, stop=self.transfer.stop)

    def run(self, tasks: Sequence[FileTask]) -> list[FileReport]:
        """Run the tasks; one that fails does not stop the others. Return a report for each."""
        groups: dict[str, list[_Numbered]] = {}
        for number, task in enumerate(tasks):
            groups.setdefault(task.sha256, []).append((number, task))
        self.progress.planned(len(tasks), sum(task.size for task in tasks))
        reports: dict[int, FileReport] = {}
        for part in self.each(self._run_group, list(groups.values())):
            reports.update(part)
        return [reports[number] for number in range(len(tasks))]

    def _run_group(self, group: Sequence[_Numbered]) -> dict[int, FileReport]:
        """Run the tasks that want one content, one after the other, so that it comes once."""
        failures: dict[tuple[str | None, str | None, int], FileDownloadError] = {}
        return {number: self._run(task, failures) for number, task in group}

    def _run(
        self,
        task: FileTask,
        failures: dict[tuple[str | None, str | None, int], FileDownloadError],
    ) -> FileReport:
        started = time.monotonic()
        progress = self.progress.file(task.name, task.bundle, task.size)
        path: Path | None = None
        link: Link | None = None
        error: FileDownloadError | None = None
        state: State = "failed"
        key = task.uuid, task.version, task.size
        try:
            if key in failures:
                raise FileDownloadError(task.name, failures[key].reason, cause=failures[key])
            try:
                state = self._obtain(task, progress)
            except (DSSError, OSError) as fault:
                failures[key] = _file_error(task, fault)
                raise
            path = self.store.path(task.sha256)
            if task.linked:
                path, link = place(path, self.download_dir, f"{task.bundle}/{task.name}")
        except (DSSError, OSError) as fault:
            progress.fail()
            state, path, error = "failed", None, _file_error(task, fault)
        else:
            progress.finish()
        return FileReport(
            bundle=task.bundle,
            name=task.name,
            uuid=task.uuid,
            version=task.version,
            sha256=task.sha256,
            size=task.size,
            path=path,
            state=state,
            link=link,
            tries=progress.tries,
            seconds=time.monotonic() - started,
            error=error,
        )

    def _obtain(self, task: FileTask, progress: FileProgress) -> State:
        """See to it that the content is in the store; a bad one there is replaced (C1, C21)."""
        if self.transfer.stop.is_set():
            raise Stopped
        stored = self.store.find(task.sha256, task.size)
        if stored is not None:
            if stored != task.size:
                raise SizeMismatch(task.name, task.size, stored)
            return "reused"
        with self.store.temporary(task.sha256) as file:
            if task.content is None:
                self.transfer.fetch(task, file, progress)
            else:
                file.write(_verified(task, task.content))
            self.store.publish(file, task.sha256, task.size)
        return "downloaded"


def _verified(task: FileTask, content: bytes) -> bytes:
    actual = hashlib.sha256(content).hexdigest()
    if actual != task.sha256:
        raise ChecksumMismatch(task.name, task.sha256, actual)
    return content


def _file_error(task: FileTask, error: Exception) -> FileDownloadError:
    """Return the error as one that says which file it belongs to."""
    if not isinstance(error, FileDownloadError):
        return FileDownloadError(task.name, str(error), bundle=task.bundle, cause=error)
    error.name, error.bundle = task.name, task.bundle
    return error
