"""From a normalized document to our own description of the API (`generator.ir`).

The only module that imports openapi_python_client: that package parses and resolves; what it leaves
out (descriptions, answers' headers, vendor extensions) is read from the document itself. Its
classes end here.
"""

import re
from pathlib import Path
from typing import Any

from openapi_python_client.config import Config, ConfigFile, MetaType
from openapi_python_client.parser.errors import GeneratorError as ParserError
from openapi_python_client.parser.errors import ParseError
from openapi_python_client.parser.openapi import Endpoint, GeneratorData
from openapi_python_client.parser.properties import (
    AnyProperty,
    LiteralEnumProperty,
    ModelProperty,
)
from openapi_python_client.parser.properties.boolean import BooleanProperty
from openapi_python_client.parser.properties.float import FloatProperty
from openapi_python_client.parser.properties.int import IntProperty
from openapi_python_client.parser.properties.list_property import ListProperty
from openapi_python_client.parser.properties.string import StringProperty
from openapi_python_client.schema import OpenAPI
from openapi_python_client.strings import ClassName
from pydantic import ValidationError

from .errors import GeneratorError, as_string, pointer
from .ir import (
    AnyValue,
    Api,
    Argument,
    Array,
    Enum,
    ErrorAnswer,
    Field,
    Map,
    Model,
    OpenObject,
    Operation,
    Page,
    Ref,
    Scalar,
    Type,
    models_in,
)
from .naming import TAKEN_CLASSES, class_name, field_name, operation_name
from .swagger import Document, operations

__all__ = ["parse"]

_ENDPOINT = re.compile(r"WARNING parsing (?P<method>\w+) (?P<path>.+) within ")
_OPERATION_ID = re.compile(r" of endpoint operation_\d+")


def parse(document: Document) -> Api:
    """Describe a normalized OpenAPI 3 document.

    Raises:
        GeneratorError: The parser refused a part of it, or it uses what we have no code for.
    """
    return _Builder(document, _parse(document)).api()


def _parse(document: Document) -> GeneratorData:
    config = Config.from_sources(
        ConfigFile(literal_enums=True, use_path_prefixes_for_title_model_names=False),
        MetaType.NONE,
        document_source=Path("swagger.json"),
        file_encoding="utf-8",
        overwrite=False,
        output_path=None,
    )
    try:
        OpenAPI.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise GeneratorError(f"{_place(document, fault['loc'])}: {fault['msg']}") from error
    data = GeneratorData.from_dict(document, config=config)
    assert not isinstance(data, ParserError), "it refuses what its schema refuses, nothing else"
    errors: list[ParseError] = list(data.errors)
    for collection in data.endpoint_collections_by_tag.values():
        errors += collection.parse_errors
    if errors:
        raise GeneratorError(_refusal(document, errors[0]))
    return data


def _refusal(document: Document, error: ParseError) -> str:
    """Return what the parser refused, with the place instead of its own words for it."""
    header = error.header.strip()
    if found := _ENDPOINT.match(header):
        place = pointer("paths", found["path"], found["method"].lower())
    else:
        name = header.removeprefix("Unable to process schema /components/schemas/").rstrip(":")
        place = document["components"]["schemas"].get(name, {}).get("x-pointer", header)
    detail = (error.detail or "refused").strip().splitlines()[0]
    return f"{place}: {_OPERATION_ID.sub('', detail)}"


def _place(document: Document, location: tuple[str | int, ...]) -> str:
    """Return the pointer of a fault in the document; its path also names the parser's classes."""
    node: Any = document
    tokens: list[str | int] = []
    for token in location:
        if isinstance(node, list):
            node = dict(enumerate(node))
        if isinstance(node, dict) and token in node:
            node = node[token]
            tokens.append(token)
    return pointer(*tokens).replace("/components/schemas/", "/definitions/", 1)


