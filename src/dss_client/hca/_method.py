"""What the operations of the facade stand on: JSON as it was sent, errors as scripts catch."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from .._operation import Operation
from .._request import Request
from .._transport import Answer, Transport
from ..errors import InvalidArgument
from ._response import Response
from ._translate import translated

__all__ = ["Method", "flag"]


def flag(value: bool | str | None) -> bool | None:
    """Read a boolean that may be a plain word, as the reference client takes it.

    Raises:
        InvalidArgument: It is another word.
    """
    if not isinstance(value, str):
        return value
    if value not in {"true", "false"}:
        raise InvalidArgument(f"{value!r} is no boolean: it must be True, False, 'true' or 'false'")
    return value == "true"


def _decode(answer: Answer) -> Any:
    """Return parsed JSON where the content type says so, else bytes (behaviour reference, C18)."""
    response = Response(answer.status_code, answer.headers, answer.content)
    return response.json() if response.is_json and answer.content else answer.content


class Method(Operation):
    """An operation over the client's own transport; only answers and errors are others.

    Args:
        transport: That transport.
        owner: Closes it when it is no longer used: not before this operation is done.
    """

    __slots__ = ("_owner",)

    def __init__(self, transport: Transport, owner: object) -> None:
        super().__init__(transport)
        self._owner = owner

    def _plain(self, request: Request) -> Any:
        with translated():
            return self._call(request, _decode)

    def _location(self, request: Request) -> str:
        with translated():
            return self._where(request)

    def _response(self, request: Request) -> Response:
        with translated():
            answer = self._transport.send(request)
        return Response(answer.status_code, answer.headers, answer.content)

    def _plain_pages(self, request: Request) -> Iterator[Any]:
        with translated():
            yield from self._pages(request, _decode)

    @contextmanager
    def _open(self, request: Request) -> Generator[Response]:
        with translated(), self._transport.stream(request) as response:
            yield Response(response.status_code, response.headers, response)
