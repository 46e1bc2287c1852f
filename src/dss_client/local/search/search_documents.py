"""Search documents: what the index holds of a bundle (docs/behaviour.md 10.1-10.4)."""

import logging
import re
from collections.abc import Iterable

from dss_client.types import JSONObject

from ..storage import documents
from ..storage.documents import Manifest, ManifestFile, blob_key, file_key
from ..storage.store import Replica

_logger = logging.getLogger(__name__)

_MOST_FILES = 20_000
_MAJOR = re.compile(r"(\d+)\.\d+\.\d+")


def bundle_document(replica: Replica, uuid: str, version: str) -> JSONObject | None:
    """Return the search document of a bundle version, or of the tombstone over it.

    See docs/behaviour.md 10.3.
    """
    tombstone = replica.tombstone(uuid, version)
    if tombstone is not None:
        named, content = tombstone
        return {**content, "uuid": uuid, "manifest": {"version": named}}
    manifest = replica.manifest(uuid, version)
    if manifest is None:
        return None
    contents = _contents(replica, manifest)
    grouped: dict[str, list[JSONObject]] = {}
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


def _contents(replica: Replica, manifest: Manifest) -> list[tuple[ManifestFile, JSONObject]]:
    """Return the indexed JSON files of a bundle; odd ones are logged and left out.

    See docs/behaviour.md S25.
    """
    found: list[tuple[ManifestFile, JSONObject]] = []
    for file in manifest["files"]:
        if not file["indexed"] or not file["content-type"].startswith("application/json"):
            continue
        content = documents.decode(replica.main.get(blob_key(file)))
        if content is None:
            _logger.warning(
                "%s: %a is not indexed, it is not a JSON object", replica.name, file["name"]
            )
        else:
            found.append((file, content))
    return found


def shape_descriptor(contents: Iterable[tuple[str, JSONObject]]) -> str:
    """Return the shape descriptor, which tells the schemas of a bundle's files.

    See docs/behaviour.md 10.4.
    """
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


def _schema(content: JSONObject) -> tuple[str, str] | None:
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
