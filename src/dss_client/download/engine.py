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

from attrs import define, field, frozen

from dss_client._retry import RetryPolicy
from dss_client.errors import DSSError
from dss_client.transfer.cancel import Stopped
from dss_client.transfer.errors import FileDownloadError
from dss_client.transfer.progress import FileProgress, Progress

from . import journal
from .attempts import Attempt, TransferContext
from .errors import SizeMismatch, check_directory, directory_error, drop_frames, file_error
from .fetch import Fetch
from .link import Linker
from .loops import LoopPool
from .options import DownloadOptions
from .plan import BundleRule
from .pool import WorkerPool
from .prepare import Prepared, Preparer
from .report import FileReport
from .requests import DownloadRequest
from .results import ExportedResults, ResultStore
from .room import Room
from .slowpath import fetch_over_httpx
from .source import HasSource, Source, as_source
from .store import FileStore, Verify
from .task import FileTask
from .urls import BundleUrls, ask_for_bundle, key_of

__all__ = ["Engine", "Limits", "new_engine"]

T = TypeVar("T")

_IN_FLIGHT = 4096  # files
_PULL = 16  # requests that are taken at once
_STEP = 0.05  # seconds between two looks for an interrupt
_QUESTIONS = 1  # at once, as long as something happens all the time
_MORE = 8  # times as many, where nothing happened for a while
_QUIET = 0.02  # seconds
_DISK_THREADS = 4
_THREADS = max(8, min(16, 2 * (os.cpu_count() or 1)))
_CONNECTIONS = 128
_MAX_QUESTIONS = 32
_BATCH = 500  # results that are recorded together
_MAX_DELAY = 60.0
_GRACE = 5.0  # seconds that threads get to end what they do on the disk
_SHORT_GRACE = 0.3  # and those that may wait for the network

PART_SIZE = 1 << 25
"""Bytes of a part of a large content."""

Event = Callable[[], object]
Origin = tuple[str, str, int]


@frozen(kw_only=True)
class Limits:
    """The limits of concurrency and of retries.

    Attributes:
        loops: Threads that carry contents.
        large: Requests for large contents of one origin at once.
        connections: Connections to one origin.
        questions: Questions to the service at once.
        num_retries: Failed attempts allowed per file.
        min_delay_seconds: First wait after a failure.
        part_size: Bytes of a part of a large content.
    """

    loops: int
    large: int
    connections: int
    questions: int
    num_retries: int
    min_delay_seconds: float
    part_size: int = field(factory=lambda: PART_SIZE)


@define(eq=False)
class _Queue:
    """The large contents of one origin."""

    waiting: deque[Fetch] = field(factory=deque[Fetch])
    begun: dict[Fetch, None] = field(factory=dict[Fetch, None])
    active: int = 0  # requests under way


