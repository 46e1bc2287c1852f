"""What the index stores of bundles, made by one process or, where there are many, by several."""

import json
import os
import pickle
import subprocess
import sys
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from queue import SimpleQueue
from typing import IO, Any, Self, cast

from attrs import frozen

from dss_client.types import JSONObject

from ..storage.documents import as_object
from ..storage.store import EventBus, Replica
from .document import Document
from .search_documents import bundle_document
from .tokens import tokens_of

SortKey = tuple[str, str, str]

_BATCH = 200
_MANY = 4_000  # bundles from which on it pays to start processes
_MOST_PROCESSES = 8
_THREADS = 32  # that wait for a bucket elsewhere
_WORKER = (sys.executable, "-P", "-c", f"from {__name__} import work; work()")


@frozen
class Entry:
    """What the index stores of a bundle.

    Attributes:
        fqid: Its id.
        sort: What it is sorted by.
        source: The document, packed.
        tokens: What it can be found by.
        paths: The paths of its values.
    """

    fqid: str
    sort: SortKey
    source: bytes
    tokens: str
    paths: frozenset[str]


def entries_of(replica: Replica, fqids: Sequence[str], *, strict: bool) -> Iterator[list[Entry]]:
    """Yield the entries of bundle versions, in their order; those without a document are left out.

    Args:
        replica: Where the bundles are.
        fqids: The bundle versions.
        strict: Whether one odd file leaves a bundle out.
    """
    batches = [fqids[start : start + _BATCH] for start in range(0, len(fqids), _BATCH)]
    if replica.main.directory is None:
        with ThreadPoolExecutor(_THREADS) as pool:
            for batch in batches:
                made = pool.map(partial(_entry, replica, strict), batch)
                yield [entry for entry in made if entry is not None]
    elif len(fqids) < _MANY or not sys.executable:
        yield from (_entries(replica, strict, batch) for batch in batches)
    else:
        yield from _made_by_processes(replica, strict, batches)


def work() -> None:
    """Make entries for the process that started this one: batches come in, entries go out."""
    name, bucket, strict = _received(sys.stdin.buffer)
    replica = Replica(name=name, main=bucket, checkout=bucket, events=bucket, bus=EventBus())
    with suppress(EOFError, pickle.UnpicklingError, BrokenPipeError):  # it has ended
        while True:
            _send(sys.stdout.buffer, _entries(replica, strict, _received(sys.stdin.buffer)))


class _Process:
    """A process that makes entries.

    Not of `multiprocessing`: that would run the main module of a user again.
    """

    def __init__(self, replica: Replica, strict: bool) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this Python, and this module
            _WORKER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for this process
        )
        self._out = cast("IO[bytes]", self._process.stdin)
        self._in = cast("IO[bytes]", self._process.stdout)
        _send(self._out, (replica.name, replica.main, strict))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._process.communicate()

    def kill(self) -> None:
        """End it."""
        self._process.kill()

    def make(self, fqids: Sequence[str]) -> list[Entry]:
        """Have it make the entries of a batch."""
        _send(self._out, fqids)
        entries: list[Entry] = _received(self._in)
        return entries


def _send(stream: IO[bytes], message: object) -> None:
    pickle.dump(message, stream)
    stream.flush()


def _received(stream: IO[bytes]) -> Any:
    return pickle.load(stream)  # noqa: S301 - of this program's own processes


def _made_by_processes(
    replica: Replica, strict: bool, batches: Sequence[Sequence[str]]
) -> Iterator[list[Entry]]:
    count = min(os.cpu_count() or 1, _MOST_PROCESSES)
    with ExitStack() as stack:
        free: SimpleQueue[_Process] = SimpleQueue()
        processes = [stack.enter_context(_Process(replica, strict)) for _ in range(count)]
        for process in processes:
            free.put(process)

        def make(batch: Sequence[str]) -> list[Entry]:
            process = free.get()
            try:
                return process.make(batch)
            finally:
                free.put(process)

        pool = stack.enter_context(ThreadPoolExecutor(count))
        for process in processes:
            stack.callback(process.kill)  # first, so that nobody waits for what it makes
        ahead: deque[Future[list[Entry]]] = deque()
        for batch in batches:
            ahead.append(pool.submit(make, batch))
            if len(ahead) > 2 * count:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _entries(replica: Replica, strict: bool, fqids: Iterable[str]) -> list[Entry]:
    made = (_entry(replica, strict, fqid) for fqid in fqids)
    return [entry for entry in made if entry is not None]


def _entry(replica: Replica, strict: bool, fqid: str) -> Entry | None:
    uuid, _, version = fqid.partition(".")
    source = bundle_document(replica, uuid, version, strict=strict)
    if source is None:
        return None
    document = Document.of(fqid, source)
    return Entry(
        fqid=fqid,
        sort=_sort_key(fqid, source),
        source=zlib.compress(json.dumps(source).encode(), 1),
        tokens=tokens_of(document),
        paths=frozenset(document.values),
    )


def source_of(packed: bytes) -> JSONObject:
    """Return the document of an entry's source."""
    return as_object(json.loads(zlib.decompress(packed))) or {}


def _sort_key(fqid: str, source: JSONObject) -> SortKey:
    """Return what a document is sorted by; a missing version sorts last, as the empty text.

    The id only separates the versions under one tombstone of all versions (docs/behaviour.md S27).
    """
    version = source["manifest"].get("version")
    return (source["uuid"], version or "", "" if version else fqid)
