"""One request of the API as a value, and how its parts are written on the wire."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast
from urllib.parse import quote, urlencode

from attrs import field, frozen

from .errors import InvalidArgument
from .types import JSONMapping, SupportsToDict

__all__ = ["JSONMapping", "Request", "SupportsToDict", "encode_body", "encode_path", "encode_query"]


Scalar = str | int | float | bool


@frozen(kw_only=True)
class Request:
    """What an operation wants sent.

    Attributes:
        operation: The operation's name, such as ``get_bundle``.
        method: The HTTP method.
        path: Path below the base URL, quoted.
        query: Query parameters in the order of the specification; None was left out.
        body: The JSON body, or None where the operation has none.
        secured: The operation asks for a token.
        repeatable: Sending it twice does no harm.
        content: It is answered with a file's content, by a redirect to storage.
    """

    operation: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = field(default=None, repr=False)
    secured: bool = False
    repeatable: bool = True
    content: bool = False

    def url(self, base_url: str) -> str:
        """Return the whole URL."""
        query = urlencode(self.query, quote_via=quote)
        return f"{base_url}{self.path}?{query}" if query else f"{base_url}{self.path}"


def encode_path(template: str, values: Mapping[str, str]) -> str:
    """Fill `template` with quoted values.

    Raises:
        InvalidArgument: A value is empty or a dot segment, which would name another resource.
    """
    for name, value in values.items():
        if value in {"", ".", ".."}:
            raise InvalidArgument(
                f"{name} must not be {value!r}: it is part of the path {template}"
            )
    return template.format_map({name: quote(value, safe="") for name, value in values.items()})


def encode_query(values: Mapping[str, Scalar | None]) -> tuple[tuple[str, str], ...]:
    """Write query values as text; None means "not given" and is left out."""
    return tuple(_pairs(values))


def _pairs(values: Mapping[str, Scalar | None]) -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, bool):
            yield name, "true" if value else "false"
        else:
            yield name, str(value)


def encode_body(values: Mapping[str, object]) -> bytes:
    """Write a JSON body; properties that are None were not given and are left out.

    Raises:
        InvalidArgument: A value has no JSON form.
    """
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return json.dumps(given, default=_encode, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"the request body cannot be written as JSON: {error}") from error


def _encode(value: object) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is not None:  # a model of ours; this module must not load pydantic to find out
        return dump(mode="json", by_alias=True, exclude_unset=True)
    to_dict = getattr(value, "to_dict", None)
    if to_dict is not None:
        return to_dict()
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        return list(cast("Iterable[object]", value))
    raise TypeError(f"{type(value).__name__} is not JSON")
