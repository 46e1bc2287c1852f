"""The four /subscriptions operations over a socket (docs/behaviour.md 8.11, 11.1, S5, S9, S20)."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dss_client.local import LocalDSS, LocalSettings
from dss_client.versions import is_version
from tests.local.calls import problem
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


def params(kind: str, replica: str = "aws") -> dict[str, str]:
    return {"replica": replica, "subscription_type": kind}


def get(client: httpx.Client, uuid: str, kind: str, replica: str = "aws") -> httpx.Response:
    return client.get(f"/subscriptions/{uuid}", params=params(kind, replica))


def delete(client: httpx.Client, uuid: str, kind: str, replica: str = "aws") -> httpx.Response:
    return client.delete(f"/subscriptions/{uuid}", params=params(kind, replica))


def listed(client: httpx.Client, kind: str) -> list[dict[str, Any]]:
    response = client.get("/subscriptions", params=params(kind))
    assert response.status_code == 200
    assert list(response.json()) == ["subscriptions"]
    found: list[dict[str, Any]] = response.json()["subscriptions"]
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
    assert get(client, uuid, kind).json() == expected
    assert listed(client, kind) == [expected]
    [wrong] = {"jmespath", "elasticsearch"} - {kind}
    assert listed(client, wrong) == []
    # Where no kind is named, jmespath is meant.
    status = 200 if kind == "jmespath" else 404
    assert client.get(f"/subscriptions/{uuid}", params={"replica": "aws"}).status_code == status
    found = client.get("/subscriptions", params={"replica": "aws"}).json()["subscriptions"]
    assert found == listed(client, "jmespath")
    assert client.delete(f"/subscriptions/{uuid}", params={"replica": "aws"}).status_code == status


@KINDS
def test_the_list_is_by_uuid_descending(client: httpx.Client, kind: str) -> None:
    uuids = [subscribe(client, CALLBACK, kind) for _ in range(12)]
    body = {"es_query": EVERYTHING} if kind == "elasticsearch" else {}
    assert put(client, "gcp", **body).status_code == 201
    assert [each["uuid"] for each in listed(client, kind)] == sorted(uuids, reverse=True)


@KINDS
def test_what_is_not_there_or_someone_elses(
    client: httpx.Client, other: httpx.Client, kind: str
) -> None:
    uuid = subscribe(client, CALLBACK, kind)
    [wrong] = {"jmespath", "elasticsearch"} - {kind}
    refused = (404, "not_found") if kind == "jmespath" else (403, "Forbidden")
    for send in (get, delete):
        assert problem(send(client, str(uuid4()), kind)) == (404, "not_found")
        assert problem(send(client, uuid, kind, "gcp")) == (404, "not_found")
        assert problem(send(client, uuid, wrong)) == (404, "not_found")
        assert problem(send(other, uuid, kind)) == refused
    assert listed(other, kind) == []
    assert len(listed(client, kind)) == 1


@KINDS
def test_delete(client: httpx.Client, kind: str) -> None:
    uuid = subscribe(client, CALLBACK, kind)
    response = delete(client, uuid.upper(), kind)
    assert response.status_code == 200
    assert list(response.json()) == ["timeDeleted"]
    assert is_version(response.json()["timeDeleted"])
    assert problem(delete(client, uuid, kind)) == (404, "not_found")
    assert listed(client, kind) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"jmespath_query": ""}, "invalid_jmespath"),
        ({"jmespath_query": "a["}, "invalid_jmespath"),
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
        ({"callback_url": None}, "illegal_arguments"),
        ({"callback_url": "ftp://x"}, "illegal_arguments"),
        ({"callback_url": "see http://x"}, "illegal_arguments"),
        ({"callback_url": "http://"}, "illegal_arguments"),
        ({"callback_url": "http://["}, "illegal_arguments"),
        ({"callback_url": "http://x:99999/"}, "illegal_arguments"),
        ({"callback_url": "http://x:0/"}, "illegal_arguments"),
        # The specification's own pattern wants the scheme in lower case.
        ({"callback_url": "HTTPS://x/"}, "illegal_arguments"),
        ({"method": "GET"}, "illegal_arguments"),
        ({"encoding": "text/plain"}, "illegal_arguments"),
        ({"form_fields": {"a": 1}}, "illegal_arguments"),
        ({"attachments": {"a": {"type": "xpath", "expression": "b"}}}, "illegal_arguments"),
        ({"attachments": {"a": {"type": "jmespath"}}}, "illegal_arguments"),
        ({"unknown": 1}, "illegal_arguments"),
    ],
)  # fmt: skip
def test_refused(client: httpx.Client, body: dict[str, Any], code: str) -> None:
    for attachment in body.get("attachments", {}).values():
        attachment.setdefault("type", "jmespath")
    assert problem(put(client, **body)) == (400, code)
    assert listed(client, "jmespath") == listed(client, "elasticsearch") == []


def test_callback_url_is_required_and_may_be_shouted(client: httpx.Client) -> None:
    response = client.put("/subscriptions", params={"replica": "aws"}, json={})
    assert problem(response) == (400, "illegal_arguments")
    assert "callback_url" in response.json()["title"]
    assert put(client, callback_url="https://EXAMPLE.org").status_code == 201


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
        delete(client, uuid, kind)
        subscribe(client, CALLBACK, kind)


def test_they_outlive_the_service(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with LocalDSS(tmp_path) as dss, writer(dss, email=OWNER) as client:
        kept = subscribe(client, CALLBACK, hmac_secret_key="hush")
        gone = subscribe(client, CALLBACK, "elasticsearch")
        delete(client, gone, "elasticsearch")
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
