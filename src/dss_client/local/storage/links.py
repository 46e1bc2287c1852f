"""The links of a collection: their form, and whether they lead anywhere.

See docs/behaviour.md 8.12.
"""

import json
from typing import Any

from dss_client.types import JSONObject
from dss_client.versions import is_uuid

from ..errors import Problem, illegal_arguments
from . import documents
from .documents import blob_key
from .store import Replica

_WHOLE_OBJECTS = frozenset({"file", "bundle", "collection"})
_MOST_BYTES = 1024 * 1024


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
        fault = _fault(replica, link)
        if fault:
            name = f"{link['type']} {link['uuid']}.{link['version']}"
            raise Problem(422, "invalid_link", f"The link to {name} does not resolve: {fault}.")


def _fault(replica: Replica, link: JSONObject) -> str | None:
    whole = link["type"] in _WHOLE_OBJECTS
    key = f"{link['type'] if whole else 'file'}s/{link['uuid']}.{link['version']}"
    info = replica.main.info(key)
    if info is None:
        return f"replica {replica.name} has no such object"
    if info.size > _MOST_BYTES:
        return f"the object has {info.size} bytes, more than {_MOST_BYTES}"
    if whole:
        return None if _is_json(replica.main.get(key)) else "the object is not JSON"
    return _fragment_fault(replica, link)


def _fragment_fault(replica: Replica, link: JSONObject) -> str | None:
    # The service reads `fragment`, the specification says `path` (docs/behaviour.md S21).
    pointer = link.get("fragment", link.get("path"))
    if not isinstance(pointer, str):
        return "a link of this type needs a JSON pointer, as 'fragment'"
    file = replica.file(link["uuid"], link["version"])
    content = replica.main.get(blob_key(file)) if file else None
    try:
        document = json.loads(content or b"")
    except (ValueError, RecursionError):
        return "the content of the file is not JSON"
    try:
        resolve(document, pointer)
    except LookupError as error:
        return f"the JSON pointer {pointer!r:.80} leads nowhere, {error.args[0]}"
    return None


def resolve(document: Any, pointer: str) -> Any:
    """Return what a JSON pointer (RFC 6901) names in a document.

    Raises:
        LookupError: The pointer is ill-formed or leads nowhere; the argument says why.
    """
    if pointer and not pointer.startswith("/"):
        raise LookupError("it has to start with '/'")
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        members, items = documents.as_object(document), documents.as_list(document)
        if members is not None and name in members:
            document = members[name]
        elif items is not None and _is_index(name) and int(name) < len(items):
            document = items[int(name)]
        else:
            raise LookupError(f"there is no {name!r:.80}")
    return document


def _is_index(name: str) -> bool:
    # No more digits than any list needs: int() refuses very long texts with an error of its own.
    digits = name.isascii() and name.isdigit() and len(name) < 10
    return digits and (name == "0" or not name.startswith("0"))


def _is_json(content: bytes | None) -> bool:
    try:
        json.loads(content or b"")
    except (ValueError, RecursionError):
        return False
    return True
