"""The four /subscriptions operations over a socket (docs/behaviour.md 8.11, 11.1, S5, S9, S20)."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dss_client.local import LocalDSS, LocalSettings
from dss_client.versions import is_version
from tests.local.calls import AWS, GCP, NOT_FOUND, UNKNOWN, expect, problem
from tests.local.webhook import EVERYTHING, subscribe
from tests.local.writing import writer

OWNER, OTHER = "owner@example.org", "other@example.org"
CALLBACK = "http://127.0.0.1:9/hook?key=hidden"
KINDS = pytest.mark.parametrize("kind", ["jmespath", "elasticsearch"])


@pytest.fixture
def client(dss: LocalDSS) -> Iterator[httpx.Client]:
    """A client of the owner, in place of one without a token."""
    with writer(dss, email=OWNER) as made:
        yield made


@pytest.fixture
def other(dss: LocalDSS) -> Iterator[httpx.Client]:
    with writer(dss, email=OTHER, group="public") as made:
        yield made


def put(client: httpx.Client, replica: str = "aws", **body: Any) -> httpx.Response:
    content = json.dumps({"callback_url": CALLBACK, **body})  # with lone surrogates, too
    headers = {"Content-Type": "application/json"}
    query = {"replica": replica}
    return client.put("/subscriptions", params=query, content=content, headers=headers)


def call(
    client: httpx.Client,
    method: str,
    path: str,
    kind: str,
    status: int = 200,
    code: str = "",
    replica: str = "aws",
) -> Any:
    query = {"replica": replica, "subscription_type": kind}
    path = f"/subscriptions{path}"
    return expect(client, method, path, status, code, params=query).json()


def listed(client: httpx.Client, kind: str) -> list[dict[str, Any]]:
    answer = call(client, "GET", "", kind)
    assert list(answer) == ["subscriptions"]
    found: list[dict[str, Any]] = answer["subscriptions"]
    return found


@pytest.mark.parametrize(("kind", "es_query"), [("jmespath", {}), ("elasticsearch", EVERYTHING)])
def test_what_is_stored_is_what_was_sent(
    client: httpx.Client, kind: str, es_query: dict[str, Any]
) -> None:
    body: dict[str, Any] = {
        "method": "PUT",
        "jmespath_query": "files",
        "hmac_key_id": "key",
        "attachments": {"a": {"type": "jmespath", "expression": "b"}},
        "es_query": es_query,
    }
    response = put(client, **body, hmac_secret_key="hush")
    assert response.status_code == 201
    uuid = response.json()["uuid"]
    own = {"callback_url": CALLBACK, "uuid": uuid, "owner": OWNER, "replica": "aws"}
    expected = {**body, **own}  # no defaults, and no secret
    assert response.json() == (expected if kind == "jmespath" else {"uuid": uuid})
    assert call(client, "GET", f"/{uuid}", kind) == expected
    assert listed(client, kind) == [expected]
    # Where no kind is named, jmespath is meant.
    status = 200 if kind == "jmespath" else 404
    found = client.get("/subscriptions", params=AWS).json()["subscriptions"]
    assert found == listed(client, "jmespath") == ([expected] if kind == "jmespath" else [])
    for method in ("GET", "DELETE"):
        expect(client, method, f"/subscriptions/{uuid}", status, params=AWS)


@KINDS
def test_the_list_is_by_uuid_descending(client: httpx.Client, kind: str) -> None:
    uuids = [subscribe(client, CALLBACK, kind) for _ in range(12)]
    body = {"es_query": EVERYTHING} if kind == "elasticsearch" else {}
    assert put(client, GCP["replica"], **body).status_code == 201
    assert [each["uuid"] for each in listed(client, kind)] == sorted(uuids, reverse=True)


@KINDS
def test_what_is_not_there_or_someone_elses(
    client: httpx.Client, other: httpx.Client, kind: str
) -> None:
    uuid = subscribe(client, CALLBACK, kind)
    [wrong] = {"jmespath", "elasticsearch"} - {kind}
    refused = NOT_FOUND if kind == "jmespath" else (403, "Forbidden")
    for method in ("GET", "DELETE"):
        call(client, method, f"/{UNKNOWN}", kind, *NOT_FOUND)
        call(client, method, f"/{uuid}", kind, *NOT_FOUND, replica="gcp")
        call(client, method, f"/{uuid}", wrong, *NOT_FOUND)
        call(other, method, f"/{uuid}", kind, *refused)
    assert listed(other, kind) == []
    answer = call(client, "DELETE", f"/{uuid.upper()}", kind)
    assert list(answer) == ["timeDeleted"]
    assert is_version(answer["timeDeleted"])
    call(client, "DELETE", f"/{uuid}", kind, *NOT_FOUND)
    assert listed(client, kind) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"jmespath_query": ""}, "invalid_jmespath"),
        ({"jmespath_query": "[" * 5000}, "invalid_jmespath"),
        ({"attachments": {"_a": {"expression": "b"}}}, "invalid_attachment_name"),
        ({"attachments": {"a": {"expression": "b["}}}, "invalid_attachment_expression"),
        ({"attachments": {"a": {"expression": ""}}}, "invalid_attachment_expression"),
        # In this order:
        ({"jmespath_query": "", "attachments": {"_a": {"expression": ""}}}, "invalid_jmespath"),
        (
            {"attachments": {"_a": {"expression": ""}}, "es_query": {"q": 1}},
            "invalid_attachment_name",
        ),
        ({"es_query": {"query": {"mtch": {}}}}, "elasticsearch_error"),
        ({"es_query": {"query": {"term": {"a": "\ud800"}}}}, "illegal_arguments"),
        ({"callback_url": "ftp://x"}, "illegal_arguments"),
        ({"callback_url": "see http://x"}, "illegal_arguments"),
        ({"callback_url": "http://"}, "illegal_arguments"),
        ({"callback_url": "http://x:99999/"}, "illegal_arguments"),
        # The specification's own pattern wants the scheme in lower case.
        ({"callback_url": "HTTPS://x/"}, "illegal_arguments"),
        ({"form_fields": {"a": 1}}, "illegal_arguments"),
        ({"unknown": 1}, "illegal_arguments"),
    ],
)  # fmt: skip
def test_refused(client: httpx.Client, body: dict[str, Any], code: str) -> None:
    for attachment in body.get("attachments", {}).values():
        attachment.setdefault("type", "jmespath")
    assert problem(put(client, **body)) == (400, code)
    assert listed(client, "jmespath") == listed(client, "elasticsearch") == []


@KINDS
def test_over_the_limit(tmp_path: Path, kind: str) -> None:
    assert LocalSettings().subscription_limit == 101
    query = {"es_query": EVERYTHING} if kind == "elasticsearch" else {"jmespath_query": ""}
    with (
        LocalDSS(tmp_path, settings=LocalSettings(subscription_limit=2)) as dss,
        writer(dss, email=OWNER) as client,
        writer(dss, email=OTHER) as other,
    ):
        uuid, _ = (subscribe(client, CALLBACK, kind) for _ in range(2))
        assert problem(put(client, **query)) == (406, "not_acceptable")
        subscribe(other, CALLBACK, kind)
        call(client, "DELETE", f"/{uuid}", kind)
        subscribe(client, CALLBACK, kind)


def test_they_outlive_the_service(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with LocalDSS(tmp_path) as dss, writer(dss, email=OWNER) as client:
        kept = subscribe(client, CALLBACK, hmac_secret_key="hush")
        gone = subscribe(client, CALLBACK, "elasticsearch")
        call(client, "DELETE", f"/{gone}", "elasticsearch")
    [path] = (tmp_path / ".subscriptions").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600  # it holds the secret
    for name, content in {"a": "[]", "b": '{"uuid": "u"}', "c": "{"}.items():
        path.with_name(f"{name}.json").write_text(content)
    with LocalDSS(tmp_path) as dss, writer(dss, email=OWNER) as client:
        [found] = listed(client, "jmespath")
        assert found["uuid"] == kept
        assert listed(client, "elasticsearch") == []
        assert "hush" not in f"{found}"
    assert [record.args for record in caplog.records] == [("a.json",), ("b.json",), ("c.json",)]
