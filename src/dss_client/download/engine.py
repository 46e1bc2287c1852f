"""Runs a download: bundles are planned, contents located, fetched, stored, and linked.

The engine's thread makes all decisions. Loops carry contents; a pool asks the service; another one
does what waits for the disk. They return what they have found as calls to be made in the engine's
thread, over one queue.
"""

import heapq
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count, islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

from dss_client._retry import RetryPolicy
from dss_client.errors import DSSError
from dss_client.transfer.cancel import Stopped
from dss_client.transfer.errors import FileDownloadError
from dss_client.transfer.progress import Progress

from . import journal
from .attempts import Attempt, TransferContext
from .dispatch import Dispatcher
from .errors import SizeMismatch, check_directory, directory_error, drop_frames, file_error
from .fetch import Fetch
from .link import Linker
from .options import DownloadOptions
from .plan import BundleRule
from .pool import WorkerPool
from .prepare import Prepared, Preparer
from .report import FileReport
from .requests import DownloadRequest
from .results import ExportedResults, ResultStore
from .room import Room
from .source import HasSource, Source, as_source
from .store import FileStore
from .task import FileTask
from .urls import BundleUrls, ask_for_bundle, key_of, locate

__all__ = ["Engine"]

T = TypeVar("T")

_IN_FLIGHT = 4096  # files
_PULL = 16  # requests that are taken at once
_STEP = 0.05  # seconds between two looks for an interrupt
_QUESTIONS = 1  # at once, as long as something happens all the time
_MORE = 8  # times as many, where nothing happened for a while
_QUIET = 0.02  # seconds
_DISK_THREADS = 4
_THREADS = max(8, min(16, 2 * (os.cpu_count() or 1)))
_MAX_QUESTIONS = 32
_BATCH = 500  # results that are recorded together
_NEW_NAMES = 10_000  # directories that are flushed together: many at once take less
_MAX_DELAY = 60.0
_GRACE = 5.0  # seconds that threads get to end what they do on the disk

PART_SIZE = 1 << 25
"""Bytes of a part of a large content."""

Event = Callable[[], object]


