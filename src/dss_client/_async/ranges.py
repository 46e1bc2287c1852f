"""Ranges of contents, whatever storage makes of the request."""

from typing import Protocol

from attrs import field, frozen

from .._backend.asynchronous import sleep
from .._response import MAX_REDIRECTS, StorageRedirect
from .._retry import parse_retry_after
from ..errors import (
    DSSConnectionError,
    DSSError,
    DSSResponseError,
    DSSTimeout,
    Forbidden,
    RequestInfo,
    ServerError,
    TooManyRequests,
)
from .transport import AsyncTransport

__all__ = ["AsyncLocate", "Location", "read_range"]

_TRANSIENT = (DSSConnectionError, DSSTimeout, ServerError, TooManyRequests)


@frozen(eq=False)
class Location:
    """A URL of a content, as it was given out; two of one second can be equal."""

    url: str = field(repr=False)


class AsyncLocate(Protocol):
    """Tells where a content is."""

    async def __call__(self, refused: Location | None, /) -> Location:
        """Return a URL, another than the one that was refused."""
        ...


async def read_range(
    transport: AsyncTransport, locate: AsyncLocate, *, first: int, end: int, size: int
) -> bytes:
    """Return the bytes of a content from `first` up to `end`.

    A URL that has expired is replaced once, and what is transient is retried.

    Args:
        transport: Asks storage.
        locate: Tells where the content is.
        first: The first byte.
        end: The one after the last; at most `size`.
        size: The size of the whole content.

    Raises:
        DSSError: They cannot be had.
    """
    policy = transport.options.retries
    refused: Location | None = None
    failures = 0
    while True:
        location = await locate(refused)
        try:
            return await _read_followed(transport, location.url, first, end, size)
        except Forbidden:
            if refused is not None:
                raise
            refused = location
        except _TRANSIENT as error:
            failures += 1
            if failures >= policy.attempts:
                raise
            await sleep(policy.delay(failures, _retry_after(error)))


async def _read_followed(
    transport: AsyncTransport, url: str, first: int, end: int, size: int
) -> bytes:
    """Ask storage, and where it redirects to, for a range."""
    for _ in range(MAX_REDIRECTS):
        try:
            return await _read_once(transport, url, first, end, size)
        except StorageRedirect as redirect:
            url = redirect.target
    return await _read_once(transport, url, first, end, size)


async def _read_once(transport: AsyncTransport, url: str, first: int, end: int, size: int) -> bytes:
    """Ask storage once for a range; of a whole content that comes instead, take the range.

    No checksum tells whether a range is right: all that is said of its length has to be.

    Raises:
        DSSConnectionError: Something else came.
    """
    content = bytearray()
    async with transport.open_storage(url, first=first, last=end - 1) as response:
        is_part = response.status_code == 206
        length = response.headers.get("content-length")
        if is_part:
            given = response.headers.get("content-range", "a part without a Content-Range")
            is_right = given == f"bytes {first}-{end - 1}/{size}"
        else:
            given = f"a whole content of {length or 'unknown'} bytes"
            is_right = length in {None, str(size)}
        position = first if is_part else 0
        enough = end if is_part or length else size + 1  # a whole one may be longer, too
        if is_right:
            async for piece in response.iter_bytes():
                content += piece[max(first - position, 0) : max(end - position, 0)]
                position += len(piece)
                if position >= enough:
                    break
    if len(content) != end - first or (enough > size and position != size):
        raise DSSConnectionError(
            f"asked storage for the bytes {first}-{end - 1}/{size}, and was given {given} with"
            f" {len(content)} of them",
            request=RequestInfo.of_storage(url),
        )
    return bytes(content)


def _retry_after(error: DSSError) -> float | None:
    if isinstance(error, DSSResponseError):
        return parse_retry_after(error.response.headers.get("retry-after"))
    return None
