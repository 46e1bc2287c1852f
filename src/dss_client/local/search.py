"""Search documents and their index, in memory (behaviour reference §10)."""

import logging
import re
import threading
from collections.abc import Iterable

from attrs import frozen

from . import documents
from .changes import Stored
from .documents import JsonObject, Manifest, ManifestFile, ObjectKey, blob_key
from .query import Document, Predicate
from .store import Replica

_logger = logging.getLogger(__name__)

_MOST_FILES = 20_000
_MAJOR = re.compile(r"(\d+)\.\d+\.\d+")

SortKey = tuple[str, str, str]


@frozen
class Hits:
    """One page of matching documents, and how many match in all."""

    page: list[Document]
    total: int


class SearchIndex:
    """The documents of one replica, built from its bucket on the first look."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._lock = threading.Lock()
        self._sorted: list[tuple[SortKey, Document]] | None = None

    def add(self, uuid: str, version: str) -> None:
        """Take in a bundle version that was just stored."""
        with self._lock:
            if self._sorted is None:
                return
            fqid = f"{uuid}.{version}"
            others = [entry for entry in self._sorted if entry[1].id != fqid]
            self._sorted = _sorted(
                [*(document for _, document in others), *self._documents([(uuid, version)])]
            )

    def find(self, matches: Predicate, after: SortKey | None, skip: int, limit: int) -> Hits:
        """Return the matching documents that sort after a key, newest uuid and version first."""
        found = [entry for entry in self._entries() if matches(entry[1])]
        rest = [document for key, document in found if after is None or key < after]
        return Hits(page=rest[skip : skip + limit], total=len(found))

    def _entries(self) -> list[tuple[SortKey, Document]]:
        with self._lock:
            if self._sorted is None:
                stored = [
                    (key.uuid, key.version)
                    for key in self._replica.all_bundles()
                    if key.version and not key.dead
                ]
                self._sorted = _sorted(self._documents(stored))
            return self._sorted

    def _documents(self, bundles: Iterable[tuple[str, str]]) -> Iterable[Document]:
        for uuid, version in bundles:
            source = bundle_document(self._replica, uuid, version)
            if source is not None:
                yield Document(f"{uuid}.{version}", source)


class SearchIndexes:
    """The indexes of all replicas."""

    def __init__(self, replicas: Iterable[Replica]) -> None:
        self._indexes = {replica.name: SearchIndex(replica) for replica in replicas}

    def take(self, stored: Stored) -> None:
        """Take in a bundle version that was just stored."""
        key = ObjectKey.parse(stored.key) if stored.key.startswith("bundles/") else None
        if key is not None and key.version and not key.dead:
            self.of(stored.replica).add(key.uuid, key.version)

    def of(self, replica: Replica) -> SearchIndex:
        """Return the index of a replica."""
        return self._indexes[replica.name]


def sort_key(document: Document) -> SortKey:
    """Return what documents are sorted by; a missing version sorts last, as the empty text.

    The id only tells apart the versions under one tombstone of all versions (S27).
    """
    version = document.source["manifest"].get("version")
    return (document.source["uuid"], version or "", "" if version else document.id)


def _sorted(found: Iterable[Document]) -> list[tuple[SortKey, Document]]:
    return sorted(
        ((sort_key(document), document) for document in found),
        key=lambda entry: entry[0],
        reverse=True,
    )


def bundle_document(replica: Replica, uuid: str, version: str) -> JsonObject | None:
    """Return the search document of a bundle version, or of the tombstone over it (§10.3)."""
    tombstone = replica.tombstone(uuid, version)
    if tombstone is not None:
        named, content = tombstone
        return {**content, "uuid": uuid, "manifest": {"version": named}}
    manifest = replica.manifest(uuid, version)
    if manifest is None:
        return None
    contents = _contents(replica, manifest)
    grouped: dict[str, list[JsonObject]] = {}
    for file, content in contents:
        grouped.setdefault(file_key(file["name"]), []).append(content)
    shown = manifest["files"] if len(manifest["files"]) <= _MOST_FILES else []
    return {
        "uuid": uuid,
        "manifest": {**manifest, "files": shown},
        "state": "new",
        "files": grouped,
        "shape_descriptor": shape_descriptor((file["name"], content) for file, content in contents),
    }


def file_key(name: str) -> str:
    """Return the key of a file in a search document (§10.2)."""
    key = name.replace(".", "_")
    if not key.endswith("_json"):
        return key
    parts = key.removesuffix("_json").split("_")
    return "_".join(parts[:-1] or parts) + "_json"


def _contents(replica: Replica, manifest: Manifest) -> list[tuple[ManifestFile, JsonObject]]:
    """Return the indexed JSON files of a bundle; odd ones are logged and left out (S25)."""
    found: list[tuple[ManifestFile, JsonObject]] = []
    for file in manifest["files"]:
        if not file["indexed"] or not file["content-type"].startswith("application/json"):
            continue
        content = documents.decode(replica.main.get(blob_key(file)))
        if content is None:
            _logger.warning(
                "%s: %a is not indexed, it is no JSON object", replica.name, file["name"]
            )
        else:
            found.append((file, content))
    return found


def shape_descriptor(contents: Iterable[tuple[str, JsonObject]]) -> str:
    """Return the shape descriptor, which tells the schemas of a bundle's files (§10.4)."""
    found: list[tuple[str, str, str]] = []
    for name, content in contents:
        schema = _schema(content)
        if schema is not None:
            found.append((file_key(name).removesuffix("_json"), *schema))
    majors = {major for _, _, major in found}
    if not found:
        return "None"
    if len(majors) == 1 and all(name == kind for name, kind, _ in found):
        return f"v{majors.pop()}"
    parts = {
        f"{name}.{major}" if name == kind else f"{name}.{kind}.{major}"
        for name, kind, major in found
    }
    return ".".join(["v", *sorted(parts)])


def _schema(content: JsonObject) -> tuple[str, str] | None:
    """Return the type and the major version of the schema that a document names."""
    described_by = content.get("describedBy")
    if isinstance(described_by, str):
        parts = described_by.split("/")
        majors = [match[1] for part in parts if (match := _MAJOR.fullmatch(part))]
        return (parts[-1].removesuffix(".json"), majors[0]) if len(majors) == 1 else None
    core = documents.as_object(content.get("core")) or {}
    kind, version = core.get("type"), core.get("schema_version")
    if not isinstance(kind, str) or not isinstance(version, str):
        return None
    return kind, version.partition(".")[0]
