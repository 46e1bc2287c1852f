"""Search documents: what the index holds of a bundle (docs/behaviour.md 10.1-10.4)."""

import json
import logging
import re
from collections.abc import Iterable, Iterator

from dss_client.types import JSONObject

from ..storage import documents
from ..storage.documents import Manifest, blob_key, file_key
from ..storage.store import Replica

_logger = logging.getLogger(__name__)

_MOST_FILES = 20_000
_MAJOR = re.compile(r"(\d+)\.\d+\.\d+")


class _Odd(Exception):
    """Something of a bundle that kept all of it out of the original's index."""


def bundle_document(
    replica: Replica, uuid: str, version: str, *, strict: bool = False
) -> JSONObject | None:
    """Return the search document of a bundle version, or of the tombstone over it.

    See docs/behaviour.md 10.3.

    Args:
        replica: Where the bundle is.
        uuid: Its uuid.
        version: Its version.
        strict: Whether one odd file leaves the whole bundle out, as in the original (S25).
    """
    tombstone = replica.tombstone(uuid, version)
    if tombstone is not None:
        named, content = tombstone
        return {**content, "uuid": uuid, "manifest": {"version": named}}
    manifest = replica.manifest(uuid, version)
    if manifest is None:
        return None
    try:
        contents = list(_contents(replica, manifest, strict=strict))
        shape = shape_descriptor(contents, strict=strict)
    except _Odd as odd:
        _logger.warning("%s: bundle %s.%s is not indexed: %s", replica.name, uuid, version, odd)
        return None
    grouped: dict[str, list[JSONObject]] = {}
    for name, content in contents:
        grouped.setdefault(file_key(name), []).append(content)
    shown = manifest["files"] if len(manifest["files"]) <= _MOST_FILES else []
    return {
        "uuid": uuid,
        "manifest": {**manifest, "files": shown},
        "state": "new",
        "files": grouped,
        "shape_descriptor": shape,
    }


def _contents(
    replica: Replica, manifest: Manifest, *, strict: bool
) -> Iterator[tuple[str, JSONObject]]:
    """Yield names and contents of a bundle's indexed JSON files; odd ones are logged."""
    for file in manifest["files"]:
        if not file["indexed"] or not file["content-type"].startswith("application/json"):
            continue
        content = replica.main.get(blob_key(file))
        document = documents.decode(content)
        if document is not None:
            yield file["name"], document
            continue
        fault = "is missing" if content is None else "is not a JSON object"
        if strict and (content is None or _is_json(content)):
            raise _Odd(f"{file['name']!a} {fault}")
        _logger.warning("%s: %a %s, and is not indexed", replica.name, file["name"], fault)


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def shape_descriptor(contents: Iterable[tuple[str, JSONObject]], *, strict: bool = False) -> str:
    """Return the shape descriptor, which tells the schemas of a bundle's files.

    See docs/behaviour.md 10.4.
    """
    found: list[tuple[str, str, str]] = []
    for name, content in contents:
        key = file_key(name).removesuffix("_json")
        schema = _schema(content)
        if strict and _is_odd(key, schema, content):
            raise _Odd(f"the schema of {name!a} cannot be told")
        if schema is not None:
            found.append((key, *schema))
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


def _is_odd(key: str, schema: tuple[str, str] | None, content: JSONObject) -> bool:
    """Tell whether the original could not write a file into a shape descriptor."""
    if schema is None:
        return bool(content.get("describedBy") or content.get("core"))
    return key.isdecimal() or schema[0].isdecimal() or "." in schema[0]


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
