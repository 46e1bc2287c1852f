"""Reads files with several threads, and compares them with what they should be."""

import hashlib
import os
import stat
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Literal

from attrs import frozen

from dss_client.transfer.cancel import Stopped
from dss_client.transfer.progress import FileProgress, Progress

__all__ = ["FileCheck", "Finding", "Problem", "inspect_all"]

Problem = Literal["", "missing", "irregular", "unreadable", "size", "sha256", "changing"]

_BLOCK = 1 << 20
_TELL = 1 << 23  # bytes from one event to the next
_FILES, _BYTES = 64, 1 << 24  # of a batch
_AHEAD = 256  # batches
_STEP = 0.05  # seconds


@frozen
class FileCheck:
    """A file to be read.

    Attributes:
        path: Where it is.
        sha256: The checksum it should have; empty where that is not known.
        size: The size it should have, or has; in bytes.
        content: Whether it is a content in the store.
    """

    path: str
    sha256: str
    size: int
    content: bool = False


@frozen
class Finding:
    """The result for one file.

    Attributes:
        check: The file that was expected.
        problem: What is wrong; empty if nothing is.
        found: What is there, in words; the sha256 if it was read.
        status: The file's status before it was read, if it could be had.
    """

    check: FileCheck
    problem: Problem
    found: str
    status: os.stat_result | None = None


def inspect_all(
    checks: Iterable[FileCheck], *, threads: int, progress: Progress, stop: threading.Event
) -> Iterator[Finding]:
    """Yield the results, in the order of the files.

    Args:
        checks: The files to check, taken as they are needed.
        threads: Files that are read at once.
        progress: Is told of each file.
        stop: Ends the threads soon when it is set.
    """
    with ThreadPoolExecutor(threads, "dss-verify") as pool:
        try:
            yield from _inspect_in(pool, checks, progress, stop)
        except BaseException:
            stop.set()
            raise


def _inspect_in(
    pool: ThreadPoolExecutor,
    checks: Iterable[FileCheck],
    progress: Progress,
    stop: threading.Event,
) -> Iterator[Finding]:
    # By itself for interrupts, as `Engine._run_all`.
    pending: deque[Future[list[Finding]]] = deque()
    for batch in _batches(checks):
        progress.plan(len(batch), sum(check.size for check in batch))
        pending.append(pool.submit(_inspect_batch, batch, progress, stop))
        if len(pending) > _AHEAD:
            yield from _result(pending.popleft())
    while pending:
        yield from _result(pending.popleft())


def _batches(checks: Iterable[FileCheck]) -> Iterator[list[FileCheck]]:
    batch: list[FileCheck] = []
    size = 0
    for check in checks:
        batch.append(check)
        size += check.size
        if len(batch) >= _FILES or size >= _BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _result(future: "Future[list[Finding]]") -> list[Finding]:
    # In short steps, since a signal just before a wait does not end it.
    while not future.done():
        wait([future], timeout=_STEP)
    return future.result()


def _inspect_batch(
    batch: Sequence[FileCheck], progress: Progress, stop: threading.Event
) -> list[Finding]:
    findings: list[Finding] = []
    for check in batch:
        file = progress.file(os.path.basename(check.path), None, check.size)
        finding = _inspect(check, file, stop)
        findings.append(finding)
        file.fail() if finding.problem else file.finish()
    return findings


def _inspect(check: FileCheck, progress: FileProgress, stop: threading.Event) -> Finding:
    try:
        status = os.lstat(check.path)
        if not stat.S_ISREG(status.st_mode):
            kind = (
                "a symbolic link"
                if stat.S_ISLNK(status.st_mode)
                else "something that is not a regular file"
            )
            return Finding(check, "irregular", kind)
        if check.sha256 and status.st_size != check.size:
            return Finding(check, "size", f"{status.st_size} bytes", status)
        with open(check.path, "rb", buffering=0) as file:
            sha256 = _digest(file.fileno(), progress, stop)
            after = os.fstat(file.fileno())
    except (FileNotFoundError, NotADirectoryError):
        return Finding(check, "missing", "nothing")
    except OSError as error:
        return Finding(check, "unreadable", f"a file that cannot be read ({error.strerror})")
    if (after.st_mtime_ns, after.st_size) != (status.st_mtime_ns, status.st_size):
        return Finding(check, "changing", "a file that somebody writes to")
    if check.sha256 not in {"", sha256}:
        return Finding(check, "sha256", f"sha256 {sha256}", status)
    return Finding(check, "", sha256, status)


def _digest(descriptor: int, progress: FileProgress, stop: threading.Event) -> str:
    digest = hashlib.sha256()
    untold = 0
    while block := os.read(descriptor, _BLOCK):
        if stop.is_set():
            raise Stopped
        digest.update(block)
        untold += len(block)
        if untold >= _TELL:
            progress.advance(untold)
            untold = 0
    return digest.hexdigest()