class _Builder:
    def __init__(self, document: Document, data: GeneratorData) -> None:
        self._document = document
        self._schemas: Document = document["components"]["schemas"]
        self._parsed = {str(model.class_info.name): model for model in data.models}
        # The parser has its own idea of how a class is called.
        self._names = {str(ClassName(name, "")): name for name in self._schemas}
        collections = data.endpoint_collections_by_tag.values()
        self._endpoints = {
            str(endpoint.name): endpoint
            for collection in collections
            for endpoint in collection.endpoints
        }
        self._fields = {name: self._fields_of(name) for name in self._schemas}

    def api(self) -> Api:
        found = tuple(
            self._operation(path, method, operation)
            for path, method, operation in operations(self._document)
        )
        self._refuse_taken_names(found)
        results = self._closure(
            [operation.result for operation in found if operation.result is not None]
        )
        arguments = self._closure(
            [
                argument.type
                for operation in found
                for argument in operation.arguments
                if argument.place == "body"
            ]
        )
        metadata = {operation.metadata for operation in found if operation.metadata}
        models = tuple(
            Model(
                name,
                self._schemas[name].get("description", ""),
                self._fields[name],
                is_result=name in results,
                is_argument=name in arguments,
                is_metadata=name in metadata,
            )
            for name in self._in_order()
        )
        info = self._document["info"]
        return Api(
            info["title"],
            info["version"],
            self._document["servers"][0]["url"],
            models,
            tuple(sorted(found, key=lambda operation: operation.name)),
        )

    def _refuse_taken_names(self, found: tuple[Operation, ...]) -> None:
        seen: dict[str, str] = {}
        for operation in found:
            place = pointer("paths", operation.path, operation.method.lower())
            if not operation.name.isidentifier():
                raise GeneratorError(f"{place}: {operation.name!r} is not a valid name of a method")
            if operation.name in seen:
                raise GeneratorError(
                    f"{place}: two operations would both be called {operation.name};"
                    f" the other is {seen[operation.name]}"
                )
            seen[operation.name] = place
        ours = {f"{prefix}{op.class_name}" for op in found for prefix in ("", "Async")}
        dicts = {f"{name}Dict" for name in self._schemas}
        for name, schema in self._schemas.items():
            if name in ours | dicts | TAKEN_CLASSES:
                raise GeneratorError(
                    f"{schema['x-pointer']}: the generated code has another use for {name}"
                )

    def _fields_of(self, name: str) -> tuple[Field, ...]:
        place = self._schemas[name]["x-pointer"]
        parsed = self._parsed.get(ClassName(name, ""))
        properties = self._schemas[name].get("properties")
        if parsed is None or not properties:
            raise GeneratorError(f"{place}: not an object with properties")
        both = [*(parsed.required_properties or []), *(parsed.optional_properties or [])]
        by_name = {prop.name.get_untrusted_value(): prop for prop in both}
        fields = tuple(
            Field(
                wire_name,
                field_name(wire_name),
                self._type(by_name[wire_name], f"{place}/properties"),
                by_name[wire_name].required,
                self._description(schema),
            )
            for wire_name, schema in properties.items()
        )
        _refuse_clashes([field.name for field in fields], place)
        return fields

    def _description(self, schema: Document) -> str:
        """Return a schema's own text, or the one of what it refers to."""
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return str(schema.get("description", ""))

    def _type(self, prop: Any, place: str) -> Type:
        match prop:
            case StringProperty():
                return Scalar("str")
            case BooleanProperty():
                return Scalar("bool")
            case IntProperty():
                return Scalar("int")
            case FloatProperty():
                return Scalar("float")
            case LiteralEnumProperty():
                return Enum(tuple(sorted(str(value) for value in prop.values)))
            case ListProperty():
                return Array(self._type(prop.inner_property, place))
            case AnyProperty():
                return AnyValue()
            case ModelProperty():
                return self._object_type(prop, place)
        raise GeneratorError(
            f"{place}: {prop.name.get_untrusted_value()!r} has an unsupported type"
            f" ({type(prop).__name__})"
        )

    def _object_type(self, prop: ModelProperty, place: str) -> Type:
        # A property made from a reference is a copy taken before its model was processed: what it
        # is, is told by its data.
        if prop.data.properties or prop.data.allOf:
            return Ref(self._names[str(prop.class_info.name)])
        parsed = self._parsed.get(str(prop.class_info.name), prop)
        if isinstance(parsed.additional_properties, AnyProperty | None):
            return OpenObject()
        return Map(self._type(parsed.additional_properties, place))

    def _operation(self, path: str, method: str, operation: Document) -> Operation:
        place = ("paths", path, method)
        endpoint = self._endpoints[operation["operationId"]]
        name = operation_name(method, path)
        result = self._result(endpoint, pointer(*place, "responses"))
        arguments = self._arguments(endpoint, operation, pointer(*place, "parameters"))
        return Operation(
            name=name,
            class_name=class_name(name),
            method=method.upper(),
            path=path,
            summary=_one_line(operation.get("summary") or f"{method.upper()} {path}"),
            description=operation.get("description", ""),
            arguments=arguments,
            has_body="requestBody" in operation,
            result=result,
            metadata=operation.get("x-headers"),
            is_content=operation["x-content"],
            location_switch=_switch(operation, arguments, pointer(*place, "x-location-switch")),
            page=self._page(operation, result, pointer(*place)),
            unwrap=operation.get("x-unwrap"),
            is_secured=bool(operation["security"]),
            is_repeatable=operation.get(
                "x-repeatable", method.upper() in {"GET", "HEAD", "PUT", "DELETE"}
            ),
            errors=tuple(
                ErrorAnswer(status, tuple(codes)) for status, codes in operation["x-errors"]
            ),
        )

    def _result(self, endpoint: Endpoint, place: str) -> Type | None:
        answers = list(endpoint.responses)
        if not answers or isinstance(answers[0].prop, AnyProperty):
            return None
        kind = self._type(answers[0].prop, place)
        if not isinstance(kind, Ref | OpenObject):
            raise GeneratorError(f"{place}: an answer must be an object")
        return kind

    def _arguments(
        self, endpoint: Endpoint, operation: Document, place: str
    ) -> tuple[Argument, ...]:
        arguments = [
            Argument(
                node["name"],
                field_name(node["name"]),
                node["in"],
                self._type(_by_name(endpoint, node), place),
                node.get("required", False),
                node.get("description", ""),
            )
            for node in operation["parameters"]
        ]
        if "requestBody" in operation:
            arguments += self._body_arguments(endpoint, operation, place)
        _refuse_clashes([argument.name for argument in arguments], place)
        return tuple(sorted(arguments, key=lambda argument: not argument.required))

    def _body_arguments(
        self, endpoint: Endpoint, operation: Document, place: str
    ) -> list[Argument]:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        parsed = endpoint.bodies[0].prop
        assert isinstance(parsed, ModelProperty), "normalize.py lets no other body through"
        both = [*(parsed.required_properties or []), *(parsed.optional_properties or [])]
        by_name = {prop.name.get_untrusted_value(): prop for prop in both}
        return [
            Argument(
                wire_name,
                field_name(wire_name),
                "body",
                self._type(by_name[wire_name], place),
                by_name[wire_name].required,
                self._description(node),
            )
            for wire_name, node in schema["properties"].items()
        ]

    def _page(self, operation: Document, result: Type | None, place: str) -> Page | None:
        if not operation["x-paged"]:
            return None
        items = operation.get("x-page-items")
        if items is None:
            raise GeneratorError(
                f"{place}: paged (it answers 206), but nothing says which list continues;"
                " add a correction with x-page-items"
            )
        attributes: list[str] = []
        kind: Type | None = result
        for part in as_string(items, f"{place}/x-page-items").split("."):
            fields = self._fields[kind.model] if isinstance(kind, Ref) else ()
            field = next((field for field in fields if field.wire_name == part), None)
            if field is None or not field.required:
                raise GeneratorError(f"{place}/x-page-items: no required field {part!r} ({items})")
            attributes.append(field.name)
            kind = field.type
        if not isinstance(kind, Array):
            raise GeneratorError(f"{place}/x-page-items: {items!r} is not a list")
        return Page(tuple(attributes), kind.item)

    def _closure(self, types: list[Type]) -> set[str]:
        """Return the models that `types` lead to."""
        reached: set[str] = set()
        waiting = [name for kind in types for name in models_in(kind)]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                for field in self._fields[name]:
                    waiting += models_in(field.type)
        return reached

    def _in_order(self) -> list[str]:
        """Return the models' names, each after those it is made of; else by the alphabet."""
        ordered: list[str] = []

        def visit(name: str, trail: tuple[str, ...]) -> None:
            if name in trail:
                place = self._schemas[name]["x-pointer"]
                raise GeneratorError(f"{place}: there is no code for objects inside themselves")
            if name in ordered:
                return
            for field in self._fields[name]:
                for inner in models_in(field.type):
                    visit(inner, (*trail, name))
            ordered.append(name)

        for name in sorted(self._schemas):
            visit(name, ())
        return ordered


def _one_line(text: str) -> str:
    return " ".join(text.split()).removesuffix(".")


def _switch(operation: Document, arguments: tuple[Argument, ...], place: str) -> str | None:
    wire_name = operation.get("x-location-switch")
    if wire_name is None:
        return None
    for argument in arguments:
        if argument.wire_name == wire_name and argument.type == Scalar("bool"):
            return argument.name
    raise GeneratorError(f"{place}: {wire_name!r} is not a boolean parameter")


def _by_name(endpoint: Endpoint, node: Document) -> Any:
    chosen = endpoint.path_parameters if node["in"] == "path" else endpoint.query_parameters
    return next(prop for prop in chosen if prop.name.get_untrusted_value() == node["name"])


def _refuse_clashes(names: list[str], place: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise GeneratorError(f"{place}: two names would both be {name!r} in Python")
