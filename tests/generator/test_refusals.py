"""Broken specifications: each is refused with one message that names the place."""

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from generator import emit
from generator.__main__ import generate, main
from generator.corrections import Correction
from generator.errors import GeneratorError
from tests.generator.specs import Document, minimal, query, write

Place = tuple[str | int, ...]
Change = Callable[[Document], object]

GET = ("paths", "/things/{uuid}", "get")
PARAMETERS = (*GET, "parameters")
FIELDS = ("definitions", "Thing", "properties")
AT_GET = "/paths/~1things~1{uuid}/get"
STRING = {"type": "string"}
A = {"properties": {"a": STRING}}


def inside(document: Any, place: Place) -> Any:
    for token in place:
        document = document[token]
    return document


def put(*place_and_value: Any) -> Change:
    *place, key, value = place_and_value
    return lambda document: inside(document, tuple(place)).__setitem__(key, value)


def parameter(more: Document) -> Change:
    return lambda document: inside(document, PARAMETERS).append(more)


def paged(items: str | None) -> Change:
    """Answer 206 too, and say that this list goes on."""

    def change(document: Document) -> None:
        get = inside(document, GET)
        get["responses"]["206"] = get["responses"]["200"]
        get.update({"x-page-items": items} if items else {})

    return change


def operation(*paths: str, **headers: str) -> Change:
    """Add operations that are alike, but for the types of a header."""

    def change(document: Document) -> None:
        for number, path in enumerate(paths):
            names = re.findall("{([^{}]+)}", path)
            types = {name: {"type": kinds.split()[number]} for name, kinds in headers.items()}
            document["paths"][path] = {
                "get": {
                    "parameters": [
                        {"name": n, "in": "path", "required": True, **STRING} for n in names
                    ],
                    "responses": {
                        "200": {
                            "description": "",
                            "headers": {f"X-DSS-{name}": kind for name, kind in types.items()},
                        }
                    },
                }
            }

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("info", "title", "\ud800"), "/info/title: a character that source code cannot hold"),
        (
            put(*FIELDS, "name", {"$ref": "#/definitions/Nothing"}),
            "/definitions/Thing/properties/name/$ref: dangling reference '#/definitions/Nothing'",
        ),
        (
            put(*FIELDS, "inner", {"$ref": "#/definitions/Thing"}),
            "/definitions/Thing: there is no code for objects inside themselves",
        ),
        (
            put(*GET, "responses", {"404": {"description": "No."}}),
            f"{AT_GET}/responses: no answer means success",
        ),
        (
            put(*GET, "responses", {"302": {"description": "There."}}),
            f"{AT_GET}/responses/302: content needs X-DSS- headers to describe it",
        ),
        (
            operation("/a-b", "/a/b"),
            (
                "/paths/~1a~1b/get: two operations would both be called get_a_b;"
                " the other is /paths/~1a-b/get"
            ),
        ),
        (
            operation("/a/{uuid}", "/a/b", SIZE="integer string"),
            (
                "/paths/~1a~1{uuid}/get/responses: two different objects would both be called"
                " AHeaders; the other is /paths/~1a~1b/get/responses"
            ),
        ),
        (
            put(*PARAMETERS, 1, "in", "header"),
            f"{AT_GET}/parameters/1: parameters in 'header' are not supported",
        ),
        (
            put(*PARAMETERS, [query("size")]),
            f"{AT_GET}/parameters: path parameters do not match the path: uuid",
        ),
        (
            parameter(query("Size")),
            f"{AT_GET}/parameters: two names would both be 'size' in Python",
        ),
        (
            parameter({"name": "body", "in": "body", "schema": {"type": "array", "items": STRING}}),
            f"{AT_GET}/parameters: a request body must be an object with properties",
        ),
        (
            paged(None),
            (
                f"{AT_GET}: paged (it answers 206), but nothing says which list continues;"
                " add a correction with x-page-items"
            ),
        ),
        (paged("parts"), f"{AT_GET}/x-page-items: no required field 'parts' (parts)"),
        (paged("name"), f"{AT_GET}/x-page-items: 'name' is not a list"),
        (
            put(*GET, "x-location-switch", "size"),
            f"{AT_GET}/x-location-switch: 'size' is not a boolean parameter",
        ),
        (
            put(*FIELDS, "name", {"enum": [1, 2]}),
            "/definitions/Thing/properties/name/enum: there is code for enums of strings only",
        ),
        (
            put(*FIELDS, "name", {"oneOf": [STRING, {"type": "integer"}]}),
            "/definitions/Thing/properties: 'name' has an unsupported type (UnionProperty)",
        ),
        (
            put("definitions", "thing", A),
            "/definitions/thing: two definitions would both be called Thing",
        ),
        (
            put(*FIELDS, "x", {"title": "AsyncGetThing", **A}),
            "/definitions/Thing/properties/x: the generated code has another use for AsyncGetThing",
        ),
    ],
)
def test_a_broken_specification_is_refused(change: Change, message: str, tmp_path: Path) -> None:
    document = minimal()
    change(document)
    with pytest.raises(GeneratorError) as refused:
        generate(write(document, tmp_path / "swagger.json"), ())
    assert str(refused.value) == message


