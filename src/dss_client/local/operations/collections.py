"""The five /collections operations (docs/behaviour.md 8.12, S21-S24)."""

from starlette.responses import Response

from dss_client.versions import create_version

from ..errors import illegal_arguments, not_found
from ..service import Call, json_response
from ..storage import documents
from ..storage.collection_store import (
    CollectionVersion,
    check_links,
    link_key,
    normal_links,
    unique,
)
from .paging import page_headers, page_status, with_query

_REPLACED = ("name", "description", "details")


def get_collections(call: Call) -> Response:
    """Answer with one page of the caller's collection versions, of both replicas."""
    start_at: int = call.query("start_at") or 0
    if start_at < 0:
        raise illegal_arguments("Query parameter 'start_at' must be at least 0.")
    end = start_at + call.query("per_page")
    owned = call.service.collections.owned_by(call.email)
    page = [{"uuid": uuid, "version": version} for uuid, version in owned[start_at:end]]
    next_url = with_query(call.url, {"start_at": end}) if end < len(owned) else None
    headers = page_headers("collections", next_url)
    return json_response({"collections": page}, page_status(next_url), headers)


def put_collection(call: Call) -> Response:
    """Store a version of a collection."""
    links = unique(normal_links(call.arguments.body["contents"]))
    check_links(call.replica, links)
    collection = CollectionVersion(
        uuid=call.query("uuid").lower(),
        version=call.query("version"),
        content={**call.arguments.body, "contents": links, "owner": call.email},
    )
    created = call.service.collections.put(call.replica, collection)
    return _identifier(collection, 201 if created else 200)


def get_collection(call: Call) -> Response:
    """Answer with a collection as it is stored."""
    collection = _find(call, call.query("version"))
    collection.check_owner(call.email)
    return json_response(collection.content)


def patch_collection(call: Call) -> Response:
    """Store a new version, made of the named one."""
    _find(call, None).check_owner(call.email)
    content = {**_find(call, call.query("version")).content}
    body = call.arguments.body
    content.update({name: body[name] for name in _REPLACED if name in body})
    added = normal_links(body.get("add_contents", []))
    removed = {link_key(link) for link in normal_links(body.get("remove_contents", []))}
    check_links(call.replica, added)
    stored = documents.as_list(content.get("contents")) or []
    kept = [link for link in stored if link_key(link) not in removed]
    content |= {"contents": unique(kept + added), "owner": call.email}
    collection = CollectionVersion(call.uuid, create_version(), content)
    call.service.collections.put(call.replica, collection)
    return _identifier(collection, 200)


def delete_collection(call: Call) -> Response:
    """Delete all versions of a collection."""
    _find(call, None).check_owner(call.email)
    call.service.collections.delete(call.replica, call.uuid, call.email)
    return json_response({})


def _find(call: Call, version: str | None) -> CollectionVersion:
    collection = call.service.collections.get(call.replica, call.uuid, version)
    if collection is None:
        raise not_found("There is no such collection, or not in this version, or it was deleted.")
    return collection


def _identifier(collection: CollectionVersion, status: int) -> Response:
    content = {"uuid": collection.uuid, "version": collection.version}
    return json_response(content, status)
