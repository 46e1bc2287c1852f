"""Collections as they are stored: versions, owners, tombstones (docs/behaviour.md 5.1, 8.12)."""

import json
import logging
import threading
from collections.abc import Iterator

from attrs import frozen

from dss_client.types import JSONObject

from ..errors import Problem
from . import documents
from .documents import ObjectKey
from .store import Replica, Storage

_logger = logging.getLogger(__name__)


@frozen
class CollectionVersion:
    """One stored version of a collection."""

    uuid: str
    version: str
    content: JSONObject

    @property
    def owner(self) -> str | None:
        """Email of who stored it; None when the object names no owner."""
        owner = self.content.get("owner")
        return owner if isinstance(owner, str) else None


class Collections:
    """The collections of all replicas."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()

    def get(
        self, replica: Replica, uuid: str, version: str | None = None
    ) -> CollectionVersion | None:
        """Return a version that is not deleted, the latest one when none is named."""
        if replica.main.info(f"collections/{uuid}.dead"):
            return None
        if version is None:
            return self._latest(replica, uuid)
        key = ObjectKey.parse(f"collections/{uuid}.{version}")
        return _read(replica, key) if key and not key.dead else None

    def owned_by(self, owner: str) -> list[tuple[str, str]]:
        """Return uuid and version of all that a user owns in any replica, descending.

        One deleted in a replica is gone from the list, though a copy may still live in another.
        """
        found: set[tuple[str, str]] = set()
        dead: set[str] = set()
        for replica in self._storage.replicas.values():
            for key in _listed(replica, "collections/"):
                if key.dead:
                    dead.add(key.uuid)
                elif (read := _read(replica, key)) and read.owner == owner:
                    found.add((read.uuid, read.version))
        return sorted((each for each in found if each[0] not in dead), reverse=True)

    def put(self, replica: Replica, collection: CollectionVersion) -> bool:
        """Store a version; False when the very same is there already (docs/behaviour.md S23).

        Raises:
            Problem: 409 when the version exists with another content, 403 when the collection
                is someone else's.
        """
        key = f"collections/{collection.uuid}.{collection.version}"
        with self._lock:
            latest = self._latest(replica, collection.uuid)
            if latest is not None:
                check_owner(latest, collection.owner)
            stored = replica.main.get(key)
            if stored is None:
                # ASCII: a lone surrogate, which JSON may hold, has no UTF-8.
                replica.store(key, json.dumps(collection.content).encode())
                return True
        if documents.decode(stored) != collection.content:
            title = "This version of the collection exists already, with another content."
            raise Problem(409, "collection_already_exists", title)
        return False

    def delete(self, replica: Replica, uuid: str, owner: str) -> None:
        """Write the tombstone of all versions."""
        replica.store(f"collections/{uuid}.dead", json.dumps({"email": owner}).encode())

    def _latest(self, replica: Replica, uuid: str) -> CollectionVersion | None:
        """Return the greatest readable version, deleted or not."""
        keys = [key for key in _listed(replica, f"collections/{uuid}.") if not key.dead]
        return next(filter(None, (_read(replica, key) for key in reversed(keys))), None)


def check_owner(collection: CollectionVersion, caller: str | None) -> None:
    """Refuse a caller who is not the owner, with the intended code (docs/behaviour.md 3.4).

    Raises:
        Problem: 403 `Forbidden`.
    """
    if caller is None or collection.owner != caller:
        raise Problem(403, "Forbidden", "Only the owner of this collection may do this.")


def _listed(replica: Replica, prefix: str) -> Iterator[ObjectKey]:
    for name in replica.main.keys(prefix):
        key = ObjectKey.parse(name)
        if key is None:
            _logger.warning("%s: foreign key %a is skipped", replica.main.name, name)
        else:
            yield key


def _read(replica: Replica, key: ObjectKey) -> CollectionVersion | None:
    stored = replica.main.get(f"collections/{key.name}")
    content = documents.decode(stored)
    if stored is not None and content is None:
        _logger.warning("%s: collections/%s is skipped, it is not a JSON object",
                        replica.main.name, key.name)  # fmt: skip
    if content is None or key.version is None:
        return None
    return CollectionVersion(key.uuid, key.version, content)