class Engine:
    """One download. Use it once.

    Args:
        source: The client to ask.
        rule: The replica, the directory, and how bundles are planned.
        limits: The limits of concurrency.
        progress: Is told of each step.
        verify: How a stored file is checked before it is trusted.
        durable: Flush contents to the disk before they get their names.
        dry_run: Report what would be done, and do nothing.
        stop: Set by others to end soon, with `Stopped`.

    Attributes:
        results: The files and their results.
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
        self.limits = limits
        self.stop: threading.Event = stop or threading.Event()
        check_directory(download_dir)
        self.store: FileStore = FileStore(download_dir, verify=verify, durable=durable)
        self.results: ResultStore = ResultStore(self.store.place, spare=self.store.partials)
        if not dry_run:
            journal.tidy(self.store.partials, self.store.place)
        self.context: TransferContext = TransferContext(
            source=source,
            store=self.store,
            linker=Linker(self.store, download_dir, durable=durable),
            leftovers=journal.leftovers(self.store.partials),
            num_retries=limits.num_retries,
            policy=RetryPolicy(
                initial_delay=limits.min_delay_seconds,
                max_delay=_MAX_DELAY,
                max_retry_after=_MAX_DELAY,
            ),
            part_size=limits.part_size,
            stop=self.stop,
        )
        self._preparer = Preparer(self.context, rule, dry_run=dry_run)
        self._room = Room(download_dir, self.context.leftovers)
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._puller = WorkerPool("dss-requests", 1)  # a search may wait for its next page
        self._api = WorkerPool("dss-api", limits.questions)
        self._disk = WorkerPool("dss-disk", min(_DISK_THREADS, limits.large))
        self._slow = WorkerPool("dss-slow", limits.large)
        self._loops: LoopPool | None = None
        if source.direct is not None:
            self._loops = LoopPool(
                limits.loops,
                limits.connections,
                source.direct,
                wait=self._disk.submit,
                report=self._carried,
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
        self._queues: dict[Origin, _Queue] = {}
        self._queue_of: dict[Attempt, _Queue] = {}
        self._unrecorded: list[tuple[FileTask, FileReport]] = []  # to be recorded
        self._small: list[Attempt] = []  # to be sent
        self._large: list[Attempt] = []

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
            self._send()
            self._feed()
        self._flush()
        self.store.sync_folders(self.store.take_new_names())
        if not self.dry_run:
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
        if self._loops is not None:
            self._loops.end()
        self._slow.end(grace=_SHORT_GRACE)
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
                self._most_questions = min(self._most_questions * _MORE, self.limits.questions)
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
            self._record(plan.others)
        self._record(prepared.done)
        urls = BundleUrls(plan.bundle, together=prepared.together, known=prepared.urls)
        full = self._room.refusal([task for task, _ in prepared.missing], self._fetches.values())
        for task, is_unverified in prepared.missing:
            if full is not None and not is_unverified:
                self._record([(task, _failed(task, full))])
            else:
                self._admit(task, urls, is_unverified=is_unverified)

    def take_over(self, export: ExportedResults, *, planned: bool) -> None:
        """Take over the results of another process or thread.

        Args:
            export: The results of the worker.
            planned: Whether the files are in the results already.
        """
        self.results.take_over(export)
        wanted = [file for file in export.outcomes if file.state != "skipped"]
        if not planned:
            self.progress.plan(len(wanted), sum(file.size for file in wanted))
        if self.progress.is_watched:
            for file in wanted:
                progress = self.progress.file(file.name, None, file.size)
                progress.fail() if file.state == "failed" else progress.finish()

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
        fetch = Fetch(task, urls, self.context, self._progress_of(task))
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

    def _progress_of(self, task: FileTask) -> FileProgress:
        return self.progress.file(task.name, task.bundle, task.size)

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
            self._queue(fetch, url)

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
            self._share(fetch)

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
        uuid, version = key_of(fetch.task)
        self._in(
            self._api,
            lambda: _or_error(
                lambda: self.source.locate(uuid=uuid, version=version, replica=self.rule.replica)
            ),
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

    # Requests to storage

    def _queue(self, fetch: Fetch, url: str) -> None:
        """Have a content asked for, a large one when its turn comes."""
        try:
            if fetch.is_small:
                attempt = fetch.attempt(url)
                self._small += [] if attempt is None else [attempt]
                return
            origin = fetch.origin(url)
        except DSSError as error:
            fetch.fail(error)
            self._finish(fetch)
            return
        queue = self._queues.setdefault(origin, _Queue())
        queue.waiting.append(fetch)
        self._start_large(queue)

    def _start_large(self, queue: _Queue) -> None:
        """Start requests for large contents, as many as there may be."""
        while queue.active < self.limits.large and queue.waiting:
            fetch = queue.waiting.popleft()
            if not self._begin(queue, fetch):
                self._go_on(fetch)
        for fetch in list(queue.begun):
            while queue.active < self.limits.large and fetch.can_be_shared:
                if not self._begin(queue, fetch):
                    break

    def _begin(self, queue: _Queue, fetch: Fetch) -> bool:
        url = fetch.url
        try:
            attempt = None if url is None else fetch.attempt(url)
        except DSSError as error:
            fetch.fail(error)
            return False
        if attempt is None:
            return False
        queue.begun[fetch] = None
        queue.active += 1
        self._queue_of[attempt] = queue
        self._large.append(attempt)
        return True

    def _share(self, fetch: Fetch) -> None:
        """Let free connections help with a content that was begun."""
        url = fetch.url
        if url is not None and not fetch.is_small:
            queue = self._queues.get(fetch.origin(url))
            if queue is not None:
                self._start_large(queue)

    def _send(self) -> None:
        """Send what was decided since the last time."""
        small, self._small = self._small, []
        large, self._large = self._large, []
        if not (small or large):
            return
        slow = [each for each in (*small, *large) if self._goes_slowly(each)]
        if slow:
            for attempt in slow:
                self._slow.submit(partial(self._fetch_over_httpx, attempt))
            left = set(slow)
            small = [each for each in small if each not in left]
            large = [each for each in large if each not in left]
        if self._loops is not None and (small or large):
            self._loops.send(small, large)

    def _goes_slowly(self, attempt: Attempt) -> bool:
        direct = self.source.direct
        return (
            direct is None
            or attempt.content.needs_httpx
            or not direct.leads_to(*attempt.address.origin)
        )

    def _fetch_over_httpx(self, attempt: Attempt) -> None:
        if self.stop.is_set():
            return
        fetch_over_httpx(attempt, self.source)
        self._events.put(partial(self._attempted, [attempt]))

    def _carried(self, attempts: Sequence[object]) -> None:
        """Pass on what a loop has done."""
        ended = [each for each in attempts if isinstance(each, Attempt)]
        self._events.put(partial(self._attempted, ended))

    def _attempted(self, attempts: Sequence[Attempt]) -> None:
        """Take the ends of requests."""
        queues: dict[_Queue, None] = {}
        for attempt in attempts:
            fetch = self._fetches[attempt.content.task.sha256]
            queue = self._queue_of.pop(attempt, None)
            if queue is not None:
                queue.active -= 1
                queues[queue] = None
                if not fetch.active - {attempt}:
                    queue.begun.pop(fetch, None)
            if attempt.error is not None:
                self._refuse_directory_error(attempt.error)
            fetch.ended(attempt)
            if fetch.can_catch_up:
                self._on_disk(fetch, fetch.catch_up)
            self._go_on(fetch)
        for queue in queues:
            self._start_large(queue)

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
            self._record([(task, fetch.report)], told=True)
            if fetch.waiting:
                self._follow(task, fetch.waiting)
            return
        error = fetch.error or FileDownloadError(task.name, "it was given up")
        fetch.progress.fail()
        failure = _failed(task, error, tries=fetch.tries, seconds=fetch.seconds)
        self._record([(task, failure)], told=True)
        for other, urls in fetch.waiting:
            if failure.error is not None and _identity(other) == _identity(task):
                shared = FileDownloadError(other.name, failure.error.reason, cause=failure.error)
                self._record([(other, _failed(other, shared))])
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
            self._record(results)

        self._in(self._disk, link, then)

    def _record(
        self, results: Sequence[tuple[FileTask, FileReport]], *, told: bool = False
    ) -> None:
        """Record results.

        Args:
            results: The files, and what became of them.
            told: Whether the progress of these files was told already.
        """
        if not told and self.progress.is_watched and not self.dry_run:
            for task, report in results:
                if report.state != "skipped":
                    progress = self._progress_of(task)
                    progress.fail() if report.state == "failed" else progress.finish()
        for _, report in results:
            if report.error is not None:
                drop_frames(report.error)
        self._unrecorded += results
        if len(self._unrecorded) >= _BATCH:
            self._flush()
            folders = self.store.take_new_names()
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


def new_engine(source: Source | HasSource, options: DownloadOptions) -> Engine:
    """Return an engine for one download."""
    return Engine(
        as_source(source),
        rule=BundleRule(
            replica=options.replica,
            download_dir=Path(options.download_dir),
            clash=options.clash,
            portable=options.portable,
            ask_urls=not options.dry_run,
        ),
        limits=Limits(
            loops=min(options.threads or _THREADS, (os.cpu_count() or 1) + 1),
            large=options.threads or _THREADS,
            connections=options.threads or _CONNECTIONS,
            questions=min(options.threads or _MAX_QUESTIONS, _MAX_QUESTIONS),
            num_retries=options.num_retries,
            min_delay_seconds=options.min_delay_seconds,
        ),
        progress=Progress(options.progress),
        verify=options.verify,
        durable=options.durable,
        dry_run=options.dry_run,
        stop=options.stop,
    )
