"""What the generated operation classes stand on: decoding, paging and streaming.

A generated operation is a small object that holds a transport. Its written-out methods build a
`Request` and hand it to one of the methods here, together with the operation's `Endpoint`.
"""

import json
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Generator,
    Iterator,
    Mapping,
)
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import httpx
from attrs import field, frozen
from pydantic import ValidationError

from ._model import HeaderModel, Model
from ._paging import next_request
from ._request import Request
from ._transport import Answer, StorageResponse, Transport
from .errors import DSSDecodeError, RequestInfo, ResponseInfo
from .types import JSONObject

if TYPE_CHECKING:
    from ._async_transport import AsyncStorageResponse, AsyncTransport

__all__ = [
    "AsyncContentStream",
    "AsyncOperation",
    "ContentLocation",
    "ContentStream",
    "Decoder",
    "JSONObject",
    "Operation",
    "RawResponse",
    "decode_content",
    "decode_headers",
    "decode_json",
    "decode_location",
    "decode_nothing",
    "decode_object",
]

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=Model)
HeadersT = TypeVar("HeadersT", bound=HeaderModel)

Decoder = Callable[[Answer], T]
"""Turns a final answer into an operation's result."""


@frozen
class RawResponse(Generic[T]):
    """An answer with everything that HTTP says beside the parsed body.

    Attributes:
        status_code: The HTTP status, such as 201 or 202.
        headers: The headers, case-insensitive.
        content: The body as it came.
        parsed: What the plain call returns.
    """

    status_code: int
    headers: httpx.Headers = field(repr=False)
    content: bytes = field(repr=False)
    parsed: T

    @property
    def request_id(self) -> str | None:
        """The service's id of this exchange, to be quoted in bug reports."""
        request_id: str | None = self.headers.get("x-aws-request-id")
        return request_id


@frozen
class ContentLocation(Generic[HeadersT]):
    """Where a file's content lies.

    Attributes:
        url: A URL that needs no credential. A presigned one gives access to whoever holds it, and
            expires.
        headers: The file's metadata.
    """

    url: str = field(repr=False)
    headers: HeadersT


def decode_json(model: type[ModelT], *, unwrap: str | None = None) -> Decoder[ModelT]:
    """Return a decoder of JSON bodies.

    Args:
        model: The model of the body.
        unwrap: A property that some deployments wrap the body in, as the specification says, and
            others do not (behaviour reference, S32): both are read.
    """

    def decode(answer: Answer) -> ModelT:
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as error:
            inner = _unwrapped(answer.content, unwrap)
            if inner is None:
                raise _decode_error(answer, error) from error
            try:
                return model.model_validate(inner)
            except ValidationError as inner_error:
                raise _decode_error(answer, inner_error) from inner_error

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


def decode_object(answer: Answer) -> JSONObject:
    """Decode a JSON object that the specification leaves open; an empty body is an empty object."""
    if not answer.content:
        return {}
    try:
        document: object = json.loads(answer.content)
    except (ValueError, RecursionError) as error:
        raise _unreadable(answer, "the answer is not JSON") from error
    if not isinstance(document, dict):
        raise _unreadable(answer, "the answer is not a JSON object")
    return cast("JSONObject", document)


def decode_nothing(_answer: Answer) -> None:
    """Decode an answer whose body says nothing."""


def decode_content(answer: Answer) -> bytes:
    """Decode the content of a file: the bytes themselves, whatever their type."""
    return answer.content


def decode_location(answer: Answer) -> str:
    """Decode a redirect that is not to be followed: the URL it points to."""
    if answer.location is None:
        raise _unreadable(answer, "the service did not answer with a redirect to the content")
    return answer.location


def decode_headers(model: type[HeadersT]) -> Decoder[HeadersT]:
    """Return a decoder of metadata that is sent as headers."""

    def decode(answer: Answer) -> HeadersT:
        try:
            return model.from_headers(answer.headers)
        except ValidationError as error:
            raise _decode_error(answer, error) from error

    return decode


def _info(answer: Answer) -> ResponseInfo:
    return ResponseInfo(answer.status_code, dict(answer.headers), answer.content)


def _unreadable(answer: Answer, message: str) -> DSSDecodeError:
    return DSSDecodeError(
        f"{answer.status_code} {message}", request=answer.request, response=_info(answer)
    )


def _decode_error(answer: Answer, error: ValidationError) -> DSSDecodeError:
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    place = f" at {path}" if path else ""
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return DSSDecodeError(
        f"{answer.status_code} answer breaks the specification{place}: {first['msg']}{more}",
        request=answer.request,
        response=_info(answer),
        field=path or None,
    )


def _raw(answer: Answer, decode: Decoder[T]) -> RawResponse[T]:
    return RawResponse(answer.status_code, answer.headers, answer.content, decode(answer))


