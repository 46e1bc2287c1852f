"""What holds for every answer: routes, errors, request ids, the order of checks.

See docs/behaviour.md 1-3.
"""

import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from dss_client import _spec
from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.routes import HANDLERS
from dss_client.local.validation import operations
from tests.local.calls import AWS, ILLEGAL, NOT_FOUND, UNKNOWN, UUID, expect, problem
from tests.local.calls import V2 as VERSION

NOT_ALLOWED = (405, "method_not_allowed")


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


def test_unknown_routes(api: httpx.Client) -> None:
    for path in ("/nothing", "/files", "/files/", f"/files/{UUID}/x", "/files/a/b"):
        expect(api, "GET", path, *NOT_FOUND)
    expect(api, "GET", str(api.base_url.copy_with(path="/x")), *NOT_FOUND)
    for sign in "?#%+":
        title = api.get(f"/x{quote(sign)}y").json()["title"]
        assert title == f"There is nothing at /v1/x{sign}y."


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("DELETE", "/search", {"POST"}), ("PUT", "/bundles/all", {"GET", "HEAD"})],
)
def test_wrong_methods(api: httpx.Client, method: str, path: str, allowed: set[str]) -> None:
    response = expect(api, method, path, *NOT_ALLOWED)
    assert set(response.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/swagger.json", "/bundles/all/?replica=aws"])
def test_head_works_where_get_does(api: httpx.Client, path: str) -> None:
    head, get = api.head(path), api.get(path)  # a final slash is ignored
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] != "0"
    assert head.headers["x-aws-request-id"] != get.headers["x-aws-request-id"]


def test_the_first_fault_is_told(api: httpx.Client) -> None:
    """The body, then parameters as the specification has them, then the path."""
    wrong = {"replica": "azure", "output_format": "xml", "per_page": "9"}
    good: list[dict[str, str]] = [{}, AWS, {**AWS, "output_format": "raw"}]
    calls: list[tuple[str, str, str, dict[str, Any]]] = [
        ("es_query", "POST", "/search", {"json": {"es_query": 1}}),
        ("replica", "GET", "/bundles/no-uuid", {}),
        ("uuid", "GET", "/bundles/no-uuid", {"params": AWS}),
    ]
    for name, each in zip(wrong, good, strict=True):
        query = {"params": {**wrong, **each}, "json": {"es_query": {}}}
        calls.append((name, "POST", "/search", query))
    for name, method, path, sent in calls:
        assert name in expect(api, method, path, *ILLEGAL, **sent).json()["title"]


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
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
    headers = {"content-type": content_type}
    response = expect(api, "POST", "/search", status, params=AWS, content=content, headers=headers)
    if status != 200:
        problem(response)


@pytest.mark.parametrize(
    ("query", "good"),
    [
        ("replica=azure&replica=aws", True),
        ("replica=aws&replica=azure", False),
        ("replica=", False),
        ("replica=aws&per_page=%2B10", True),
        ("replica=aws&per_page=10.5", False),
        ("replica=aws&per_page=true", False),
        ("replica=aws&per_page=501", False),
        ("replica=aws&presignedurls=TRUE", True),
        ("replica=aws&presignedurls=yes", False),
        ("replica=aws&unknown=1", True),
    ],
)
def test_query_parameters(api: httpx.Client, query: str, good: bool) -> None:
    assert (api.get(f"/bundles/{UUID}?{query}").status_code != 400) is good


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
    api.headers["Authorization"] = f"Bearer {sample_dss.mint_token()}"
    response = api.put(f"/files/{UUID}", params={"version": version}, json=body)
    assert problem(response)[1] == code


@pytest.mark.parametrize(
    ("version", "code"),
    [("2019", "illegal_version"), (1, "illegal_arguments"), (VERSION, "file_missing")],
)
def test_versions_in_bodies(
    sample_dss: LocalDSS, api: httpx.Client, version: object, code: str
) -> None:
    api.headers["Authorization"] = f"Bearer {sample_dss.mint_token()}"
    file = {"uuid": UNKNOWN, "version": version, "name": "a", "indexed": False}
    query, body = {**AWS, "version": VERSION}, {"creator_uid": 1, "files": [file]}
    expect(api, "PUT", f"/bundles/{UNKNOWN}", 400, code, params=query, json=body)


@pytest.mark.parametrize("uuid", [f"xx{UUID}", f"{UUID}%0A", "%2e%2e"])
def test_uuids_match_whole(api: httpx.Client, uuid: str) -> None:
    expect(api, "GET", f"/bundles/{uuid}", *ILLEGAL, params=AWS)


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
