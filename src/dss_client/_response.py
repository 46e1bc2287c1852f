"""Final answers of the API, and the results that users get."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import urljoin

from attrs import field, frozen

from ._http import Headers
from ._redact import mask, redact_url, secrets_in
from .errors import DSSDecodeError, DSSResponseError, RequestInfo, ResponseInfo

if TYPE_CHECKING:
    from ._model import HeaderModel

__all__ = [
    "MAX_REDIRECTS",
    "REDIRECTS",
    "ContentLocation",
    "RawResponse",
    "Response",
    "StorageRedirect",
    "check_content_encoding",
    "no_downgrade",
    "storage_refusal",
]

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 20

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
        hint: What to do if it is not an answer of a DSS.
    """

    request: RequestInfo
    status_code: int
    headers: Headers = field(repr=False)
    content: bytes = field(repr=False)
    location: str | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    hint: str = field(default="", repr=False)


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


class StorageRedirect(DSSResponseError):
    """Storage says that a content is elsewhere.

    Attributes:
        target: Where, with all that gives access: the headers of the answer are without that.
    """

    target: str = ""


def no_downgrade(source: str, url: str) -> bool:
    """Tell whether a URL that a source gives out is of https or, as the source itself, of http."""
    allowed = {"https"} if _scheme(source) == "https" else {"https", "http"}
    return _scheme(url) in allowed


def _scheme(url: str) -> str:
    return url.partition(":")[0].lower()


def storage_refusal(
    url: str, status_code: int, headers: Mapping[str, str], content: bytes, *, hint: str = ""
) -> DSSResponseError:
    """Make the error of an answer of storage that is not a content.

    Args:
        url: What was asked for.
        status_code: The HTTP status.
        headers: The headers, names in lower case.
        content: The body.
        hint: What to add to the message.

    Returns:
        A `StorageRedirect` if it names a place that may be asked instead.
    """
    request = RequestInfo.of_storage(url)
    location = headers.get("location", "") if status_code in REDIRECTS else ""
    secrets = (*secrets_in(url), *secrets_in(location))
    response = ResponseInfo.masked(status_code, headers, content, secrets)
    if not location:
        return DSSResponseError.for_response(request=request, response=response, hint=hint)
    try:
        target = urljoin(url, location)
    except ValueError:
        target = ""
    shown = redact_url(target or location, presigned=True)
    hint = hint or f"The redirect to {shown} was not followed"
    if not no_downgrade(url, target):
        return DSSResponseError.for_response(request=request, response=response, hint=hint)
    error = StorageRedirect(request=request, response=response, hint=hint)
    error.target = target
    return error
