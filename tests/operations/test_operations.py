"""Each operation: what is sent, and what is returned, by the plain call and by `.raw`."""

import json
from typing import Any

import httpx
import pytest
from pydantic import BaseModel
from pytest_httpx import HTTPXMock

from dss_client import DSSConnectionError, DSSDecodeError, DSSTimeout, ServerError, Unauthorized
from dss_client._endpoints import ENDPOINTS
from dss_client._spec import load
from tests.drive import Driver
from tests.operations.cases import (
    BASE,
    BY_NAME,
    CASES,
    COLLECTION,
    CONTENT,
    FILE_HEADERS,
    KINDS,
    SUBSCRIPTION,
    TOKEN,
    UUID,
    VERSION,
    Case,
    answer,
)

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_kind = pytest.mark.parametrize("case", KINDS, ids=str)


def test_the_endpoints_are_those_of_the_specification() -> None:
    document = load()

    def resolved(node: Any) -> Any:
        while "$ref" in node:
            target = document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def arguments(operation: Any) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        for parameter in map(resolved, operation.get("parameters", [])):
            if parameter["in"] == "body":
                fields = resolved(parameter["schema"])["properties"]
                found |= {(name, "body") for name in fields}
            else:
                found.add((parameter["name"], parameter["in"]))
        return found

    declared = {
        (method.upper(), path): (bool(operation.get("security")), arguments(operation))
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    ours = {
        (each.method, each.path): (
            each.secured,
            {(parameter.wire_name, parameter.place) for parameter in each.parameters},
        )
        for each in ENDPOINTS.values()
    }
    assert ours == declared
    assert {case.name: set(case.all) for case in CASES} == {
        name: {each.name for each in endpoint.parameters} for name, endpoint in ENDPOINTS.items()
    }


def check_sent(request: httpx.Request, case: Case, arguments: Any) -> None:
    assert request.method == case.endpoint.method
    assert str(request.url) == BASE + case.target(arguments)
    body = case.body(arguments)
    if body is None:
        assert request.content == b""
        assert "content-type" not in request.headers
    else:
        assert json.loads(request.content) == body
        assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("dss-client/")
    expected = f"Bearer {TOKEN}" if case.endpoint.secured else None
    assert request.headers.get("authorization") == expected


def check_result(result: Any, case: Case) -> None:
    assert type(result).__name__ == case.model
    if case.name == "head_file":
        assert on_the_wire(result) == {**FILE_HEADERS, "X-DSS-CREATOR-UID": 8008, "X-DSS-SIZE": 5}
    elif case.name == "get_file":
        assert result == CONTENT
    elif isinstance(result, BaseModel):
        assert on_the_wire(result) == case.answer
    else:
        assert result == (None if case.model == "NoneType" else case.answer)


def on_the_wire(result: BaseModel) -> Any:
    return result.model_dump(mode="json", by_alias=True, exclude_unset=True)


@every_case
def test_every_argument_is_sent_where_it_belongs_and_the_answer_parsed(
    case: Case, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    answer(httpx_mock, case)
    check_result(drive(url=BASE, options={"token": TOKEN}).call(case.name, **case.all), case)
    first, *others = httpx_mock.get_requests()
    check_sent(first, case, case.all)
    assert all("authorization" not in other.headers for other in others)


@every_case
def test_only_what_is_given_is_sent_and_raw_has_status_headers_and_body_as_well(
    case: Case, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    answer(httpx_mock, case)
    raw = drive(url=BASE, options={"token": TOKEN}).call(f"{case.name}.raw", **case.least)
    check_sent(httpx_mock.get_requests()[0], case, case.least)
    check_result(raw.parsed, case)
    assert raw.status_code == case.status
    assert raw.request_id == raw.headers["x-aws-request-id"] == "req-1"
    if case.name == "get_file":
        assert raw.content == CONTENT
    elif case.name != "head_file":
        assert json.loads(raw.content) == case.answer


def test_a_request_is_written_so() -> None:
    # The only one in full: what is sent is otherwise compared with the same endpoints.
    assert BY_NAME["get_file"].target(BY_NAME["get_file"].all) == (
        "/files/5b7e3c2d-4f60-4172-9b83-94a5b6c7d8e9?replica=aws"
        "&version=2019-05-16T211813.059197Z&token=%7B%22attempts%22%3A%201%7D&directurl=false"
        "&content_disposition=attachment%3B%20filename%3D%C3%A5.json"
    )


@every_case
@pytest.mark.parametrize("mode", ["sync"])
def test_a_503_is_repeated_where_that_does_no_harm(
    case: Case, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    problem = {"status": 503, "code": "service_unavailable", "title": "Later.", "stacktrace": ""}
    httpx_mock.add_response(status_code=503, json=problem, headers={"Retry-After": "10"})
    if case.endpoint.repeatable:
        answer(httpx_mock, case)
        drive(url=BASE).call(case.name, **case.all)
        first, second, *_ = httpx_mock.get_requests()
        assert (first.url, first.content) == (second.url, second.content)
    else:
        with pytest.raises(ServerError, match="service_unavailable"):
            drive(url=BASE).call(case.name, **case.all)
        assert len(httpx_mock.get_requests()) == 1


def test_what_may_do_harm_twice() -> None:
    assert {name for name, endpoint in ENDPOINTS.items() if not endpoint.repeatable} == {
        "patch_bundle",
        "patch_collection",
        "post_bundles_checkout",
        "put_subscription",
    }


@every_kind
def test_a_request_that_was_never_sent_is_repeated(
    case: Case, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_exception(httpx.ConnectError("refused"))
    answer(httpx_mock, case)
    drive(url=BASE).call(case.name, **case.least)
    first, second, *_ = httpx_mock.get_requests()
    assert (first.url, first.content) == (second.url, second.content)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (httpx.ReadError("reset"), DSSConnectionError),
        (httpx.RemoteProtocolError("gone"), DSSConnectionError),
        (httpx.WriteError("broken"), DSSConnectionError),
        (httpx.ReadTimeout("slow"), DSSTimeout),
        (httpx.WriteTimeout("slow"), DSSTimeout),
    ],
)
def test_a_request_that_may_have_arrived_is_not_repeated(
    fault: Exception, error: type[Exception], drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_exception(fault)
    with pytest.raises(error, match="PATCH"):
        drive(url=BASE).call("patch_bundle", **BY_NAME["patch_bundle"].all)
    assert len(httpx_mock.get_requests()) == 1


@every_kind
def test_a_refusal_is_raised_at_once(case: Case, drive: Driver, httpx_mock: HTTPXMock) -> None:
    problem = {"status": 401, "code": "OAuthProblem", "title": "No token.", "stacktrace": "x"}
    httpx_mock.add_response(
        status_code=401,
        json=None if case.name == "head_file" else problem,
        headers={"X-AWS-REQUEST-ID": "req-9"},
    )
    with pytest.raises(Unauthorized) as caught:
        drive(url=BASE).call(case.name, **case.all)
    error = caught.value
    assert error.request.method == case.endpoint.method
    assert error.request.url == BASE + case.target(case.all)
    assert (error.status_code, error.request_id) == (401, "req-9")
    assert ("DSS_TOKEN" in str(error)) is case.endpoint.secured


def refused(name: str, content: bytes, drive: Driver, mock: HTTPXMock) -> DSSDecodeError:
    """Return the error that a body leads to."""
    mock.add_response(content=content, headers={"X-AWS-REQUEST-ID": "req-2"})
    with pytest.raises(DSSDecodeError) as caught:
        drive(url=BASE).call(name, **BY_NAME[name].least)
    error = caught.value
    assert error.request.method == "GET"
    assert error.request.url.startswith(BASE)
    assert (error.response.content, error.response.request_id) == (content, "req-2")
    return error


@pytest.mark.parametrize(
    "content",
    [b"<html>", b"[]", b"null", b'"text"', b'{"a": "\xff"}', b"[" * 50_000],
    ids=["html", "list", "null", "text", "not utf-8", "too deep"],
)
@pytest.mark.parametrize("name", ["get_bundle", "get_collection", "get_event"])
@pytest.mark.parametrize("mode", ["sync"])
def test_a_body_that_is_no_object_is_refused(
    name: str, content: bytes, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    assert refused(name, content, drive, httpx_mock).field is None


@pytest.mark.parametrize(
    ("name", "content", "field", "said"),
    [
        ("get_bundles_all", {"object": "list"}, "bundles", "(and 4 more)"),
        ("get_bundle", {"bundle": {"uuid": UUID}}, "bundle.version", "bundle.version"),
        (
            "get_bundle",
            {"bundle": {"uuid": UUID, "version": VERSION, "creator_uid": 0, "files": [{}]}},
            "bundle.files.0.name",
            "bundle.files.0.name",
        ),
    ],
)
def test_a_missing_field_is_named_by_its_path(
    name: str, content: Any, field: str, said: str, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    error = refused(name, json.dumps(content).encode(), drive, httpx_mock)
    assert error.field == field
    assert said in str(error)


def test_a_file_without_one_of_its_headers_is_refused(drive: Driver, httpx_mock: HTTPXMock) -> None:
    headers = {name: value for name, value in FILE_HEADERS.items() if name != "X-DSS-SIZE"}
    httpx_mock.add_response(method="HEAD", headers=headers)
    with pytest.raises(DSSDecodeError) as caught:
        drive(url=BASE).call("head_file", **BY_NAME["head_file"].least)
    assert caught.value.field == "X-DSS-SIZE"


@pytest.mark.parametrize("name", ["delete_bundle", "delete_collection"])
def test_a_deletion_may_be_answered_with_nothing(
    name: str, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_response(status_code=204)
    assert not drive(url=BASE).call(name, **BY_NAME[name].least)


@pytest.mark.parametrize("mode", ["sync"])
@pytest.mark.parametrize(
    ("name", "wrapper", "inner"),
    [
        ("get_collection", "collection", COLLECTION),
        ("get_subscription", "subscription", SUBSCRIPTION),
    ],
)
def test_s32_both_forms_are_read(
    name: str, wrapper: str, inner: Any, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    # The specification wraps these two, the original service does not.
    httpx_mock.add_response(json={wrapper: inner})
    assert on_the_wire(drive(url=BASE).call(name, **BY_NAME[name].least)) == inner
    broken = json.dumps({wrapper: {**inner, "owner": 1}}).encode()
    assert refused(name, broken, drive, httpx_mock).field == "owner"
    refused(name, json.dumps({wrapper: [inner]}).encode(), drive, httpx_mock)
    refused(name, b"", drive, httpx_mock)
