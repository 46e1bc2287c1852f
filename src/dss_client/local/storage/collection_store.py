"""Collections as they are stored: versions, owners, tombstones, and what they link to.

See docs/behaviour.md 5.1, 8.12.
"""

import json
import logging
import threading
from typing import Any

from attrs import frozen

from dss_client.types import JSONObject
from dss_client.versions import is_uuid

from ..errors import Problem, illegal_arguments
from . import documents
from .documents import ObjectKey, blob_key
from .store import Replica, Storage

_logger = logging.getLogger(__name__)

_WHOLE_OBJECTS = frozenset({"file", "bundle", "collection"})
_MOST_BYTES = 1024 * 1024


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

    def check_owner(self, caller: str | None) -> None:
        """Refuse a caller who is not the owner, with the intended code (docs/behaviour.md 3.4).

        Raises:
            Problem: 403 `Forbidden`.
        """
        if caller is None or self.owner != caller:
            raise Problem(403, "Forbidden", "Only the owner of this collection may do this.")


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
        return _read(replica, key) if key else None

    def owned_by(self, owner: str) -> list[tuple[str, str]]:
        """Return uuid and version of all that a user owns in any replica, descending.

        One deleted in a replica is gone from the list, though a copy may still live in another.
        """
        found: set[tuple[str, str]] = set()
        dead: set[str] = set()
        for replica in self._storage.replicas.values():
            for key in replica.listed("collections/"):
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
        # ASCII: a lone surrogate, which JSON may hold, has no UTF-8.
        content = json.dumps(collection.content).encode()
        with self._lock:
            latest = self._latest(replica, collection.uuid)
            if latest is not None:
                latest.check_owner(collection.owner)
            stored = replica.store_new(key, content)
        if stored is not None and documents.decode(stored) != collection.content:
            title = "This version of the collection exists already, with another content."
            raise Problem(409, "collection_already_exists", title)
        return stored is None

    def delete(self, replica: Replica, uuid: str, owner: str) -> None:
        """Write the tombstone of all versions."""
        replica.store(f"collections/{uuid}.dead", json.dumps({"email": owner}).encode())

    def _latest(self, replica: Replica, uuid: str) -> CollectionVersion | None:
        """Return the greatest readable version, deleted or not."""
        keys = list(replica.listed(f"collections/{uuid}."))
        return next(filter(None, (_read(replica, key) for key in reversed(keys))), None)


def _read(replica: Replica, key: ObjectKey) -> CollectionVersion | None:
    if key.dead or key.version is None:
        return None
    stored = replica.main.get(f"collections/{key.name}")
    content = documents.decode(stored)
    if stored is not None and content is None:
        name = f"collections/{key.name}"
        _logger.warning("%s: %s is skipped, it is not a JSON object", replica.main.name, name)
    return None if content is None else CollectionVersion(key.uuid, key.version, content)


def normal_links(items: list[JSONObject]) -> list[JSONObject]:
    """Return the items of a request with their uuids in lower case (docs/behaviour.md 4.1).

    Raises:
        Problem: 400 when a value of an item is an object or a list (docs/behaviour.md S22), or its
            uuid is not valid (docs/behaviour.md S9).
    """
    for item in items:
        for name, value in item.items():
            if isinstance(value, dict | list):
                raise illegal_arguments(f"A link's {name!r} cannot be an object or a list.")
        if not is_uuid(item["uuid"]):
            raise illegal_arguments(f"A link's uuid is not valid: {item['uuid']!r:.80}.")
    return [{**item, "uuid": item["uuid"].lower()} for item in items]


def unique(links: list[Any]) -> list[Any]:
    """Return links with equal ones once, at the first place."""
    found: dict[str, Any] = {}
    for link in links:
        found.setdefault(link_key(link), link)
    return list(found.values())


def link_key(link: object) -> str:
    """Return a text that is the same for equal links; as in JSON, true is not 1."""
    return json.dumps(link, sort_keys=True)


def check_links(replica: Replica, links: list[JSONObject]) -> None:
    """Refuse links that do not resolve in a replica.

    Raises:
        Problem: 422 `invalid_link` for the first such link.
    """
    for link in links:
        try:
            _resolve(replica, link)
        except (LookupError, ValueError, RecursionError) as error:
            name = f"{link['type']} {link['uuid']}.{link['version']}"
            reason = error if isinstance(error, LookupError) else "the object is not JSON"
            title = f"The link to {name} does not resolve: {reason}."
            raise Problem(422, "invalid_link", title) from error


def _resolve(replica: Replica, link: JSONObject) -> None:
    """Read what a link names.

    Raises:
        LookupError: It is not there; the argument says what.
        ValueError: It is not JSON.
        RecursionError: It is nested too deeply.
    """
    whole = link["type"] in _WHOLE_OBJECTS
    key = f"{link['type'] if whole else 'file'}s/{link['uuid']}.{link['version']}"
    info = replica.main.info(key)
    if info is None:
        raise LookupError(f"replica {replica.name} has no such object")
    if info.size > _MOST_BYTES:
        raise LookupError(f"the object has {info.size} bytes, more than {_MOST_BYTES}")
    if whole:
        json.loads(replica.main.get(key) or b"")
        return
    # The service reads `fragment`, the specification says `path` (docs/behaviour.md S21).
    pointer = link.get("fragment", link.get("path"))
    if not isinstance(pointer, str):
        raise LookupError("a link of this type needs a JSON pointer, as 'fragment'")
    file = replica.file(link["uuid"], link["version"])
    content = replica.main.get(blob_key(file)) if file else None
    _follow(json.loads(content or b""), pointer)


def _follow(document: Any, pointer: str) -> None:
    """Go to what a JSON pointer (RFC 6901) names in a document.

    Raises:
        LookupError: The pointer is ill-formed or leads nowhere; the argument says why.
    """
    if pointer and not pointer.startswith("/"):
        raise LookupError("a JSON pointer has to start with '/'")
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        items = documents.as_list(document)
        if items is not None:
            document = {str(index): item for index, item in enumerate(items)}
        members = documents.as_object(document)
        if members is None or name not in members:
            raise LookupError(f"the JSON pointer {pointer!r:.80} leads nowhere: no {name!r:.80}")
        document = members[name]
