"""Broken specifications: each is refused with one message that names the place."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from generator.__main__ import generate, main
from generator.corrections import Correction
from generator.errors import GeneratorError
from tests.generator.specs import Document, minimal, query, write

Change = Callable[[Document], object]

ITEM = ("paths", "/things/{uuid}")
GET = (*ITEM, "get")
PARAMETERS = (*GET, "parameters")
ANSWERS = (*GET, "responses")
THING = ("definitions", "Thing")
FIELDS = (*THING, "properties")
AT_GET = "/paths/~1things~1{uuid}/get"
STRING = {"type": "string"}


def inside(document: Document, path: tuple[str | int, ...]) -> Any:
    node: Any = document
    for token in path:
        node = node[token]
    return node


def put(*path_and_value: Any) -> Change:
    *path, key, value = path_and_value
    return lambda document: inside(document, tuple(path)).__setitem__(key, value)


def drop(*path: str | int) -> Change:
    return lambda document: inside(document, path[:-1]).pop(path[-1])


def add_parameters(*parameters: Document) -> Change:
    return lambda document: inside(document, PARAMETERS).extend(parameters)


def body(schema: object) -> Document:
    return {"name": "body", "in": "body", "schema": schema}


def add_operation(path: str, method: str = "get", **more: object) -> Change:
    names = re.findall("{([^{}]+)}", path)
    parameters = [{"name": n, "in": "path", "required": True, **STRING} for n in names]
    operation = {"parameters": parameters, "responses": {"200": {"description": ""}}, **more}
    return put("paths", path, {method: operation})


def paged(items: object) -> Change:
    def change(document: Document) -> None:
        get = inside(document, GET)
        get["responses"]["206"] = get["responses"]["200"]
        if items is not None:
            get["x-page-items"] = items

    return change


def headers(path: str, **kinds: str) -> Document:
    return {
        "200": {
            "description": path,
            "headers": {f"X-DSS-{name}": {"type": kind} for name, kind in kinds.items()},
        }
    }


def both(*changes: Change) -> Change:
    return lambda document: [change(document) for change in changes]


BROKEN: dict[str, tuple[Change, str]] = {
    # The document
    "info is missing": (drop("info"), "/info must be an object"),
    "title is missing": (drop("info", "title"), "/info/title must be a string"),
    "paths is missing": (drop("paths"), "/paths must be an object"),
    "paths is a list": (put("paths", []), "/paths must be an object"),
    "produces is empty": (put("produces", []), "/produces must not be empty"),
    "schemes is text": (put("schemes", "https"), "/schemes must be a list"),
    "definitions is a list": (
        both(put("definitions", []), put(*ANSWERS, "200", {})),
        "/definitions must be an object",
    ),
    "a path is a list": (put(*ITEM, []), "/paths/~1things~1{uuid} must be an object"),
    "an operation is a list": (put(*GET, []), f"{AT_GET} must be an object"),
    "text that source code cannot hold": (
        put(*GET, "summary", "a\0b"),
        f"{AT_GET}/summary: a character that source code cannot hold",
    ),
    "half a character": (
        put("info", "title", "\ud800"),
        "/info/title: a character that source code cannot hold",
    ),
    # References
    "dangling reference": (
        put(*FIELDS, "name", {"$ref": "#/definitions/Nothing"}),
        "/definitions/Thing/properties/name/$ref: dangling reference '#/definitions/Nothing'",
    ),
    "external reference": (
        put(*FIELDS, "name", {"$ref": "other.json#/Thing"}),
        (
            "/definitions/Thing/properties/name/$ref: only references inside the document:"
            " 'other.json#/Thing'"
        ),
    ),
    "reference to text": (
        put(*FIELDS, "name", {"$ref": "#/info/title"}),
        "/definitions/Thing/properties/name/$ref: '#/info/title' is not an object",
    ),
    "reference to a part of a definition": (
        put(*FIELDS, "other", {"$ref": "#/definitions/Thing/properties/name"}),
        "/definitions/Thing/properties/other/$ref: a schema can refer to definitions only",
    ),
    "reference that is no text": (
        put(*FIELDS, "name", {"$ref": 5}),
        "/definitions/Thing/properties/name/$ref: a schema can refer to definitions only",
    ),
    "reference to itself": (
        put("definitions", "Loop", {"$ref": "#/definitions/Loop"}),
        "/definitions/Loop/$ref: '#/definitions/Loop' refers to itself",
    ),
    "allOf itself": (
        put(*THING, {"allOf": [{"$ref": "#/definitions/Thing"}]}),
        "/definitions/Thing: allOf leads to itself",
    ),
    "an object inside itself": (
        put(*FIELDS, "inner", {"$ref": "#/definitions/Thing"}),
        "/definitions/Thing: there is no code for objects inside themselves",
    ),
    # Operations
    "no responses": (
        drop(*ANSWERS),
        f"{AT_GET}/responses: at least one response is needed",
    ),
    "responses is a list": (put(*ANSWERS, []), f"{AT_GET}/responses must be an object"),
    "a response is text": (
        put(*ANSWERS, "200", "fine"),
        f"{AT_GET}/responses/200 must be an object",
    ),
    "no status": (
        put(*ANSWERS, "good", {"description": ""}),
        f"{AT_GET}/responses/good: 'good' is no HTTP status",
    ),
    "no answer means success": (
        put(*ANSWERS, {"404": {"description": "No."}}),
        f"{AT_GET}/responses: no answer means success",
    ),
    "an answer that is a list": (
        put(*ANSWERS, "200", "schema", {"type": "array", "items": STRING}),
        f"{AT_GET}/responses: an answer must be an object",
    ),
    "an answer that is a file": (
        put(*ANSWERS, "200", "schema", {"type": "file"}),
        f"{AT_GET}/responses/200/schema/type: there is no code for type 'file'",
    ),
    "content without metadata": (
        put(*ANSWERS, {"302": {"description": "There."}}),
        f"{AT_GET}/responses/302: content needs X-DSS- headers to describe it",
    ),
    "a header without a type": (
        put(*ANSWERS, "200", "headers", {"X-DSS-SIZE": {}}),
        f"{AT_GET}/responses/200/headers/X-DSS-SIZE: the header has no type",
    ),
    "a header with an odd type": (
        put(*ANSWERS, "200", "headers", {"X-DSS-SIZE": {"type": "file"}}),
        f"{AT_GET}/responses/200/headers/X-DSS-SIZE/type: there is no code for type 'file'",
    ),
    "a method there is no code for": (
        put(*ITEM, "options", {}),
        "/paths/~1things~1{uuid}/options: there is no code for 'options' here",
    ),
    "parameters of a whole path": (
        put(*ITEM, "parameters", []),
        "/paths/~1things~1{uuid}/parameters: there is no code for 'parameters' here",
    ),
    "a path that makes no name": (
        add_operation("/a.b"),
        "/paths/~1a.b/get: 'get_a.b' is no name for a method",
    ),
    "two operations of one name": (
        both(add_operation("/a-b"), add_operation("/a/b")),
        (
            "/paths/~1a~1b/get: two operations would both be called get_a_b;"
            " the other is /paths/~1a-b/get"
        ),
    ),
    "metadata that differs within one path": (
        both(
            add_operation("/a/{uuid}", responses=headers("a", SIZE="integer")),
            add_operation("/a/b", responses=headers("b", SIZE="string")),
        ),
        (
            "/paths/~1a~1{uuid}/get/responses: two different objects would both be called AHeaders;"
            " the other is /paths/~1a~1b/get/responses"
        ),
    ),
    "a summary that is no text": (
        put(*GET, "summary", 7),
        f"{AT_GET}/summary: Input should be a valid string",
    ),
    "tags that are no list": (
        put(*GET, "tags", ["a", 5]),
        f"{AT_GET}/tags/1: Input should be a valid string",
    ),
    # Parameters
    "parameters is an object": (put(*PARAMETERS, {}), f"{AT_GET}/parameters must be a list"),
    "a parameter is text": (
        put(*PARAMETERS, 1, "size"),
        f"{AT_GET}/parameters/1 must be an object",
    ),
    "a parameter without name": (
        drop(*PARAMETERS, 1, "name"),
        f"{AT_GET}/parameters/1: 'name' is missing",
    ),
    "a parameter without place": (
        drop(*PARAMETERS, 1, "in"),
        f"{AT_GET}/parameters/1: 'in' is missing",
    ),
    "a parameter without type": (
        drop(*PARAMETERS, 1, "type"),
        f"{AT_GET}/parameters/1: 'size' has no type",
    ),
    "a header parameter": (
        put(*PARAMETERS, 1, "in", "header"),
        f"{AT_GET}/parameters/1: parameters in 'header' are not supported",
    ),
    "a form parameter": (
        put(*PARAMETERS, 1, "in", "formData"),
        f"{AT_GET}/parameters/1: parameters in 'formData' are not supported",
    ),
    "a list in the query": (
        put(*PARAMETERS, 1, query("size", type="array", items=STRING)),
        f"{AT_GET}/parameters/1: 'size' must be a single value",
    ),
    "a default of another type": (
        put(*PARAMETERS, 1, "default", "much"),
        f"{AT_GET}: cannot parse parameter: Invalid int value: much",
    ),
    "a path parameter too few": (
        drop(*PARAMETERS, 0),
        f"{AT_GET}/parameters: path parameters do not match the path: uuid",
    ),
    "a path parameter too many": (
        add_parameters({"name": "id", "in": "path", "required": True, **STRING}),
        f"{AT_GET}/parameters: path parameters do not match the path: id",
    ),
    "a path parameter with an odd name": (
        add_operation("/a/{1}"),
        (
            "/paths/~1a~1{1}/get: Incorrect path templating for /a/{1}"
            " (Path parameters do not match with path)"
        ),
    ),
    "a path parameter that is a number": (
        put(*PARAMETERS, 0, "type", "integer"),
        f"{AT_GET}/parameters/0: 'uuid' is part of the path, so it must be a string",
    ),
    "a path parameter that can be left out": (
        drop(*PARAMETERS, 0, "required"),
        f"{AT_GET}/parameters/0: 'uuid' is part of the path, so it must be required",
    ),
    "a parameter twice": (
        add_parameters(query("size")),
        f"{AT_GET}/parameters/2: a second query parameter 'size'",
    ),
    "two bodies": (
        add_parameters(body({"properties": {"a": STRING}}), body({"properties": {"b": STRING}})),
        f"{AT_GET}/parameters/3: a second body parameter",
    ),
    "two arguments of one name": (
        add_parameters(query("page-size"), query("page_size")),
        f"{AT_GET}/parameters: two names would both be 'page_size' in Python",
    ),
    "an argument in the path and in the body": (
        add_parameters(body({"properties": {"uuid": STRING}})),
        f"{AT_GET}/parameters: two names would both be 'uuid' in Python",
    ),
    "a body without schema": (
        add_parameters({"name": "body", "in": "body"}),
        f"{AT_GET}/parameters/2: the body has no schema",
    ),
    "a body that is a list": (
        add_parameters(body({"type": "array", "items": STRING})),
        f"{AT_GET}/parameters: a request body must be an object with properties",
    ),
    "an odd type in a body": (
        add_parameters(body({"properties": {"a": {"type": "file"}}})),
        f"{AT_GET}/parameters/2/schema/properties/a/type: there is no code for type 'file'",
    ),
    # Extensions
    "paged without x-page-items": (
        paged(None),
        (
            f"{AT_GET}: paged (it answers 206), but nothing says which list continues;"
            " add a correction with x-page-items"
        ),
    ),
    "x-page-items leads nowhere": (
        paged("things"),
        f"{AT_GET}/x-page-items: no required field 'things' (things)",
    ),
    "x-page-items leads through a list": (
        both(put(*THING, "required", ["parts"]), paged("parts.all")),
        f"{AT_GET}/x-page-items: no required field 'all' (parts.all)",
    ),
    "x-page-items leads to a field that may be missing": (
        paged("parts"),
        f"{AT_GET}/x-page-items: no required field 'parts' (parts)",
    ),
    "x-page-items leads to no list": (
        paged("name"),
        f"{AT_GET}/x-page-items: 'name' is not a list",
    ),
    "x-location-switch leads nowhere": (
        put(*GET, "x-location-switch", "directurl"),
        f"{AT_GET}/x-location-switch: 'directurl' is no boolean parameter",
    ),
    "x-location-switch is no boolean": (
        put(*GET, "x-location-switch", "size"),
        f"{AT_GET}/x-location-switch: 'size' is no boolean parameter",
    ),
    # Schemas
    "a schema that is text": (
        put(*FIELDS, "name", "string"),
        "/definitions/Thing/properties/name must be an object",
    ),
    "properties is a list": (
        put(*FIELDS, ["name"]),
        "/definitions/Thing/properties must be an object",
    ),
    "a property called $ref": (
        put(*FIELDS, "$ref", STRING),
        "/definitions/Thing/properties/$ref: a property cannot be called $ref",
    ),
    "allOf is an object": (put(*THING, "allOf", {}), "/definitions/Thing/allOf must be a list"),
    "required is text": (
        put(*THING, "required", "name"),
        "/definitions/Thing/required: Input should be a valid list",
    ),
    "a default of a wrong type": (
        put(*FIELDS, "count", {"type": "integer", "default": "many"}),
        "/definitions/Thing: Invalid int value: many",
    ),
    "an unknown type": (
        put(*FIELDS, "name", "type", "any"),
        "/definitions/Thing/properties/name/type: there is no code for type 'any'",
    ),
    "one of several schemas": (
        put(*FIELDS, "name", {"oneOf": [STRING, {"type": "integer"}]}),
        "/definitions/Thing/properties: 'name' has an unsupported type (UnionProperty)",
    ),
    "two types": (
        put(*FIELDS, "name", "type", ["string", "null"]),
        "/definitions/Thing/properties/name/type: there is no code for type ['string', 'null']",
    ),
    "a format that is more than text": (
        put(*FIELDS, "name", "format", "date-time"),
        "/definitions/Thing/properties/name/format: there is no code for format 'date-time'",
    ),
    "a list of anything": (
        drop(*FIELDS, "parts", "items"),
        "/definitions/Thing/properties/parts: a list must say what its items are",
    ),
    "odd items": (
        put(*FIELDS, "parts", "items", {"type": "file"}),
        "/definitions/Thing/properties/parts/items/type: there is no code for type 'file'",
    ),
    "odd values of a map": (
        put(*FIELDS, "map", {"additionalProperties": {"type": "file"}}),
        (
            "/definitions/Thing/properties/map/additionalProperties/type:"
            " there is no code for type 'file'"
        ),
    ),
    "an odd part of allOf": (
        put("definitions", "Both", {"allOf": [{"type": "file"}]}),
        "/definitions/Both/allOf/0/type: there is no code for type 'file'",
    ),
    "an enum of numbers": (
        put(*FIELDS, "name", {"enum": [1, 2]}),
        "/definitions/Thing/properties/name/enum: there is code for enums of strings only",
    ),
    "an enum that says it is a boolean": (
        put(*FIELDS, "name", {"type": "boolean", "enum": ["true"]}),
        "/definitions/Thing/properties/name/enum: there is code for enums of strings only",
    ),
    "an empty enum": (
        put(*FIELDS, "name", {"type": "string", "enum": []}),
        "/definitions/Thing/properties/name/enum: there is code for enums of strings only",
    ),
    "an enum that is text": (
        put(*FIELDS, "name", {"type": "string", "enum": "a"}),
        "/definitions/Thing/properties/name/enum must be a list",
    ),
    "two fields of one name": (
        put(*FIELDS, "Name", STRING),
        "/definitions/Thing: two names would both be 'name' in Python",
    ),
    # Classes
    "a definition that is no object": (
        both(
            put("definitions", "list_of_names", {"type": "array", "items": STRING}),
            put(*FIELDS, "names", {"$ref": "#/definitions/list_of_names"}),
        ),
        "/definitions/list_of_names: not an object with properties",
    ),
    "two definitions of one name": (
        put("definitions", "thing", {"properties": {"a": STRING}}),
        "/definitions/thing: two definitions would both be called Thing",
    ),
    "two different objects of one title": (
        both(
            put(*FIELDS, "one", {"title": "Part", "properties": {"a": STRING}}),
            put(*FIELDS, "two", {"title": "Part", "properties": {"b": STRING}}),
        ),
        (
            "/definitions/Thing/properties/two: two different objects would both be called Part;"
            " the other is /definitions/Thing/properties/one"
        ),
    ),
    "a class of a name that is taken": (
        both(
            put("definitions", "field", {"properties": {"a": STRING}}),
            put(*FIELDS, "field", {"$ref": "#/definitions/field"}),
        ),
        "/definitions/field: the generated code has another use for Field",
    ),
    "a class called as an operation": (
        put(*FIELDS, "x", {"title": "AsyncGetThing", "properties": {"a": STRING}}),
        "/definitions/Thing/properties/x: the generated code has another use for AsyncGetThing",
    ),
    "a class called as a TypedDict": (
        put(*FIELDS, "x", {"title": "ThingDict", "properties": {"a": STRING}}),
        "/definitions/Thing/properties/x: the generated code has another use for ThingDict",
    ),
    "a class called as the parser's of a map": (
        both(
            put(*FIELDS, "open", {"type": "object"}),
            put(*FIELDS, "x", {"title": "ThingOpen", "properties": {"a": STRING}}),
        ),
        '/definitions/Thing: Attempted to generate duplicate models with name "ThingOpen"',
    ),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_specification_is_refused(change: Change, message: str, tmp_path: Path) -> None:
    document = minimal()
    change(document)
    spec = write(document, tmp_path / "swagger.json")
    with pytest.raises(GeneratorError) as refused:
        generate(spec, ())
    assert str(refused.value) == message


def test_what_they_are_made_of_is_fine(tmp_path: Path) -> None:
    assert generate(write(minimal(), tmp_path / "swagger.json"), ())


def test_an_unused_definition_may_be_of_any_kind(tmp_path: Path) -> None:
    document = minimal()
    document["definitions"]["Names"] = {"type": "array", "items": STRING}
    files = generate(write(document, tmp_path / "swagger.json"), ())
    assert "class Names" not in files["models.py"]


def test_no_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "swagger.json"
    spec.write_text("swagger: '2.0'", encoding="utf-8")
    assert main(["--spec", str(spec)]) == 1
    assert capsys.readouterr().err == (
        f"generator: {spec}: not JSON: Expecting value: line 1 column 1 (char 0)\n"
    )


@pytest.mark.parametrize("content", ["[]", "{}", '{"openapi": "3.0.0"}', '{"swagger": 2.0}'])
def test_no_swagger_2(content: str, tmp_path: Path) -> None:
    spec = tmp_path / "swagger.json"
    spec.write_text(content, encoding="utf-8")
    with pytest.raises(GeneratorError) as refused:
        generate(spec)
    assert str(refused.value) == f'{spec}: /swagger must be "2.0"'


def test_no_file(tmp_path: Path) -> None:
    spec = tmp_path / "swagger.json"
    with pytest.raises(GeneratorError) as refused:
        generate(spec)
    assert str(refused.value) == f"{spec}: No such file or directory"


def test_a_stale_correction_names_itself_and_its_section(tmp_path: Path) -> None:
    spec = write(minimal(), tmp_path / "swagger.json")
    stale = Correction("/paths/~1gone/get", {"x-unwrap": "a"}, "8.99", "It went.")
    with pytest.raises(GeneratorError) as refused:
        generate(spec, (stale,))
    assert str(refused.value) == (
        "stale correction /paths/~1gone/get (section 8.99):"
        " the specification has nothing there; see generator/corrections.py"
    )


def test_a_correction_that_breaks_the_specification_is_refused(tmp_path: Path) -> None:
    spec = write(minimal(), tmp_path / "swagger.json")
    wrong = Correction("/definitions/Thing", {"properties": {"name": {"type": "file"}}}, "1", "No.")
    with pytest.raises(GeneratorError, match=r"^/definitions/Thing/properties/name/type: "):
        generate(spec, (wrong,))
