"""Files, bundles and tombstones on top of a replica's buckets (docs/behaviour.md 5)."""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any, cast

from attrs import field, frozen

from dss_client.types import JSONObject
from dss_client.types import Replica as ReplicaName

from . import documents
from .bucket import Bucket, Root
from .documents import FileMetadata, Manifest, ManifestFile, ObjectKey, blob_key, file_key

_logger = logging.getLogger(__name__)

SCHEMES: dict[ReplicaName, str] = {"aws": "s3", "gcp": "gs"}


@frozen
class ObjectCreated:
    """An object of a main bucket was just written, and is on disk."""

    replica: "Replica"
    key: str


class EventBus:
    """Tells the parts of the service what happens in the main buckets.

    The search index, the journals, the subscriptions and the replication live from it.
    """

    def __init__(self) -> None:
        self._subscribers: tuple[Callable[[ObjectCreated], None], ...] = ()

    def subscribe(self, subscriber: Callable[[ObjectCreated], None]) -> None:
        """Call `subscriber` with each event from now on, after those that subscribed before.

        It runs in the thread of the request that wrote, so what takes its time belongs in a thread
        of the subscriber's own.
        """
        self._subscribers += (subscriber,)

    def publish(self, event: ObjectCreated) -> None:
        """Call all subscribers, and return when the last one has."""
        for subscriber in self._subscribers:
            subscriber(event)


@frozen(eq=False)
class Replica:
    """One full copy of the data: its main bucket, and those of checkouts and events."""

    name: ReplicaName
    main: Bucket
    checkout: Bucket
    events: Bucket
    is_archive: bool = field(default=False, kw_only=True)
    """Whether its main bucket is only read, and gives out its contents itself: no copies."""
    _bus: EventBus = field(alias="bus")
    _writing: threading.Lock = field(factory=threading.Lock, init=False)

    @property
    def scheme(self) -> str:
        """Scheme of this cloud's object URLs, ``s3`` or ``gs``."""
        return SCHEMES[self.name]

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """All of its buckets."""
        return self.main, self.checkout, self.events

    def store(self, key: str, content: bytes) -> None:
        """Write an object to the main bucket, and publish that."""
        self.main.put(key, content)
        self._bus.publish(ObjectCreated(self, key))

    def store_new(self, key: str, content: bytes) -> bytes | None:
        """Write an object to the main bucket unless there is one, and publish that.

        Returns:
            The content that is there instead, and was left alone; None when it was written.
        """
        with self._writing:
            there = self.main.get(key)
            if there is not None:
                return there
            self.main.put(key, content)
        self._bus.publish(ObjectCreated(self, key))
        return None

    def file(self, uuid: str, version: str | None = None) -> FileMetadata | None:
        """Return the metadata of a file, of its latest version when none is named.

        A file with a tombstone is deleted (docs/behaviour.md S12).
        """
        if self.main.info(f"files/{uuid}.dead"):
            return None
        if version is None:
            versions = _alive(self.listed(f"files/{uuid}."))
            if not versions:
                return None
            version = versions[-1]
        return cast("FileMetadata | None", self._read(f"files/{uuid}.{version}", _is_file))

    def has_blob(self, file: FileMetadata | ManifestFile) -> bool:
        """Tell whether a file's content is there, as long as it should be."""
        info = self.main.info(blob_key(file))
        return info is not None and info.size == file["size"]

    def place_of(self, file: FileMetadata | ManifestFile, copy: str) -> tuple[Bucket, str]:
        """Return bucket and key that a content is given out from; `copy` is the key of a copy."""
        return (self.main, blob_key(file)) if self.is_archive else (self.checkout, copy)

    def latest_bundle(self, uuid: str) -> str | None:
        """Return the greatest version of a bundle that is not dead."""
        versions = _alive(self.listed(f"bundles/{uuid}."))
        return versions[-1] if versions else None

    def is_dead(self, uuid: str, version: str) -> bool:
        """Tell whether there is a tombstone over a bundle version."""
        return any(self.main.info(f"bundles/{name}.dead") for name in (uuid, f"{uuid}.{version}"))

    def bundle(self, uuid: str, version: str) -> Manifest | None:
        """Return the manifest of a version that is not dead."""
        return None if self.is_dead(uuid, version) else self.manifest(uuid, version)

    def manifest(self, uuid: str, version: str) -> Manifest | None:
        """Return a stored manifest, dead or not."""
        return cast("Manifest | None", self._read(f"bundles/{uuid}.{version}", _is_manifest))

    def metadata_document(self, uuid: str, version: str) -> JSONObject | None:
        """Return what events and subscriptions see of a stored bundle version, dead or not.

        Unlike the search document it has every JSON file, indexed or not (docs/behaviour.md 12.1).
        """
        manifest = self.manifest(uuid, version)
        if manifest is None:
            return None
        files: dict[str, list[Any]] = {}
        for file in manifest["files"]:
            if file["content-type"].startswith("application/json"):
                try:
                    parsed = json.loads(self.main.get(blob_key(file)) or b"")
                except (ValueError, RecursionError):
                    continue
                files.setdefault(file_key(file["name"]), []).append(parsed)
        return {
            "event_type": "CREATE",
            "bundle_info": {"uuid": uuid, "version": version},
            "manifest": manifest,
            "files": files,
        }

    def tombstone(self, uuid: str, version: str) -> tuple[str | None, JSONObject] | None:
        """Return the tombstone over a bundle version: the version it names or None, and itself."""
        for named in (None, version):
            key = ObjectKey(uuid=uuid, version=named, dead=True)
            content = self.main.get(f"bundles/{key.name}")
            if content is not None:
                return named, documents.decode(content) or {}
        return None

    def living_bundles(self, prefix: str, after: str) -> Iterator[ObjectKey]:
        """Yield the keys of the bundle versions that are not dead, in key order.

        Args:
            prefix: What their whole keys start with.
            after: The whole key to go on after; every tombstone over a later one is later, too.
        """
        for uuid, keys in groupby(self.listed(prefix, after), lambda key: key.uuid):
            for version in _alive(keys):
                yield ObjectKey(uuid=uuid, version=version, dead=False)

    def count_bundles(self) -> int:
        """Count the bundle versions that are not dead."""
        return sum(1 for _ in self.living_bundles("bundles/", ""))

    def listed(self, prefix: str, after: str = "") -> Iterator[ObjectKey]:
        """Yield the keys of the main bucket that start with `prefix` and come after `after`."""
        for key in self.main.keys(prefix):
            if key <= after:
                continue
            parsed = ObjectKey.parse(key)
            if parsed is None:
                _logger.warning("%s: foreign key %a is skipped", self.main.name, key)
            else:
                yield parsed

    def _read(self, key: str, is_good: Callable[[JSONObject], bool]) -> JSONObject | None:
        """Return a document; a broken one is logged and taken as absent."""
        document = documents.decode(self.main.get(key))
        if document is None or is_good(document):
            return document
        _logger.warning("%s: %s is skipped, it lacks what it should say", self.main.name, key)
        return None


