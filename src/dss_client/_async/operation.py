"""The base of the generated operations: calls, pages and streams.

A generated operation is a small object that holds a transport. Its written-out methods make a
request of its `Endpoint`, and hand it to one of the methods here.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import ClassVar, Generic, TypeVar

from attrs import evolve

from .._decode import Decoder, decode_location, decode_size, to_raw
from .._http import Headers
from .._model import HeaderModel
from .._paging import next_request
from .._request import Endpoint, Request
from .._response import ContentLocation, RawResponse, Response
from ..errors import RequestInfo
from .ranges import Location, read_range
from .transport import AsyncStorageResponse, AsyncTransport

__all__ = ["AsyncContentStream", "AsyncOperation"]

T = TypeVar("T")
ItemT = TypeVar("ItemT")
HeadersT = TypeVar("HeadersT", bound=HeaderModel)


class AsyncContentStream(Generic[HeadersT]):
    """The content of a file, as it comes; iterate over it, or `read` it whole.

    Attributes:
        status_code: The HTTP status of storage.
        headers: The file's metadata.
    """

    def __init__(self, response: AsyncStorageResponse, headers: HeadersT) -> None:
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
        return b"".join([chunk async for chunk in self.iter_bytes()])


class AsyncOperation:
    """Base of the generated operations.

    Attributes:
        endpoint: The operation as a value.
    """

    __slots__ = ("_transport",)

    endpoint: ClassVar[Endpoint]

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def __repr__(self) -> str:
        name, endpoint = type(self).__name__, self.endpoint
        return f"<{name}: {endpoint.method} {endpoint.path}>"

    def _repr_html_(self) -> str:
        from .._display import html_table

        parameters = self.endpoint.parameters
        rows = ((each.name, each.type, each.required, each.description) for each in parameters)
        title = f"{self.endpoint.method} {self.endpoint.path}: {self.endpoint.summary}"
        columns = ("argument", "type", "required", "")
        return html_table(title, columns, rows, total=len(parameters))

    async def _call(self, request: Request, decode: Decoder[T]) -> T:
        return decode(await self._transport.send(request))

    async def _raw(self, request: Request, decode: Decoder[T]) -> RawResponse[T]:
        return to_raw(await self._transport.send(request), decode)

    async def _pages(self, request: Request, decode: Decoder[T]) -> AsyncIterator[T]:
        following: Request | None = request
        while following is not None:
            response = await self._transport.send(following)
            yield decode(response)
            following = next_request(following, response.headers)

    async def _items(
        self, pages: AsyncIterator[T], items_of: Callable[[T], Iterable[ItemT]]
    ) -> AsyncIterator[ItemT]:
        async for page in pages:
            for item in items_of(page):
                yield item

    async def _location(self, request: Request) -> str:
        return decode_location(await self._transport.locate(request))

    async def _raw_location(self, request: Request) -> RawResponse[str]:
        return to_raw(await self._transport.locate(request), decode_location)

    async def _locate(
        self, request: Request, headers: Decoder[HeadersT]
    ) -> ContentLocation[HeadersT]:
        response = await self._transport.locate(request)
        return ContentLocation(decode_location(response), headers(response))

    async def _range(self, request: Request, start: int, end: int | None) -> bytes:
        head = await self._transport.locate(request)
        size = decode_size(head)
        first, last, _ = slice(start, end).indices(size)
        if first >= last:
            return b""
        query = dict(request.query)
        query["version"] = head.headers.get("x-dss-version", query.get("version", ""))
        pinned = evolve(request, query=tuple((name, text) for name, text in query.items() if text))

        known = Location(decode_location(head))

        async def locate(refused: Location | None) -> Location:
            nonlocal known
            if known is refused:
                known = Location(await self._location(pinned))
            return known

        return await read_range(self._transport, locate, first=first, end=last, size=size)

    @asynccontextmanager
    async def _stream(
        self, request: Request, headers: Decoder[HeadersT]
    ) -> AsyncGenerator[AsyncContentStream[HeadersT]]:
        async with self._transport.stream(request) as response:
            head = Response(
                RequestInfo(request.endpoint.method, request.path),
                response.status_code,
                Headers(dict(response.headers)),
                b"",
                secrets=response.secrets,
            )
            yield AsyncContentStream(response, headers(head))
