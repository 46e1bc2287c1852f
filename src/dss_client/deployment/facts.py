"""A Swagger 2.0 document as flat facts: requests and answers, place by place."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeGuard, cast

from attrs import field, frozen

from dss_client.errors import DSSError

__all__ = ["Area", "Document", "Fact", "Key", "SpecificationError", "facts"]

Document = Mapping[str, Any]
Area = Literal["operation", "parameter", "body", "response", "answer"]
"""``response`` is a status, ``answer`` a part of its body."""

_METHODS = ("get", "head", "put", "post", "patch", "delete")
_TRAITS = ("type", "format", "enum", "default", "minimum", "maximum", "minLength", "maxLength")
_MORE_TRAITS = ("minItems", "maxItems", "pattern", "collectionFormat")
_LIMITS = frozenset({"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"})
_SUCCESS = re.compile(r"2\d\d")
_DEEPEST = 12
_MOST_SCHEMAS = 50_000  # the DSS has some 400


class SpecificationError(DSSError, ValueError):
    """A document is not valid Swagger 2.0; the message names the place in it."""


@frozen
class Key:
    """The place of a fact.

    Attributes:
        operation: Method and path, such as ``GET /bundles/{uuid}``.
        area: Which side of it.
        name: Which part: ``query replica``, ``files[].uuid``, ``200``.
    """

    operation: str
    area: Area
    name: str = ""


@frozen
class Fact:
    """The content of a fact.

    Attributes:
        pointer: Where, as a JSON pointer.
        traits: Type, limits and the like.
        required: Whether it is always present, or must be sent.
    """

    pointer: str
    traits: Mapping[str, Any] = field(factory=dict[str, Any])
    required: bool = False


def facts(document: Document) -> dict[Key, Fact]:
    """Return the facts of a document's operations.

    Raises:
        SpecificationError: It is not valid Swagger 2.0.
    """
    if document.get("swagger") != "2.0":
        raise SpecificationError('/swagger: expected "2.0"')
    found: dict[Key, Fact] = {}
    budget = iter(range(_MOST_SCHEMAS))
    for path, item in _members(document, "/paths"):
        where = f"/paths/{_escaped(path)}"
        shared = _list(item, "parameters", where)
        for method in _METHODS:
            if method in item:
                operation = _object(item[method], f"{where}/{method}")
                label = f"{method.upper()} {path}"
                reader = _Reader(document, label, f"{where}/{method}", budget)
                found.update(reader.read(operation, shared, where))
    return found


class _Reader:
    """Reads one operation; takes one from `budget`, that of the document, for each schema."""

    def __init__(self, document: Document, label: str, pointer: str, budget: Iterator[int]) -> None:
        self._document = document
        self._label = label
        self._pointer = pointer
        self._budget = budget

    def read(self, operation: Document, shared: list[Any], path: str) -> Iterator[tuple[Key, Fact]]:
        yield Key(self._label, "operation"), Fact(self._pointer)
        own = _list(operation, "parameters", self._pointer)
        for parameters, pointer in ((shared, path), (own, self._pointer)):
            for index, given in enumerate(parameters):
                parameter, at = self._resolved(given, f"{pointer}/parameters/{index}")
                yield from self._parameter(parameter, at)
        responses = _object(operation.get("responses", {}), f"{self._pointer}/responses")
        for status, given in responses.items():
            at = f"{self._pointer}/responses/{status}"
            if not _SUCCESS.fullmatch(status):
                continue
            yield Key(self._label, "response", status), Fact(at)
            response, at = self._resolved(given, at)
            if "schema" in response:
                yield from self._schema("answer", response["schema"], f"{at}/schema", f"{status} ")

    def _parameter(self, parameter: Document, at: str) -> Iterator[tuple[Key, Fact]]:
        place, name = parameter.get("in"), parameter.get("name")
        if not (isinstance(place, str) and isinstance(name, str)):
            raise SpecificationError(f"{at}: a parameter needs `in` and `name`")
        required = parameter.get("required") is True
        if place == "body":
            schema = parameter.get("schema", {})
            yield from self._schema("body", schema, f"{at}/schema", "", required)
            return
        key = Key(self._label, "parameter", f"{place} {name}")
        yield key, Fact(at, _traits(parameter, at), required)

    def _schema(
        self,
        area: Area,
        given: object,
        at: str,
        name: str,
        required: bool = False,
        within: tuple[str, ...] = (),
    ) -> Iterator[tuple[Key, Fact]]:
        """Yield the facts of a schema, and of all that is in it; `within` leads to it."""
        if next(self._budget, None) is None:
            raise SpecificationError(f"{at}: more than {_MOST_SCHEMAS} schemas to compare")
        schema, at = self._resolved(given, at)
        yield (
            Key(self._label, area, name.strip() or "body"),
            Fact(at, _traits(schema, at), required),
        )
        if at in within or len(within) > _DEEPEST:  # it holds itself
            return
        within = (*within, at)
        for index, part in enumerate(_list(schema, "allOf", at)):
            for key, fact in self._schema(
                area, part, f"{at}/allOf/{index}", name, required, within
            ):
                if key.name != (name.strip() or "body"):
                    yield key, fact
        needed = _list(schema, "required", at)
        properties = _object(schema.get("properties", {}), f"{at}/properties")
        for each, inner in properties.items():
            inside = f"{name}{'.' if name and not name.endswith(' ') else ''}{each}"
            below = f"{at}/properties/{_escaped(each)}"
            yield from self._schema(area, inner, below, inside, each in needed, within)
        if "items" in schema:
            below = f"{at}/items"
            yield from self._schema(area, schema["items"], below, f"{name}[]", False, within)

    def _resolved(self, given: object, at: str) -> tuple[Document, str]:
        """Return what is meant, and its pointer: its own or that of where references lead."""
        node, place = _object(given, at), at
        for _ in range(_DEEPEST):
            reference = node.get("$ref")
            if reference is None:
                return node, place
            node = _object(self._target(reference, at), str(reference))
            place = str(reference)[1:]
        raise SpecificationError(f"{at}: its references go round in a circle")

    def _target(self, reference: object, at: str) -> object:
        node: object = self._document
        if not (isinstance(reference, str) and reference.startswith("#/")):
            raise SpecificationError(f"{at}/$ref: only references within the document are read")
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if name not in _object(node, reference):
                raise SpecificationError(f"{at}/$ref: {reference} leads nowhere")
            node = _object(node, reference)[name]
        return node


def _traits(schema: Document, at: str) -> dict[str, Any]:
    for name in _LIMITS & schema.keys():
        if not isinstance(schema[name], int | float):
            raise SpecificationError(f"{at}/{name}: expected a number")
    _list(schema, "enum", at)
    traits = {name: schema[name] for name in (*_TRAITS, *_MORE_TRAITS) if name in schema}
    if "type" not in traits and "properties" in schema:
        traits["type"] = "object"
    return traits


def _members(document: Document, pointer: str) -> Iterator[tuple[str, Document]]:
    members = _object(document.get(pointer[1:]), pointer)
    for name, member in members.items():
        yield name, _object(member, f"{pointer}/{_escaped(name)}")


def _object(value: object, pointer: str) -> Document:
    if not isinstance(value, Mapping):
        raise SpecificationError(f"{pointer}: expected an object")
    return cast("Document", value)


def _list(node: Document, name: str, pointer: str) -> list[Any]:
    value: object = node.get(name, [])
    if not _is_list(value):
        raise SpecificationError(f"{pointer}/{name}: expected a list")
    return value


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