def places(node: Any, here: Place = ()) -> Iterator[Place]:
    """Yield the place of every value in a document."""
    entries = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(entries):
        yield (*here, key)
        if isinstance(value, dict | list):
            yield from places(value, (*here, key))


def broken(whole: Document) -> Iterator[tuple[Place, Document]]:
    """Yield `whole` with one value after another missing, or of a kind that is not expected."""
    for place in places(whole):
        for value in ("", "odd", 7, [], ["odd"], {}, {"odd": 7}, {"type": "file"}, None):
            document = copy.deepcopy(whole)
            parent = inside(document, place[:-1])
            if value is None:
                del parent[place[-1]]
            else:
                parent[place[-1]] = value
            yield place, document


def test_whatever_is_broken_is_refused_at_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What can be used becomes no code here, since that takes long.
    monkeypatch.setattr(emit, "emit", lambda api, digest: {})
    whole = minimal()
    paged("name")(whole)
    whole["definitions"]["Thing"]["required"].append("parts")
    inside(whole, GET).update({"x-page-items": "parts", "x-location-switch": "direct"})
    parameter({"name": "direct", "in": "query", "type": "boolean"})(whole)
    parameter({"name": "body", "in": "body", "schema": {"properties": {"note": STRING}}})(whole)
    operation("/a/{uuid}", SIZE="integer")(whole)
    whole["definitions"]["Both"] = {"allOf": [{"$ref": "#/definitions/Thing"}]}
    spec = tmp_path / "swagger.json"
    assert generate(write(whole, spec), ()) == {}
    refusals: list[tuple[Place, str]] = []
    for place, document in broken(whole):
        try:
            generate(write(document, spec), ())
        except GeneratorError as error:
            refusals.append((place, str(error).removeprefix(f"{spec}: ")))
    assert len(refusals) > 300
    assert not [each for each in refusals if not each[1].startswith("/")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("swagger: '2.0'", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        ('{"openapi": "3.0.0"}', '/swagger must be "2.0"'),
        (None, "No such file or directory"),
    ],
)
def test_what_is_not_a_specification(
    content: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "swagger.json"
    if content is not None:
        spec.write_text(content, encoding="utf-8")
    assert main(["--pinned", str(spec)]) == 1
    assert capsys.readouterr().err == f"generator: {spec}: {said}\n"


def test_a_correction_that_breaks_the_specification_is_refused(tmp_path: Path) -> None:
    spec = write(minimal(), tmp_path / "swagger.json")
    wrong = Correction("/definitions/Thing", {"properties": {"name": {"type": "file"}}}, "1", "No.")
    with pytest.raises(GeneratorError, match=r"^/definitions/Thing/properties/name/type: "):
        generate(spec, (wrong,))
