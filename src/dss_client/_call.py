"""What to send next, and what an answer means: the decisions of a call, without any I/O.

The transports of both clients do what `CallState` says. So there is one retry policy, one rule for
redirects and one place where errors are made.
"""

import logging
import time
from collections.abc import Callable, Mapping
from urllib.parse import urljoin, urlsplit

from attrs import evolve, field, frozen

from ._environment import Proxy
from ._hints import is_json_object, names_tls, not_a_dss, refused_token, unreachable, wants_https
from ._http import CONNECT_ERRORS, UNSENT_ERRORS, Headers, HTTPResponse, is_permanent, to_dss_error
from ._options import Options
from ._redact import mask_error, redact_url, secret_values_in, secrets_in
from ._request import Endpoint, Request, range_header
from ._response import MAX_REDIRECTS, REDIRECTS, Response, check_content_encoding, storage_refusal
from ._retry import parse_retry_after
from ._version import USER_AGENT
from .errors import (
    DSSResponseError,
    DSSTimeout,
    InvalidArgument,
    RequestInfo,
    ResponseInfo,
)

__all__ = [
    "Attempt",
    "CallState",
    "authorization_header",
    "location_of",
    "log_attempt",
    "raise_for_status",
    "start_call",
    "start_following",
    "storage_attempt",
    "to_response",
]

logger = logging.getLogger("dss_client")
retry_logger = logging.getLogger("dss_client.retry")

_QUICK_POLLS = 100
_SLOW_POLL = 1.0  # seconds
_NEVER_TRANSIENT = frozenset({501, 505})
_DSS_HEADERS = "x-dss-"
_BEARER = "Bearer "
_CONTENT = Endpoint(name="", method="GET", path="", summary="", is_content=True)


