"""What holds for every answer: routes, errors, request ids, the order of checks.

See docs/behaviour.md 1-3.
"""

import logging
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from dss_client import _spec
from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.routes import HANDLERS
from dss_client.local.validation import operations
from tests.local.calls import problem

UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
OTHER = "00000000-0000-4000-8000-000000000000"
VERSION = "2019-01-01T000000.000000Z"


def test_every_operation_of_the_specification_has_a_handler() -> None:
    assert len(operations()) == 22
    assert set(HANDLERS) == {f"{each.method} {each.path}" for each in operations()}


def test_an_operation_that_the_specification_gains_is_not_implemented(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = _spec.load()
    added = {
        "operationId": "put_thing",
        "parameters": [{"name": "uuid", "in": "path", "type": "string", "required": True}],
        "security": [{"dcpAuth": []}],
    }
    paths = {**document["paths"], "/things/{uuid}": {"put": added}}
    monkeypatch.setattr(_spec, "load", lambda: {**document, "paths": paths})
    operations.cache_clear()
    try:
        with LocalDSS() as dss:
            response = httpx.put(f"{dss.url}/things/{UUID}")
            assert problem(response) == (501, "not_implemented")
            assert httpx.get(f"{dss.url}/things/{UUID}").status_code == 405
    finally:
        operations.cache_clear()


def test_swagger_names_this_server(api: httpx.Client) -> None:
    document = api.get("/swagger.json").json()
    assert document.pop("host") == f"{api.base_url.host}:{api.base_url.port}"
    assert document.pop("schemes") == ["http"]
    assert document.pop("basePath") == "/v1"
    assert document["paths"] == _spec.load()["paths"]


@pytest.mark.parametrize(
    "path", ["/nothing", "/files", "/files/", f"/files/{UUID}/x", "/files/a/b"]
)
def test_unknown_routes(api: httpx.Client, path: str) -> None:
    assert problem(api.get(path)) == (404, "not_found")


@pytest.mark.parametrize("sign", ["?", "#", "%", "+"])
def test_an_unknown_route_is_named_whole(api: httpx.Client, sign: str) -> None:
    title = api.get(f"/x{quote(sign)}y").json()["title"]
    assert title == f"There is nothing at /v1/x{sign}y."


def test_outside_the_base_path(api: httpx.Client) -> None:
    assert problem(api.get(str(api.base_url.copy_with(path="/x")))) == (404, "not_found")


def test_wrong_method(api: httpx.Client) -> None:
    response = api.delete("/search")
    assert problem(response) == (405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


def test_a_wrong_method_of_a_fixed_path_is_none_of_an_id(api: httpx.Client) -> None:
    response = api.put("/bundles/all", json={})
    assert problem(response) == (405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_a_final_slash_is_ignored(api: httpx.Client) -> None:
    assert api.get("/bundles/all/", params={"replica": "aws"}).status_code == 200


@pytest.mark.parametrize("path", ["/swagger.json", "/bundles/all?replica=aws"])
def test_head_works_where_get_does(api: httpx.Client, path: str) -> None:
    response = api.head(path)
    assert response.status_code == 200
    assert response.content == b""
    assert response.headers["content-length"] != "0"


def test_request_ids_differ(api: httpx.Client) -> None:
    ids = {api.get("/swagger.json").headers["x-aws-request-id"] for _ in range(2)}
    assert len(ids) == 2


def test_a_bad_body_is_told_before_a_missing_parameter(api: httpx.Client) -> None:
    response = api.post("/search", json={"es_query": 1})
    assert problem(response) == (400, "illegal_arguments")
    assert "es_query" in response.json()["title"]


def test_parameters_are_told_before_the_path(api: httpx.Client) -> None:
    response = api.get("/bundles/no-uuid")
    assert problem(response) == (400, "illegal_arguments")
    assert "'replica'" in response.json()["title"]
    response = api.get("/bundles/no-uuid", params={"replica": "aws"})
    assert "'uuid'" in response.json()["title"]


def test_query_parameters_are_told_in_the_order_of_the_specification(api: httpx.Client) -> None:
    query = {"replica": "azure", "output_format": "xml", "per_page": "9"}
    titles = []
    for good in ({}, {"replica": "aws"}, {"replica": "aws", "output_format": "raw"}):
        response = api.post("/search", json={"es_query": {}}, params={**query, **good})
        assert problem(response) == (400, "illegal_arguments")
        titles.append(response.json()["title"].split("'")[1])
    assert titles == ["replica", "output_format", "per_page"]


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{}", "application/json", 400),
        (b'{"es_query": {"a": NaN}}', "application/json", 400),
        (b'{"es_query": {"query": {"term": {"a": "\\ud800"}}}}', "application/json", 400),
        (b'{"es_query": {"query": {"term": {"\xed\xa0\x80": 1}}}}', "application/json", 400),
        (b'{"es_query": {"a": 1e999}}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"es_query": {}}', "application/json; charset=utf-8", 200),
        (b'{"es_query": {}, "extra": 1.5}', "application/vnd.api+json", 200),
    ],
)
def test_bodies(api: httpx.Client, content: bytes, content_type: str, status: int) -> None:
    response = api.post(
        "/search",
        params={"replica": "aws"},
        content=content,
        headers={"content-type": content_type},
    )
    assert response.status_code == status
    if status != 200:
        problem(response)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("replica=aws", 200),
        ("replica=azure&replica=aws", 200),
        ("replica=aws&replica=azure", 400),
        ("replica=", 400),
        ("replica=aws&per_page=%2B10", 200),
        ("replica=aws&per_page=10.5", 400),
        ("replica=aws&per_page=", 400),
        ("replica=aws&per_page=true", 400),
        ("replica=aws&per_page=9", 400),
        ("replica=aws&per_page=501", 400),
        ("replica=aws&per_page=500", 200),
        ("replica=aws&presignedurls=TRUE", 200),
        ("replica=aws&presignedurls=yes", 400),
        ("replica=aws&presignedurls=", 400),
        ("replica=aws&unknown=1", 200),
    ],
)
def test_query_parameters(api: httpx.Client, query: str, status: int) -> None:
    response = api.get(f"/bundles/{UUID}?{query}")
    assert response.status_code in ({status} if status == 400 else {200, 206})