class Storage:
    """All buckets below one root.

    Args:
        root: What holds the main buckets.
        made: What holds copies for checkouts and journals; the same where that can be written to.
        archive: The replica whose main bucket the root itself is; None: it has one for each.
    """

    def __init__(self, root: Root, made: Root, archive: ReplicaName | None = None) -> None:
        self.bus: EventBus = EventBus()
        self._root = root
        self.replicas: dict[ReplicaName, Replica] = {
            name: Replica(
                name=name,
                main=root.bucket(f"dss-local-{name}", "" if name == archive else f"{name}/main"),
                checkout=made.bucket(f"dss-local-checkout-{name}", f"{name}/checkout"),
                events=made.bucket(f"dss-local-events-{name}", f"{name}/events"),
                is_archive=name == archive,
                bus=self.bus,
            )
            for name in SCHEMES
        }

    def bucket(self, name: str) -> Bucket | None:
        """Return a bucket by its name: one of the replicas', or one of its own below the root."""
        for replica in self.replicas.values():
            for bucket in replica.buckets:
                if bucket.name == name:
                    return bucket
        if not name or name in SCHEMES or name.startswith(".") or set(name) & set("/\\:\0"):
            return None
        return self._root.bucket(name, name) if self._root.has(name) else None

    def clear(self) -> None:
        """Delete all objects of all replicas."""
        for replica in self.replicas.values():
            for bucket in replica.buckets:
                bucket.clear()


def _alive(keys: Iterable[ObjectKey]) -> list[str]:
    found = list(keys)
    dead = {key.version for key in found if key.dead}
    if None in dead:
        return []
    return [key.version for key in found if key.version and key.version not in dead]


_TYPES: dict[str, type] = {"size": int, "indexed": bool}


def _has_types(document: JSONObject, keys: Iterable[str]) -> bool:
    return all(isinstance(document.get(key), _TYPES.get(key, str)) for key in keys)


def _is_file(document: JSONObject) -> bool:
    return _has_types(document, documents.FILE_KEYS)


def _is_manifest(document: JSONObject) -> bool:
    files = documents.as_list(document.get("files"))
    return (
        isinstance(document.get("version"), str)
        and files is not None
        and all(
            _has_types(documents.as_object(file) or {}, documents.MANIFEST_FILE_KEYS)
            for file in files
        )
    )
