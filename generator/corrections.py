"""Where the service answers otherwise than its specification says.

Each correction is a JSON pointer into ``specs/swagger.json``, a JSON merge patch (RFC 7396) for
what is there, and the places in docs/behaviour.md that prove it. The pinned file itself stays as
the service published it.

Vendor extensions say what Swagger cannot:

* ``x-page-items``: dotted path of the list that a paged answer continues.
* ``x-unwrap``: a property the specification wraps the body in, and the service does not.
* ``x-location-switch``: a boolean parameter that asks for the content's URL instead of the content.
* ``x-repeatable``: sending the request twice does (no) harm, against what its method says.
"""

import copy
from collections.abc import Iterable
from typing import Any

from attrs import frozen

from .errors import GeneratorError

__all__ = ["CORRECTIONS", "Correction", "apply"]


@frozen
class Correction:
    """One difference between the specification and the service.

    Attributes:
        pointer: Where in the pinned specification.
        patch: What to merge there.
        places: The places in docs/behaviour.md that prove it, such as ``8.12, S21``.
        why: What is different, in a sentence.
    """

    pointer: str
    patch: dict[str, Any]
    places: str
    why: str


def apply(document: dict[str, Any], corrections: Iterable[Correction]) -> dict[str, Any]:
    """Return a corrected copy of `document`.

    Raises:
        GeneratorError: A pointer leads nowhere: the specification has changed under it.
    """
    corrected = copy.deepcopy(document)
    for correction in corrections:
        parent, key = _locate(corrected, correction)
        parent[key] = _merge(parent[key], correction.patch)
    return corrected


def _locate(document: dict[str, Any], correction: Correction) -> tuple[Any, Any]:
    parent: Any = None
    key: Any = None
    node: Any = document
    for token in correction.pointer.split("/")[1:]:
        parent, key = node, token.replace("~1", "/").replace("~0", "~")
        if isinstance(node, list) and key.isdigit() and int(key) < len(node):
            key = int(key)
            node = node[key]
        elif isinstance(node, dict) and key in node:
            node = node[key]
        else:
            raise GeneratorError(
                f"stale correction {correction.pointer} (docs/behaviour.md {correction.places}):"
                " the specification has nothing there; see generator/corrections.py"
            )
    return parent, key


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


_STRING = {"type": "string"}
_OBJECT = {"type": "object"}

