"""The four /subscriptions operations over a socket (docs/behaviour.md 8.11, 11.1, S5, S9, S20)."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dss_client import DSSClient, NotFound
from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.notify.subscription_store import Subscription
from dss_client.versions import is_version
from tests.local.test_api import problem
from tests.local.writing import writer

OWNER, OTHER = "owner@example.org", "other@example.org"
CALLBACK = "http://127.0.0.1:9/hook?key=hidden"
QUERY: dict[str, Any] = {"query": {"match_all": {}}}
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
    content = {"callback_url": CALLBACK, **body}
    return client.put("/subscriptions", params={"replica": replica}, json=content)


def made(client: httpx.Client, kind: str = "jmespath", replica: str = "aws", **body: Any) -> str:
    if kind == "elasticsearch":
        body["es_query"] = QUERY
    response = put(client, replica, **body)
    assert response.status_code == 201, response.text
    uuid: str = response.json()["uuid"]
    return uuid


def params(kind: str, replica: str = "aws") -> dict[str, str]:
    return {"replica": replica, "subscription_type": kind}


def get(client: httpx.Client, uuid: str, kind: str, replica: str = "aws") -> httpx.Response:
    return client.get(f"/subscriptions/{uuid}", params=params(kind, replica))


def delete(client: httpx.Client, uuid: str, kind: str, replica: str = "aws") -> httpx.Response:
    return client.delete(f"/subscriptions/{uuid}", params=params(kind, replica))


def listed(client: httpx.Client, kind: str, replica: str = "aws") -> list[dict[str, Any]]:
    response = client.get("/subscriptions", params=params(kind, replica))
    assert response.status_code == 200
    assert list(response.json()) == ["subscriptions"]
    found: list[dict[str, Any]] = response.json()["subscriptions"]
    return found


def test_put_answers_with_what_is_stored_but_the_secret(client: httpx.Client) -> None:
    body: dict[str, Any] = {
        "method": "PUT",
        "jmespath_query": "files",
        "hmac_secret_key": "hush",
        "hmac_key_id": "key",
        "attachments": {"a": {"type": "jmespath", "expression": "b"}},
        "es_query": {},
    }
    response = put(client, **body)
    assert response.status_code == 201
    content = response.json()
    uuid = content["uuid"]
    del body["hmac_secret_key"]
    expected = {
        **body,
        "callback_url": CALLBACK,
        "uuid": uuid,
        "owner": OWNER,
        "replica": "aws",
    }  # no defaults
    assert content == expected
    assert get(client, uuid, "jmespath").json() == expected
    assert listed(client, "jmespath") == [expected]
    assert listed(client, "elasticsearch") == []


def test_an_es_query_makes_the_other_kind(client: httpx.Client) -> None:
    response = put(client, es_query=QUERY, hmac_secret_key="hush")
    assert response.status_code == 201
    uuid = response.json()["uuid"]
    assert response.json() == {"uuid": uuid}
    expected = {
        "callback_url": CALLBACK,
        "uuid": uuid,
        "owner": OWNER,
        "replica": "aws",
        "es_query": QUERY,
    }
    assert get(client, uuid, "elasticsearch").json() == expected
    assert listed(client, "elasticsearch") == [expected]
    assert listed(client, "jmespath") == []


@KINDS
def test_the_default_kind_is_jmespath(client: httpx.Client, kind: str) -> None:
    uuid = made(client, kind)
    response = client.get(f"/subscriptions/{uuid}", params={"replica": "aws"})
    assert response.status_code == (200 if kind == "jmespath" else 404)
    found = client.get("/subscriptions", params={"replica": "aws"}).json()["subscriptions"]
    assert len(found) == (1 if kind == "jmespath" else 0)
    response = client.delete(f"/subscriptions/{uuid}", params={"replica": "aws"})
    assert response.status_code == (200 if kind == "jmespath" else 404)


@KINDS
def test_the_list_is_by_uuid_descending(client: httpx.Client, kind: str) -> None:
    uuids = [made(client, kind) for _ in range(12)]
    made(client, kind, "gcp")
    assert [each["uuid"] for each in listed(client, kind)] == sorted(uuids, reverse=True)


@KINDS
def test_someone_elses(client: httpx.Client, other: httpx.Client, kind: str) -> None:
    uuid = made(client, kind)
    refused = (404, "not_found") if kind == "jmespath" else (403, "Forbidden")
    assert problem(get(other, uuid, kind)) == refused
    assert problem(delete(other, uuid, kind)) == refused
    assert listed(other, kind) == []
    assert get(client, uuid, kind).status_code == 200


@KINDS
def test_what_is_not_there(client: httpx.Client, kind: str) -> None:
    uuid = made(client, kind)
    [wrong] = {"jmespath", "elasticsearch"} - {kind}
    for response in (
        get(client, str(uuid4()), kind),
        delete(client, str(uuid4()), kind),
        get(client, uuid, kind, "gcp"),
        delete(client, uuid, kind, "gcp"),
        get(client, uuid, wrong),
        delete(client, uuid, wrong),
    ):
        assert problem(response) == (404, "not_found")
    assert len(listed(client, kind)) == 1


@KINDS
def test_delete(client: httpx.Client, kind: str) -> None:
    uuid = made(client, kind)
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
        ({"callback_url": "ftp://x"}, "illegal_arguments"),
        ({"callback_url": "see http://x"}, "illegal_arguments"),
        ({"callback_url": "http://"}, "illegal_arguments"),
        ({"callback_url": "http://["}, "illegal_arguments"),
        ({"callback_url": "http://x:99999/"}, "illegal_arguments"),
        ({"callback_url": "http://x:0/"}, "illegal_arguments"),
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


def test_callback_url_is_required(client: httpx.Client) -> None:
    response = client.put("/subscriptions", params={"replica": "aws"}, json={})
    assert problem(response) == (400, "illegal_arguments")
    assert "callback_url" in response.json()["title"]


def test_a_url_may_be_shouted(client: httpx.Client) -> None:
    # The specification's own pattern wants the scheme in lower case.
    assert problem(put(client, callback_url="HTTPS://x/")) == (400, "illegal_arguments")
    assert put(client, callback_url="https://EXAMPLE.org").status_code == 201


@KINDS
def test_over_the_limit(tmp_path: Path, kind: str) -> None:
    settings = LocalSettings(subscription_limit=2)
    with (
        LocalDSS(tmp_path, settings=settings) as dss,
        writer(dss, email=OWNER) as client,
        writer(dss, email=OTHER) as other,
    ):
        uuid = made(client, kind)
        made(client, kind)
        made(client, kind, "gcp")
        made(other, kind)
        query = {"es_query": QUERY} if kind == "elasticsearch" else {"jmespath_query": ""}
        assert problem(put(client, **query)) == (406, "not_acceptable")
        delete(client, uuid, kind)
        made(client, kind)


def test_the_limit_is_101(dss: LocalDSS) -> None:
    assert dss.settings.subscription_limit == 101


def test_without_an_email_or_a_group(dss: LocalDSS) -> None:
    with writer(dss, email=None) as nobody:
        assert problem(put(nobody)) == (401, "Unauthorized")
    with writer(dss, group="else") as stranger:
        assert problem(put(stranger)) == (403, "Forbidden")
    with httpx.Client(base_url=dss.url) as anonymous:
        assert problem(put(anonymous)) == (401, "OAuthProblem")
        assert problem(anonymous.get("/subscriptions")) == (401, "OAuthProblem")


def test_they_outlive_the_service(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with LocalDSS(tmp_path) as dss, writer(dss, email=OWNER) as client:
        kept = made(client, hmac_secret_key="hush")
        gone = made(client, "elasticsearch")
        delete(client, gone, "elasticsearch")
    [path] = (tmp_path / ".subscriptions").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for name, content in {"a": "[]", "b": '{"uuid": "u"}', "c": "{"}.items():
        path.with_name(f"{name}.json").write_text(content)
    with LocalDSS(tmp_path) as dss, writer(dss, email=OWNER) as client:
        [found] = listed(client, "jmespath")
        assert found["uuid"] == kept
        assert listed(client, "elasticsearch") == []
        assert "hush" not in json.dumps(found)
    assert [record.args for record in caplog.records] == [("a.json",), ("b.json",), ("c.json",)]


def test_a_subscription_does_not_show_its_secret() -> None:
    content = {"uuid": "u", "hmac_secret_key": "hush", "callback_url": CALLBACK}
    assert "hush" not in repr(Subscription(content))


def test_through_the_client(dss: LocalDSS) -> None:
    with DSSClient(dss.url, token=dss.mint_token(email=OWNER)) as client:
        uuid = client.put_subscription(
            replica="aws", callback_url=CALLBACK, jmespath_query="files", hmac_secret_key="hush"
        ).uuid
        one = client.get_subscription(uuid=uuid, replica="aws")
        assert (one.owner, one.jmespath_query, one.callback_url) == (OWNER, "files", CALLBACK)
        assert client.get_subscriptions(replica="aws").subscriptions == [one]
        kind = client.put_subscription(
            replica="aws", callback_url=CALLBACK, es_query={"query": {"match_all": {}}}
        ).uuid
        found = client.get_subscriptions(replica="aws", subscription_type="elasticsearch")
        assert [each.uuid for each in found.subscriptions] == [kind]
        deleted = client.delete_subscription(uuid=uuid, replica="aws")
        assert is_version(deleted.time_deleted)
        with pytest.raises(NotFound):
            client.get_subscription(uuid=uuid, replica="aws")
