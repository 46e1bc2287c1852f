"""Each operation sends exactly what its row says, and nothing more."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from pytest_httpx import HTTPXMock

from dss_client import (
    DSSConnectionError,
    DSSTimeout,
    ServerError,
    Unauthorized,
)
from dss_client._spec import load
from dss_client.operations import AsyncOperations, Operations
from tests.drive import Driver
from tests.operations.cases import BASE, BY_NAME, CASES, TOKEN, Case
from tests.operations.wire import answer, url_of

every_case = pytest.mark.parametrize("case", CASES, ids=str)
once_only = pytest.mark.parametrize("case", [c for c in CASES if not c.repeatable], ids=str)


def _resolved(document: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def _arguments(document: Mapping[str, Any], operation: Mapping[str, Any]) -> set[str]:
    names: set[str] = set()
    for reference in operation.get("parameters", []):
        parameter = _resolved(document, reference)
        if parameter["in"] == "body":
            names.update(_resolved(document, parameter["schema"])["properties"])
        else:
            names.add(parameter["name"])
    return names


def test_the_table_has_every_operation_of_the_specification() -> None:
    document = load()
    declared = {
        (method.upper(), path, bool(operation.get("security")))
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    fillings = {"checkout_job_id": "{checkout_job_id}", "uuid": "{uuid}"}
    tabled = set()
    for case in CASES:
        path = case.path
        for name, filling in fillings.items():
            path = path.replace(f"/{case.all.get(name)}", f"/{filling}")
        tabled.add((case.method, path, case.secured))
        operation = document["paths"][path][case.method.lower()]
        assert set(case.all) == _arguments(document, operation), case.name
    assert tabled == declared
    assert sum(case.secured for case in CASES) == 13


@pytest.mark.parametrize("mixin", [Operations, AsyncOperations])
def test_the_table_has_every_operation_of_the_clients(mixin: type) -> None:
    assert {name for name in vars(mixin) if not name.startswith("_")} == set(BY_NAME)


def _check_sent(request: httpx.Request, case: Case, query: str, body: Any) -> None:
    assert request.method == case.method
    assert str(request.url) == url_of(case, query)
    if body is None:
        assert request.content == b""
        assert "content-type" not in request.headers
    else:
        assert json.loads(request.content) == body
        assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("dss-client/")


@every_case
def test_every_argument_is_sent_where_it_belongs(
    case: Case, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    answer(httpx_mock, case)
    drive(url=BASE).call(case.name, **case.all)
    _check_sent(httpx_mock.get_requests()[0], case, case.query, case.body)


@every_case
def test_arguments_that_are_not_given_are_not_sent(
    case: Case, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    answer(httpx_mock, case)
    drive(url=BASE).call(case.name, **case.least)
    _check_sent(httpx_mock.get_requests()[0], case, case.least_query, case.least_body)


@every_case
def test_a_token_goes_with_secured_operations_only(
    case: Case, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    answer(httpx_mock, case)
    drive(url=BASE, options={"token": TOKEN}).call(case.name, **case.least)
    first, *others = httpx_mock.get_requests()
    expected = f"Bearer {TOKEN}" if case.secured else None
    assert first.headers.get("authorization") == expected
    assert all("authorization" not in other.headers for other in others)


@every_case
def test_a_503_is_repeated_where_that_does_no_harm(
    case: Case, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    problem = {"status": 503, "code": "service_unavailable", "title": "Later.", "stacktrace": ""}
    httpx_mock.add_response(status_code=503, json=problem, headers={"Retry-After": "10"})
    if case.repeatable:
        answer(httpx_mock, case)
        drive(url=BASE).call(case.name, **case.all)
        first, second, *_ = httpx_mock.get_requests()
        assert (first.url, first.content) == (second.url, second.content)
    else:
        with pytest.raises(ServerError, match="service_unavailable"):
            drive(url=BASE).call(case.name, **case.all)
        assert len(httpx_mock.get_requests()) == 1


@every_case
def test_a_request_that_was_never_sent_is_repeated(
    case: Case, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_exception(httpx.ConnectError("refused"))
    answer(httpx_mock, case)
    drive(url=BASE).call(case.name, **case.least)
    first, second, *_ = httpx_mock.get_requests()
    assert (first.url, first.content) == (second.url, second.content)


@once_only
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (httpx.ReadError("reset"), DSSConnectionError),
        (httpx.RemoteProtocolError("gone"), DSSConnectionError),
        (httpx.WriteError("broken"), DSSConnectionError),
        (httpx.ReadTimeout("slow"), DSSTimeout),
        (httpx.WriteTimeout("slow"), DSSTimeout),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_a_request_that_may_have_arrived_is_not_repeated(
    case: Case,
    fault: Exception,
    error: type[Exception],
    drive: Driver,
    httpx_mock: HTTPXMock,
) -> None:
    httpx_mock.add_exception(fault)
    with pytest.raises(error, match=case.method):
        drive(url=BASE).call(case.name, **case.all)
    assert len(httpx_mock.get_requests()) == 1


@every_case
def test_a_refusal_is_raised_at_once(case: Case, drive: Driver, httpx_mock: HTTPXMock) -> None:
    problem = {"status": 401, "code": "OAuthProblem", "title": "No token.", "stacktrace": "x"}
    httpx_mock.add_response(
        status_code=401,
        json=None if case.method == "HEAD" else problem,
        headers={"X-AWS-REQUEST-ID": "req-9"},
    )
    with pytest.raises(Unauthorized) as caught:
        drive(url=BASE).call(case.name, **case.all)
    error = caught.value
    assert error.request.method == case.method
    assert error.request.url == url_of(case, case.query)
    assert (error.status_code, error.request_id) == (401, "req-9")
    assert ("DSS_TOKEN" in str(error)) is case.secured
