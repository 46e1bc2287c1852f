"""A download in parts, done elsewhere: by any executor of `concurrent.futures`.

A batch is a value: the client, the options and the requests. A thread, a process or another machine
with the same file system runs an engine on it and returns the results of the files. A batch can be
run twice: what the first run has put into the store, the second finds there.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path

from attrs import evolve, frozen

from dss_client.errors import DSSError
from dss_client.transfer.cancel import Stopped

from .engine import Engine, new_engine
from .options import DownloadOptions
from .requests import DownloadRequest, FilesRequest
from .results import ExportedResults
from .source import Source

__all__ = ["Batch", "batches_of", "run_batch", "run_in"]

_logger = logging.getLogger("dss_client")

_FILES = 500
_BYTES = 1 << 30
_STEP = 0.05  # seconds
_AHEAD = 4  # batches for each worker that are handed in at once


@frozen(kw_only=True)
class Batch:
    """A part of a download.

    Attributes:
        source: The source to ask.
        options: How to download.
        requests: What.
    """

    source: Source
    options: DownloadOptions
    requests: tuple[DownloadRequest, ...]


def batches_of(
    source: Source, options: DownloadOptions, requests: Iterable[DownloadRequest]
) -> Iterator[Batch]:
    """Yield requests in batches of some hundred files, or about a GiB."""
    there = evolve(
        options,
        download_dir=Path(options.download_dir).absolute(),  # workers may be anywhere
        progress=None,
        processes=None,
        executor=None,
        shard=None,
        stop=None,
    )
    taken: list[DownloadRequest] = []
    files = size = 0
    for request in _in_pieces(requests):
        taken.append(request)
        files, size = files + request.files, size + request.size
        if files >= _FILES or size >= _BYTES:
            yield Batch(source=source, options=there, requests=tuple(taken))
            taken, files, size = [], 0, 0
    if taken:
        yield Batch(source=source, options=there, requests=tuple(taken))


def _in_pieces(requests: Iterable[DownloadRequest]) -> Iterator[DownloadRequest]:
    """Yield requests, large ones of known files in several pieces."""
    for request in requests:
        if not isinstance(request, FilesRequest):
            yield request
            continue
        for start in range(0, len(request.tasks), _FILES):
            yield evolve(request, tasks=request.tasks[start : start + _FILES])


def run_batch(batch: Batch) -> ExportedResults:
    """Run a batch here, and return the results of its files."""
    source = batch.source.detached()
    engine = new_engine(source, batch.options)
    try:
        engine.run(batch.requests)
        return engine.results.export()
    finally:
        engine.results.close()
        source.close()


def run_in(
    executor: Executor,
    source: Source,
    engine: Engine,
    options: DownloadOptions,
    requests: Iterable[DownloadRequest],
) -> None:
    """Run requests with an executor, and record their results.

    Only so many batches are handed in at once as keep the workers busy. One that is lost, because
    its worker died or the executor broke, is run here instead: what it had done is in the store.

    Args:
        executor: Runs batches.
        source: The source to ask.
        engine: The engine whose results to add to; it fetches nothing itself.
        options: How to download.
        requests: What.
    """
    running: dict[Future[ExportedResults], Batch] = {}
    try:
        batches = batches_of(source.detached(), options, requests)
        _run_all(executor, running, engine, batches)
    except BaseException:
        for future in running:
            future.cancel()
        raise


def _run_all(
    executor: Executor,
    running: "dict[Future[ExportedResults], Batch]",
    engine: Engine,
    batches: Iterable[Batch],
) -> None:
    workers: object = getattr(executor, "_max_workers", None)
    limit = _AHEAD * (workers if isinstance(workers, int) else os.cpu_count() or 1)
    for batch in batches:
        while len(running) >= limit:
            _collect(running, engine)
        running[_submitted(executor, batch)] = batch
    while running:
        _collect(running, engine)


def _submitted(executor: Executor, batch: Batch) -> "Future[ExportedResults]":
    try:
        return executor.submit(run_batch, batch)
    except RuntimeError as error:  # a pool that broke takes nothing more
        lost: Future[ExportedResults] = Future()
        lost.set_exception(error)
        return lost


def _collect(running: "dict[Future[ExportedResults], Batch]", engine: Engine) -> None:
    # In short steps, since a signal that comes just before a wait does not end it.
    done, _ = wait(running, timeout=_STEP, return_when=FIRST_COMPLETED)
    if engine.stop.is_set():
        raise Stopped
    for future in done:
        batch = running.pop(future)
        try:
            export = future.result()
        except (DSSError, OSError, TypeError):
            raise
        except Exception as error:  # noqa: BLE001 - each executor has its own for a lost worker
            _logger.warning("a worker was lost (%s); its part is done here", error)
            export = run_batch(batch)
        engine.take_over(export, planned=isinstance(batch.requests[0], FilesRequest))
