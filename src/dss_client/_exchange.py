"""What to send next, and what an answer means: the transport's decisions, without any I/O.

`Exchange` is the state of one call. The sync and the async transport do what it says, so there is
one retry policy, one redirect rule and one place where errors are made.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from urllib.parse import urljoin, urlsplit

import httpx
from attrs import evolve, field, frozen

from ._request import Request
from ._retry import RetryPolicy, parse_retry_after
from ._storage import refuse_coded
from .errors import (
    DSSConnectionError,
    DSSError,
    DSSResponseError,
    DSSTimeout,
    RequestInfo,
    ResponseInfo,
    redact_url,
)

__all__ = ["Exchange", "Hop", "check_identity", "response_info", "storage_hop", "wrap_fault"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 20
_NEVER_TRANSIENT = frozenset({501, 505})
_DSS_HEADERS = "x-dss-"
# Errors that prove that no byte of the request reached the service.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_LASTING = (
    httpx.InvalidURL,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    ssl.SSLCertVerificationError,
)


@frozen
class Hop:
    """One HTTP request to be made.

    Attributes:
        storage: It goes to storage: no credential may be sent along.
    """

    method: str
    url: str = field(repr=lambda url: repr(redact_url(url, presigned=True)))
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    storage: bool = False

    @property
    def info(self) -> RequestInfo:
        """The hop as errors show it."""
        return RequestInfo(self.method, redact_url(self.url, presigned=self.storage))


def storage_hop(url: str, *, first: int = 0, last: int | None = None) -> Hop:
    """Return the request for the bytes behind a presigned URL, from `first` to `last` (included).

    ``identity`` because a checksum is one of the stored bytes, not of a decoded form of them.
    """
    headers = {"accept-encoding": "identity"}
    if first or last is not None:
        headers["range"] = f"bytes={first}-{'' if last is None else last}"
    return Hop("GET", url, headers, storage=True)


def response_info(response: httpx.Response) -> ResponseInfo:
    """Return what errors keep of a response whose body was read (or is not wanted)."""
    content = response.content if response.is_stream_consumed or response.is_closed else b""
    return ResponseInfo(response.status_code, dict(response.headers), content)


def check_identity(response: httpx.Response, hop: Hop) -> None:
    """Refuse encoded content: its bytes are not the stored ones, which the checksums are of.

    Raises:
        DSSDecodeError: Names the encoding.
    """
    refuse_coded(response.status_code, response.headers, hop.info)


def _is_hopeless(error: Exception) -> bool:
    """Whether the same fault would come again: a bad URL or header, or a certificate's.

    The HTTP library wraps the latter twice; what is further down the chain may be the caller's.
    """
    cause = error.__cause__
    root = cause.__cause__ or cause.__context__ if cause else None
    return any(isinstance(each, _LASTING) for each in (error, cause, root))


def wrap_fault(error: Exception, hop: Hop, hint: str = "") -> DSSError:
    """Turn a fault of the HTTP library into one of ours."""
    suffix = f". {hint}" if hint else ""
    if isinstance(error, httpx.TimeoutException):
        return DSSTimeout(f"no answer in time ({type(error).__name__}){suffix}", request=hop.info)
    text = str(error) or type(error).__name__
    return DSSConnectionError(f"{text}{suffix}", request=hop.info)


class Exchange:
    """The way of one call from its first request to its final answer or error.

    Args:
        request: What the operation wants.
        base_url: Where the API is, without a slash at its end.
        policy: The retry policy.
        headers: Sent with each request to the API.
        follow: Follow a redirect to storage; else that redirect is the final answer.
        hint: Added to the error when the service cannot be reached.
        clock: Seconds that only ever grow.
    """

    def __init__(
        self,
        request: Request,
        *,
        base_url: str,
        policy: RetryPolicy,
        headers: Mapping[str, str],
        follow: bool = True,
        hint: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._request = request
        self._policy = policy
        self._follow = follow
        self._hint = hint
        self._clock = clock
        self._started = clock()
        self._failures = 0
        self._redirects = 0
        self._unready = 0
        self._renewed = False
        self._api_headers: dict[str, str] = {}
        self.hop = Hop(request.method, request.url(base_url), headers, request.body)

    def refused_token(self, response: httpx.Response) -> str | None:
        """Return the token that an answer refuses; None if it does not, or for the second time.

        A refusal proves that nothing was done, so any request can be sent again.
        """
        if response.status_code != 401 or self.hop.storage or self._renewed:
            return None
        value = self.hop.headers.get("authorization")
        return None if value is None else value.removeprefix("Bearer ")

    def authorize(self, header: str) -> None:
        """Have the request sent again with another token."""
        self._renewed = True
        self.hop = evolve(self.hop, headers={**self.hop.headers, "authorization": header})

    def failed(self, error: Exception) -> float:
        """Take note of a fault; return the seconds to wait before `hop` is tried again.

        Raises:
            DSSConnectionError, DSSTimeout: The policy allows no further try.
        """
        harmless = self._request.repeatable or self.hop.storage or isinstance(error, _UNSENT)
        delay = self._next_delay(None) if harmless and not _is_hopeless(error) else None
        if delay is None:
            raise wrap_fault(error, self.hop, self._hint) from error
        return delay

    def answered(self, response: httpx.Response) -> float | None:
        """Take note of an answer; return None if it is the final one.

        Otherwise return the seconds to wait before `hop`, which may have changed, is sent.

        Raises:
            DSSResponseError: A refusal or failure that is not, or no longer, to be retried.
            DSSTimeout: Content is still not ready when its time is over.
            DSSDecodeError: Storage answered in an encoding, though identity was asked for.
        """
        status = response.status_code
        if response.is_success:
            if self.hop.storage:
                check_identity(response, self.hop)
            return None
        if status in _REDIRECTS:
            return self._redirected(response)
        transient = status == 429 or (status >= 500 and status not in _NEVER_TRANSIENT)
        if transient and (self._request.repeatable or self.hop.storage):
            delay = self._next_delay(parse_retry_after(response.headers.get("retry-after")))
            if delay is not None:
                return delay
        raise self._refusal(response)

    def final_headers(self, response: httpx.Response) -> httpx.Headers:
        """Return the answer's headers; the service's own replace what storage says in their place.

        The X-DSS headers of a file come with the redirect, not from storage (section 8.2).
        """
        if not self._api_headers:
            return response.headers
        headers = httpx.Headers(response.headers)
        headers.update(self._api_headers)
        return headers

    def _next_delay(self, retry_after: float | None) -> float | None:
        self._failures += 1
        if self._failures >= self._policy.attempts:
            return None
        delay = self._policy.delay(self._failures, retry_after)
        return delay if self._fits(delay, self._policy.deadline) else None

    def _fits(self, delay: float, deadline: float | None) -> bool:
        return deadline is None or self._clock() - self._started + delay <= deadline

    def _redirected(self, response: httpx.Response) -> float | None:
        location = response.headers.get("location")
        if not location or self._request.method not in {"GET", "HEAD"}:
            raise self._refusal(response, "An unexpected redirect; it was not followed.")
        try:
            target = urljoin(self.hop.url, location)
            parts = urlsplit(target)
            scheme, _ = parts.scheme, parts.port  # an ill-formed port raises, too
        except ValueError:
            raise self._refusal(response, "Its Location is not a URL.") from None
        if response.status_code == 301 and "retry-after" in response.headers:
            return self._not_ready(response, target)
        if scheme == "http" and urlsplit(self.hop.url).scheme == "https":
            raise self._refusal(response, "A redirect from https to http was refused.")
        if not self._follow:
            return None
        if scheme not in {"http", "https"}:
            raise self._refusal(response, "Only http and https redirects can be followed.")
        return self._to_storage(response, target)

    def _not_ready(self, response: httpx.Response, target: str) -> float:
        """Wait for content that is being checked out: neither a failure nor a real redirect."""
        self._failures = 0
        self._unready += 1
        asked = parse_retry_after(response.headers.get("retry-after"))
        delay = self._policy.delay(self._unready, asked)
        if not self._fits(delay, self._policy.ready_timeout) or not self._fits(
            delay, self._policy.deadline
        ):
            raise DSSTimeout(
                f"the content is still being checked out after {self._unready} polls"
                " (301 with Retry-After); raise ready_timeout or deadline, or ask again later",
                request=self.hop.info,
            )
        # As with page links, only the query is taken: the service may name a scheme or host that
        # is not the one it is reached by.
        self.hop = evolve(self.hop, url=_with_query_of(self.hop.url, target))
        return delay

    def _to_storage(self, response: httpx.Response, target: str) -> float:
        self._redirects += 1
        if self._redirects > _MAX_REDIRECTS:
            raise self._refusal(response, f"Gave up after {_MAX_REDIRECTS} redirects.")
        if not self.hop.storage:
            self._api_headers = {
                name: value
                for name, value in response.headers.items()
                if name.startswith(_DSS_HEADERS) or name == "x-aws-request-id"
            }
        self._failures = 0
        self.hop = evolve(storage_hop(target), method=self._request.method)
        return 0.0

    def _refusal(self, response: httpx.Response, hint: str = "") -> DSSResponseError:
        tokenless = self._request.secured and "authorization" not in self.hop.headers
        if response.status_code == 401 and tokenless and not self.hop.storage:
            hint = "No token was sent: run dss login, pass token=... to the client or set DSS_TOKEN"
        return DSSResponseError.for_response(
            request=self.hop.info, response=response_info(response), hint=hint
        )


def _with_query_of(url: str, other: str) -> str:
    base = url.partition("?")[0]
    query = urlsplit(other).query
    return f"{base}?{query}" if query else base
