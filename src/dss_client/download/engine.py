"""Runs a download: bundles are planned, contents located, fetched, stored, and put in their places.

One thread, the caller's, decides and keeps the books; it takes up what is next only while few
enough files are under way, so a download of any length needs the same memory. Around it are threads
that ask the service, one loop for small contents, and a crew for all others. They hand what they
have back over one queue.
"""

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from attrs import frozen

from dss_client.errors import DSSError

from . import journal
from .crew import Crew
from .errors import ChecksumMismatch, DiskFull, FileDownloadError, SizeMismatch, Stopped, file_error
from .fetch import Fetch, How, Urls
from .filestore import FileStore, Verify
from .layout import Placer
from .ledger import Ledger, LedgerExport
from .progress import FileProgress, Progress
from .report import State
from .resolve import BundleUrls
from .small import SMALL, Job, SmallFiles
from .source import Source
from .task import FileResult, FileTask
from .threads import Threads
from .want import BundleRule, Expanded, Order

__all__ = ["Engine", "Limits", "check_room"]

_UNDER_WAY = 4096  # files
_FIRST_ASKERS = 1
_MORE_ASKERS = 16
_ASKERS = 64
_BUSY = 0.5  # part of one processor
_WRITERS = 8
_STEP = 0.05  # seconds between two looks for an interrupt
_TICK = 0.01  # seconds without news after which more questions may be asked at once
_LONG_QUIET = 10  # ticks
_PART = 1 << 25

_News = list[FileResult] | tuple[Order, Expanded] | BaseException


@frozen(kw_only=True)
class Limits:
    """How much is done at once, and how often it is tried.

    Attributes:
        threads: Contents that the crew fetches at once.
        connections: Connections of the loop for small contents.
        num_retries: Failures of one file to put up with.
        min_delay_seconds: First wait after a failure.
        part_size: Bytes of a large content that one thread takes at a time.
    """

    threads: int
    connections: int
    num_retries: int
    min_delay_seconds: float
    part_size: int = _PART


