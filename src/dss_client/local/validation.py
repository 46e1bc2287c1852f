"""Requests checked against the pinned specification (docs/behaviour.md 2).

The order is the service's: the body, then query parameters as the specification lists them, then
path parameters. The first failure answers.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
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
class Parameter:
    """A parameter in the query or path, as the specification has it."""

    name: str
    place: str
    type: str
    required: bool
    default: Any
    validator: Draft4Validator

    def check(self, text: str | None) -> Any:
        """Return the value that a text stands for, the default where it is None.

        Raises:
            Problem: It is missing, or not valid.
        """
        what = f"{self.place.capitalize()} parameter {self.name!r}"
        if text is None:
            if self.required:
                raise illegal_arguments(f"{what} is required.")
            return self.default
        value: str | int = text
        if self.type == "boolean":
            value = {"true": True, "false": False}.get(text.lower(), text)
        elif self.type == "integer":
            with suppress(ValueError):
                value = int(text)
        _validate(self.validator, value, what)
        return value


@frozen(eq=False)
class Operation:
    """One operation of the specification, with what its requests must hold."""

    id: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
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
    checked: dict[str, dict[str, Any]] = {"query": {}, "path": {}}
    for parameter in operation.parameters:
        texts = given if parameter.place == "query" else path
        checked[parameter.place][parameter.name] = parameter.check(texts.get(parameter.name))
    return Arguments(body=content, **checked)


def _operation(spec: dict[str, Any], method: str, path: str, item: dict[str, Any]) -> Operation:
    listed = [
        spec["parameters"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        for each in item.get("parameters", [])
    ]
    schemas = [each["schema"] for each in listed if each["in"] == "body"]
    parameters = [_parameter(each) for each in listed if each["in"] != "body"]
    parameters.sort(key=lambda parameter: parameter.place == "path")
    return Operation(
        id=item["operationId"],
        method=method.upper(),
        path=path,
        parameters=tuple(parameters),
        body=_validator({"allOf": schemas, "definitions": spec["definitions"]})
        if schemas
        else None,
        secured=bool(item.get("security")),
    )


def _parameter(item: dict[str, Any]) -> Parameter:
    names = {"type", "enum", "minimum", "maximum", "pattern", "format"}
    schema = {name: value for name, value in item.items() if name in names}
    if "pattern" in schema:  # holds for all of the text
        schema["pattern"] = rf"^(?:{schema['pattern']})\Z"
    return Parameter(
        name=item["name"],
        place=item["in"],
        type=item["type"],
        required=item["required"],
        default=item.get("default"),
        validator=_validator(schema),
    )


_formats = FormatChecker(formats=())


@_formats.checks(_VERSION)
def _is_version(value: object) -> bool:
    return not isinstance(value, str) or is_version(value)


@_formats.checks("email")
def _is_email(value: object) -> bool:
    return not isinstance(value, str) or "@" in value


def _validator(schema: dict[str, Any]) -> Draft4Validator:
    return Draft4Validator(schema, format_checker=_formats)


def _validate(validator: Draft4Validator, value: object, what: str) -> None:
    try:
        validator.validate(value)  # pyright: ignore[reportUnknownMemberType] - untyped
    except ValidationError as error:
        place = "".join(f"/{part}" for part in error.absolute_path)
        title = f"{what} is not valid{place and f' at {place!r}'}: {error.message}"
        if error.validator == "format" and error.validator_value == _VERSION:
            raise Problem(400, "illegal_version", title) from error
        raise illegal_arguments(title) from error


def _check_body(validator: Draft4Validator, content_type: str, body: bytes) -> dict[str, Any]:
    """Return the parsed body. It is required wherever the specification has one."""
    media_type = content_type.partition(";")[0].strip().lower()
    if not body:
        raise illegal_arguments("The request needs a JSON body, at least {}.")
    if media_type != "application/json" and not media_type.endswith("+json"):
        title = "The body must have the type application/json."
        raise Problem(415, "unsupported_media_type", title)
    try:
        content: dict[str, Any] = json.loads(body)
        # Neither a number without end nor half of a surrogate pair.
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        title = "The body holds half of a surrogate pair, which is no text."
        raise illegal_arguments(title) from error
    except (ValueError, RecursionError) as error:
        raise illegal_arguments(NOT_JSON) from error
    _validate(validator, content, "The body")
    return content
