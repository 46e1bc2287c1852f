"""Runs a download: bundles are planned, contents located, fetched, stored, and put in their places.

The calling thread decides and keeps the ledger. It starts new files only while few enough are in
progress, so a download of any length needs the same memory. Other threads ask the service, one loop
fetches small contents, and a crew fetches all others. They return their results over one queue.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from queue import Empty, SimpleQueue

from dss_client.errors import DSSError
from dss_client.transfer.cancel import Stopped
from dss_client.transfer.progress import Progress

from . import journal
from .errors import FileDownloadError, SizeMismatch
from .fetch import How
from .filestore import FileStore, Verify
from .lanes import Lanes, Limits, News, room_for
from .layout import Placer
from .ledger import Ledger, LedgerExport
from .outcome import Finisher, failed
from .resolve import BundleUrls
from .source import Source
from .task import FileResult, FileTask
from .want import BundleRule, Expanded, Order

__all__ = ["Engine"]

_UNDER_WAY = 4096  # files
_STEP = 0.05  # seconds between two looks for an interrupt
_TICK = 0.01  # seconds without news after which more questions may be asked at once
_LONG_QUIET = 10  # ticks


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
        ledger: The files and their results.
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
        self._finisher = Finisher(self.store, Placer(download_dir, durable=durable))
        self._how = How(
            source=source,
            store=self.store,
            left=journal.leftovers(self.store.partials),
            place=self._finisher.place,
            num_retries=limits.num_retries,
            min_delay_seconds=limits.min_delay_seconds,
            part_size=limits.part_size,
            stop=self.stop,
        )
        self._news: SimpleQueue[News] = SimpleQueue()
        self._tasks: dict[int, FileTask] = {}
        self._waiting: dict[str, list[tuple[FileTask, BundleUrls]]] = {}
        self._under_way = 0
        self._quiet = 0  # ticks without news
        self._look_at = time.monotonic() + _STEP

    def run(self, orders: Iterable[Order]) -> None:
        """Do all orders; a file that fails does not stop the others.

        On an interrupt or an exception all threads are told to end, and the exception is raised.
        The fetched parts of large files stay, so that the next run can continue.
        """
        lanes = self._lanes = Lanes(
            self._how,
            self._finisher,
            self.limits,
            self.progress,
            self._news,
            self.rule.download_dir,
        )
        try:
            self._run_all(orders)
        except BaseException:
            self.stop.set()
            raise
        finally:
            lanes.end()

    def _run_all(self, orders: Iterable[Order]) -> None:
        # Not in the `try` itself: an interrupt at the end of a loop passes by the handlers of its
        # own function in Python 3.12 and 3.13.
        for order in orders:
            while self._under_way and self._under_way + order.files > _UNDER_WAY:
                self._take_in()
            self._begin(order)
        while self._under_way:
            self._take_in()

    # The books: in the calling thread

    def _begin(self, order: Order) -> None:
        if order.is_entered:
            expanded = order.expand(self.source, self.rule)
            self._admit(expanded.wanted, self._urls(expanded))
            return
        self._under_way += 1
        self._lanes.ask(lambda: (order, order.expand(self.source, self.rule)))

    def _urls(self, expanded: Expanded) -> BundleUrls:
        return BundleUrls(
            self.source,
            expanded.bundle,
            self.rule.replica,
            expanded.wanted,
            whole=expanded.whole,
            known=expanded.known,
        )

    def _take_in(self) -> None:
        """Wait for results, and enter them.

        In short steps, since a signal just before a wait does not end it.
        """
        if self.stop.is_set():
            raise Stopped
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _STEP
            self._lanes.carry_more()
        behind = self._lanes.is_behind
        try:
            news = self._news.get(timeout=_TICK if behind else _STEP)
        except Empty:
            if behind:
                self._quiet += 1
                self._lanes.ask_more(at_any_rate=self._quiet >= _LONG_QUIET)
            return
        self._quiet = 0
        if isinstance(news, BaseException):
            raise news
        if isinstance(news, tuple):
            self._enter(*news)
        else:
            self._settle(news)

    def _enter(self, order: Order, expanded: Expanded) -> None:
        """Enter the files of a bundle."""
        self._under_way -= 1
        if expanded.bundle is not None:
            self.ledger.add_bundle(order.number, expanded.bundle)
        number = None if expanded.bundle is None else order.number
        self.ledger.add(number, expanded.wanted, "planned")
        self.ledger.add(number, [task for task, _ in expanded.others], "skipped")
        self.ledger.settle([result for _, result in expanded.others])
        lost = [task for task, result in expanded.others if result.state == "failed"]
        self.progress.plan(
            len(expanded.wanted) + len(lost),
            sum(task.size for task in (*expanded.wanted, *lost)),
        )
        for task in lost:
            self.progress.file(task.name, task.bundle, task.size).fail()
        self._admit(expanded.wanted, self._urls(expanded))

    def enter(self, export: LedgerExport, *, planned: bool) -> None:
        """Enter what was done elsewhere.

        Args:
            export: The ledger of the worker.
            planned: Whether the files are in this ledger already.
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
        """Fetch contents, each once even if several files want it."""
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
            self._lanes.send_out(mine, urls)

    def _settle(self, results: Sequence[FileResult]) -> None:
        """Enter results, and finish the files that wanted the same content."""
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
        progress = self._lanes.progress_of(task.number)
        progress = progress or self.progress.file(task.name, task.bundle, task.size)
        if result.state == "failed":
            progress.fail()
        else:
            progress.finish()

    def _follow(
        self, first: FileTask, result: FileResult, waiting: Sequence[tuple[FileTask, BundleUrls]]
    ) -> None:
        """Finish the files that wanted the same content as one that is done."""
        again: list[tuple[FileTask, BundleUrls]] = []
        results: list[FileResult] = []
        for task, urls in waiting:
            self._tasks[task.number] = task
            try:
                there = self.store.look(task.sha256, first.size) == "good"
            except (DSSError, OSError) as error:
                results.append(failed(task, error))
                continue
            if there:
                if task.size == first.size:
                    results.append(self._finisher.place(task, downloaded=False))
                else:
                    mismatch = SizeMismatch(task.name, task.size, first.size)
                    results.append(failed(task, mismatch))
            elif _key(task) == _key(first) and result.error is not None:
                shared = FileDownloadError(task.name, result.error.reason, cause=result.error)
                results.append(failed(task, shared))
            else:
                del self._tasks[task.number]
                again.append((task, urls))
        self._settle(results)
        self._under_way -= len(again)
        for task, urls in again:
            self._admit([task], urls)

    def needs(self, key: str, size: int) -> int:
        """Return the bytes that a content which is not in the store still needs room for."""
        return room_for(self._how, key, size)

    def _foresee(self, task: FileTask) -> FileResult:
        """Report what would be done with a file."""
        try:
            found = self.store.look(task.sha256, task.size)
        except (DSSError, OSError) as error:
            return failed(task, error)
        if found == "good":
            return FileResult(task.number, "reused", reason="in the store, and verified")
        if found == "unsure":
            reason = "in the store; it is read before it is trusted"
            return FileResult(task.number, "reused", reason=reason)
        return FileResult(task.number, "planned", reason="not in the store")


def _key(task: FileTask) -> tuple[str | None, str | None, int]:
    return task.uuid, task.version, task.size
