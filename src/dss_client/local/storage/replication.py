"""Each new object comes to the other replica, after what it refers to.

See docs/behaviour.md 5.3.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

from . import documents
from .documents import ObjectKey, blob_key
from .store import ObjectCreated, Replica, Storage

_logger = logging.getLogger(__name__)

_LINKED = {"file": "files", "bundle": "bundles", "collection": "collections"}


class Replication:
    """Copies files, bundles, collections and tombstones to the replica that they were not put in.

    What an object refers to is copied before it: a bundle's files, a file's content. An object that
    is there already is left alone.
    """

    def __init__(
        self, mode: Literal["none", "at once", "delayed"], delay: float, storage: Storage
    ) -> None:
        """Subscribe to new objects, unless nothing is to be replicated."""
        self._delay = delay if mode == "delayed" else None
        self._storage = storage
        self._queue: deque[tuple[float, ObjectCreated]] = deque()  # with the time it is due
        self._wake = threading.Condition()
        self._worker: threading.Thread | None = None
        if mode != "none":
            storage.bus.subscribe(self._take)

    def start(self) -> None:
        """Start to copy, when that is delayed; what came earlier is due, too."""
        if self._delay is not None:
            self._worker = threading.Thread(
                target=self._work, name="dss-local-replication", daemon=True
            )
            self._worker.start()

    def stop(self) -> None:
        """Stop copying; what is not due yet is copied after the next start."""
        worker, self._worker = self._worker, None
        if worker is not None:
            with self._wake:
                self._wake.notify()
            worker.join()

    def clear(self) -> None:
        """Forget what is still to be copied, while no copying goes on."""
        self._queue.clear()

    def _take(self, event: ObjectCreated) -> None:
        with suppress(OSError):
            if self._other(event.replica).main.info(event.key):
                return  # this is our own copy, or it can never be copied
        if self._delay is None:
            self._replicate(event)
            return
        with self._wake:
            self._queue.append((time.monotonic() + self._delay, event))
            self._wake.notify()

    def _work(self) -> None:
        while (event := self._next_due()) is not None:
            self._replicate(event)

    def _next_due(self) -> ObjectCreated | None:
        """Return the next object once its time has come, None when the worker is to end."""
        with self._wake:
            while self._worker is not None:
                left = self._queue[0][0] - time.monotonic() if self._queue else None
                if left is not None and left <= 0:
                    return self._queue.popleft()[1]
                self._wake.wait(left)
        return None

    def _replicate(self, event: ObjectCreated) -> None:
        try:
            _copy(event.replica, self._other(event.replica), event.key)
        except (OSError, RecursionError) as error:
            _logger.warning("%s: %s is not replicated: %s", event.replica.name, event.key, error)

    def _other(self, replica: Replica) -> Replica:
        [other] = (each for each in self._storage.replicas.values() if each.name != replica.name)
        return other


def _copy(source: Replica, target: Replica, key: str) -> None:
    """Copy an object and before it what it refers to: without end, where links lead in a circle."""
    if target.main.info(key):
        return
    if not key.endswith(".dead"):
        for each in _references(source, key):
            _copy(source, target, each)
    with source.main.open(key) as stream:
        if key.startswith("blobs/"):
            target.main.put_stream(key, stream)
        else:
            target.store_new(key, stream.read())


def _references(replica: Replica, key: str) -> Iterator[str]:
    parsed = ObjectKey.parse(key)
    if parsed is None or parsed.version is None:
        return
    match key.partition("/")[0]:
        case "files":
            file = replica.file(parsed.uuid, parsed.version)
            if file is not None:
                yield blob_key(file)
        case "bundles":
            manifest = replica.manifest(parsed.uuid, parsed.version)
            for each in manifest["files"] if manifest else ():
                yield f"files/{each['uuid']}.{each['version']}"
        case _:
            collection = documents.decode(replica.main.get(key)) or {}
            for item in documents.as_list(collection.get("contents")) or ():
                link = documents.as_object(item) or {}
                # Everything else is a part of a file.
                kind = _LINKED.get(str(link.get("type")), "files")
                yield f"{kind}/{link.get('uuid')}.{link.get('version')}"
