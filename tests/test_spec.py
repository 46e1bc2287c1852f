"""The pinned specification is valid, complete and documented throughout."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator

SPEC = Path(__file__).parents[1] / "specs" / "swagger.json"

# docs/behaviour.md 14.2: the names that users of the reference client know.
OPERATIONS = {
    "post_search": "POST /search",
    "head_file": "HEAD /files/{uuid}",
    "get_file": "GET /files/{uuid}",
    "put_file": "PUT /files/{uuid}",
    "get_bundles_all": "GET /bundles/all",
    "get_bundle": "GET /bundles/{uuid}",
    "put_bundle": "PUT /bundles/{uuid}",
    "patch_bundle": "PATCH /bundles/{uuid}",
    "delete_bundle": "DELETE /bundles/{uuid}",
    "post_bundles_checkout": "POST /bundles/{uuid}/checkout",
    "get_bundles_checkout": "GET /bundles/checkout/{checkout_job_id}",
    "get_subscriptions": "GET /subscriptions",
    "put_subscription": "PUT /subscriptions",
    "get_subscription": "GET /subscriptions/{uuid}",
    "delete_subscription": "DELETE /subscriptions/{uuid}",
    "get_collections": "GET /collections",
    "put_collection": "PUT /collections",
    "get_collection": "GET /collections/{uuid}",
    "patch_collection": "PATCH /collections/{uuid}",
    "delete_collection": "DELETE /collections/{uuid}",
    "get_events": "GET /events",
    "get_event": "GET /events/{uuid}",
}
PAGED = {"post_search", "get_bundles_all", "get_bundle", "get_collections", "get_events"}
TAGS = ["search", "files", "bundles", "subscriptions", "collections", "events"]
CONTAINERS = {"parameters", "responses", "headers", "properties", "definitions"}


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SPEC.read_text(encoding="ascii"))
    return document


@pytest.fixture(scope="module")
def operations(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give every operation by "METHOD /path"."""
    return {
        f"{method.upper()} {path}": operation
        for path, item in spec["paths"].items()
        for method, operation in item.items()
    }


def children(node: object) -> Iterator[tuple[str, object]]:
    if isinstance(node, dict):
        yield from ((str(key), value) for key, value in node.items())
    elif isinstance(node, list):
        yield from ((str(index), value) for index, value in enumerate(node))


def texts(node: object, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Give each summary and description with its JSON pointer."""
    for key, value in children(node):
        here = f"{pointer}/{key.replace('/', '~1')}"
        if key in {"summary", "description"} and isinstance(value, str):
            yield here, value
        else:
            yield from texts(value, here)


def documentable(node: object, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each parameter, response, header, property and definition that is written out.

    A reference is left out: what it refers to is given where it stands.
    """
    for key, value in children(node):
        here = f"{pointer}/{key.replace('/', '~1')}"
        if key in CONTAINERS:
            for name, part in children(value):
                if isinstance(part, dict) and "$ref" not in part:
                    yield f"{here}/{name}", part
        yield from documentable(value, here)


def test_is_valid_swagger(spec: dict[str, Any]) -> None:
    assert [str(error) for error in OpenAPIV2SpecValidator(spec).iter_errors()] == []


def test_is_written_in_the_agreed_form(spec: dict[str, Any]) -> None:
    assert SPEC.read_text(encoding="ascii") == json.dumps(spec, indent=2) + "\n"


def test_names_the_api(spec: dict[str, Any]) -> None:
    assert spec["info"]["title"] == "DSS: Data Storage System of the Human Cell Atlas"
    assert spec["info"]["version"] == "0.0.2"
    assert (spec["schemes"], spec["host"], spec["basePath"]) == (
        ["https"],
        "dss.data.humancellatlas.org",
        "/v1",
    )


def test_operations_have_the_known_names(operations: dict[str, dict[str, Any]]) -> None:
    names = {operation["operationId"]: route for route, operation in operations.items()}
    assert len(operations) == 22
    assert names == OPERATIONS


def test_paged_operations_answer_206_with_a_link(operations: dict[str, dict[str, Any]]) -> None:
    paged = {
        operation["operationId"]
        for operation in operations.values()
        if "Link" in operation["responses"].get("206", {}).get("headers", {})
    }
    assert paged == PAGED


def test_tags_are_those_declared(
    spec: dict[str, Any], operations: dict[str, dict[str, Any]]
) -> None:
    assert [tag["name"] for tag in spec["tags"]] == TAGS
    for route, operation in operations.items():
        assert len(operation["tags"]) == 1, route
        assert operation["tags"][0] in TAGS, route


def test_parameters_come_in_reading_order(
    spec: dict[str, Any], operations: dict[str, dict[str, Any]]
) -> None:
    """The path first, then the replica, the body last: the server checks queries in this order."""
    rank = {"path": 0, "query": 2, "body": 3}
    for route, operation in operations.items():
        ranks = []
        for parameter in operation["parameters"]:
            name = parameter.get("$ref", "").removeprefix("#/parameters/")
            found = spec["parameters"][name] if name else parameter
            ranks.append(1 if found["name"] == "replica" else rank[found["in"]])
        assert ranks == sorted(ranks), route


def test_every_reusable_part_is_used(spec: dict[str, Any]) -> None:
    text = SPEC.read_text(encoding="ascii")
    for section in ("parameters", "responses"):
        for name in spec[section]:
            assert f'"$ref": "#/{section}/{name}"' in text


def test_operations_are_documented(operations: dict[str, dict[str, Any]]) -> None:
    for route, operation in operations.items():
        summary = operation["summary"]
        assert summary, route
        assert "\n" not in summary, route
        assert not summary.endswith("."), route
        assert operation["description"].endswith("."), route


def test_every_part_has_a_description(spec: dict[str, Any]) -> None:
    parts = dict(documentable(spec))
    assert "/definitions/Collection/properties/description" in parts
    assert [place for place, part in parts.items() if not part.get("description")] == []


def test_texts_fit_into_docstrings(spec: dict[str, Any]) -> None:
    """Texts become docstrings, where a tab, a backslash or a triple quote would do harm."""
    found = dict(texts(spec))
    assert len(found) > len(OPERATIONS)
    for place, text in found.items():
        assert text == text.strip(), place
        assert text.isascii(), place
        assert not any(mark in text for mark in ("\t", "\r", "\\", '"""')), place
