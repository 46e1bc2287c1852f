"""The pinned specification, with what is known to differ from it: the exceptions of the fuzz run.

The generator's corrections come first: they are what the deployed service sent. The exceptions
here concern refusals, which the generator has no use for; each names its section or fault in
docs/behaviour.md.
"""

from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen

from dss_client import _spec
from generator.corrections import CORRECTIONS, Correction, apply

Document = dict[str, Any]

_PROBLEM = "application/problem+json"
_ERROR = {"$ref": "#/definitions/Error"}


@frozen
class Exemption:
    """A rule of the specification that answers are known to break.

    Attributes:
        change: Makes the specification say what is so.
        section: The section or fault of docs/behaviour.md that proves it.
        why: What is different, in a sentence.
    """

    change: Callable[[Document], None]
    section: str
    why: str


def specification() -> Document:
    """Return the specification that a faithful service keeps."""
    document = apply(_spec.load(), (*CORRECTIONS, *SERVED))
    for exemption in EXEMPTIONS:
        exemption.change(document)
    return document


def _operations(document: Document) -> Iterator[Document]:
    for item in document["paths"].values():
        yield from item.values()


def _parameters(document: Document) -> Iterator[Document]:
    yield from document["parameters"].values()
    for operation in _operations(document):
        yield from operation.get("parameters", [])


def _problem_type(document: Document) -> None:
    document["produces"].append(_PROBLEM)


def _html(document: Document) -> None:
    for operation in _operations(document):
        if operation["operationId"] == "head_file" or "301" in operation["responses"]:
            operation["produces"] = [*document["produces"], "text/html"]


def _any_refusal(document: Document) -> None:
    for operation in _operations(document):
        responses = operation["responses"]
        responses.setdefault("default", {"description": "An error.", "schema": _ERROR})
        for status, response in responses.items():
            if status[0] not in "23" and "schema" in response:
                response["schema"] = _ERROR


def _whole_patterns(document: Document) -> None:
    for parameter in _parameters(document):
        if "pattern" in parameter:
            parameter["pattern"] = f"^{parameter['pattern'].strip('^$')}$"


def _start_at_zero(document: Document) -> None:
    for parameter in _parameters(document):
        if parameter.get("name") == "start_at":
            parameter["minimum"] = 0


def _unchecked_formats(document: Document) -> None:
    for schema in _nodes(document):
        if schema.get("format") in {"int32", "int64"}:
            del schema["format"]


def _nodes(node: object) -> Iterator[Document]:
    if isinstance(node, dict):
        yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _nodes(child)


SERVED = (
    Correction(
        "/paths/~1bundles~1{uuid}/delete/parameters/2",
        {"format": "DSS_VERSION"},
        "S10",
        "The version is checked.",
    ),
    Correction(
        "/paths/~1bundles~1{uuid}~1checkout/post/parameters/3",
        {"required": True},
        "2",
        "A body is required wherever the specification has one.",
    ),
    Correction(
        "/definitions/SearchResult/properties/results/items/properties/search_score",
        {"x-nullable": True},
        "8.10",
        "Always null: hits are sorted, not scored.",
    ),
    Correction(
        "/definitions/CollectionItem/properties",
        {"fragment": {"type": None}},
        "1",
        "A property that the specification does not have is not checked.",
    ),
    Correction(
        "/paths/~1collections/put/responses",
        {"200": {"description": "The same was there.", "schema": {"type": "object"}}},
        "S23",
        "The same again changes nothing.",
    ),
)

EXEMPTIONS = (
    Exemption(_problem_type, "3.1", "Errors have a content type of their own."),
    Exemption(_html, "1", "Redirects and HEAD say text/html."),
    Exemption(
        _any_refusal, "2, 3.2", "Any operation may refuse; its list of codes is never whole."
    ),
    Exemption(_whole_patterns, "S9", "Patterns match whole strings."),
    Exemption(_unchecked_formats, "2", "Numbers are not checked for their width."),
    Exemption(_start_at_zero, "S17", "Pages start at 0 or later."),
)

REFUSALS = {
    "post_search": ([400], "8.10", "The words of a query are the search engine's."),
    "get_bundles_all": ([400], "8.8", "A page goes on after a key of the list."),
    "put_file": ([400, 422], "8.3", "The source must be there, with its checksums."),
    "get_bundle": ([400], "8.4", "One kind of URL can be asked for; the token must be one."),
    "get_file": ([400], "8.2", "The token must be one."),
    "put_bundle": ([400], "8.5", "Its files must be there, under names of their own."),
    "patch_bundle": ([400], "8.6", "Its files must be there, under names of their own."),
    "put_subscription": ([400, 406], "8.11", "Queries must compile; there is a limit."),
    "put_collection": ([400, 422], "8.12", "Its links must lead somewhere."),
    "patch_collection": ([400, 422], "8.12", "Its links must lead somewhere."),
    "get_events": ([400], "8.13", "From must not be later than to."),
}
"""Statuses of requests that keep the specification and are refused all the same, and why."""
