"""Reads a Swagger 2.0 document, checks what the generator relies on, and turns it into OpenAPI 3.

Only the structure changes; names, order and vendor extensions stay.
"""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import GeneratorError, as_list, as_object, pointer
from .supported import check_parameter, check_schema

__all__ = ["METHODS", "check", "operations", "read", "resolve", "to_openapi3"]

Document = dict[str, Any]

METHODS = ("get", "put", "post", "delete", "head", "patch")
_PARAMETER_KEYS = frozenset({"name", "in", "description", "required"})
_TEMPLATE = re.compile(r"{([^{}]+)}")
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_STATUS = re.compile(r"[1-5]\d\d|default")


def read(path: Path) -> Document:
    """Read the document at `path`.

    Raises:
        GeneratorError: It is not JSON, or not Swagger 2.0.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GeneratorError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise GeneratorError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("swagger") != "2.0":
        raise GeneratorError(f'{path}: /swagger must be "2.0"')
    return document


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield path, method and operation, in the order of the document."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def resolve(document: Document, node: Document) -> Document:
    """Follow the references of `node` until there is none."""
    while "$ref" in node:
        node = _target(document, node["$ref"], "")
    return node


def check(document: Document) -> None:
    """Check what the later steps take for granted.

    Raises:
        GeneratorError: Names the JSON pointer of the first fault.
    """
    info = as_object(document.get("info"), "/info")
    for key in ("title", "version"):
        if not isinstance(info.get(key), str):
            raise GeneratorError(f"/info/{key} must be a string")
    for key in ("produces", "schemes"):
        if not as_list(document.get(key, ["default"]), f"/{key}"):
            raise GeneratorError(f"/{key} must not be empty")
    paths = as_object(document.get("paths"), "/paths")
    _check_references(document, document, ())
    for name, schema in as_object(document.get("definitions", {}), "/definitions").items():
        check_schema(schema, pointer("definitions", name))
    for path, item in paths.items():
        for method, operation in as_object(item, pointer("paths", path)).items():
            place = pointer("paths", path, method)
            if method not in METHODS:
                raise GeneratorError(f"{place}: there is no code for {method!r} here")
            as_object(operation, place)
            _check_parameters(document, path, operation, f"{place}/parameters")
            _check_answers(document, operation, f"{place}/responses")


def _check_references(document: Document, node: object, trail: tuple[str | int, ...]) -> None:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str):
            _check_chain(document, reference, pointer(*trail, "$ref"))
        for key, value in node.items():
            _check_references(document, value, (*trail, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            _check_references(document, value, (*trail, index))
    elif isinstance(node, str) and _NOT_TEXT.search(node):
        raise GeneratorError(f"{pointer(*trail)}: a character that source code cannot hold")


def _check_chain(document: Document, reference: Any, place: str) -> None:
    passed: set[str] = set()
    while isinstance(reference, str):
        if reference in passed:
            raise GeneratorError(f"{place}: {reference!r} refers to itself")
        passed.add(reference)
        reference = _target(document, reference, place).get("$ref")


def _target(document: Document, reference: str, place: str) -> Document:
    if not reference.startswith("#/"):
        raise GeneratorError(f"{place}: only references inside the document: {reference!r}")
    node: Any = document
    for token in reference[2:].split("/"):
        key = token.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, dict) or key not in node:
            raise GeneratorError(f"{place}: dangling reference {reference!r}")
        node = node[key]
    if not isinstance(node, dict):
        raise GeneratorError(f"{place}: {reference!r} is not an object")
    return node


def _check_parameters(document: Document, path: str, operation: Document, place: str) -> None:
    seen: list[tuple[str, str]] = []
    for index, node in enumerate(as_list(operation.get("parameters", []), place)):
        at = f"{place}/{index}"
        parameter = resolve(document, as_object(node, at))
        check_parameter(parameter, at)
        where = parameter["in"]
        key = (where, "" if where == "body" else parameter["name"])
        if key in seen:
            raise GeneratorError(f"{at}: a second {where} parameter {key[1]!r}".removesuffix(" ''"))
        seen.append(key)
    templated = set(_TEMPLATE.findall(path))
    in_path = {name for where, name in seen if where == "path"}
    if templated != in_path:
        odd = ", ".join(sorted(templated ^ in_path))
        raise GeneratorError(f"{place}: path parameters do not match the path: {odd}")


def _check_answers(document: Document, operation: Document, place: str) -> None:
    answers = as_object(operation.get("responses", {}), place)
    if not answers:
        raise GeneratorError(f"{place}: at least one response is needed")
    for status, node in answers.items():
        at = f"{place}/{status}"
        if not _STATUS.fullmatch(status):
            raise GeneratorError(f"{at}: {status!r} is not a valid HTTP status")
        answer = resolve(document, as_object(node, at))
        if "schema" in answer:
            check_schema(answer["schema"], f"{at}/schema")
        for name, header in as_object(answer.get("headers", {}), f"{at}/headers").items():
            if "type" not in as_object(header, at + pointer("headers", name)):
                raise GeneratorError(f"{at}{pointer('headers', name)}: the header has no type")
            check_schema(header, at + pointer("headers", name))


def to_openapi3(document: Document) -> Document:
    """Return the OpenAPI 3.0 form of a checked Swagger 2.0 document."""
    media = document.get("produces", ["application/json"])[0]
    converted: Document = {
        "openapi": "3.0.3",
        "info": copy.deepcopy(document["info"]),
        "servers": [{"url": _server(document)}],
        "paths": {path: {} for path in document["paths"]},
        "components": {"schemas": copy.deepcopy(document.get("definitions", {}))},
    }
    default_security = document.get("security", [])
    for path, method, operation in operations(document):
        new = {
            key: copy.deepcopy(value)
            for key, value in operation.items()
            if key not in {"parameters", "responses", "consumes", "produces", "schemes"}
        }
        new.setdefault("security", default_security)
        new["parameters"], body = _parameters(document, operation)
        if body is not None:
            new["requestBody"] = body
        new["responses"] = {
            status: _response(resolve(document, response), media)
            for status, response in operation["responses"].items()
        }
        converted["paths"][path][method] = new
    result: Document = _rename_references(converted)
    return result


def _server(document: Document) -> str:
    scheme = document.get("schemes", ["https"])[0]
    return f"{scheme}://{document.get('host', 'localhost')}{document.get('basePath', '')}"


def _parameters(document: Document, operation: Document) -> tuple[list[Document], Document | None]:
    parameters: list[Document] = []
    body: Document | None = None
    for node in operation.get("parameters", []):
        parameter = copy.deepcopy(resolve(document, node))
        if parameter["in"] == "body":
            body = {
                "required": parameter.get("required", False),
                "content": {"application/json": {"schema": parameter["schema"]}},
            }
            continue
        new = {key: parameter[key] for key in parameter if key in _PARAMETER_KEYS}
        new["schema"] = {key: parameter[key] for key in parameter if key not in _PARAMETER_KEYS}
        parameters.append(new)
    return parameters, body


def _response(response: Document, media: str) -> Document:
    new: Document = {"description": response.get("description", "")}
    if "schema" in response:
        new["content"] = {media: {"schema": copy.deepcopy(response["schema"])}}
    if "headers" in response:
        new["headers"] = {
            name: {
                "description": header.get("description", ""),
                "schema": {key: value for key, value in header.items() if key != "description"},
            }
            for name, header in response["headers"].items()
        }
    return new


def _rename_references(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: value.replace("#/definitions/", "#/components/schemas/")
            if key == "$ref"
            else _rename_references(value)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_rename_references(value) for value in node]
    return node
