"""A download in batches, done by any executor of `concurrent.futures`.

A batch is a value: the client, the options and some requests. A thread, a process or another
machine with the same file system runs an engine on it and returns the results of the files. A
batch can be run twice: what the first run has put into the store, the second finds there.
"""

import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from attrs import evolve, frozen

from dss_client.errors import DSSError, InvalidArgument
from dss_client.transfer.cancel import Stopped

from .engine import Engine
from .options import DownloadOptions
from .pool import wait_for
from .requests import DownloadRequest, PlannedRequest
from .results import ExportedResults
from .source import Source
from .urls import key_of

__all__ = ["run_in"]

T = TypeVar("T")

_logger = logging.getLogger("dss_client")

_FILES = 500  # of a batch
_BYTES = 1 << 30
_STEP = 0.05  # seconds
_AHEAD = 4  # batches for each worker that are handed in at once


@frozen(kw_only=True)
class _Batch:
    """Some requests of a download.

    Attributes:
        source: The source to ask.
        options: How to download.
        requests: What.
    """

    source: Source
    options: DownloadOptions
    requests: tuple[DownloadRequest, ...]

    def run(self) -> ExportedResults:
        """Do them here, and return the results of their files."""
        with closing(self.source.detached()) as source:
            engine = Engine(source, self.options)
            with closing(engine.results):
                engine.run(self.requests)
                return engine.results.export()


def run_in(
    executor: Executor,
    engine: Engine,
    options: DownloadOptions,
    requests: Iterable[DownloadRequest],
) -> None:
    """Run requests with an executor, and record their results.

    Only so many batches are handed in at once as keep the workers busy. One that is lost, because
    its worker died or the executor broke, is run here instead: what it had done is in the store.

    Args:
        executor: Runs batches.
        engine: The engine whose results to add to; it fetches nothing itself.
        options: How to download.
        requests: What.

    Raises:
        InvalidArgument: The client cannot be sent to another process.
    """
    there = evolve(
        options,
        download_dir=Path(options.download_dir).absolute(),  # workers may be anywhere
        progress=None,
        processes=None,
        executor=None,
        shard=None,
        stop=None,
    )
    running: dict[Future[ExportedResults], _Batch] = {}
    with closing(engine.source.detached()) as source:
        if options.processes is not None:
            _check_that_it_travels(source)
        parts = (part for request in requests for part in _parts(engine, request))
        batches = (
            _Batch(source=source, options=there, requests=some)
            for some in _cut(parts, lambda part: (part.files, part.size))
        )
        try:
            _run_all(executor, running, engine, batches)
        except BaseException:
            for future in running:
                future.cancel()
            raise


def _check_that_it_travels(source: Source) -> None:
    """Make sure that another process can have a source.

    Raises:
        InvalidArgument: It cannot.
    """
    try:
        pickle.dumps(source)
    except Exception as error:  # each kind of object has its own
        raise InvalidArgument(
            f"processes= needs a client that can be pickled ({error}): define the function that"
            " gives its token at the top level of a module"
        ) from error


def _parts(engine: Engine, request: DownloadRequest) -> Iterator[DownloadRequest]:
    """Yield a request as it is, or one that is more than a batch in several parts."""
    if request.files <= _FILES and request.size <= _BYTES:
        yield request
        return
    found = wait_for(lambda: request.plan(engine.source, engine.rule), engine.stop)
    others = found.others
    for tasks in _cut(found.wanted, lambda task: (1, task.size)):
        keys = {key_of(task) for task in tasks}
        known = {key: url for key, url in found.known.items() if key in keys}
        part = evolve(found, wanted=tasks, others=others, known=known)
        yield PlannedRequest(number=request.number, planned=part, is_recorded=request.is_recorded)
        others = ()
    if others:
        yield PlannedRequest(number=request.number, planned=evolve(found, others=others))


def _cut(things: Iterable[T], measure: Callable[[T], tuple[int, int]]) -> Iterator[tuple[T, ...]]:
    """Yield things in batches of some hundred files, or about a GiB.

    Args:
        things: What to cut.
        measure: Tells how many files, and how many bytes, one is.
    """
    batch: list[T] = []
    files = size = 0
    for thing in things:
        batch.append(thing)
        more_files, more_bytes = measure(thing)
        files, size = files + more_files, size + more_bytes
        if files >= _FILES or size >= _BYTES:
            yield tuple(batch)
            batch, files, size = [], 0, 0
    if batch:
        yield tuple(batch)


def _run_all(
    executor: Executor,
    running: dict[Future[ExportedResults], _Batch],
    engine: Engine,
    batches: Iterable[_Batch],
) -> None:
    workers: object = getattr(executor, "_max_workers", None)
    limit = _AHEAD * (workers if isinstance(workers, int) else os.cpu_count() or 1)
    for batch in batches:
        while len(running) >= limit:
            _collect(running, engine)
        running[_submitted(executor, batch)] = batch
    while running:
        _collect(running, engine)


def _submitted(executor: Executor, batch: _Batch) -> Future[ExportedResults]:
    try:
        return executor.submit(_Batch.run, batch)
    except RuntimeError as error:  # a pool that broke takes nothing more
        lost: Future[ExportedResults] = Future()
        lost.set_exception(error)
        return lost


def _collect(running: dict[Future[ExportedResults], _Batch], engine: Engine) -> None:
    # In short steps, since a signal that comes just before a wait does not end it.
    done, _ = wait(running, timeout=_STEP, return_when=FIRST_COMPLETED)
    if engine.stop.is_set():
        raise Stopped
    for future in done:
        batch = running.pop(future)
        try:
            export = future.result()
        except DSSError as error:
            raise error.with_traceback(None) from error.__cause__  # frames hold what was read
        except Exception as error:  # noqa: BLE001 - each executor has its own for a lost worker
            _logger.warning("a worker was lost (%s); its part is done here", error)
            export = batch.run()
        engine.take_over(export, planned=batch.requests[0].is_recorded)