class Engine:
    """One download. Use it once.

    Args:
        source: The client to ask.
        options: How to download.

    Attributes:
        source: The client.
        rule: How bundles are planned.
        progress: Is told of each step.
        results: The files and their results.
        store: The contents below the directory.
        context: How contents are fetched.
        stop: Set to end soon.
    """

    def __init__(self, source: Source | HasSource, options: DownloadOptions) -> None:
        download_dir = Path(options.download_dir)
        large = options.threads or _THREADS
        self.source: Source = as_source(source)
        self.progress: Progress = Progress(options.progress)
        self.stop: threading.Event = options.stop or threading.Event()
        check_directory(download_dir)
        self.store: FileStore = FileStore(
            download_dir, verify=options.verify, durable=options.durable
        )
        self.rule: BundleRule = BundleRule(
            replica=options.replica,
            download_dir=download_dir,
            store=self.store,
            clash=options.clash,
            portable=options.portable,
            ask_urls=not options.dry_run,
        )
        self.results: ResultStore = ResultStore(
            self.store.place, download_dir, spare=self.store.partials
        )
        self._dry_run = options.dry_run
        if not self._dry_run:
            journal.tidy(self.store.partials, self.store.place)
        self.context: TransferContext = TransferContext(
            source=self.source,
            store=self.store,
            linker=Linker(
                self.store, download_dir, durable=options.durable, overwrite=options.overwrite
            ),
            leftovers=journal.leftovers(self.store.partials),
            num_retries=options.num_retries,
            policy=RetryPolicy(
                initial_delay=options.min_delay_seconds,
                max_delay=_MAX_DELAY,
                max_retry_after=_MAX_DELAY,
            ),
            part_size=PART_SIZE,
            stop=self.stop,
        )
        self._preparer = Preparer(self.context, self.rule, dry_run=self._dry_run)
        self._room = Room(download_dir, self.context.leftovers)
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._puller = WorkerPool("dss-requests", 1)  # a search may wait for its next page
        self._max_questions = min(options.threads or _MAX_QUESTIONS, _MAX_QUESTIONS)
        self._api = WorkerPool("dss-api", self._max_questions)
        self._disk = WorkerPool("dss-disk", min(_DISK_THREADS, large))
        self._dispatcher = Dispatcher(
            self.source,
            large=large,
            threads=options.threads,
            disk=self._disk,
            go_on=self._go_on,
            report=lambda attempts: self._events.put(partial(self._attempted, attempts)),
            crashed=self._crashed,
        )
        self._requests: Iterator[DownloadRequest] = iter(())
        self._pulled: deque[DownloadRequest] = deque()
        self._is_pulling = self._is_exhausted = False
        self._pending = 0  # tasks of pools
        self._questions = 0  # requests that are being planned
        self._expected = 0  # files that they are thought to be
        self._planned_requests = self._planned_files = 0
        self._most_questions = _QUESTIONS
        self._in_flight = 0  # files
        self._fetches: dict[str, Fetch] = {}
        self._lacking: dict[BundleUrls, list[Fetch]] = {}
        self._delayed: list[tuple[float, int, Fetch]] = []
        self._numbers = count()
        self._unrecorded: list[tuple[FileTask, FileReport]] = []

    def run(self, requests: Iterable[DownloadRequest]) -> None:
        """Do all requests; a file that fails does not stop the others.

        On an exception all threads are told to end, and the exception is raised. What was fetched
        of large files stays, so that the next run can continue.

        Raises:
            Stopped: `stop` was set.
            DirectoryError: The directory cannot be written to.
        """
        self._requests = iter(requests)
        try:
            self._run()
        except BaseException:
            self.stop.set()
            raise
        finally:
            self._end()

    def _run(self) -> None:
        self._feed()
        while not self._is_done:
            self._take_events()
            self._dispatcher.send()
            self._feed()
        self._flush()
        self.store.sync_folders(self.store.take_new_names())
        if not self._dry_run:
            journal.remove_abandoned(self.store.partials)

    @property
    def _is_done(self) -> bool:
        return (
            self._is_exhausted
            and not self._pulled
            and not self._pending
            and not self._questions
            and not self._fetches
        )

    def _end(self) -> None:
        self._puller.end()
        self._api.end()
        self._dispatcher.end()
        self._disk.end(grace=_GRACE)
        for fetch in self._fetches.values():
            fetch.leave()
        self._flush()

    # Events

    def _take_events(self) -> None:
        """Wait for something to happen, and take note of it.

        In short steps, since a signal just before a wait does not end it.
        """
        if self.stop.is_set():
            raise Stopped
        due = self._delayed[0][0] - time.monotonic() if self._delayed else _STEP
        wait = _QUIET if self._pulled and self._has_room else _STEP
        try:
            event = self._events.get(timeout=max(0.0, min(due, wait)))
        except Empty:
            event = None
            if self._pulled:  # all who were asked only wait
                self._most_questions = min(self._most_questions * _MORE, self._max_questions)
        if event is not None:
            event()
        while self._delayed and self._delayed[0][0] <= time.monotonic():
            self._go_on(heapq.heappop(self._delayed)[2])

    def _crashed(self, error: BaseException) -> None:
        """Have the engine's thread raise an exception of another thread."""

        def fail() -> None:
            raise error

        self._events.put(fail)

    def _in(self, pool: WorkerPool, work: Callable[[], T], then: Callable[[T], object]) -> None:
        """Do some work in a pool, and then take its result in the engine's thread."""
        self._pending += 1

        def done(result: T) -> None:
            self._pending -= 1
            then(result)

        def run() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - raised again by the engine's thread
                self._crashed(error)
            else:
                self._events.put(lambda: done(result))

        pool.submit(run)

    # Requests

    def _feed(self) -> None:
        """Take requests, as long as few enough files are in flight."""
        most = self._most_questions
        if self._pulled and not (self._planned_requests or self._pulled[0].size):
            most = min(most, _QUESTIONS)  # the first shows how many files others may be
        while self._pulled and self._questions < most and self._has_room:
            self._plan(self._pulled.popleft())
        if not (self._pulled or self._is_pulling or self._is_exhausted) and self._has_room:
            self._is_pulling = True
            self._in(self._puller, self._pull, self._pulled_all)

    @property
    def _has_room(self) -> bool:
        """Whether the next request may be begun."""
        taken = self._in_flight + self._expected
        if not self._pulled:
            return taken < _IN_FLIGHT
        return not taken or taken + self._files_of(self._pulled[0]) <= _IN_FLIGHT

    def _files_of(self, request: DownloadRequest) -> int:
        """Return how many files a request may be: what it says, or what others were."""
        return max(request.files, self._planned_files // max(1, self._planned_requests))

    def _pull(self) -> int:
        """Take some requests, each passed on as it comes: the next may be on another page."""
        pulled = 0
        for request in islice(self._requests, _PULL):
            self._events.put(partial(self._pulled.append, request))
            pulled += 1
        return pulled

    def _pulled_all(self, pulled: int) -> None:
        self._is_pulling = False
        self._is_exhausted = pulled < _PULL

    def _plan(self, request: DownloadRequest) -> None:
        """Ask for the files of a request, and look what is there already."""
        expected = self._files_of(request)
        self._questions += 1
        self._expected += expected
        self._in(
            self._api,
            lambda: self._preparer.prepare(request),
            partial(self._planned, request, expected),
        )

    def _planned(self, request: DownloadRequest, expected: int, prepared: Prepared) -> None:
        self._questions -= 1
        self._expected -= expected
        self._planned_requests += 1
        self._planned_files += len(prepared.plan.wanted)
        plan = prepared.plan
        if not request.is_recorded:
            failed = [task for task, report in plan.others if report.state == "failed"]
            self._announce([*plan.wanted, *failed])
            self._report(plan.others)
        self._report(prepared.done)
        urls = BundleUrls(plan.bundle, together=prepared.together, known=prepared.urls)
        full = self._room.refusal([task for task, _ in prepared.missing], self._fetches.values())
        for task, is_unverified in prepared.missing:
            if full is not None and not is_unverified:
                self._report([(task, _failed(task, full))])
            else:
                self._admit(task, urls, is_unverified=is_unverified)

    def take_over(self, export: ExportedResults, *, planned: bool) -> None:
        """Take over the results of another process or thread.

        Args:
            export: The results of the worker.
            planned: Whether the files are in the results already.
        """
        reports = self.results.take_over(export)
        if not planned:
            wanted = [report for report in reports if report.state != "skipped"]
            self.progress.plan(len(wanted), sum(report.size for report in wanted))
        self._tell(reports)

    def _announce(self, tasks: Sequence[FileTask]) -> None:
        self.progress.plan(len(tasks), sum(task.size for task in tasks))

    # Files

    def _admit(self, task: FileTask, urls: BundleUrls, *, is_unverified: bool = False) -> None:
        """Fetch a content, once even if several files want it."""
        self._in_flight += 1
        other = self._fetches.get(task.sha256)
        if other is not None:
            other.waiting.append((task, urls))
            return
        progress = self.progress.file(task.name, task.bundle, task.size)
        fetch = Fetch(task, urls, self.context, progress)
        self._fetches[task.sha256] = fetch
        self._room.reserve(task.size)
        if is_unverified:
            self._in(
                self._disk,
                lambda: self._preparer.verify(task, fetch.progress),
                partial(self._verified, fetch),
            )
        else:
            self._go_on(fetch)

    def _verified(self, fetch: Fetch, result: FileReport | None) -> None:
        """Take note whether what is in the store is right."""
        if result is None:
            fetch.replaces = True
        elif result.error is not None:
            fetch.fail(result.error)
        else:
            fetch.report = result
        self._go_on(fetch)

    def _go_on(self, fetch: Fetch) -> None:
        """Do what is next for a content."""
        if fetch.is_settled:
            self._finish(fetch)
        elif fetch.active or fetch.is_busy or fetch.error is not None:
            return
        elif fetch.ready_at > time.monotonic():
            heapq.heappush(self._delayed, (fetch.ready_at, next(self._numbers), fetch))
        elif fetch.can_be_resumed:
            self._on_disk(fetch, fetch.resume)
        elif fetch.can_catch_up:
            self._on_disk(fetch, fetch.catch_up)
        elif fetch.partial is not None and fetch.partial.is_whole:
            self._on_disk(fetch, fetch.complete)
        elif (url := fetch.url) is None:
            self._locate(fetch)
        else:
            self._ask(fetch, url)

    def _ask(self, fetch: Fetch, url: str) -> None:
        try:
            self._dispatcher.add(fetch, url)
        except DSSError as error:
            fetch.fail(error)
            self._finish(fetch)

    def _on_disk(self, fetch: Fetch, work: Callable[[], object]) -> None:
        """Do for a content what waits for the disk."""
        fetch.is_busy = True

        def safely() -> Exception | None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this file's alone
                return error
            return None

        def then(error: Exception | None) -> None:
            fetch.is_busy = False
            if error is not None:
                self._refuse_directory_error(error)
                fetch.decide(error, "")
                fetch.restart_if_needed()
            self._go_on(fetch)
            self._dispatcher.share(fetch)

        self._in(self._disk, safely, then)

    # URLs

    def _locate(self, fetch: Fetch) -> None:
        """Ask for the URL of a content, with those of its whole bundle where that pays."""
        urls = fetch.urls
        if urls.together and urls.bundle is not None:
            lacking = self._lacking.setdefault(urls, [])
            lacking.append(fetch)
            if len(lacking) == 1:
                bundle = urls.bundle
                self._in(
                    self._api,
                    lambda: _or_error(
                        lambda: ask_for_bundle(self.source, bundle, self.rule.replica)
                    ),
                    partial(self._located_bundle, urls),
                )
            return
        self._in(
            self._api,
            lambda: _or_error(lambda: locate(self.source, fetch.task, self.rule.replica)),
            partial(self._located, fetch),
        )

    def _located_bundle(
        self, urls: BundleUrls, found: "dict[tuple[str, str], str] | Exception"
    ) -> None:
        if isinstance(found, Exception):
            urls.together = False  # each file has its own answer or error
        else:
            urls.add(found)
        for fetch in self._lacking.pop(urls):
            if urls.get(fetch.task) is None:
                urls.together = False
            self._go_on(fetch)

    def _located(self, fetch: Fetch, found: str | Exception) -> None:
        if isinstance(found, Exception):
            fetch.fail(found)
        else:
            fetch.urls.add({key_of(fetch.task): found})
        self._go_on(fetch)

    def _attempted(self, attempts: Sequence[Attempt]) -> None:
        """Take the ends of requests to storage."""
        for attempt in attempts:
            fetch = self._fetches[attempt.content.task.sha256]
            if attempt.error is not None:
                self._refuse_directory_error(attempt.error)
            fetch.ended(attempt)
            self._dispatcher.release(attempt, fetch)
            if fetch.can_catch_up:
                self._on_disk(fetch, fetch.catch_up)
            self._go_on(fetch)

    def _refuse_directory_error(self, error: Exception) -> None:
        """End the run if it is the directory that is at fault."""
        if isinstance(error, OSError):
            fault = directory_error(str(self.rule.download_dir), error)
            if fault is not None:
                raise fault

    # Results

    def _finish(self, fetch: Fetch) -> None:
        """Report a content, and the files that wanted the same."""
        task = fetch.task
        del self._fetches[task.sha256]
        self._room.release(task.size)
        self._in_flight -= 1 + len(fetch.waiting)
        fetch.leave()
        if fetch.report is not None:
            fetch.progress.finish()
            self._record([(task, fetch.report)])
            if fetch.waiting:
                self._follow(task, fetch.waiting)
            return
        error = fetch.error or FileDownloadError(task.name, "it was given up")
        fetch.progress.fail()
        failure = _failed(task, error, tries=fetch.tries, seconds=fetch.seconds)
        self._record([(task, failure)])
        for other, urls in fetch.waiting:
            if failure.error is not None and _identity(other) == _identity(task):
                shared = FileDownloadError(other.name, failure.error.reason, cause=failure.error)
                self._report([(other, _failed(other, shared))])
            else:
                self._admit(other, urls)

    def _follow(self, first: FileTask, waiting: Sequence[tuple[FileTask, BundleUrls]]) -> None:
        """Link the content of one file for the others that wanted it."""
        self._in_flight += len(waiting)

        def link() -> list[tuple[FileTask, FileReport]]:
            return [
                (task, self._preparer.linked(task))
                if task.size == first.size
                else (task, _failed(task, SizeMismatch(task.name, task.size, first.size)))
                for task, _ in waiting
            ]

        def then(results: list[tuple[FileTask, FileReport]]) -> None:
            self._in_flight -= len(results)
            self._report(results)

        self._in(self._disk, link, then)

    def _report(self, results: Sequence[tuple[FileTask, FileReport]]) -> None:
        """Record results of which nothing was told yet."""
        if not self._dry_run:
            self._tell([report for _, report in results])
        self._record(results)

    def _tell(self, reports: Sequence[FileReport]) -> None:
        """Let the progress show what became of files."""
        if self.progress.is_watched:
            for report in reports:
                if report.state != "skipped":
                    progress = self.progress.file(report.name, report.bundle, report.size)
                    progress.fail() if report.state == "failed" else progress.finish()

    def _record(self, results: Sequence[tuple[FileTask, FileReport]]) -> None:
        """Record results."""
        for _, report in results:
            if report.error is not None:
                drop_frames(report.error)
        self._unrecorded += results
        if len(self._unrecorded) >= _BATCH:
            self._flush()
            folders = self.store.take_new_names(_NEW_NAMES)
            if folders:
                self._in(self._disk, lambda: self.store.sync_folders(folders), lambda _: None)

    def _flush(self) -> None:
        results, self._unrecorded = self._unrecorded, []
        if results:
            self.results.record(results)


def _failed(
    task: FileTask, error: Exception, *, tries: int = 0, seconds: float = 0.0
) -> FileReport:
    named = file_error(task.name, task.bundle, error)
    return task.report("failed", tries=tries, seconds=seconds, error=named)


def _identity(task: FileTask) -> tuple[str | None, str | None, int]:
    return task.uuid, task.version, task.size


def _or_error(work: Callable[[], T]) -> T | DSSError:
    try:
        return work()
    except DSSError as error:
        return error