FILE = {"creator_uid": 1, "source_url": "s3://b/k"}


@pytest.mark.parametrize(
    ("version", "body", "code"),
    [
        ("2019", FILE, "illegal_version"),
        ("", FILE, "illegal_version"),
        ("2019", {}, "illegal_arguments"),
        (VERSION, FILE, "not_found"),  # the source
    ],
)
def test_versions_have_a_code_of_their_own(
    sample_dss: LocalDSS, api: httpx.Client, version: str, body: dict[str, object], code: str
) -> None:
    token = {"Authorization": f"Bearer {sample_dss.mint_token()}"}
    response = api.put(f"/files/{UUID}", params={"version": version}, json=body, headers=token)
    assert problem(response)[1] == code


@pytest.mark.parametrize(
    ("version", "code"),
    [("2019", "illegal_version"), (1, "illegal_arguments"), (VERSION, "file_missing")],
)
def test_versions_in_bodies(
    sample_dss: LocalDSS, api: httpx.Client, version: object, code: str
) -> None:
    file = {"uuid": OTHER, "version": version, "name": "a", "indexed": False}
    response = api.put(
        f"/bundles/{OTHER}",
        params={"replica": "aws", "version": VERSION},
        json={"creator_uid": 1, "files": [file]},
        headers={"Authorization": f"Bearer {sample_dss.mint_token()}"},
    )
    assert problem(response) == (400, code)


@pytest.mark.parametrize("uuid", [f"xx{UUID}", f"{UUID}%0A", "%2e%2e"])
def test_uuids_match_whole(api: httpx.Client, uuid: str) -> None:
    response = api.get(f"/bundles/{uuid}", params={"replica": "aws"})
    assert problem(response) == (400, "illegal_arguments")


def test_a_crash_is_logged_and_tells_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def stopped_clock() -> float:
        raise RuntimeError("the clock stands still")

    settings = LocalSettings(clock=stopped_clock)
    with LocalDSS(tmp_path, sample=True, settings=settings) as dss:
        query = {"replica": "aws", "presignedurls": "true"}
        with caplog.at_level(logging.ERROR):
            response = httpx.get(f"{dss.url}/bundles/{UUID}", params=query)
    assert problem(response) == (500, "unhandled_exception")
    assert response.headers["retry-after"] == "10"
    assert "clock" not in response.text
    assert "the clock stands still" in caplog.text