class Engine:
    """One download. Use it once, and `close` it.

    Args:
        source: Whom to ask.
        rule: Which copy, where to, and how bundles are planned.
        limits: How much at once.
        progress: Told of each step.
        verify: What is looked at before a stored file is trusted.
        durable: Bring contents to the disk before they get their names.
        dry_run: Say what would be done, and do nothing.
        stop: Set by others to end soon, with `Stopped`.

    Attributes:
        ledger: What is to be done, and what became of it.
        store: The contents below the directory.
        stop: Set to end soon.
    """

    def __init__(
        self,
        source: Source,
        *,
        rule: BundleRule,
        limits: Limits,
        progress: Progress,
        verify: Verify = "sha256",
        durable: bool = True,
        dry_run: bool = False,
        stop: threading.Event | None = None,
    ) -> None:
        download_dir = rule.download_dir
        self.source = source
        self.rule = rule
        self.progress = progress
        self.dry_run = dry_run
        self.store: FileStore = FileStore(download_dir, verify=verify, durable=durable)
        self.ledger: Ledger = Ledger(self.store.place)
        self.limits = limits
        self.stop: threading.Event = stop or threading.Event()
        if not dry_run:
            journal.tidy(self.store.partials, self.store.place)
        self._placer = Placer(download_dir)
        self._how = How(
            source=source,
            store=self.store,
            left=journal.leftovers(self.store.partials),
            place=self._place,
            num_retries=limits.num_retries,
            min_delay_seconds=limits.min_delay_seconds,
            part_size=limits.part_size,
            stop=self.stop,
        )
        self._news: SimpleQueue[_News] = SimpleQueue()
        self._batch: list[FileResult] = []
        self._tasks: dict[int, FileTask] = {}
        self._waiting: dict[str, list[tuple[FileTask, BundleUrls]]] = {}
        self._progress_of: dict[int, FileProgress] = {}
        self._under_way = 0
        self._slow: bool | None = None
        self._looked_at = (
            time.monotonic(),
            time.process_time(),
        )  # by the clock, and in seconds of the processor
        self._quiet = 0  # ticks without news

    def run(self, orders: Iterable[Order]) -> None:
        """Do what is wanted; one file that fails does not stop the others.

        On an interrupt or an exception all threads are told to end, and the exception is raised.
        What was fetched of large files stays, for the next run to go on from.
        """
        lanes = self._lanes = _Lanes(self)
        try:
            for order in orders:
                while self._under_way and self._under_way + order.files > _UNDER_WAY:
                    self._take_in()
                self._begin(order)
            while self._under_way:
                self._take_in()
        except BaseException:
            self.stop.set()
            raise
        finally:
            lanes.end()

    # The books: in the calling thread

    def _begin(self, order: Order) -> None:
        if order.is_entered:
            expanded = order.expand(self.source, self.rule)
            self._admit(expanded.wanted, self._urls(expanded))
            return
        self._under_way += 1
        self._ask(lambda: (order, order.expand(self.source, self.rule)))

    def _urls(self, expanded: Expanded) -> BundleUrls:
        return BundleUrls(
            self.source,
            expanded.bundle,
            self.rule.replica,
            expanded.wanted,
            whole=expanded.whole,
            known=expanded.known,
        )

    def _ask(self, question: Callable[[], _News]) -> None:
        """Have a question answered by a thread of its own."""

        def answer() -> None:
            try:
                self._news.put(question())
            except BaseException as error:  # noqa: BLE001 - raised again by the calling thread
                self._news.put(error)

        self._lanes.askers.submit(answer)

    def _take_in(self) -> None:
        """Wait for news, and enter them.

        In short steps, since a signal that comes just before a wait does not end it.
        """
        if self.stop.is_set():
            raise Stopped
        askers = self._lanes.askers
        behind = askers.is_behind
        try:
            news = self._news.get(timeout=_TICK if behind else _STEP)
        except Empty:
            if behind:
                self._quiet += 1
                self._ask_more()
            return
        self._quiet = 0
        if isinstance(news, BaseException):
            raise news
        if isinstance(news, tuple):
            self._enter(*news)
        else:
            self._settle(news)

    def _ask_more(self) -> None:
        """Ask more questions at once, where the time goes into waiting for the service.

        Where this process is busy itself, more threads would only take the interpreter from each
        other.
        """
        wall, cpu = time.monotonic(), time.process_time()
        idle = cpu - self._looked_at[1] < _BUSY * (wall - self._looked_at[0])
        self._looked_at = wall, cpu
        if idle or self._quiet >= _LONG_QUIET:
            self._lanes.askers.grow(_MORE_ASKERS)

    def _enter(self, order: Order, expanded: Expanded) -> None:
        """Enter the files of a bundle."""
        self._under_way -= 1
        if expanded.bundle is not None:
            self.ledger.add_bundle(order.number, expanded.bundle)
        number = None if expanded.bundle is None else order.number
        self.ledger.add(number, expanded.wanted, "planned")
        self.ledger.add(number, [task for task, _ in expanded.others], "skipped")
        self.ledger.settle([result for _, result in expanded.others])
        failed = [task for task, result in expanded.others if result.state == "failed"]
        self.progress.plan(
            len(expanded.wanted) + len(failed),
            sum(task.size for task in (*expanded.wanted, *failed)),
        )
        for task in failed:
            self.progress.file(task.name, task.bundle, task.size).fail()
        self._admit(expanded.wanted, self._urls(expanded))

    def enter(self, export: LedgerExport, *, planned: bool) -> None:
        """Enter what was done elsewhere.

        Args:
            export: The books of whoever did it.
            planned: The files are in these books already.
        """
        self.ledger.take_over(export)
        if not planned:
            wanted = [file for file in export.outcomes if file.state != "skipped"]
            self.progress.plan(len(wanted), sum(file.size for file in wanted))
        if self.progress.is_watched:
            for file in export.outcomes:
                if file.state == "skipped":
                    continue
                progress = self.progress.file(file.name, None, file.size)
                progress.fail() if file.state == "failed" else progress.finish()

    def _admit(self, tasks: Sequence[FileTask], urls: BundleUrls) -> None:
        """Have contents fetched, each of them once however many files want it."""
        mine: list[FileTask] = []
        for task in tasks:
            others = self._waiting.get(task.sha256)
            if others is not None and not self.dry_run:
                others.append((task, urls))
                continue
            self._waiting[task.sha256] = []
            self._tasks[task.number] = task
            mine.append(task)
        self._under_way += len(tasks)
        if self.dry_run:
            self._settle([self._foresee(task) for task in mine])
        elif mine:
            self._ask(lambda: self._send_out(mine, urls))

    def _settle(self, results: Sequence[FileResult]) -> None:
        """Enter results, and see to the files that wanted the same content."""
        for result in results:
            task = self._tasks.pop(result.number)
            self._tell(task, result)
            waiting = self._waiting.pop(task.sha256, [])
            if waiting:
                self._follow(task, result, waiting)
        self._under_way -= len(results)
        self.ledger.settle(results)

    def _tell(self, task: FileTask, result: FileResult) -> None:
        if not self.progress.is_watched or self.dry_run:
            return
        progress = self._progress_of.pop(task.number, None)
        progress = progress or self.progress.file(task.name, task.bundle, task.size)
        if result.state == "failed":
            progress.fail()
        else:
            progress.finish()

    def _follow(
        self, first: FileTask, result: FileResult, waiting: Sequence[tuple[FileTask, BundleUrls]]
    ) -> None:
        """See to the files that wanted the same content as one that is done."""
        again: list[tuple[FileTask, BundleUrls]] = []
        results: list[FileResult] = []
        for task, urls in waiting:
            self._tasks[task.number] = task
            try:
                there = self.store.look(task.sha256, first.size) == "good"
            except (DSSError, OSError) as error:
                results.append(_failed(task, error))
                continue
            if there:
                if task.size == first.size:
                    results.append(self._place(task, downloaded=False))
                else:
                    mismatch = SizeMismatch(task.name, task.size, first.size)
                    results.append(_failed(task, mismatch))
            elif _key(task) == _key(first) and result.error is not None:
                shared = FileDownloadError(task.name, result.error.reason, cause=result.error)
                results.append(_failed(task, shared))
            else:
                del self._tasks[task.number]
                again.append((task, urls))
        self._settle(results)
        self._under_way -= len(again)
        for task, urls in again:
            self._admit([task], urls)

    def _foresee(self, task: FileTask) -> FileResult:
        """Say what would become of a file."""
        try:
            found = self.store.look(task.sha256, task.size)
        except (DSSError, OSError) as error:
            return _failed(task, error)
        if found == "good":
            return FileResult(task.number, "reused", reason="in the store, and verified")
        if found == "unsure":
            reason = "in the store; it is read before it is trusted"
            return FileResult(task.number, "reused", reason=reason)
        return FileResult(task.number, "planned", reason="not in the store")

    # The work: in other threads

    def take_result(self, result: FileResult) -> None:
        """Take what became of a file that the crew had."""
        self._news.put([result])

    def crashed(self, error: BaseException) -> None:
        """Take what nobody thought of; it is raised by `run`."""
        self._news.put(error)

    def _send_out(self, tasks: Sequence[FileTask], urls: BundleUrls) -> list[FileResult]:
        """Do at once what needs no transfer, and give the rest to who can."""
        results: list[FileResult] = []
        small: list[FileTask] = []
        fetches: list[Fetch] = []
        missing = 0
        for task in tasks:
            if self.stop.is_set():
                break
            try:
                found = self.store.look(task.sha256, task.size)
                if found == "good":
                    results.append(self._place(task, downloaded=False))
                elif task.content is not None or not task.size:
                    self.store.put(task.sha256, _verified(task))
                    results.append(self._place(task, downloaded=True))
                elif found == "unsure" or self._lanes.small is None or task.size > SMALL:
                    missing += self.needs(task.sha256, task.size)
                    fetches.append(self._fetch(task, urls, unsure=found == "unsure"))
                else:
                    missing += task.size
                    small.append(task)
            except (DSSError, OSError) as error:
                results.append(_failed(task, error))
        check_room(self.rule.download_dir, missing)
        for fetch in fetches:
            self._lanes.crew.add(fetch)
        self._send_small(small, urls)
        return results

    def _send_small(self, tasks: Sequence[FileTask], urls: BundleUrls) -> None:
        """Give small contents to the loop, as soon as it is known where they are."""
        lane = self._lanes.small
        if lane is None or not tasks:
            return
        known = urls.known(tasks)
        lane.add([Job(task, known[task.number], urls) for task in tasks if task.number in known])

        def locate(task: FileTask) -> list[FileResult]:
            try:
                lane.add([Job(task, urls.url(task), urls)])
            except (DSSError, OSError) as error:
                return [_failed(task, error)]
            return []

        for task in tasks:
            if task.number not in known:  # by questions of their own, several at once
                self._ask(partial(locate, task))

    def needs(self, key: str, size: int) -> int:
        """Return the bytes that a content which is not in the store still needs room for."""
        return max(0, size - sum(map(journal.room_of, self._how.left.get(key, []))))

    def _fetch(self, task: FileTask, urls: Urls, *, unsure: bool = False) -> Fetch:
        progress = self.progress.file(task.name, task.bundle, task.size)
        if self.progress.is_watched:
            self._progress_of[task.number] = progress
        return Fetch(task, urls, self._how, progress, unsure=unsure)

    def hand_over(self, job: Job, error: Exception | None) -> None:
        """Give the crew what went wrong on the short path."""
        fetch = self._fetch(job.task, job.urls)
        if error is not None:
            fetch.failed_before(error, job.url)
        self._lanes.crew.add(fetch)

    def store_small(self, job: Job, content: memoryview, seconds: float) -> None:
        """Store a small content that was verified."""
        if self._slow is None:
            self._slow = self.store.syncs_slowly
        if self._slow:
            self._store_slowly(job, bytes(content), seconds)
        else:
            self._batch.append(self._stored(job, content, seconds))

    def _store_slowly(self, job: Job, content: bytes, seconds: float) -> None:
        self._lanes.writers.submit(lambda: self._news.put([self._stored(job, content, seconds)]))

    def _stored(self, job: Job, content: bytes | memoryview, seconds: float) -> FileResult:
        task = job.task
        try:
            self.store.put(task.sha256, content)
        except OSError as error:
            return _failed(task, error, tries=1, seconds=seconds)
        return self._place(task, downloaded=True, tries=1, seconds=seconds)

    def pass_on(self) -> None:
        """Hand on what became of small files since the last time."""
        if self._batch:
            self._news.put(self._batch)
            self._batch = []

    def _place(
        self, task: FileTask, *, downloaded: bool, tries: int = 0, seconds: float = 0.0
    ) -> FileResult:
        """Put a stored content under its name, where it has one."""
        state: State = "downloaded" if downloaded else "reused"
        stored = self.store.place(task.sha256)
        if task.target is None:
            return FileResult(task.number, state, stored, None, tries, seconds)
        try:
            path, link = self._placer.place(stored, task.target)
        except (DSSError, OSError) as error:
            return _failed(task, error, tries=tries, seconds=seconds)
        return FileResult(task.number, state, path, link, tries, seconds)


