"""The five /collections operations, and what collections link to.

See docs/behaviour.md 5.1, 8.12, S21-S24.
"""

import json
import logging
from typing import Any

from starlette.responses import Response

from dss_client.types import JSONObject
from dss_client.versions import create_version, is_uuid

from ..errors import Problem, illegal_arguments, not_found
from ..service import Call, json_response
from ..storage import documents
from ..storage.documents import ObjectKey, blob_key
from ..storage.store import Replica
from .paging import page_response, start_of_page, with_query

_logger = logging.getLogger(__name__)

_REPLACED = ("name", "description", "details")
_WHOLE_OBJECTS = frozenset({"file", "bundle", "collection"})
_MOST_BYTES = 1024 * 1024


def get_collections(call: Call) -> Response:
    """Answer with one page of the caller's collection versions, of both replicas."""
    start_at = start_of_page(call)
    end = start_at + call.query("per_page")
    owned = _owned_by(call, call.email)
    page = [{"uuid": uuid, "version": version} for uuid, version in owned[start_at:end]]
    next_url = with_query(call.url, {"start_at": end}) if end < len(owned) else None
    return page_response("collections", {"collections": page}, next_url)


def put_collection(call: Call) -> Response:
    """Store a version of a collection; the very same again is not an error."""
    links = _unique(_normal_links(call.arguments.body["contents"]))
    _check_links(call.replica, links)
    content = {**call.arguments.body, "contents": links, "owner": call.email}
    uuid, version = call.query("uuid").lower(), call.query("version")
    latest = _latest(call.replica, uuid)
    if latest is not None:
        _check_owner(call, latest)
    there = _store(call.replica, uuid, version, content)
    if there is not None and documents.decode(there) != content:
        title = "This version of the collection exists already, with another content."
        raise Problem(409, "collection_already_exists", title)
    return json_response({"uuid": uuid, "version": version}, 201 if there is None else 200)


def get_collection(call: Call) -> Response:
    """Answer with a collection as it is stored."""
    content = _find(call, call.query("version"))
    _check_owner(call, content)
    return json_response(content)


def patch_collection(call: Call) -> Response:
    """Store a new version, made of the named one."""
    _check_owner(call, _find(call, None))
    content = _find(call, call.query("version"))
    body = call.arguments.body
    content.update({name: body[name] for name in _REPLACED if name in body})
    added = _normal_links(body.get("add_contents", []))
    removed = {_link_key(link) for link in _normal_links(body.get("remove_contents", []))}
    _check_links(call.replica, added)
    stored = documents.as_list(content.get("contents")) or []
    kept = [link for link in stored if _link_key(link) not in removed]
    content |= {"contents": _unique(kept + added), "owner": call.email}
    version = create_version()
    _store(call.replica, call.uuid, version, content)
    return json_response({"uuid": call.uuid, "version": version})


def delete_collection(call: Call) -> Response:
    """Lay a tombstone over all versions of a collection."""
    _check_owner(call, _find(call, None))
    tombstone = json.dumps({"email": call.email}).encode()
    call.replica.store(f"collections/{call.uuid}.dead", tombstone)
    return json_response({})


def _check_owner(call: Call, content: JSONObject) -> None:
    if content.get("owner") != call.email:
        raise Problem(403, "Forbidden", "Only the owner of this collection may do this.")


def _find(call: Call, version: str | None) -> JSONObject:
    """Return a version that is not deleted, the latest one when none is named."""
    found = None
    if not call.replica.main.info(f"collections/{call.uuid}.dead"):
        if version is None:
            found = _latest(call.replica, call.uuid)
        elif key := ObjectKey.parse(f"collections/{call.uuid}.{version}"):
            found = _read(call.replica, key)
    if found is None:
        raise not_found("There is no such collection, or not in this version, or it was deleted.")
    return found


def _latest(replica: Replica, uuid: str) -> JSONObject | None:
    """Return the greatest readable version, deleted or not."""
    keys = list(replica.listed(f"collections/{uuid}."))
    return next(filter(None, (_read(replica, key) for key in reversed(keys))), None)


