"""What is sent again, how often, and when it ends: by what an HTTP library would see."""

import ssl
from typing import Any

import httpx
import pytest
from pytest_httpx import HTTPXMock

from dss_client import DSSConnectionError, DSSError, DSSResponseError, DSSTimeout, RetryPolicy
from tests.drive import Driver
from tests.operations.cases import BASE, BY_NAME, CONTENT, FILE_HEADERS, STORAGE, TOKEN

PLAIN, CHANGE = BY_NAME["get_event"], BY_NAME["patch_bundle"]
FILE, HEAD = BY_NAME["get_file"], BY_NAME["head_file"]
NOT_READY = {"Location": f"{BASE}{PLAIN.target(PLAIN.least)}&token=t", "Retry-After": "0"}
FOUND = {**FILE_HEADERS, "Location": STORAGE}
TWICE = RetryPolicy(attempts=2, initial_delay=0)


@pytest.mark.parametrize(
    ("status", "times"), [(429, 3), (500, 3), (599, 3), (400, 1), (409, 1), (501, 1), (505, 1)]
)
def test_transient_failures_are_retried_and_lasting_ones_not(
    status: int, times: int, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_response(status_code=status, headers={"Retry-After": "soon"}, is_reusable=True)
    retries = RetryPolicy(attempts=3, initial_delay=0)
    with pytest.raises(DSSResponseError, match=str(status)):
        drive(url=BASE, options={"retries": retries}).call("get_event", **PLAIN.least)
    assert len(httpx_mock.get_requests()) == times


def test_faults_and_failures_count_together(drive: Driver, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_exception(httpx.ReadTimeout("slow"))
    httpx_mock.add_response(status_code=500)
    httpx_mock.add_exception(httpx.ReadError(""))
    with pytest.raises(DSSConnectionError, match=r"GET https://dss\.example\.org/\S+: ReadError"):
        drive(url=BASE).call("get_event", **PLAIN.least)


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ({"status_code": 503, "headers": {"Retry-After": "10"}}, DSSResponseError, "503"),
        ({"status_code": 301, "headers": {**NOT_READY, "Retry-After": "10"}}, DSSTimeout, "1 poll"),
    ],
)
def test_a_wait_that_would_end_after_the_deadline_is_not_begun(
    answer: Any, error: type[DSSError], said: str, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_response(**answer)
    retries = RetryPolicy(attempts=99, deadline=5)
    with pytest.raises(error, match=said):
        drive(url=BASE, options={"retries": retries}).call("get_event", **PLAIN.least)


def test_waiting_for_content_sets_the_failures_back(drive: Driver, httpx_mock: HTTPXMock) -> None:
    # A bad Retry-After means "not ready", too.
    for wait in ("0", "soon"):
        httpx_mock.add_response(status_code=503)
        httpx_mock.add_response(status_code=301, headers={**NOT_READY, "Retry-After": wait})
    httpx_mock.add_response(json=PLAIN.answer)
    dss = drive(url=BASE, options={"retries": TWICE})
    assert dss.call("get_event", **PLAIN.least) == PLAIN.answer


def test_storage_gets_tries_of_its_own(drive: Driver, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(status_code=500)
    httpx_mock.add_response(status_code=302, headers=FOUND)
    httpx_mock.add_response(url=STORAGE, status_code=500)
    httpx_mock.add_response(url=STORAGE, content=CONTENT)
    dss = drive(url=BASE, options={"retries": TWICE})
    assert dss.call("get_file", **FILE.least) == CONTENT


def test_the_method_stays_when_a_redirect_is_followed(drive: Driver, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(status_code=302, headers=FOUND)
    httpx_mock.add_response(url=STORAGE, method="HEAD", headers={"X-DSS-SIZE": "99"})
    assert drive(url=BASE).call("head_file", **HEAD.least).size == 5  # what the service says


@pytest.mark.parametrize("storage", [False, True])
def test_a_token_that_was_refused_needs_no_hint_at_tokens(
    storage: bool, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    if storage:
        httpx_mock.add_response(status_code=302, headers=FOUND)
    httpx_mock.add_response(status_code=401)
    case = FILE if storage else CHANGE
    with pytest.raises(DSSResponseError) as caught:
        drive(url=BASE, options={"token": TOKEN}).call(case.name, **case.least)
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
def test_what_cannot_get_better_is_not_retried(
    fault: Exception, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_exception(fault)
    with pytest.raises(DSSConnectionError, match=str(fault)):
        drive(url=BASE).call("get_event", **PLAIN.least)
    assert len(httpx_mock.get_requests()) == 1


def test_an_error_the_caller_is_handling_plays_no_part(
    drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_exception(httpx.ReadError("gone"))
    httpx_mock.add_response(json=PLAIN.answer)
    try:
        raise httpx.InvalidURL("the caller's")
    except httpx.InvalidURL:
        assert drive(url=BASE).call("get_event", **PLAIN.least) == PLAIN.answer


@pytest.mark.parametrize("fault", [httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")])
def test_what_was_never_sent_can_always_be_sent(
    fault: Exception, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_exception(fault)
    httpx_mock.add_response(json=CHANGE.answer)
    assert drive(url=BASE).call("patch_bundle", **CHANGE.least).uuid == CHANGE.answer["uuid"]
