"""Each operation returns what its row says, by the plain call and by `.raw`."""

import json
from typing import Any

import pytest
from pydantic import BaseModel
from pytest_httpx import HTTPXMock

from dss_client import DSSDecodeError
from tests.drive import Driver
from tests.operations.cases import (
    BASE,
    BY_NAME,
    CASES,
    COLLECTION,
    CONTENT,
    FILE_HEADERS,
    SUBSCRIPTION,
    Case,
)
from tests.operations.wire import answer

every_case = pytest.mark.parametrize("case", CASES, ids=str)
WITH_MODEL = [case for case in CASES if case.answer and case.model != "dict"]
every_model = pytest.mark.parametrize("case", WITH_MODEL, ids=str)


def on_the_wire(result: BaseModel) -> Any:
    return result.model_dump(mode="json", by_alias=True, exclude_unset=True)


def check(result: Any, case: Case) -> None:
    assert type(result).__name__ == case.model
    if case.name == "head_file":
        wanted = {**FILE_HEADERS, "X-DSS-CREATOR-UID": 8008, "X-DSS-SIZE": 5}
        assert on_the_wire(result) == wanted
    elif case.name == "get_file":
        assert result == CONTENT
    elif isinstance(result, BaseModel):
        assert on_the_wire(result) == case.answer
    else:
        assert result == (None if case.model == "NoneType" else case.answer)


@every_case
def test_the_answer_is_parsed(case: Case, drive: Driver, httpx_mock: HTTPXMock) -> None:
    answer(httpx_mock, case)
    check(drive(url=BASE).call(case.name, **case.least), case)


@every_case
def test_raw_has_status_headers_and_body_as_well(
    case: Case, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    answer(httpx_mock, case)
    raw = drive(url=BASE).call(f"{case.name}.raw", **case.least)
    check(raw.parsed, case)
    assert raw.status_code == (200 if case.name == "get_file" else case.status)
    assert raw.request_id == raw.headers["x-aws-request-id"] == "req-1"
    if case.name == "get_file":
        assert raw.content == CONTENT
    elif case.name != "head_file":
        assert json.loads(raw.content) == case.answer


@every_model
def test_fields_that_nobody_knows_are_kept(
    case: Case, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    body = {**case.answer, "new field": {"deep": [1]}, "copy": "shadows a method"}
    httpx_mock.add_response(status_code=case.status, json=body)
    assert on_the_wire(drive(url=BASE).call(case.name, **case.least)) == body


def refused(case: Case, content: bytes, drive: Driver, mock: HTTPXMock) -> DSSDecodeError:
    """Return the error that a body leads to."""
    headers = {"X-AWS-REQUEST-ID": "req-2"}
    mock.add_response(status_code=case.status, content=content, headers=headers)
    with pytest.raises(DSSDecodeError) as caught:
        drive(url=BASE).call(case.name, **case.least)
    error = caught.value
    assert error.request.method == case.method
    assert error.request.url.startswith(BASE + case.path)
    assert error.response.content == content
    assert error.response.status_code == case.status
    assert error.response.request_id == "req-2"
    return error


@every_model
def test_a_missing_field_is_named(case: Case, drive: Driver, httpx_mock: HTTPXMock) -> None:
    error = refused(case, b"{}", drive, httpx_mock)
    assert error.field in case.answer
    assert f" at {error.field}" in str(error)


@every_model
def test_an_empty_body_is_refused(case: Case, drive: Driver, httpx_mock: HTTPXMock) -> None:
    assert refused(case, b"", drive, httpx_mock).field is None


@pytest.mark.parametrize(
    "content",
    [
        b"<html>Hello from a proxy</html>",
        b"[]",
        b"null",
        b'"text"',
        b'{"a": "\xff"}',
        b"[" * 100_000,
    ],
    ids=["html", "list", "null", "text", "not utf-8", "too deep"],
)
@pytest.mark.parametrize("name", ["get_bundle", "get_collection"])
def test_a_body_that_is_no_object_is_refused(
    name: str, content: bytes, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    assert refused(BY_NAME[name], content, drive, httpx_mock).field is None


def test_a_missing_field_deep_inside_is_named_by_its_path(
    drive: Driver, httpx_mock: HTTPXMock
) -> None:
    case = BY_NAME["get_bundle"]
    body = json.loads(json.dumps(case.answer))
    del body["bundle"]["files"][0]["sha256"]
    httpx_mock.add_response(json=body)
    with pytest.raises(DSSDecodeError, match=r"bundle\.files\.0\.sha256") as caught:
        drive(url=BASE).call(case.name, **case.least)
    assert caught.value.field == "bundle.files.0.sha256"


def test_several_broken_fields_are_counted(drive: Driver, httpx_mock: HTTPXMock) -> None:
    case = BY_NAME["get_bundles_all"]
    httpx_mock.add_response(json={"object": "list"})
    with pytest.raises(DSSDecodeError, match=r"\(and 4 more\)"):
        drive(url=BASE).call(case.name, **case.least)


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


@pytest.mark.parametrize("content", [b"[]", b"x", b"[" * 100_000])
@pytest.mark.parametrize("name", ["delete_bundle", "get_event"])
def test_what_should_be_an_object_and_is_none_is_refused(
    name: str, content: bytes, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_response(content=content)
    with pytest.raises(DSSDecodeError, match="JSON"):
        drive(url=BASE).call(name, **BY_NAME[name].least)


@pytest.mark.parametrize(
    ("name", "wrapper", "inner"),
    [
        ("get_collection", "collection", COLLECTION),
        ("get_subscription", "subscription", SUBSCRIPTION),
    ],
)
class TestWrapped:
    """S32: the specification wraps these two, the original does not; both are read."""

    def test_the_specified_form_is_read(
        self, name: str, wrapper: str, inner: Any, drive: Driver, httpx_mock: HTTPXMock
    ) -> None:
        httpx_mock.add_response(json={wrapper: inner})
        result = drive(url=BASE).call(name, **BY_NAME[name].least)
        assert on_the_wire(result) == inner

    def test_a_broken_inner_object_is_refused(
        self, name: str, wrapper: str, inner: Any, drive: Driver, httpx_mock: HTTPXMock
    ) -> None:
        httpx_mock.add_response(json={wrapper: {**inner, "owner": 1}})
        with pytest.raises(DSSDecodeError) as caught:
            drive(url=BASE).call(name, **BY_NAME[name].least)
        assert caught.value.field == "owner"

    def test_a_wrapper_that_holds_no_object_is_refused(
        self, name: str, wrapper: str, inner: Any, drive: Driver, httpx_mock: HTTPXMock
    ) -> None:
        httpx_mock.add_response(json={wrapper: [inner]})
        with pytest.raises(DSSDecodeError):
            drive(url=BASE).call(name, **BY_NAME[name].least)


@pytest.mark.parametrize(
    ("name", "patch", "read"),
    [
        ("get_bundles_checkout", {"status": "PAUSED"}, lambda result: result.status),
        (
            "get_subscription",
            {"replica": "PAUSED", "method": "PAUSED", "encoding": "PAUSED"},
            lambda result: result.replica,
        ),
    ],
)
def test_an_unknown_value_of_an_enum_is_just_text(
    name: str, patch: dict[str, str], read: Any, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_response(json={**BY_NAME[name].answer, **patch})
    assert read(drive(url=BASE).call(name, **BY_NAME[name].least)) == "PAUSED"