def _owned_by(call: Call, owner: str) -> list[tuple[str, str]]:
    """Return uuid and version of all that a user owns in any replica, descending.

    One deleted in a replica is gone from the list, though a copy may still live in another.
    """
    found: set[tuple[str, str]] = set()
    dead: set[str] = set()
    for replica in call.service.storage.replicas.values():
        for key in replica.listed("collections/"):
            if key.dead:
                dead.add(key.uuid)
            elif key.version and (_read(replica, key) or {}).get("owner") == owner:
                found.add((key.uuid, key.version))
    return sorted((each for each in found if each[0] not in dead), reverse=True)


def _read(replica: Replica, key: ObjectKey) -> JSONObject | None:
    if key.dead:
        return None
    name = f"collections/{key.name}"
    stored = replica.main.get(name)
    content = documents.decode(stored)
    if stored is not None and content is None:
        _logger.warning("%s: %s is skipped, it is not a JSON object", replica.main.name, name)
    return content


def _store(replica: Replica, uuid: str, version: str, content: JSONObject) -> bytes | None:
    # ASCII: a lone surrogate, which JSON may hold, has no UTF-8.
    return replica.store_new(f"collections/{uuid}.{version}", json.dumps(content).encode())


def _normal_links(items: list[JSONObject]) -> list[JSONObject]:
    """Return the links of a request, if they are valid, with their uuids in lower case (4.1)."""
    for item in items:
        for name, value in item.items():
            if isinstance(value, dict | list):  # docs/behaviour.md S22
                raise illegal_arguments(f"A link's {name!r} cannot be an object or a list.")
        if not is_uuid(item["uuid"]):
            raise illegal_arguments(f"A link's uuid is not valid: {item['uuid']!r:.80}.")
    return [{**item, "uuid": item["uuid"].lower()} for item in items]


def _unique(links: list[Any]) -> list[Any]:
    """Return links with equal ones once, at the first place."""
    found: dict[str, Any] = {}
    for link in links:
        found.setdefault(_link_key(link), link)
    return list(found.values())


def _link_key(link: object) -> str:
    """Return a text that is the same for equal links; as in JSON, true is not 1."""
    return json.dumps(link, sort_keys=True)


def _check_links(replica: Replica, links: list[JSONObject]) -> None:
    """Refuse links that do not resolve in a replica."""
    for link in links:
        reason = _unresolved(replica, link)
        if reason:
            name = f"{link['type']} {link['uuid']}.{link['version']}"
            title = f"The link to {name} does not resolve: {reason}."
            raise Problem(422, "invalid_link", title)


def _unresolved(replica: Replica, link: JSONObject) -> str | None:
    """Return why a link does not resolve, None if it does."""
    whole = link["type"] in _WHOLE_OBJECTS
    key = f"{link['type'] if whole else 'file'}s/{link['uuid']}.{link['version']}"
    info = replica.main.info(key)
    if info is None:
        return f"replica {replica.name} has no such object"
    if info.size > _MOST_BYTES:
        return f"the object has {info.size} bytes, more than {_MOST_BYTES}"
    # The service reads `fragment`, the specification says `path` (docs/behaviour.md S21).
    pointer = "" if whole else link.get("fragment", link.get("path"))
    if not isinstance(pointer, str):
        return "a link of this type needs a JSON pointer, as 'fragment'"
    if not whole:
        file = replica.file(link["uuid"], link["version"])
        key = blob_key(file) if file else ""
    try:
        document = json.loads(replica.main.get(key) or b"")
    except (ValueError, RecursionError):
        return "the object is not JSON"
    return _lost(document, pointer)


def _lost(document: Any, pointer: str) -> str | None:
    """Return why a JSON pointer (RFC 6901) names nothing in a document, None if it does."""
    if pointer and not pointer.startswith("/"):
        return "a JSON pointer has to start with '/'"
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        items = documents.as_list(document)
        if items is not None:
            document = {str(index): item for index, item in enumerate(items)}
        members = documents.as_object(document)
        if members is None or name not in members:
            return f"the JSON pointer {pointer!r:.80} leads nowhere: no {name!r:.80}"
        document = members[name]
    return None
