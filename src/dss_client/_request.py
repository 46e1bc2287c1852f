"""The operations of the API as values, and how one request of them is written on the wire."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast
from urllib.parse import quote, urlencode
from uuid import UUID

from attrs import Factory, field, frozen

from .errors import InvalidArgument

__all__ = ["Endpoint", "Parameter", "Request", "range_header"]


@frozen(kw_only=True)
class Parameter:
    """One argument of an operation.

    Attributes:
        name: Its name in Python.
        wire_name: Its name on the wire.
        place: Where it goes.
        type: The JSON type of its values.
        required: It has no default.
        choices: The values it can have; empty where any value of its type will do.
        description: What it means.
    """

    name: str
    wire_name: str = field(default=Factory(lambda self: self.name, takes_self=True))
    place: Literal["path", "query", "body"]
    type: Literal["string", "integer", "number", "boolean", "array", "object", "any"] = "string"
    required: bool = False
    choices: tuple[str, ...] = ()
    description: str = field(default="", repr=False)


@frozen(kw_only=True)
class Endpoint:
    """An operation of the API: what the clients, the command line and the facade know of it.

    Attributes:
        name: Its name as a method, such as ``get_bundle``.
        method: The HTTP method.
        path: Path below the base URL, with names in braces.
        summary: What it does, in a few words.
        description: The whole text, in Markdown.
        parameters: Its arguments, those that are required first.
        result: Name of the type it returns.
        item_path: The names on the wire that lead to the list that its pages continue; empty where
            it has no pages.
        secured: It asks for a token.
        repeatable: Sending it twice does no harm.
        is_content: It answers with a file's content, by a redirect to storage.
        location_switch: The argument that asks for the URL of the content instead.
        errors: The codes that the specification lists for each status, or for ``default``.
    """

    name: str
    method: str
    path: str
    summary: str
    description: str = field(default="", repr=False)
    parameters: tuple[Parameter, ...] = field(default=(), repr=False)
    result: str = "None"
    item_path: tuple[str, ...] = ()
    secured: bool = False
    repeatable: bool = True
    is_content: bool = False
    location_switch: str | None = None
    errors: Mapping[str, tuple[str, ...]] = field(factory=dict[str, tuple[str, ...]], repr=False)

    def request(self, **arguments: object) -> "Request":
        """Return the request with these arguments; None means "not given".

        Raises:
            InvalidArgument: A value cannot be part of the path, or has no JSON form.
        """
        for name in arguments.keys() - {each.name for each in self.parameters}:
            raise TypeError(f"{self.name} has no argument {name!r}")
        given = [(each, arguments.get(each.name)) for each in self.parameters]
        values = {
            place: {each.wire_name: value for each, value in given if each.place == place}
            for place in ("path", "query", "body")
        }
        return Request(
            endpoint=self,
            path=_path(self.path, values["path"]),
            query=tuple(_query(values["query"])),
            body=_body(values["body"]) if values["body"] else None,
        )


@frozen(kw_only=True)
class Request:
    """One request of an operation.

    Attributes:
        endpoint: The operation.
        path: Path below the base URL, quoted.
        query: Query parameters in the order of the specification; None was left out.
        body: The JSON body, or None where the operation has none.
    """

    endpoint: Endpoint
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = field(default=None, repr=False)

    def url(self, base_url: str) -> str:
        """Return the whole URL."""
        query = urlencode(self.query, quote_via=quote)
        return f"{base_url}{self.path}?{query}" if query else f"{base_url}{self.path}"


def range_header(first: int, last: int | None) -> str | None:
    """Return the header ``Range`` for bytes `first` to `last` (included); None for all of them."""
    if not first and last is None:
        return None
    return f"bytes={first}-{'' if last is None else last}"


def _path(template: str, values: Mapping[str, object]) -> str:
    texts = {name: "" if value is None else str(value) for name, value in values.items()}
    for name, text in texts.items():
        if text in {"", ".", ".."}:  # it would name another resource
            raise InvalidArgument(f"{name} must not be {text!r}: it is part of the path {template}")
    return template.format_map({name: quote(text, safe="") for name, text in texts.items()})


def _query(values: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, bool):
            yield name, "true" if value else "false"
        else:
            yield name, str(value)


def _body(values: Mapping[str, object]) -> bytes:
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return json.dumps(given, default=_encode, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"the request body cannot be written as JSON: {error}") from error


def _encode(value: object) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is not None:  # a model of ours; this module must not load pydantic to find out
        return dump(mode="json", by_alias=True, exclude_unset=True)
    to_dict = getattr(value, "to_dict", None)
    if to_dict is not None:
        return to_dict()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        return list(cast("Iterable[object]", value))
    raise TypeError(f"{type(value).__name__} is not JSON")
