"""What to send next: decided without any I/O, so with a clock of the test's own."""

import ssl

import httpx
import pytest

from dss_client import (
    DSSConnectionError,
    DSSResponseError,
    DSSTimeout,
    RetryPolicy,
    ServerError,
    TooManyRequests,
    Unauthorized,
)
from dss_client._call import Attempt, CallState, storage_attempt
from dss_client._http import to_dss_error
from dss_client._request import Endpoint

API = "https://h/v1"
STORAGE = "https://storage/x?X-Amz-Signature=5ec7e7"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def call_state(
    policy: RetryPolicy,
    clock: Clock | None = None,
    *,
    method: str = "GET",
    repeatable: bool = True,
    secured: bool = False,
    follow: bool = True,
    headers: dict[str, str] | None = None,
) -> CallState:
    endpoint = Endpoint(
        name="op", method=method, path="/x", summary="", repeatable=repeatable, secured=secured
    )
    return CallState(
        endpoint.request(),
        base_url=API,
        policy=policy,
        headers=headers or {},
        follow=follow,
        hint="Try elsewhere",
        clock=clock or Clock(),
    )


def response(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(
        status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


STEADY = RetryPolicy(attempts=3, initial_delay=0)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_transient_failures_are_retried(status: int) -> None:
    call = call_state(STEADY)
    assert call.answered(response(status, Retry_After="7")) == 7
    assert call.answered(response(status)) == 0
    with pytest.raises(DSSResponseError, match=str(status)):
        call.answered(response(status))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 418, 422, 501, 505])
def test_lasting_failures_are_not(status: int) -> None:
    with pytest.raises(DSSResponseError, match=str(status)):
        call_state(STEADY).answered(response(status))


@pytest.mark.parametrize("status", [429, 503])
def test_what_may_do_harm_twice_is_not_retried(status: int) -> None:
    with pytest.raises((ServerError, TooManyRequests)):
        call_state(STEADY, method="PATCH", repeatable=False).answered(response(status))


def test_a_retry_after_that_says_nothing_leaves_it_to_the_backoff() -> None:
    call = call_state(RetryPolicy(initial_delay=0))
    assert call.answered(response(503, Retry_After="soon")) == 0


def test_retry_after_is_capped() -> None:
    call = call_state(RetryPolicy(max_retry_after=3))
    assert call.answered(response(503, Retry_After="600")) == 3


def test_faults_and_failures_count_together() -> None:
    call = call_state(STEADY)
    assert call.failed(httpx.ReadTimeout("slow")) == 0
    assert call.answered(response(500)) == 0
    with pytest.raises(DSSConnectionError, match=r"GET https://h/v1/x: gone\. Try elsewhere"):
        call.failed(httpx.ReadError("gone"))


class TestDeadline:
    def test_a_wait_that_would_end_after_it_is_not_begun(self) -> None:
        clock = Clock()
        call = call_state(RetryPolicy(attempts=99, initial_delay=0, deadline=30), clock)
        clock.now = 20
        assert call.answered(response(503, Retry_After="10")) == 10
        clock.now = 25
        with pytest.raises(ServerError):
            call.answered(response(503, Retry_After="10"))

    def test_it_holds_for_faults(self) -> None:
        clock = Clock()
        call = call_state(RetryPolicy(attempts=99, initial_delay=0, deadline=30), clock)
        clock.now = 31
        with pytest.raises(DSSTimeout):
            call.failed(httpx.ConnectTimeout("slow"))

    def test_it_holds_for_content_that_is_not_ready(self) -> None:
        clock = Clock()
        call = call_state(RetryPolicy(deadline=30), clock)
        assert call.answered(response(301, Location="/v1/x?token=1", Retry_After="10")) == 10
        clock.now = 21
        with pytest.raises(DSSTimeout, match="after 2 polls"):
            call.answered(response(301, Location="/v1/x?token=2", Retry_After="10"))


class TestNotReady:
    def test_it_is_waited_for_far_longer_than_redirects_are_followed(self) -> None:
        call = call_state(RetryPolicy(attempts=1, ready_timeout=10))
        for turn in range(100):
            location = f"http://internal:1/other?token={turn}"
            assert call.answered(response(301, Location=location, Retry_After="0")) == 0
            assert call.attempt.url == f"{API}/x?token={turn}"

    def test_waiting_sets_the_failures_back(self) -> None:
        call = call_state(RetryPolicy(attempts=2, initial_delay=0))
        for _ in range(5):
            assert call.answered(response(503)) == 0
            assert call.answered(response(301, Location="/v1/x", Retry_After="0")) == 0

    def test_it_ends(self) -> None:
        clock = Clock()
        call = call_state(RetryPolicy(ready_timeout=60), clock)
        clock.now = 51
        with pytest.raises(DSSTimeout, match="still being checked out"):
            call.answered(response(301, Location="/v1/x", Retry_After="10"))

    def test_a_bad_retry_after_still_means_not_ready(self) -> None:
        call = call_state(RetryPolicy(initial_delay=0))
        assert call.answered(response(301, Location="/v1/x?token=1", Retry_After="soon")) == 0
        assert not call.attempt.storage

    def test_without_retry_after_it_is_a_redirect(self) -> None:
        call = call_state(RetryPolicy(), headers={"authorization": "Bearer t"})
        assert call.answered(response(301, Location="https://other/x")) == 0
        assert call.attempt.storage
        assert "authorization" not in call.attempt.headers


