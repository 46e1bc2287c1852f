"""Requests checked against the pinned specification (docs/behaviour.md 2).

The order is the service's: the body, then query parameters as the specification lists them, then
path parameters. The first failure answers.
"""

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from attrs import field, frozen
from jsonschema import Draft4Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from dss_client import _spec
from dss_client.versions import is_version

from .errors import Problem, illegal_arguments

_METHODS = ("get", "put", "post", "delete", "head", "patch")
_VERSION = "DSS_VERSION"
NOT_JSON = "The body is not valid JSON."


@frozen(eq=False)
class Operation:
    """One operation of the specification, with what its requests must hold."""

    id: str
    method: str
    path: str
    query: tuple[dict[str, Any], ...]
    path_parameters: tuple[dict[str, Any], ...]
    body: Draft4Validator | None
    secured: bool


@frozen
class Identified:
    """What a request asks for, told from its method and path.

    Attributes:
        operation: The operation; None where there is none.
        arguments: The arguments in the path, decoded.
        methods: All methods of that path.
    """

    operation: Operation | None = None
    arguments: dict[str, str] = field(factory=dict[str, str])
    methods: tuple[str, ...] = ()

    @property
    def operation_id(self) -> str:
        """The id of the operation; empty where there is none."""
        return self.operation.id if self.operation else ""


@frozen
class Arguments:
    """The checked and converted arguments of a request; absent ones have their default or None."""

    query: dict[str, Any]
    path: dict[str, str]
    body: dict[str, Any]


@cache
def operations() -> tuple[Operation, ...]:
    """Return all operations of the pinned specification."""
    spec = _spec.load()
    return tuple(
        _operation(spec, method, path, item[method])
        for path, item in spec["paths"].items()
        for method in _METHODS
        if method in item
    )


def check(
    operation: Operation, path: Mapping[str, str], query: str, content_type: str, body: bytes
) -> Arguments:
    """Check a request and convert its arguments.

    Args:
        operation: What the request asks for.
        path: The path parameters, decoded.
        query: The query string as sent.
        content_type: The request's content type, empty when it has none.
        body: The body as sent.

    Raises:
        Problem: 400 or 415, with the code of docs/behaviour.md 2.
    """
    content = _check_body(operation.body, content_type, body) if operation.body else {}
    given = dict(parse_qsl(query, keep_blank_values=True))  # the last of repeated ones wins
    return Arguments(
        body=content,
        query={
            parameter["name"]: _check_parameter(parameter, given.get(parameter["name"]))
            for parameter in operation.query
        },
        path={
            parameter["name"]: _check_parameter(parameter, path[parameter["name"]])
            for parameter in operation.path_parameters
        },
    )


def _operation(spec: dict[str, Any], method: str, path: str, item: dict[str, Any]) -> Operation:
    parameters = [
        spec["parameters"][parameter["$ref"].rpartition("/")[2]]
        if "$ref" in parameter
        else parameter
        for parameter in item.get("parameters", [])
    ]
    schemas = [parameter["schema"] for parameter in parameters if parameter["in"] == "body"]
    return Operation(
        id=item["operationId"],
        method=method.upper(),
        path=path,
        query=tuple(parameter for parameter in parameters if parameter["in"] == "query"),
        path_parameters=tuple(parameter for parameter in parameters if parameter["in"] == "path"),
        body=_validator(spec, schemas[0]) if schemas else None,
        secured=bool(item.get("security")),
    )


_formats = FormatChecker(formats=())


@_formats.checks(_VERSION)
def _is_version(value: object) -> bool:
    return not isinstance(value, str) or is_version(value)


@_formats.checks("email")
def _is_email(value: object) -> bool:
    return not isinstance(value, str) or "@" in value


def _validator(spec: dict[str, Any], schema: dict[str, Any]) -> Draft4Validator:
    return Draft4Validator(
        {"allOf": [schema], "definitions": spec["definitions"]}, format_checker=_formats
    )


def _check_body(validator: Draft4Validator, content_type: str, body: bytes) -> dict[str, Any]:
    """Return the parsed body. It is required wherever the specification has one.

    See docs/behaviour.md 2.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    is_json = media_type == "application/json" or media_type.endswith("+json")
    if not body:
        raise illegal_arguments("The request needs a JSON body, at least {}.")
    if not is_json:
        raise Problem(
            415, "unsupported_media_type", "The body must have the type application/json."
        )
    try:
        content = json.loads(body, parse_constant=_no_number, parse_float=_finite)
        json.dumps(content, ensure_ascii=False).encode()  # no half of a surrogate pair
    except UnicodeEncodeError as error:
        title = "The body holds half of a surrogate pair, which is no text."
        raise illegal_arguments(title) from error
    except (ValueError, RecursionError) as error:
        raise illegal_arguments(NOT_JSON) from error
    try:
        validator.validate(content)  # pyright: ignore[reportUnknownMemberType] - untyped
    except ValidationError as fault:
        raise _body_problem(fault) from fault
    checked: dict[str, Any] = content
    return checked


def _no_number(name: str) -> None:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _no_number(text)
    return number


def _body_problem(error: ValidationError) -> Problem:
    place = "/".join(str(part) for part in error.absolute_path)
    title = f"The body is refused at {'/' + place!r}: {error.message}"
    if error.validator == "format" and error.validator_value == _VERSION:
        return Problem(400, "illegal_version", title)
    return illegal_arguments(title)


def _check_parameter(parameter: dict[str, Any], text: str | None) -> Any:
    if text is None:
        if parameter["required"]:
            raise _refused(parameter, "is required")
        return parameter.get("default")
    value = _converted(parameter, text)
    if "enum" in parameter and value not in parameter["enum"]:
        raise _refused(parameter, f"must be one of {', '.join(parameter['enum'])}")
    if "minimum" in parameter and value < parameter["minimum"]:
        raise _refused(parameter, f"must be at least {parameter['minimum']}")
    if "maximum" in parameter and value > parameter["maximum"]:
        raise _refused(parameter, f"must be at most {parameter['maximum']}")
    if "pattern" in parameter and not re.fullmatch(parameter["pattern"], text):
        raise _refused(parameter, f"must match {parameter['pattern']}")
    if parameter.get("format") == _VERSION and not is_version(text):
        title = f"Query parameter {parameter['name']!r} is not of the form DSS_VERSION."
        raise Problem(400, "illegal_version", title)
    return value


def _converted(parameter: dict[str, Any], text: str) -> str | int | bool:
    match parameter["type"]:
        case "boolean":
            if text.lower() not in {"true", "false"}:
                raise _refused(parameter, "must be true or false")
            return text.lower() == "true"
        case "integer":
            try:
                return int(text)
            except ValueError as error:
                raise _refused(parameter, "must be an integer") from error
        case _:
            return text


def _refused(parameter: dict[str, Any], reason: str) -> Problem:
    place = parameter["in"].capitalize()
    return illegal_arguments(f"{place} parameter '{parameter['name']}' {reason}.")
