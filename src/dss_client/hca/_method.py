"""The base of the facade's operations: JSON as it was sent, errors as scripts expect them."""

import warnings
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast, overload

from .._decode import decode_location
from .._paging import next_request
from .._request import Endpoint, Parameter, Request
from .._response import Response as FinalResponse
from .._sync.transport import Transport
from ..errors import InvalidArgument
from ._response import Response
from ._translate import translate_errors

__all__ = ["Method", "MethodDescriptor", "PagedMethod"]

ResultT = TypeVar("ResultT")
ItemT = TypeVar("ItemT")
MethodT = TypeVar("MethodT", bound="Method[Any]")


class Owner(Protocol):
    """A client of the facade."""

    @property
    def transport(self) -> Transport:
        """What its operations are sent with."""
        ...


class Method(Generic[ResultT]):
    """An operation over the client's own transport, with plain answers and errors as in `hca`.

    Args:
        owner: Its client, which closes the connections: not before this operation is done.

    Attributes:
        endpoint: The operation as a value.
        earlier: Arguments of earlier versions of the API, which are not sent any more.
    """

    endpoint: ClassVar[Endpoint]
    earlier: ClassVar[tuple[str, ...]] = ()

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self._owner, self.endpoint.name)

    def stream(self, **arguments: Any) -> AbstractContextManager[Response]:
        """Open the answer, to be read as it comes; the arguments are those of the plain call."""
        arguments.pop(self.endpoint.location_switch or "", None)
        return self._open(self._request(arguments, 3))

    @contextmanager
    def _open(self, request: Request) -> Generator[Response]:
        with translate_errors(), self._owner.transport.stream(request) as response:
            url = self._url(request)
            yield Response(response.status_code, response.headers, response, url=url)

    def _result(self, **arguments: object) -> ResultT:
        """Return the answer: JSON or bytes, of HEAD the response, or where the content is."""
        request = self._request(arguments, 4)
        with translate_errors():
            if _flag(arguments.get(self.endpoint.location_switch or "")):
                location = decode_location(self._owner.transport.locate(request))
                return cast("ResultT", location)
            answer = self._owner.transport.send(request)
        return cast("ResultT", self._plain(request, answer))

    def _url(self, request: Request) -> str:
        return request.url(self._owner.transport.options.base_url)

    def _plain(self, request: Request, answer: FinalResponse) -> Any:
        url = self._url(request)
        response = Response(answer.status_code, answer.headers, answer.content, url=url)
        if self.endpoint.method == "HEAD":
            return response
        return response.json() if response.is_json and answer.content else answer.content

    def _request(self, arguments: Mapping[str, object], depth: int) -> Request:
        """Return the request; a warning is that of the caller, so many calls away."""
        known = {each.name: each for each in self.endpoint.parameters}
        for name, value in arguments.items():
            if name in self.earlier and value is not None:
                warnings.warn(
                    f"{self.endpoint.name}: {name} was an argument of earlier versions of the API,"
                    " and is not sent",
                    stacklevel=depth,
                )
            elif name not in {*known, *self.earlier}:
                raise TypeError(
                    f"{self.endpoint.name}() got an unexpected keyword argument {name!r}"
                )
        for name, each in known.items():
            if each.required and name not in arguments:
                raise TypeError(f"{self.endpoint.name}() is missing the keyword argument {name!r}")
        return self.endpoint.request(
            **{
                name: _flag(value) if _is_word(known[name]) else value
                for name, value in arguments.items()
                if name in known
            }
        )


class PagedMethod(Method[ResultT], Generic[ResultT, ItemT]):
    """An operation whose answer has pages."""

    def paginate(self, **arguments: Any) -> Iterator[ResultT]:
        """Yield the answers page by page; the arguments are those of the plain call."""
        return self._pages(self._request(arguments, 3))

    def iterate(self, **arguments: Any) -> Iterator[ItemT]:
        """Yield the items of all pages, one by one; the arguments are those of the plain call."""
        return self._items(self._pages(self._request(arguments, 3)))

    def _pages(self, request: Request) -> Iterator[ResultT]:
        following: Request | None = request
        while following is not None:
            with translate_errors():
                answer = self._owner.transport.send(following)
            yield self._plain(following, answer)
            with translate_errors():
                following = next_request(following, answer.headers)

    def _items(self, pages: Iterator[Any]) -> Iterator[ItemT]:
        for page in pages:
            items = page
            for name in self.endpoint.item_path:
                items = items[name]
            yield from items


class MethodDescriptor(Generic[MethodT]):
    """Puts an operation on the clients; an instance can have another function in its place."""

    def __init__(self, kind: type[MethodT]) -> None:
        self._kind = kind
        self.__doc__ = kind.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> type[MethodT]: ...

    @overload
    def __get__(self, client: Owner, owner: type) -> MethodT: ...

    def __get__(self, client: Owner | None, owner: type) -> MethodT | type[MethodT]:
        if client is None:
            return self._kind
        made: MethodT = client.__dict__.setdefault(self._kind.endpoint.name, self._kind(client))
        return made


def _is_word(parameter: Parameter) -> bool:
    return parameter.type == "boolean" and parameter.place == "query"


def _flag(value: object) -> object:
    """Read a boolean that may be a plain word, as the reference client takes it.

    Raises:
        InvalidArgument: It is another word.
    """
    if not isinstance(value, str):
        return value
    if value not in {"true", "false"}:
        raise InvalidArgument(
            f"{value!r} is not a valid boolean: expected True, False, 'true' or 'false'"
        )
    return value == "true"