CORRECTIONS = (
    Correction(
        "/paths/~1search/post",
        {"x-page-items": "results", "x-repeatable": True},
        "3.3, 7",
        "A search changes nothing; the service itself asks for it to be retried.",
    ),
    Correction("/paths/~1bundles~1all/get", {"x-page-items": "bundles"}, "7", "The paged list."),
    Correction(
        "/paths/~1bundles~1{uuid}/get", {"x-page-items": "bundle.files"}, "7", "The paged list."
    ),
    Correction("/paths/~1collections/get", {"x-page-items": "collections"}, "7", "The paged list."),
    Correction("/paths/~1events/get", {"x-page-items": "event_streams"}, "7", "The paged list."),
    Correction(
        "/paths/~1files~1{uuid}/get",
        {"x-location-switch": "directurl"},
        "8.2",
        "With directurl the redirect leads to s3:// or gs://, which no HTTP client can follow.",
    ),
    Correction(
        "/paths/~1subscriptions/put",
        {"x-repeatable": False},
        "8.11",
        "Each PUT makes a new subscription: a repeated one would notify twice.",
    ),
    Correction(
        "/definitions/SearchResult",
        {
            "required": ["es_query", "results", "total_hits"],
            "properties": {
                "results": {
                    "items": {
                        "title": "SearchHit",
                        "description": "One match of a search.",
                        "required": ["bundle_fqid", "bundle_url"],
                        "properties": {
                            "bundle_fqid": {
                                **_STRING,
                                "description": "Id and version of the bundle, `<uuid>.<version>`.",
                            },
                            "bundle_url": {
                                **_STRING,
                                "description": "URL of the bundle in the API.",
                            },
                            "search_score": {
                                "type": "number",
                                "description": "Always null: hits are sorted, not scored.",
                            },
                            "metadata": {
                                **_OBJECT,
                                "description": "The whole index document, in the raw format only.",
                            },
                        },
                    }
                }
            },
        },
        "8.10",
        "The hits have fixed fields, and all parts are always there.",
    ),
    Correction(
        "/definitions/bundle_version",
        {"required": ["uuid", "version", "files", "creator_uid"]},
        "8.4",
        "All parts are always there.",
    ),
    Correction(
        "/paths/~1bundles~1{uuid}/get/responses/200/schema",
        {"required": ["bundle"]},
        "8.4",
        "The bundle is always there.",
    ),
    Correction(
        "/paths/~1bundles~1{uuid}/get/responses/206/schema",
        {"required": ["bundle"]},
        "8.4",
        "The bundle is always there.",
    ),
    Correction(
        "/definitions/BundleEnumerationResult",
        {
            "required": [
                "bundles",
                "event_timestamp",
                "has_more",
                "object",
                "page_count",
                "per_page",
            ],
            "properties": {
                "dss_api": {**_STRING, "description": "The deployment that answered."},
                "search_prefix": _STRING,
            },
        },
        "8.8",
        "Which parts are always there; one more is sent, one has no type.",
    ),
    Correction(
        "/paths/~1bundles~1checkout~1{checkout_job_id}/get/responses/200/schema/properties",
        {
            "location": {
                **_STRING,
                "description": "Where the copy lies, once SUCCEEDED: `<scheme>://<bucket>/<key>`.",
            }
        },
        "8.9",
        "A finished job says where the copy is.",
    ),
    Correction(
        "/definitions/EventStreams",
        {"required": ["event_streams"]},
        "12.2",
        "The list is always there.",
    ),
    Correction(
        "/definitions/EventsManifest/properties",
        {
            "stream_url": {
                **_STRING,
                "description": "Presigned URL of the journal; cut it by `offset` and `size`.",
            }
        },
        "12.2",
        "The only way to the events' data.",
    ),
    Correction(
        "/paths/~1collections/get/responses/200/schema",
        {"required": ["collections"]},
        "8.12",
        "The list is always there.",
    ),
    Correction(
        "/paths/~1collections/get/responses/206/schema",
        {"required": ["collections"]},
        "8.12",
        "The list is always there.",
    ),
    Correction(
        "/paths/~1collections/put/responses/201/schema",
        {
            "required": ["uuid", "version"],
            "properties": {
                "version": {**_STRING, "description": "Version of the collection, a DSS_VERSION."}
            },
        },
        "8.12",
        "The version is sent, too.",
    ),
    Correction(
        "/definitions/Collection/properties",
        {
            "owner": {
                **_STRING,
                "readOnly": True,
                "description": "Email address of the owner, set by the service.",
            }
        },
        "5.1",
        "The stored object holds its owner.",
    ),
    Correction(
        "/definitions/CollectionItem/properties",
        {
            "fragment": {
                **_STRING,
                "description": "JSON pointer into the file, as the service reads it: it looks at"
                " this name where the specification says `path`. Send both.",
            }
        },
        "8.12, S21",
        "The service reads the pointer from `fragment`.",
    ),
    Correction(
        "/paths/~1collections~1{uuid}/get",
        {
            "x-unwrap": "collection",
            "responses": {
                "200": {
                    "schema": {
                        "$ref": "#/definitions/Collection",
                        "type": None,
                        "description": None,
                        "properties": None,
                    }
                }
            },
        },
        "8.12, S32",
        "The collection is sent as it is, not wrapped.",
    ),
    Correction(
        "/paths/~1subscriptions~1{uuid}/get",
        {
            "x-unwrap": "subscription",
            "responses": {
                "200": {
                    "schema": {
                        "$ref": "#/definitions/Subscription",
                        "type": None,
                        "description": None,
                        "properties": None,
                    }
                }
            },
        },
        "8.11, S32",
        "The subscription is sent as it is, not wrapped.",
    ),
)
