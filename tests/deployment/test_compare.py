"""What differs between two specifications, and what breaks a client."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client import _spec
from dss_client.deployment import Change, compare
from dss_client.deployment.facts import SpecificationError, facts

Document = dict[str, Any]
PINNED: Document = _spec.load()
ENUM = "changed POST /search: parameter query replica: enum ['aws', 'gcp'] ->"


def changed(edit: Callable[[Document], object]) -> tuple[Change, ...]:
    other = copy.deepcopy(PINNED)
    edit(other)
    return compare(PINNED, other)


def parameter(document: Document, path: str, method: str, name: str) -> Document:
    for each in document["paths"][path][method]["parameters"]:
        if each.get("name") == name:
            found: Document = each
            return found
    raise LookupError(name)


def page(document: Document) -> Document:
    """Return how many files there may be on a page of a bundle."""
    return parameter(document, "/bundles/{uuid}", "get", "per_page")


def test_every_operation_has_facts() -> None:
    found = facts(PINNED)
    assert len({key.operation for key in found}) == 22
    names = {key.name for key in found if key.operation == "GET /bundles/{uuid}"}
    assert {"query per_page", "path uuid", "200 bundle.files[].sha256", "206 bundle.uuid"} <= names
    assert {key.name for key in found if key.area == "body"} >= {"es_query", "contents[].uuid"}


def test_it_is_the_same_as_itself() -> None:
    assert compare(PINNED, copy.deepcopy(PINNED)) == ()


def test_texts_addresses_and_order_do_not_count() -> None:
    def other(node: Any) -> Any:
        if isinstance(node, dict):
            return {
                name: "other"
                if name in {"description", "summary", "host"} and isinstance(each, str)
                else other(each)
                for name, each in sorted(node.items(), reverse=True)
            }
        if isinstance(node, list):
            return [other(each) for each in node]
        return node

    document = other(PINNED)
    for item in document["paths"].values():
        for operation in item.values():
            operation["parameters"] = operation.get("parameters", [])[::-1]
    assert compare(PINNED, document) == ()


class TestHarmless:
    @pytest.mark.parametrize(
        ("edit", "shown"),
        [
            (
                lambda d: d["paths"].update({"/things": {"get": {"responses": {}}}}),
                "added GET /things",
            ),
            (
                lambda d: d["paths"]["/bundles/{uuid}"]["get"]["parameters"].append(
                    {"name": "colour", "in": "query", "type": "string", "required": False}
                ),
                "added GET /bundles/{uuid}: parameter query colour",
            ),
            (
                lambda d: page(d).update(maximum=1000, minimum=1, default=100),
                "changed GET /bundles/{uuid}: parameter query per_page: maximum 500 -> 1000",
            ),
            (
                lambda d: d["parameters"]["replica"].update(enum=["gcp", "aws", "azure"]),
                f"{ENUM} ['gcp', 'aws', 'azure']",
            ),
            (
                lambda d: d["parameters"]["replica"].update(required=False),
                "changed POST /search: parameter query replica: required True -> False",
            ),
            (
                lambda d: d["parameters"]["replica"].pop("enum"),
                f"{ENUM} None",
            ),
            (
                lambda d: d["definitions"]["file_version"]["properties"]["size"].update(minimum=5),
                "changed GET /bundles/{uuid}: answer 200 bundle.files[].size: minimum None -> 5",
            ),
            (
                lambda d: d["definitions"]["bundle_version"]["properties"].update(
                    colour={"type": "string"}
                ),
                "added GET /bundles/{uuid}: answer 200 bundle.colour",
            ),
            (
                lambda d: d["paths"]["/bundles/{uuid}"]["get"]["responses"].update(
                    {"203": {"description": "x"}}
                ),
                "added GET /bundles/{uuid}: response 203",
            ),
        ],
    )
    def test_what_is_more_or_wider(self, edit: Callable[[Document], object], shown: str) -> None:
        found = changed(edit)
        assert shown in [str(change) for change in found]
        assert not any(change.breaking for change in found)


class TestBreaking:
    @pytest.mark.parametrize(
        ("edit", "what", "reason"),
        [
            (
                lambda d: d["paths"].pop("/search"),
                "removed POST /search",
                "calls of it fail",
            ),
            (
                lambda d: d["paths"]["/bundles/{uuid}"]["get"]["parameters"].remove(page(d)),
                "removed GET /bundles/{uuid}: parameter query per_page",
                "the service may refuse or ignore it",
            ),
            (
                lambda d: d["paths"]["/bundles/{uuid}"]["get"]["parameters"].append(
                    {"name": "colour", "in": "query", "type": "string", "required": True}
                ),
                "added GET /bundles/{uuid}: parameter query colour",
                "the client cannot send it",
            ),
            (
                lambda d: page(d).update(required=True),
                "changed GET /bundles/{uuid}: parameter query per_page: required False -> True",
                "the client may leave it out",
            ),
            (
                lambda d: page(d).update(type="string"),
                "changed GET /bundles/{uuid}: parameter query per_page: type 'integer' -> 'string'",
                "values of another type",
            ),
            (
                lambda d: page(d).update(maximum=100),
                "changed GET /bundles/{uuid}: parameter query per_page: maximum 500 -> 100",
                "larger values are no longer taken",
            ),
            (
                lambda d: page(d).update(minimum=20),
                "changed GET /bundles/{uuid}: parameter query per_page: minimum 10 -> 20",
                "smaller values are no longer taken",
            ),
            (
                lambda d: page(d).update(pattern="x"),
                "changed GET /bundles/{uuid}: parameter query per_page: pattern None -> 'x'",
                "values that were taken may be refused",
            ),
            (
                lambda d: d["parameters"]["replica"].update(enum=["aws"]),
                f"{ENUM} ['aws']",
                "no longer taken: gcp",
            ),
            (
                lambda d: page(d).update(enum=[10, 20]),
                "changed GET /bundles/{uuid}: parameter query per_page: enum None -> [10, 20]",
                "no longer taken: any other",
            ),
            (
                lambda d: d["paths"]["/bundles/{uuid}"]["get"]["responses"].pop("206"),
                "removed GET /bundles/{uuid}: response 206",
                "the client expects this status",
            ),
            (
                lambda d: d["definitions"]["bundle_version"]["properties"]["uuid"].update(
                    type="integer"
                ),
                "changed GET /bundles/{uuid}: answer 200 bundle.uuid: type 'string' -> 'integer'",
                "values of another type",
            ),
        ],
    )
    def test_what_is_less_or_narrower(
        self, edit: Callable[[Document], object], what: str, reason: str
    ) -> None:
        found = changed(edit)
        assert f"{what} ({reason})" in [str(change) for change in found if change.breaking]

    def test_a_field_that_is_always_there_and_then_is_not(self) -> None:
        def need(document: Document) -> None:
            document["definitions"]["bundle_version"]["required"] = ["uuid"]

        before = copy.deepcopy(PINNED)
        need(before)
        after = copy.deepcopy(PINNED)
        found = [change for change in compare(before, after) if "200 bundle.uuid" in change.place]
        assert [change.reason for change in found] == ["the client needs it"]
        del after["definitions"]["bundle_version"]["properties"]["uuid"]
        found = [change for change in compare(before, after) if "200 bundle.uuid" in change.place]
        assert [(change.kind, change.reason) for change in found] == [
            ("removed", "the client needs it")
        ]

    def test_one_that_was_not_needed_may_go(self) -> None:
        before = copy.deepcopy(PINNED)
        before["definitions"]["bundle_version"]["properties"]["colour"] = {"type": "string"}
        found = compare(before, PINNED)
        assert {change.kind for change in found} == {"removed"}
        assert not any(change.breaking for change in found)


@given(st.data())
def test_one_edit_is_named(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(PINNED["paths"])))
    method = data.draw(st.sampled_from(sorted(PINNED["paths"][path])))
    name = data.draw(st.text("abcdefgh", min_size=1))
    found = changed(
        lambda d: (
            d["paths"][path][method]
            .setdefault("parameters", [])
            .append({"name": f"new-{name}", "in": "header", "type": "string"})
        )
    )
    assert [str(change) for change in found] == [
        f"added {method.upper()} {path}: parameter header new-{name}"
    ]


def test_pointers_lead_to_the_place() -> None:
    other = copy.deepcopy(PINNED)
    other["definitions"]["bundle_version"]["properties"]["a/b"] = {"type": "string"}
    pointers = {change.pointer for change in compare(PINNED, other)}
    assert pointers == {"/definitions/bundle_version/properties/a~1b"}


def test_the_pointer_of_a_parameter_of_a_whole_path_leads_there() -> None:
    other = copy.deepcopy(PINNED)
    new = {"name": "colour", "in": "query", "type": "string", "required": True}
    other["paths"]["/search"]["parameters"] = [new]
    pointers = {change.pointer for change in compare(PINNED, other)}
    assert pointers == {"/paths/~1search/parameters/0"}


def test_every_pointer_leads_somewhere() -> None:
    for fact in facts(PINNED).values():
        node: Any = PINNED
        for part in fact.pointer[1:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            node = node[int(name)] if isinstance(node, list) else node[name]
        assert all(node.get(name, "object") == value for name, value in fact.traits.items())


def answering(schema: Document, **definitions: Document) -> Document:
    """Return a specification of one operation that answers with `schema`."""
    return {
        "swagger": "2.0",
        "definitions": definitions,
        "paths": {"/t": {"get": {"responses": {"200": {"schema": schema}}}}},
    }


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "/swagger"),
        ({"swagger": "2.0"}, "/paths: expected an object"),
        ({"swagger": "2.0", "paths": {"/a": 1}}, "/paths/~1a: expected an object"),
        ({"swagger": "2.0", "paths": {"/a": {"get": []}}}, "/paths/~1a/get: expected an object"),
        (
            {"swagger": "2.0", "paths": {"/a": {"get": {"parameters": {}}}}},
            "/paths/~1a/get/parameters: expected a list",
        ),
        (
            {"swagger": "2.0", "paths": {"/a": {"get": {"parameters": [{}]}}}},
            "/paths/~1a/get/parameters/0: a parameter needs",
        ),
        (
            {"swagger": "2.0", "paths": {"/a": {"get": {"parameters": [{"$ref": "#/x"}]}}}},
            "#/x leads nowhere",
        ),
        (
            {"swagger": "2.0", "paths": {"/a": {"get": {"parameters": [{"$ref": "http://h/"}]}}}},
            "only references within",
        ),
        (
            {
                "swagger": "2.0",
                "x": {"$ref": "#/x"},
                "paths": {"/a": {"get": {"parameters": [{"$ref": "#/x"}]}}},
            },
            "round in a circle",
        ),
        (answering({"minimum": "1"}), "/schema/minimum: expected a number"),
        (answering({"enum": 7}), "/schema/enum: expected a list"),
    ],
)
def test_what_is_no_specification_is_refused(document: Document, said: str) -> None:
    with pytest.raises(SpecificationError) as refused:
        compare(PINNED, document)
    assert said in str(refused.value)


def test_a_schema_may_hold_itself_and_others() -> None:
    tree = {
        "allOf": [{"properties": {"name": {"type": "string"}}}],
        "properties": {"children": {"type": "array", "items": {"$ref": "#/definitions/Tree"}}},
        "required": ["children"],
    }
    document = {
        "swagger": "2.0",
        "definitions": {"Tree": tree},
        "paths": {
            "/t": {
                "parameters": [{"name": "q", "in": "query", "type": "string"}],
                "get": {
                    "responses": {
                        "200": {"description": "x", "schema": {"$ref": "#/definitions/Tree"}},
                        "404": {"description": "x", "schema": {"type": "string"}},
                    }
                },
            }
        },
    }
    found = {key.name: fact for key, fact in facts(document).items()}
    assert {"200 name", "200 children", "200 children[]", "query q"} <= set(found)
    assert found["200 children"].required
    assert "404" not in found
    assert json.dumps([change.to_dict() for change in compare(document, PINNED)])


REFERENCE = {"$ref": "#/definitions/Many"}


@pytest.mark.parametrize(
    "many",
    [
        {"properties": dict.fromkeys("abc", REFERENCE)},
        {"allOf": [REFERENCE] * 3},
        {"items": {"properties": {"a": REFERENCE, "b": {"items": REFERENCE}}}},
    ],
    ids=["properties", "allOf", "items"],
)
def test_a_schema_that_holds_itself_several_times_is_read_once(many: Document) -> None:
    assert len(facts(answering(REFERENCE, Many=many))) < 10


@pytest.mark.parametrize("how", ["properties", "allOf"])
def test_schemas_that_multiply_are_refused(how: str) -> None:
    """Eight levels, each of which holds the next one ten times."""

    def level(number: int) -> Document:
        below = {"$ref": f"#/definitions/D{number + 1}"}
        return {how: [below] * 10 if how == "allOf" else dict.fromkeys("abcdefghij", below)}

    definitions = {f"D{number}": level(number) for number in range(8)}
    document = answering({"$ref": "#/definitions/D0"}, **definitions, D8={"type": "string"})
    with pytest.raises(SpecificationError, match="more than 50000 schemas"):
        facts(document)