@frozen
class Attempt:
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
        """The attempt as errors show it."""
        return RequestInfo(self.method, redact_url(self.url, presigned=self.storage))

    @property
    def token(self) -> str | None:
        """The token that is sent."""
        header = self.headers.get("authorization")
        return None if header is None else header.removeprefix(_BEARER)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is sent that no error may show."""
        if self.storage:
            return secrets_in(self.url)
        return (*secret_values_in(self.url), *((self.token,) if self.token else ()))

    def response_info(self, response: HTTPResponse, secrets: tuple[str, ...] = ()) -> ResponseInfo:
        """Return what errors keep of an answer whose body was read, or is not wanted.

        Args:
            response: The answer.
            secrets: What was sent before that no error may show.
        """
        content = response.content if response.is_stream_consumed or response.is_closed else b""
        known = (*self.secrets, *secrets)
        return ResponseInfo.masked(response.status_code, response.headers, content, known)


def storage_attempt(url: str, *, first: int = 0, last: int | None = None) -> Attempt:
    """Return the request for the bytes behind a presigned URL, from `first` to `last` (included).

    ``identity`` because a checksum is one of the stored bytes, not of a decoded form of them.
    """
    headers = {"accept-encoding": "identity", "user-agent": USER_AGENT}
    byte_range = range_header(first, last)
    if byte_range is not None:
        headers["range"] = byte_range
    return Attempt("GET", url, headers, storage=True)


def authorization_header(token: str) -> str:
    """Return the header that carries a token.

    Raises:
        InvalidArgument: The token has characters that a header cannot have.
    """
    if token.lower().startswith(_BEARER.lower()):
        raise InvalidArgument(
            "the token begins with 'Bearer': leave that out, give the token alone"
        )
    if not (token and token.isascii() and token.isprintable()) or " " in token:
        raise InvalidArgument(
            "the token is empty or holds what an Authorization header cannot carry, such as a blank"
            " or the end of a line: take that off the token, which is not shown here"
        )
    return f"{_BEARER}{token}"


def raise_for_status(attempt: Attempt, response: HTTPResponse, *, hint: str = "") -> None:
    """Refuse an answer of storage that is not a content.

    Raises:
        DSSResponseError: It is an error, or a redirect.
    """
    if not response.is_success:
        raise storage_refusal(
            attempt.url, response.status_code, response.headers, response.content, hint=hint
        )


def log_attempt(attempt: Attempt, response: HTTPResponse, started: float) -> None:
    """Log one line about a response, without token or presigned query."""
    if logger.isEnabledFor(logging.DEBUG):  # redacting costs more than all the rest
        elapsed = (time.monotonic() - started) * 1000
        logger.debug("%s -> %d in %.0f ms", attempt.info, response.status_code, elapsed)


def start_call(
    options: Options,
    request: Request,
    token: str | None,
    *,
    token_from: str = "",
    follow: bool = True,
) -> "CallState":
    """Start a call: the headers it is sent with, and the policy it follows."""
    headers = {"accept": "application/json", "user-agent": USER_AGENT}
    if request.endpoint.is_content:
        headers["accept"] = "*/*"
    if request.body is not None:
        headers["content-type"] = "application/json"
    if token is not None:
        headers["authorization"] = authorization_header(token)
    return CallState(request, options, headers=headers, token_from=token_from, follow=follow)


def start_following(options: Options, url: str) -> "CallState":
    """Start a call to a URL that is not one of the API. No credential is sent there.

    One byte is asked for: there may be a content, of which only the place is wanted.
    """
    request = Request(endpoint=_CONTENT, path="")
    state = CallState(request, evolve(options, base_url=url), headers={}, follow=False)
    state.attempt = storage_attempt(url, last=0)
    return state


def location_of(state: "CallState", response: HTTPResponse) -> str | None:
    """Return where the final answer of a call redirects to, if it does."""
    location = response.headers.get("location") if response.is_redirect else None
    return None if location is None else urljoin(state.attempt.url, location)


def to_response(state: "CallState", response: HTTPResponse) -> Response:
    """Return the final answer of a call, whose body was read."""
    return Response(
        state.attempt.info,
        response.status_code,
        state.final_headers(response),
        response.content,
        location_of(state, response),
        state.secrets,
        state.foreign_hint,
    )


class CallState:
    """The state of one call, from its first request to its final answer or error.

    Args:
        request: The request of the operation.
        options: The settings of the client.
        headers: Sent with each request to the API.
        token_from: Where the token in them comes from.
        follow: Follow a redirect to storage; else that redirect is the final answer.
        clock: A monotonic clock, in seconds.

    Attributes:
        attempt: The HTTP request to make next.
    """

    def __init__(
        self,
        request: Request,
        options: Options,
        *,
        headers: Mapping[str, str],
        token_from: str = "",
        follow: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._request = request
        self._options = options
        self._policy = options.retries
        self._token_from = token_from
        self._follow = follow
        self._clock = clock
        self._started = clock()
        self._failures = 0
        self._redirects = 0
        self._unready = 0
        self._renewed = False
        self._api_headers: dict[str, str] = {}
        endpoint = request.endpoint
        self.attempt = Attempt(
            endpoint.method, request.url(options.base_url), headers, request.body
        )
        self._sent: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What was sent in this call that no error may show."""
        return (*self._sent, *self.attempt.secrets)

    def refused_token(self, response: HTTPResponse) -> str | None:
        """Return the token that an answer refuses; None if it does not, or for the second time.

        A refused request had no effect, so it can be sent again.
        """
        if response.status_code != 401 or self.attempt.storage or self._renewed:
            return None
        return self.attempt.token

    def authorize(self, token: str) -> None:
        """Send the request again with another token."""
        self._renewed = True
        self._sent = self.secrets
        header = authorization_header(token)
        self.attempt = evolve(
            self.attempt, headers={**self.attempt.headers, "authorization": header}
        )

    def failed(self, error: Exception, proxy: Proxy | None = None) -> float:
        """Record a fault; return the seconds to wait before `attempt` is tried again.

        Raises:
            DSSConnectionError, DSSTimeout: The policy allows no further attempt.
        """
        harmless = self._is_repeatable or isinstance(error, UNSENT_ERRORS)
        delay = self._next_delay(None) if harmless and not is_permanent(error) else None
        if delay is None:
            raise to_dss_error(
                error,
                self.attempt.info,
                proxy=proxy,
                tried=self._tried(),
                hint="" if proxy else self._connection_hint(error),
                secrets=self.secrets,
            ) from error
        self._log_retry(delay, lambda: mask_error(error, self.secrets))
        return delay

    def answered(self, response: HTTPResponse, proxy: Proxy | None = None) -> float | None:
        """Record an answer; return None if it is the final one.

        Otherwise return the seconds to wait before `attempt`, which may have changed, is sent.

        Raises:
            DSSResponseError: A refusal or failure that is not, or no longer, to be retried.
            DSSTimeout: Content is still not ready when its time is over.
            DSSDecodeError: Storage answered in an encoding, though identity was asked for.
        """
        status = response.status_code
        if response.is_success:
            if self.attempt.storage:
                check_content_encoding(status, response.headers, self.attempt.info, self.secrets)
            return None
        if status in REDIRECTS:
            return self._redirected(response)
        transient = status == 429 or (status >= 500 and status not in _NEVER_TRANSIENT)
        if transient and self._is_repeatable:
            delay = self._next_delay(parse_retry_after(response.headers.get("retry-after")))
            if delay is not None:
                self._log_retry(delay, lambda: f"it answered {status}")
                return delay
        hint = proxy.refusal(status) if proxy is not None else ""
        raise self._refusal(response, hint or self._refusal_hint(response))

    def final_headers(self, response: HTTPResponse) -> Headers:
        """Return the answer's headers; the service's own replace what storage says in their place.

        The X-DSS headers of a file come with the redirect, not from storage.
        """
        if not self._api_headers:
            return response.headers
        headers = Headers(response.headers)
        headers.update(self._api_headers)
        return headers

    @property
    def _is_repeatable(self) -> bool:
        return self._request.endpoint.repeatable or self.attempt.storage

    def _next_delay(self, retry_after: float | None) -> float | None:
        self._failures += 1
        if self._failures >= self._policy.attempts:
            return None
        delay = self._policy.delay(self._failures, retry_after)
        return delay if self._fits(delay, self._policy.deadline) else None

    def _fits(self, delay: float, deadline: float | None) -> bool:
        return deadline is None or self._clock() - self._started + delay <= deadline

    def _tried(self) -> str:
        """Return how often it was tried, if more than once."""
        if self._failures < 2:
            return ""
        return f"tried {self._failures} times in {self._clock() - self._started:.0f} s"

    def _log_retry(self, delay: float, reason: Callable[[], str]) -> None:
        if retry_logger.isEnabledFor(logging.INFO):
            place, number = urlsplit(self.attempt.url).netloc, self._failures + 1
            retry_logger.info(
                "%s: %s; try %d of %d in %.1f s",
                *(place.rpartition("@")[2], reason(), number, self._policy.attempts, delay),
            )

    def _redirected(self, response: HTTPResponse) -> float | None:
        location = response.headers.get("location")
        if not location:
            raise self._refusal(response, "It redirects, but names no Location")
        try:
            target = urljoin(self.attempt.url, location)
            parts = urlsplit(target)
            scheme, _ = parts.scheme, parts.port  # an ill-formed port raises, too
        except ValueError:
            raise self._refusal(response, "Its Location is not a URL") from None
        if self._request.endpoint.method not in {"GET", "HEAD"}:
            raise self._not_followed(response, target, "only GET and HEAD are sent elsewhere")
        is_unready = response.status_code == 301 and "retry-after" in response.headers
        if is_unready and not self.attempt.storage:
            # As with page links, only the query is taken: the service may name a scheme or host
            # that is not the one it is reached by.
            return self._not_ready(response, _with_query_of(self.attempt.url, target))
        if scheme == "http" and urlsplit(self.attempt.url).scheme == "https":
            raise self._not_followed(response, target, "it leads from https to http")
        if is_unready:
            return self._not_ready(response, target)
        if not self._follow:
            return None
        if scheme not in {"http", "https"}:
            raise self._not_followed(response, target, "only http and https can be followed")
        return self._to_storage(response, target)

    def _not_ready(self, response: HTTPResponse, target: str) -> float:
        """Wait for content that is being checked out: neither a failure nor a real redirect."""
        self._failures = 0
        self._unready += 1
        asked = parse_retry_after(response.headers.get("retry-after"))
        delay = self._policy.delay(self._unready, asked)
        if self._unready > _QUICK_POLLS:
            delay = max(delay, _SLOW_POLL)  # one that says 0 for ever is not asked without a pause
        if not self._fits(delay, self._policy.ready_timeout) or not self._fits(
            delay, self._policy.deadline
        ):
            raise DSSTimeout(
                f"the content is still being checked out after {self._unready} polls"
                " (301 with Retry-After); raise ready_timeout or deadline, or ask again later",
                request=self.attempt.info,
            )
        self.attempt = evolve(self.attempt, url=target)
        return delay

    def _to_storage(self, response: HTTPResponse, target: str) -> float:
        self._redirects += 1
        if self._redirects > MAX_REDIRECTS:
            raise self._not_followed(
                response, target, f"{MAX_REDIRECTS} redirects were followed before"
            )
        if not self.attempt.storage:
            self._api_headers = {
                name: value
                for name, value in response.headers.items()
                if name.startswith(_DSS_HEADERS) or name == "x-aws-request-id"
            }
        self._failures = 0
        self._sent = self.secrets
        self.attempt = evolve(storage_attempt(target), method=self._request.endpoint.method)
        return 0.0

    def _not_followed(self, response: HTTPResponse, target: str, reason: str) -> DSSResponseError:
        shown = redact_url(target, presigned=True)
        return self._refusal(
            response, f"The redirect to {shown} was not followed, because {reason}"
        )

    @property
    def foreign_hint(self) -> str:
        """What to do if the final answer is not one of a DSS."""
        return "" if self.attempt.storage else not_a_dss(self._options)

    def _connection_hint(self, error: Exception) -> str:
        if self.attempt.storage:
            return ""
        if isinstance(error, CONNECT_ERRORS):
            return unreachable(self._options)
        is_closed = str(error).startswith("Server disconnected without")
        if is_closed and self.attempt.url.startswith("http://"):
            return wants_https(self._options)
        return ""

    def _refusal_hint(self, response: HTTPResponse) -> str:
        endpoint, attempt, status = self._request.endpoint, self.attempt, response.status_code
        if status == 401 and attempt.storage:
            where = f"{self._options.base_url} redirected here, and no" if self._redirects else "No"
            return f"{where} token is sent to another place"
        if status == 401 and endpoint.secured and attempt.token is None:
            return "No token was sent: run dss login, pass token=... to the client or set DSS_TOKEN"
        if status >= 500:
            return f"It was {tried}" if (tried := self._tried()) else ""
        if attempt.storage or status < 400:
            return ""
        if status == 404 and endpoint.method == "HEAD":
            return (
                "There is no such file, or not in this version or replica; a bundle's id is not"
                " that of a file"
            )
        if response.content and not is_json_object(response.content):
            if status == 400 and attempt.url.startswith("http://") and names_tls(response.content):
                return wants_https(self._options)
            return not_a_dss(self._options)
        if status in {401, 403} and attempt.token is not None:
            return refused_token(self._token_from, is_known=status == 403)
        return ""

    def _refusal(self, response: HTTPResponse, hint: str = "") -> DSSResponseError:
        # Where it redirects to may be presigned, and its body may say so in other words.
        secrets = (*self._sent, *secrets_in(response.headers.get("location", "")))
        return DSSResponseError.for_response(
            request=self.attempt.info,
            response=self.attempt.response_info(response, secrets),
            hint=hint,
        )


def _with_query_of(url: str, other: str) -> str:
    base = url.partition("?")[0]
    query = urlsplit(other).query
    return f"{base}?{query}" if query else base
