"""The threads of a download, and how files are given to them.

Some ask the service, one loop fetches small contents, a crew fetches all others, and some wait for
a slow disk. All of them return results over one queue to the thread that keeps the ledger.
"""

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from attrs import frozen

from dss_client.errors import DSSError
from dss_client.transfer.progress import FileProgress, Progress

from . import journal
from .crew import Crew
from .errors import DiskFull
from .fetch import Fetch, How, Urls
from .filestore import Found
from .load import Load
from .outcome import Finisher, failed, verified
from .resolve import BundleUrls
from .small import SMALL, Job, SmallFiles
from .task import FileResult, FileTask
from .threads import Threads
from .want import Expanded, Order

__all__ = ["Lanes", "Limits", "News", "check_room"]

_FIRST_ASKERS = 1
_MORE_ASKERS = 16
_ASKERS = 64
_WRITERS = 8
_PART = 1 << 25

News = list[FileResult] | tuple[Order, Expanded] | BaseException


@frozen(kw_only=True)
class Limits:
    """The limits of concurrency and of retries.

    Attributes:
        threads: Contents that the crew fetches at once.
        connections: Connections of the loop for small contents.
        num_retries: Failed attempts allowed per file.
        min_delay_seconds: First wait after a failure.
        part_size: Bytes of a large content that one thread takes at a time.
    """

    threads: int
    connections: int
    num_retries: int
    min_delay_seconds: float
    part_size: int = _PART