class TestStorage:
    def test_a_redirect_leads_to_a_request_without_credentials(self) -> None:
        call = call_state(STEADY, headers={"authorization": "Bearer t", "cookie": "c"})
        assert call.answered(response(302, Location=STORAGE)) == 0
        assert call.attempt == storage_attempt(STORAGE)
        assert dict(call.attempt.headers) == {"accept-encoding": "identity"}

    def test_a_relative_location_is_of_the_same_origin(self) -> None:
        call = call_state(STEADY)
        call.answered(response(302, Location="/blobs/x"))
        assert call.attempt.url == "https://h/blobs/x"

    def test_it_gets_tries_of_its_own(self) -> None:
        call = call_state(RetryPolicy(attempts=2, initial_delay=0))
        assert call.answered(response(500)) == 0
        assert call.answered(response(302, Location=STORAGE)) == 0
        assert call.answered(response(500)) == 0
        with pytest.raises(ServerError):
            call.answered(response(500))

    def test_the_method_stays(self) -> None:
        call = call_state(STEADY, method="HEAD")
        call.answered(response(302, Location=STORAGE))
        assert call.attempt.method == "HEAD"

    def test_http_may_lead_to_https_but_not_back(self) -> None:
        call = call_state(STEADY)
        with pytest.raises(DSSResponseError, match="https to http"):
            call.answered(response(302, Location="HTTP://storage/x"))

    def test_the_final_headers_are_those_of_both(self) -> None:
        call = call_state(STEADY)
        call.answered(response(302, Location=STORAGE, X_DSS_SIZE="1", X_AWS_Request_Id="r"))
        headers = call.final_headers(response(200, X_DSS_SIZE="2", ETag="e"))
        assert (headers["x-dss-size"], headers["x-aws-request-id"]) == ("1", "r")
        assert headers["etag"] == "e"
        assert "location" not in headers

    def test_a_range_can_be_asked_for(self) -> None:
        assert storage_attempt(STORAGE, first=5).headers["range"] == "bytes=5-"
        assert "range" not in storage_attempt(STORAGE).headers


class TestHints:
    def test_a_secured_operation_without_a_token_says_how_to_give_one(self) -> None:
        with pytest.raises(Unauthorized, match="DSS_TOKEN"):
            call_state(STEADY, secured=True).answered(response(401))

    def test_a_token_that_was_refused_needs_no_such_hint(self) -> None:
        call = call_state(STEADY, secured=True, headers={"authorization": "Bearer t"})
        with pytest.raises(Unauthorized) as caught:
            call.answered(response(401))
        assert "DSS_TOKEN" not in str(caught.value)

    def test_storage_wants_no_token(self) -> None:
        call = call_state(STEADY)
        call.answered(response(302, Location=STORAGE))
        with pytest.raises(Unauthorized) as caught:
            call.answered(response(401))
        assert "DSS_TOKEN" not in str(caught.value)


def certificate_error() -> httpx.ConnectError:
    """Return the fault as the HTTP library raises it: the cause is wrapped twice."""
    inner = OSError("mapped")
    inner.__context__ = ssl.SSLCertVerificationError("self-signed certificate")
    outer = httpx.ConnectError("certificate verify failed: self-signed certificate")
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    "fault",
    [
        certificate_error(),
        httpx.InvalidURL("odd"),
        httpx.UnsupportedProtocol("ftp"),
        httpx.LocalProtocolError("odd header"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_what_cannot_get_better_is_not_retried(fault: Exception) -> None:
    with pytest.raises(DSSConnectionError, match=str(fault)) as caught:
        call_state(STEADY).failed(fault)
    assert caught.value.__cause__ is fault


def test_an_error_the_caller_is_handling_plays_no_part() -> None:
    call = call_state(STEADY)
    fault = httpx.ReadError("gone")
    fault.__context__ = httpx.InvalidURL("the caller's")
    assert call.failed(fault) == 0


@pytest.mark.parametrize(
    "fault",
    [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")],
    ids=lambda fault: type(fault).__name__,
)
def test_what_was_never_sent_can_always_be_sent(fault: Exception) -> None:
    assert call_state(STEADY, method="PATCH", repeatable=False).failed(fault) == 0


def test_a_fault_without_words_is_named_by_its_kind() -> None:
    error = to_dss_error(httpx.ReadError(""), storage_attempt(STORAGE).info)
    assert str(error) == "GET https://storage/x?<redacted>: ReadError"


def test_a_hop_does_not_show_what_it_sends() -> None:
    hop = Attempt("GET", STORAGE, {"authorization": "Bearer t0k3n"}, b"body")
    assert repr(hop) == "Attempt(method='GET', url='https://storage/x?<redacted>', storage=False)"
