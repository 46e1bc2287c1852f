"""The schemas that there is code for; every other one is refused by its pointer."""

import re
from typing import Any

from .errors import GeneratorError, as_list, as_object, as_string, pointer

__all__ = ["check_parameter", "check_schema"]

_SCALARS = ("string", "integer", "number", "boolean")
_FORMATS_WITHOUT_CODE = frozenset({"binary", "date", "date-time", "uuid"})
_PLACES = frozenset({"path", "query", "body"})
_DEFINITION = re.compile(r"#/definitions/[^/~]+")


def check_schema(schema: Any, place: str) -> None:
    """Check a schema and all inside it.

    Raises:
        GeneratorError: There is no code for it.
    """
    as_object(schema, place)
    if "$ref" in schema:
        if not _DEFINITION.fullmatch(str(schema["$ref"])):
            raise GeneratorError(f"{place}/$ref: a schema can refer to definitions only")
        return
    kind = schema.get("type")
    if "enum" in schema:
        _check_enum(schema, place)
    elif kind == "array":
        if "items" not in schema:
            raise GeneratorError(f"{place}: a list must say what its items are")
        check_schema(schema["items"], f"{place}/items")
    elif kind in (None, "object"):
        _check_object(schema, place)
    elif kind not in _SCALARS:
        raise GeneratorError(f"{place}/type: there is no code for type {kind!r}")
    elif kind == "string" and schema.get("format") in _FORMATS_WITHOUT_CODE:
        raise GeneratorError(f"{place}/format: there is no code for format {schema['format']!r}")


def _check_enum(schema: dict[str, Any], place: str) -> None:
    values = as_list(schema["enum"], f"{place}/enum")
    strings = all(isinstance(value, str) for value in values)
    if not strings or not values or schema.get("type", "string") != "string":
        raise GeneratorError(f"{place}/enum: there is code for enums of strings only")


def _check_object(schema: dict[str, Any], place: str) -> None:
    properties = as_object(schema.get("properties", {}), f"{place}/properties")
    if "$ref" in properties:
        raise GeneratorError(f"{place}/properties/$ref: a property cannot be called $ref")
    for name, value in properties.items():
        check_schema(value, place + pointer("properties", name))
    for index, name in enumerate(as_list(schema.get("required", []), f"{place}/required")):
        as_string(name, place + pointer("required", index))
    for index, part in enumerate(as_list(schema.get("allOf", []), f"{place}/allOf")):
        check_schema(part, place + pointer("allOf", index))
    if isinstance(schema.get("additionalProperties"), dict):
        check_schema(schema["additionalProperties"], f"{place}/additionalProperties")


def check_parameter(parameter: dict[str, Any], place: str) -> None:
    """Check a parameter that is not a reference.

    Raises:
        GeneratorError: It is incomplete, or there is no code for it.
    """
    for key in ("name", "in"):
        if key not in parameter:
            raise GeneratorError(f"{place}: {key!r} is missing")
        as_string(parameter[key], f"{place}/{key}")
    name, where = parameter["name"], parameter["in"]
    if where not in _PLACES:
        raise GeneratorError(f"{place}: parameters in {where!r} are not supported")
    if where == "body":
        if "schema" not in parameter:
            raise GeneratorError(f"{place}: the body has no schema")
        check_schema(parameter["schema"], f"{place}/schema")
        return
    if "type" not in parameter and "enum" not in parameter:
        raise GeneratorError(f"{place}: {name!r} has no type")
    check_schema(parameter, place)
    if parameter.get("type") in ("array", "object"):
        raise GeneratorError(f"{place}: {name!r} must be a single value")
    if where == "path" and not parameter.get("required"):
        raise GeneratorError(f"{place}: {name!r} is part of the path, so it must be required")
    if where == "path" and parameter.get("type", "string") != "string":
        raise GeneratorError(f"{place}: {name!r} is part of the path, so it must be a string")