class Lanes:
    """The threads of one download. `end` them.

    Args:
        how: How contents are fetched.
        finisher: Gives stored contents their names.
        limits: The limits.
        progress: Is told of each step.
        news: Takes the results.
        root: The download directory.
    """

    def __init__(
        self,
        how: How,
        finisher: Finisher,
        limits: Limits,
        progress: Progress,
        news: SimpleQueue[News],
        root: Path,
    ) -> None:
        self._how = how
        self._finisher = finisher
        self._progress = progress
        self._news = news
        self._root = root
        self._batch: list[FileResult] = []
        self._progress_of: dict[int, FileProgress] = {}
        self._slow: bool | None = None
        self._asking, self._carrying = Load(), Load()
        self._crew = Crew(limits.threads, lambda result: news.put([result]), news.put)
        self._askers = Threads("dss-ask", _ASKERS, first=_FIRST_ASKERS)
        self._writers = Threads("dss-write", _WRITERS, first=_WRITERS)
        self._small: SmallFiles | None = None
        if how.source.connections is not None:
            self._small = SmallFiles(how.source.connections, limits.connections, self)

    def end(self) -> None:
        """Let all threads end."""
        self._askers.end()
        self._writers.end()
        if self._small is not None:
            self._small.end()
        self._crew.end()

    # Questions to the service

    @property
    def is_behind(self) -> bool:
        """Whether there are questions that no thread has taken."""
        return self._askers.is_behind

    def ask(self, question: Callable[[], News]) -> None:
        """Ask a question in another thread."""

        def answer() -> None:
            try:
                self._news.put(question())
            except BaseException as error:  # noqa: BLE001 - raised again by the calling thread
                self._news.put(error)

        self._askers.submit(answer)

    def ask_more(self, *, at_any_rate: bool) -> None:
        """Ask more questions at once, if threads wait for the service.

        If this process is busy itself, more threads would only compete for the interpreter.

        Args:
            at_any_rate: Do so even if this process is busy.
        """
        if self._asking.is_light() or at_any_rate:
            self._askers.grow(_MORE_ASKERS)

    def carry_more(self) -> None:
        """Transfer more contents at once, if threads wait for storage."""
        if self._carrying.is_light():
            self._crew.grow()

    # Files

    def send_out(self, tasks: Sequence[FileTask], urls: BundleUrls) -> None:
        """Process files; their results are news."""
        self.ask(lambda: self._send_out(tasks, urls))

    def _send_out(self, tasks: Sequence[FileTask], urls: BundleUrls) -> list[FileResult]:
        """Finish files that need no transfer, and pass the rest on."""
        results: list[FileResult] = []
        small: list[FileTask] = []
        fetches: list[Fetch] = []
        missing = 0
        for task in tasks:
            if self._how.stop.is_set():
                break
            try:
                found = self._how.store.look(task.sha256, task.size)
                if found == "good":
                    results.append(self._finisher.place(task, downloaded=False))
                elif task.content is not None or not task.size:
                    results.append(self._known(task, found))
                elif found == "unsure" or self._small is None or task.size > SMALL:
                    missing += room_for(self._how, task.sha256, task.size)
                    fetches.append(self._fetch(task, urls, unsure=found == "unsure"))
                else:
                    missing += task.size
                    small.append(task)
            except (DSSError, OSError) as error:
                results.append(failed(task, error))
        check_room(self._root, missing)
        for fetch in fetches:
            self._crew.add(fetch)
        self._send_small(small, urls)
        return results

    def _known(self, task: FileTask, found: Found) -> FileResult:
        """Store a content that needs no transfer, unless it is there: others may link to it."""
        content = verified(task)
        there = found == "unsure" and self._how.store.find(task.sha256, task.size)
        if not there:
            self._how.store.put(task.sha256, content)
        return self._finisher.place(task, downloaded=not there)

    def _send_small(self, tasks: Sequence[FileTask], urls: BundleUrls) -> None:
        """Give small contents to the loop, as soon as their URLs are known."""
        lane = self._small
        if lane is None or not tasks:
            return
        known = urls.known(tasks)
        lane.add([Job(task, known[task.number], urls) for task in tasks if task.number in known])

        def locate(task: FileTask) -> list[FileResult]:
            try:
                lane.add([Job(task, urls.url(task), urls)])
            except (DSSError, OSError) as error:
                return [failed(task, error)]
            return []

        for task in tasks:
            if task.number not in known:  # by questions of their own, several at once
                self.ask(partial(locate, task))

    def _fetch(self, task: FileTask, urls: Urls, *, unsure: bool = False) -> Fetch:
        progress = self._progress.file(task.name, task.bundle, task.size)
        if self._progress.is_watched:
            self._progress_of[task.number] = progress
        return Fetch(task, urls, self._how, progress, unsure=unsure)

    def hand_over(self, job: Job, error: Exception | None) -> None:
        """Give the crew what failed on the short path."""
        fetch = self._fetch(job.task, job.urls)
        if error is not None:
            fetch.failed_before(error, job.url)
        self._crew.add(fetch)

    def store_small(self, job: Job, content: memoryview, seconds: float) -> None:
        """Store a small content that was verified."""
        if self._slow is None:
            self._slow = self._how.store.syncs_slowly
        if self._slow:
            self._store_slowly(job, bytes(content), seconds)
        else:
            self._batch.append(self._stored(job, content, seconds))

    def _store_slowly(self, job: Job, content: bytes, seconds: float) -> None:
        self._writers.submit(lambda: self._news.put([self._stored(job, content, seconds)]))

    def _stored(self, job: Job, content: bytes | memoryview, seconds: float) -> FileResult:
        task = job.task
        try:
            self._how.store.put(task.sha256, content)
        except OSError as error:
            return failed(task, error, tries=1, seconds=seconds)
        return self._finisher.place(task, downloaded=True, tries=1, seconds=seconds)

    def pass_on(self) -> None:
        """Pass on the results of small files since the last time."""
        if self._batch:
            self._news.put(self._batch)
            self._batch = []

    # From other threads

    def progress_of(self, number: int) -> FileProgress | None:
        """Return the progress of a file that was begun, for the last time."""
        return self._progress_of.pop(number, None)

    def crashed(self, error: BaseException) -> None:
        """Take an unexpected exception; the calling thread raises it."""
        self._news.put(error)


def room_for(how: How, key: str, size: int) -> int:
    """Return the bytes that a content which is not in the store still needs room for."""
    return max(0, size - sum(map(journal.room_of, how.left.get(key, []))))


def check_room(directory: Path, needed: int) -> None:
    """Make sure that there is enough disk space.

    Raises:
        DiskFull: There is not enough.
    """
    if not needed:
        return
    place = directory.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise DiskFull(str(directory), needed, free)