class _Lanes:
    """The threads of a download that runs."""

    def __init__(self, engine: Engine) -> None:
        limits = engine.limits
        self.crew = Crew(limits.threads, engine.take_result, engine.crashed)
        self.askers = Threads("dss-ask", _ASKERS, first=_FIRST_ASKERS)
        self.writers = Threads("dss-write", _WRITERS, first=_WRITERS)
        connector = engine.source.connector
        self.small: SmallFiles | None = None
        if connector is not None:
            self.small = SmallFiles(connector, limits.connections, engine)

    def end(self) -> None:
        """Let all threads end."""
        self.askers.end()
        self.writers.end()
        if self.small is not None:
            self.small.end()
        self.crew.end()


def check_room(directory: Path, needed: int) -> None:
    """Make sure that there is room for what is to be written.

    Raises:
        DiskFull: There is not.
    """
    if not needed:
        return
    place = directory.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise DiskFull(str(directory), needed, free)


def _failed(
    task: FileTask, error: Exception, *, tries: int = 0, seconds: float = 0.0
) -> FileResult:
    named = file_error(task, error)
    return FileResult(task.number, "failed", None, None, tries, seconds, error=named)


def _key(task: FileTask) -> tuple[str | None, str | None, int]:
    return task.uuid, task.version, task.size


def _verified(task: FileTask) -> bytes:
    content = task.content or b""
    actual = hashlib.sha256(content).hexdigest()
    if actual != task.sha256:
        raise ChecksumMismatch(task.name, task.sha256, actual)
    return content
