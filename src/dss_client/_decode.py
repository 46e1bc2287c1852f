"""How operations read a final answer."""

import json
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from pydantic import ValidationError

from ._hints import is_json_object
from ._model import HeaderModel, Model
from ._response import RawResponse, Response
from .errors import DSSDecodeError, ResponseInfo
from .types import JSONObject

__all__ = [
    "Decoder",
    "decode_content",
    "decode_headers",
    "decode_json",
    "decode_location",
    "decode_nothing",
    "decode_object",
    "to_raw",
]

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=Model)
HeadersT = TypeVar("HeadersT", bound=HeaderModel)

Decoder = Callable[[Response], T]
"""Turns a final answer into an operation's result."""


def to_raw(response: Response, decode: Decoder[T]) -> RawResponse[T]:
    """Return an answer with everything that HTTP says."""
    return RawResponse(response.status_code, response.headers, response.content, decode(response))


def decode_json(model: type[ModelT], *, unwrap: str | None = None) -> Decoder[ModelT]:
    """Return a decoder of JSON bodies.

    Args:
        model: The model of the body.
        unwrap: A property that some deployments wrap the body in, as the specification says, and
            others do not: both are read.
    """

    def decode(response: Response) -> ModelT:
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            fault = _decode_error(response, error)
        inner = _unwrapped(response.content, unwrap)
        if inner is not None:
            try:
                return model.model_validate(inner)
            except ValidationError as error:
                fault = _decode_error(response, error)
        raise fault  # without pydantic's error: that keeps the body, which may hold a token

    return decode


def _unwrapped(content: bytes, name: str | None) -> JSONObject | None:
    if name is None:
        return None
    try:
        document: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    inner = cast("JSONObject", document).get(name) if isinstance(document, dict) else None
    return cast("JSONObject", inner) if isinstance(inner, dict) else None


def decode_object(response: Response) -> JSONObject:
    """Decode a JSON object that the specification leaves open; an empty body is an empty object."""
    if not response.content:
        return {}
    document: object = None
    try:
        document = json.loads(response.content)
        problem = "the answer is not a JSON object"
    except (ValueError, RecursionError):  # not kept as the cause: it holds the body
        problem = "the answer is not JSON"
    if not isinstance(document, dict):
        raise _unreadable(response, problem)
    return cast("JSONObject", document)


def decode_nothing(_response: Response) -> None:
    """Decode an answer without a body."""


def decode_content(response: Response) -> bytes:
    """Decode the content of a file: the bytes themselves, whatever their type."""
    return response.content


def decode_location(response: Response) -> str:
    """Decode a redirect that is not to be followed: the URL it points to."""
    if response.location is None:
        raise _unreadable(response, "the service did not answer with a redirect to the content")
    return response.location


def decode_size(response: Response) -> int:
    """Decode the size of a content, of which nothing else is wanted."""
    text = response.headers.get("x-dss-size", "")
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise _unreadable(response, "the answer says no size of the content (X-DSS-SIZE)")
    return int(text)


def decode_headers(model: type[HeadersT]) -> Decoder[HeadersT]:
    """Return a decoder of metadata that is sent as headers."""

    def decode(response: Response) -> HeadersT:
        try:
            return model.from_headers(response.headers)
        except ValidationError as error:
            fault = _decode_error(response, error)
        raise fault

    return decode


def _info(response: Response) -> ResponseInfo:
    headers: Mapping[str, str] = response.headers
    return ResponseInfo.masked(response.status_code, headers, response.content, response.secrets)


def _unreadable(response: Response, message: str) -> DSSDecodeError:
    return DSSDecodeError(
        f"{response.status_code} {message}{_hint(response)}",
        request=response.request,
        response=_info(response),
    )


def _hint(response: Response) -> str:
    has_hint = response.hint and response.content and not is_json_object(response.content)
    return f". {response.hint}" if has_hint else ""


def _decode_error(response: Response, error: ValidationError) -> DSSDecodeError:
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    place = f" at {path}" if path else ""
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    said = f"answer breaks the specification{place}: {first['msg']}{more}"
    return DSSDecodeError(
        f"{response.status_code} {said}{_hint(response)}",
        request=response.request,
        response=_info(response),
        field=path or None,
    )
