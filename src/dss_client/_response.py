"""Final answers of the API, and the results that users get."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import field, frozen

from ._http import Headers
from ._redact import mask
from .errors import DSSDecodeError, RequestInfo, ResponseInfo

if TYPE_CHECKING:
    from ._model import HeaderModel

__all__ = ["ContentLocation", "RawResponse", "Response", "check_content_encoding"]

T = TypeVar("T")
HeadersT = TypeVar("HeadersT", bound="HeaderModel")


@frozen
class Response:
    """A final answer with its whole body.

    Attributes:
        request: The request, for error messages.
        status_code: The HTTP status.
        headers: The headers; those of the service take precedence over those of storage.
        content: The body.
        location: Where it points to, if it is a redirect that was not to be followed.
        secrets: What was sent that no error may show.
    """

    request: RequestInfo
    status_code: int
    headers: Headers = field(repr=False)
    content: bytes = field(repr=False)
    location: str | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


@frozen
class RawResponse(Generic[T]):
    """An answer with its status and headers, and the parsed body.

    Attributes:
        status_code: The HTTP status, such as 201 or 202.
        headers: The headers, case-insensitive.
        content: The body as it came.
        parsed: What the plain call returns.
    """

    status_code: int
    headers: Headers = field(repr=False)
    content: bytes = field(repr=False)
    parsed: T

    @property
    def request_id(self) -> str | None:
        """The service's id of this request, to be quoted in bug reports."""
        request_id: str | None = self.headers.get("x-aws-request-id")
        return request_id


@frozen
class ContentLocation(Generic[HeadersT]):
    """Where a file's content is.

    Attributes:
        url: A URL that needs no credential. A presigned one gives access to whoever holds it, and
            expires.
        headers: The file's metadata.
    """

    url: str = field(repr=False)
    headers: HeadersT


def check_content_encoding(
    status_code: int,
    headers: Mapping[str, str],
    request: RequestInfo,
    secrets: tuple[str, ...] = (),
) -> None:
    """Refuse encoded content: its bytes are not the stored ones, which the checksums are of.

    Args:
        status_code: The HTTP status.
        headers: The headers, names in lower case.
        request: What was asked for.
        secrets: What was sent that no error may show.

    Raises:
        DSSDecodeError: Names the encoding.
    """
    encoding = headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise DSSDecodeError(
            f"storage sent the content encoded as {mask(encoding, secrets)!r} though identity was"
            " asked for; its checksum could not be verified",
            request=request,
            response=ResponseInfo.masked(status_code, headers, secrets=secrets),
        )
