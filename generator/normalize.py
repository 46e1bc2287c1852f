"""Brings the API into the shape the generated code has.

One success schema per operation, error answers reduced to their codes, metadata headers as a schema
of their own, every object with fields under a class name of its own, and nothing unreachable.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

from .errors import GeneratorError, pointer
from .naming import class_name, headers_name, operation_name, singular
from .swagger import Document, operations

__all__ = ["normalize"]

_SCHEMAS = "#/components/schemas/"
_METADATA = "X-DSS-"
_REDIRECT = "302"
_NOT_OF_THE_TYPE = frozenset({"description", "format", "title", "x-pointer"})


def normalize(document: Document) -> Document:
    """Return `document` (OpenAPI 3) normalized; what is found out goes into ``x-`` keys.

    Of an operation: ``x-paged``, ``x-content``, ``x-headers`` (a class name) and ``x-errors``
    (status and codes). Of an object: ``x-pointer``, where the specification has it.
    """
    normalized = copy.deepcopy(document)
    normalizer = _Normalizer(normalized)
    normalizer.name_definitions()
    in_order = sorted(operations(normalized), key=lambda found: found[:2])
    for number, (path, method, operation) in enumerate(in_order):
        normalizer.normalize_operation(path, method, operation)
        operation["operationId"] = f"operation_{number}"  # what the parser calls it
    normalizer.drop_unreachable()
    return normalized


class _Normalizer:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._schemas: Document = document["components"]["schemas"]
        self._known: dict[str, str] = {}

    def name_definitions(self) -> None:
        """Give each definition its class name, and a name to each object inside."""
        names = {name: class_name(name) for name in sorted(self._schemas)}
        definitions, self._schemas = self._schemas, {}
        for original, name in names.items():
            place = pointer("definitions", original)
            if name in self._schemas:
                raise GeneratorError(f"{place}: two definitions would both be called {name}")
            definitions[original].pop("title", None)
            self._schemas[name] = definitions[original] | {"x-pointer": place}
        self._document["components"]["schemas"] = self._schemas
        _rename(self._document, names)
        self._schemas.update({name: self._fold(self._schemas[name]) for name in self._schemas})
        for name, schema in list(self._schemas.items()):
            self._hoist_children(schema, name, schema["x-pointer"])
            self._known.setdefault(_canonical(schema), name)

    def normalize_operation(self, path: str, method: str, operation: Document) -> None:
        """Normalize the body and the answers of one operation."""
        place = ("paths", path, method)
        name = class_name(operation_name(method, path))
        answers_at = pointer(*place, "responses")
        if "requestBody" in operation:
            media = operation["requestBody"]["content"]["application/json"]
            media["schema"] = self._body(media["schema"], name, pointer(*place, "parameters"))
        answers = dict(sorted(operation["responses"].items()))
        operation["x-errors"] = [
            [status, _codes(self._schema_of(answer))]
            for status, answer in answers.items()
            if status == "default" or int(status) >= 400
        ]
        successes = {status: answers[status] for status in answers if status.startswith("2")}
        operation["x-paged"] = "206" in successes
        operation["x-content"] = not successes and _REDIRECT in answers
        if not successes and not operation["x-content"]:
            raise GeneratorError(f"{answers_at}: no answer means success")
        metadata = self._headers(
            next(iter(successes.values())) if successes else answers[_REDIRECT]
        )
        if metadata:
            operation["x-headers"] = self._register(metadata, headers_name(path), answers_at)
        elif operation["x-content"]:
            raise GeneratorError(
                f"{answers_at}/302: content needs {_METADATA} headers to describe it"
            )
        schema = self._success(list(successes.values()), f"{name}Response", answers_at)
        operation["responses"] = {"200": {"description": ""}}
        if schema is not None:
            operation["responses"]["200"]["content"] = {"application/json": {"schema": schema}}

    def drop_unreachable(self) -> None:
        """Remove the schemas that no operation leads to."""
        waiting = list(_references(self._document["paths"]))
        waiting += [
            operation["x-headers"]
            for _, _, operation in operations(self._document)
            if "x-headers" in operation
        ]
        reached: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += _references(self._schemas[name])
        for name in set(self._schemas) - reached:
            del self._schemas[name]

    def _schema_of(self, answer: Document) -> Document | None:
        for media in answer.get("content", {}).values():
            return self._fold(media["schema"])
        return None

    def _resolve(self, schema: Document) -> Document:
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].removeprefix(_SCHEMAS)]
        return schema

    def _fold(self, schema: Document, trail: tuple[str, ...] = ()) -> Document:
        """Merge an ``allOf`` into one object; a plain reference stays one."""
        if "allOf" not in schema:
            return schema
        own = {key: value for key, value in schema.items() if key != "allOf"}
        merged: Document = {}
        for part in [*schema["allOf"], own]:
            reference = part.get("$ref", "")
            if reference in trail:
                name = reference.removeprefix(_SCHEMAS)
                raise GeneratorError(f"{self._schemas[name]['x-pointer']}: allOf leads to itself")
            inner = copy.deepcopy(self._resolve(part))
            folded = self._fold(inner, (*trail, reference) if reference else trail)
            properties = {**merged.get("properties", {}), **folded.get("properties", {})}
            required = [*merged.get("required", []), *folded.get("required", [])]
            merged = {**merged, **folded, "properties": properties}
            merged["required"] = list(dict.fromkeys(required))
        return merged

    def _body(self, schema: Document, name: str, place: str) -> Document:
        """Return the body's schema with its own properties; they become arguments."""
        body = copy.deepcopy(self._fold(self._resolve(schema)))
        body["properties"] = {
            key: value
            for key, value in body.get("properties", {}).items()
            if not value.get("readOnly")
        }
        if not body["properties"]:
            raise GeneratorError(f"{place}: a request body must be an object with properties")
        self._hoist_children(body, name, place)
        body["title"] = f"{name}Body"
        return body

    def _success(self, answers: list[Document], name: str, place: str) -> Document | None:
        schemas = [schema for answer in answers if (schema := self._schema_of(answer)) is not None]
        if not schemas:
            return None
        if all(schema == schemas[0] for schema in schemas):
            return self._named(schemas[0], name, place, reuse=False)
        objects = [self._resolve(schema) for schema in schemas]
        merged: Document = {**objects[0], "properties": {}, "required": []}
        for schema in reversed(objects):
            merged["properties"] = {**merged["properties"], **schema.get("properties", {})}
        merged["required"] = [
            key
            for key in merged["properties"]
            if all(key in schema.get("required", []) for schema in objects)
        ]
        return self._named(merged, name, place, reuse=False)

    def _headers(self, answer: Document) -> Document | None:
        """Return the schema of the metadata in an answer's headers; the service sends all."""
        properties = {
            name: {**header["schema"], "description": header["description"]}
            for name, header in answer.get("headers", {}).items()
            if name.upper().startswith(_METADATA)
        }
        if not properties:
            return None
        return {
            "type": "object",
            "description": "Metadata of a file, which the service sends as headers.",
            "required": list(properties),
            "properties": properties,
        }

    def _named(self, schema: Document, name: str, place: str, *, reuse: bool = True) -> Document:
        """Put an inline object with fields under a name, and return the reference to it.

        Args:
            schema: The object.
            name: Its name, unless it has a title.
            place: Where the specification has it.
            reuse: Take the name of an equal object, if there is one.
        """
        if "$ref" in schema:
            return schema
        schema = self._fold(schema)
        if not schema.get("properties"):
            self._hoist_children(schema, name, place)
            return schema
        if "title" in schema:
            name = class_name(schema.pop("title"))
        self._hoist_children(schema, name, place)
        known = self._known.setdefault(_canonical(schema), name) if reuse else name
        return {"$ref": _SCHEMAS + self._register(schema, known, place)}

    def _register(self, schema: Document, name: str, place: str) -> str:
        """Put an object under a name, which no different one may have."""
        known = self._schemas.setdefault(name, schema | {"x-pointer": place})
        if _canonical(known) != _canonical(schema):
            raise GeneratorError(
                f"{place}: two different objects would both be called {name};"
                f" the other is {known['x-pointer']}"
            )
        return name

    def _hoist_children(self, schema: Document, name: str, place: str) -> None:
        for key, value in schema.get("properties", {}).items():
            at = place + pointer("properties", key)
            schema["properties"][key] = self._named(value, name + class_name(key), at)
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                schema[key] = self._named(schema[key], singular(name), f"{place}/{key}")


def _canonical(schema: Document) -> str:
    """Return what makes two schemas the same type: not their texts, formats and places."""

    def strip(node: Any) -> Any:
        if isinstance(node, dict):
            return {
                key: strip(value)
                for key, value in node.items()
                if not (key in _NOT_OF_THE_TYPE and isinstance(value, str))
            }
        return [strip(value) for value in node] if isinstance(node, list) else node

    return json.dumps(strip(schema), sort_keys=True)


def _codes(schema: Document | None) -> list[str]:
    code = (schema or {}).get("properties", {}).get("code", {})
    return list(code.get("enum", []))


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value.removeprefix(_SCHEMAS)
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _rename(node: Any, names: dict[str, str]) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                node[key] = _SCHEMAS + names[value.removeprefix(_SCHEMAS)]
            else:
                _rename(value, names)
    elif isinstance(node, list):
        for value in node:
            _rename(value, names)
