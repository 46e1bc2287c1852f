"""Each new object comes to the other replica, once what it refers to is there.

See docs/behaviour.md 5.3.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Literal

from attrs import frozen

from dss_client.types import JSONObject

from . import documents
from .documents import ObjectKey, blob_key
from .store import ObjectCreated, Replica, Storage

_logger = logging.getLogger(__name__)

_LINKED = {"file": "files", "bundle": "bundles", "collection": "collections"}


class Replication:
    """Copies files, bundles, collections and tombstones to the replica that they were not put in.

    What an object refers to is copied before it: a bundle's files, a file's content. What is
    missing in the first replica, too, is waited for; it is looked for at each further copy. An
    object that is there already is left alone.
    """

    def __init__(
        self,
        mode: Literal["none", "at once", "delayed"],
        delay: float,
        storage: Storage,
    ) -> None:
        """Subscribe to new objects, unless nothing is to be replicated."""
        self._delay = delay if mode == "delayed" else None
        self._storage = storage
        self._queue: deque[_Due] = deque()
        self._waiting: list[ObjectCreated] = []
        self._wake = threading.Condition()
        self._copying = threading.RLock()
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
        self._waiting.clear()

    def _take(self, stored: ObjectCreated) -> None:
        if self._other(stored.replica).main.info(stored.key):
            return  # this is our own copy, or it can never be copied
        if self._delay is None:
            self._replicate(stored)
            return
        with self._wake:
            self._queue.append(_Due(time.monotonic() + self._delay, stored))
            self._wake.notify()

    def _work(self) -> None:
        while (due := self._next_due()) is not None:
            self._replicate(due)

    def _next_due(self) -> ObjectCreated | None:
        """Return the next object once its time has come, None when the worker is to end."""
        with self._wake:
            while self._worker is not None:
                left = self._queue[0].time - time.monotonic() if self._queue else None
                if left is not None and left <= 0:
                    return self._queue.popleft().stored
                self._wake.wait(left)
        return None

    def _replicate(self, stored: ObjectCreated) -> None:
        with self._copying:
            waiting, self._waiting = [*self._waiting, stored], []
            for each in waiting:
                if not self._copied(each):
                    self._waiting.append(each)

    def _copied(self, stored: ObjectCreated) -> bool:
        try:
            return self._copy(stored.replica, self._other(stored.replica), stored.key)
        except (OSError, RecursionError) as error:
            _logger.warning("%s: %s is not replicated: %s", stored.replica.name, stored.key, error)
            return False

    def _copy(self, source: Replica, target: Replica, key: str) -> bool:
        """Copy an object and before it what it refers to, tell whether it is there now."""
        if target.main.info(key):
            return True
        if key.startswith("blobs/"):
            return _copy_blob(source, target, key)
        content = source.main.get(key)
        if content is None:
            return False
        needed = [] if key.endswith(".dead") else list(_references(source, key))
        if not all(self._copy(source, target, each) for each in needed):
            return False
        target.store_new(key, content)
        return True

    def _other(self, replica: Replica) -> Replica:
        [other] = (each for each in self._storage.replicas.values() if each.name != replica.name)
        return other


@frozen
class _Due:
    time: float
    stored: ObjectCreated


def _copy_blob(source: Replica, target: Replica, key: str) -> bool:
    if source.main.info(key) is None:
        return False
    with source.main.open(key) as stream:
        target.main.put_stream(key, stream)
    return True


def _references(replica: Replica, key: str) -> Iterator[str]:
    """Yield the keys of what an object refers to."""
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
            yield from _links(documents.decode(replica.main.get(key)) or {})


def _links(collection: JSONObject) -> Iterator[str]:
    for item in documents.as_list(collection.get("contents")) or ():
        link = documents.as_object(item) or {}
        # Everything else is a part of a file.
        kind = _LINKED.get(str(link.get("type")), "files")
        yield f"{kind}/{link.get('uuid')}.{link.get('version')}"