class ContentStream(Generic[HeadersT]):
    """The content of a file, as it comes; iterate over it, or `read` it whole.

    Attributes:
        status_code: The HTTP status of storage.
        headers: The file's metadata.
    """

    def __init__(self, response: StorageResponse, headers: HeadersT) -> None:
        self._response = response
        self.status_code: int = response.status_code
        self.headers = headers

    def __iter__(self) -> Iterator[bytes]:
        return self.iter_bytes()

    def iter_bytes(self, chunk_size: int = 1 << 20) -> Iterator[bytes]:
        """Yield the content in pieces of at most `chunk_size` bytes.

        Raises:
            DSSConnectionError, DSSTimeout: The connection broke or stalled.
        """
        return self._response.iter_bytes(chunk_size)

    def read(self) -> bytes:
        """Return the whole content."""
        return b"".join(self)


class AsyncContentStream(Generic[HeadersT]):
    """The content of a file, as it comes; iterate over it, or `read` it whole.

    Attributes:
        status_code: The HTTP status of storage.
        headers: The file's metadata.
    """

    def __init__(self, response: "AsyncStorageResponse", headers: HeadersT) -> None:
        self._response = response
        self.status_code: int = response.status_code
        self.headers = headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.iter_bytes()

    def iter_bytes(self, chunk_size: int = 1 << 20) -> AsyncIterator[bytes]:
        """Yield the content in pieces of at most `chunk_size` bytes.

        Raises:
            DSSConnectionError, DSSTimeout: The connection broke or stalled.
        """
        return self._response.iter_bytes(chunk_size)

    async def read(self) -> bytes:
        """Return the whole content."""
        return b"".join([chunk async for chunk in self])


class Operation:
    """Base of the generated blocking operations."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _call(self, request: Request, decode: Decoder[T]) -> T:
        return decode(self._transport.send(request))

    def _raw(self, request: Request, decode: Decoder[T]) -> RawResponse[T]:
        return _raw(self._transport.send(request), decode)

    def _pages(self, request: Request, decode: Decoder[T]) -> Iterator[T]:
        following: Request | None = request
        while following is not None:
            answer = self._transport.send(following)
            yield decode(answer)
            following = next_request(following, answer.headers)

    def _where(self, request: Request) -> str:
        return decode_location(self._transport.locate(request))

    def _raw_where(self, request: Request) -> RawResponse[str]:
        return _raw(self._transport.locate(request), decode_location)

    def _locate(self, request: Request, headers: Decoder[HeadersT]) -> ContentLocation[HeadersT]:
        answer = self._transport.locate(request)
        return ContentLocation(decode_location(answer), headers(answer))

    @contextmanager
    def _stream(
        self, request: Request, headers: Decoder[HeadersT]
    ) -> Generator[ContentStream[HeadersT]]:
        with self._transport.stream(request) as response:
            yield ContentStream(response, headers(_head(request, response)))


class AsyncOperation:
    """Base of the generated asynchronous operations."""

    __slots__ = ("_transport",)

    def __init__(self, transport: "AsyncTransport") -> None:
        self._transport = transport

    async def _call(self, request: Request, decode: Decoder[T]) -> T:
        return decode(await self._transport.send(request))

    async def _raw(self, request: Request, decode: Decoder[T]) -> RawResponse[T]:
        return _raw(await self._transport.send(request), decode)

    async def _pages(self, request: Request, decode: Decoder[T]) -> AsyncIterator[T]:
        following: Request | None = request
        while following is not None:
            answer = await self._transport.send(following)
            yield decode(answer)
            following = next_request(following, answer.headers)

    async def _where(self, request: Request) -> str:
        return decode_location(await self._transport.locate(request))

    async def _raw_where(self, request: Request) -> RawResponse[str]:
        return _raw(await self._transport.locate(request), decode_location)

    async def _locate(
        self, request: Request, headers: Decoder[HeadersT]
    ) -> ContentLocation[HeadersT]:
        answer = await self._transport.locate(request)
        return ContentLocation(decode_location(answer), headers(answer))

    @asynccontextmanager
    async def _stream(
        self, request: Request, headers: Decoder[HeadersT]
    ) -> AsyncGenerator[AsyncContentStream[HeadersT]]:
        async with self._transport.stream(request) as response:
            yield AsyncContentStream(response, headers(_head(request, response)))


def _head(request: Request, response: "StorageResponse | AsyncStorageResponse") -> Answer:
    """Return what a header decoder needs of a response whose content is still to come."""
    headers: Mapping[str, str] = response.headers
    info = RequestInfo(request.method, request.path)
    return Answer(info, response.status_code, httpx.Headers(dict(headers)), b"")
