"""Who is notified of what (docs/behaviour.md 11.2, 11.3, 12.1, S28)."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dss_client import DSSClient
from dss_client.local import LoadedBundle, LocalDSS
from dss_client.versions import is_version
from tests.local.webhook import EVERYTHING, Received, Receiver, settled, subscribe
from tests.local.writing import writer

Load = Callable[..., LoadedBundle]
ADMIN = "admin@example.org"
V1, V2, V3 = (f"{year}-01-01T000000.000000Z" for year in (2018, 2019, 2020))
DONOR = {"species": "Homo sapiens", "n": 0, "tags": [], "text": ""}
FILES = {"donor_0.json": DONOR, "list.json": [1], "a.txt": b"text"}
KINDS = pytest.mark.parametrize("kind", ["jmespath", "elasticsearch"])


@pytest.fixture
def dss(notifying_dss: LocalDSS) -> LocalDSS:
    notifying_dss.reset()
    return notifying_dss


@pytest.fixture
def client(dss: LocalDSS) -> Iterator[httpx.Client]:
    with writer(dss, email=ADMIN) as made:
        yield made


def delete(client: httpx.Client, uuid: str, **version: str) -> None:
    query = {"replica": "aws", **version}
    response = client.request("DELETE", f"/bundles/{uuid}", params=query, json={"reason": "test"})
    assert response.status_code == 200, response.text


def expressions(**texts: str) -> dict[str, dict[str, str]]:
    return {name: {"type": "jmespath", "expression": text} for name, text in texts.items()}


def notified(dss: LocalDSS, receiver: Receiver) -> dict[str, Received]:
    """Return the requests for what happened so far, by subscription: one each."""
    settled(dss)
    requests = receiver.all()
    found = {request.payload["subscription_id"]: request for request in requests}
    assert len(found) == len(requests)
    return found


def test_the_payload_of_a_new_bundle(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    one = subscribe(client, receiver.url)
    other = subscribe(client, receiver.url, "elasticsearch", jmespath_query="nothing")
    bundle = load(dss, FILES)
    requests = notified(dss, receiver)
    payloads = {uuid: requests[uuid].payload for uuid in (one, other)}
    match = {"bundle_uuid": bundle.uuid, "bundle_version": bundle.version}
    assert is_version(payloads[one].pop("event_timestamp"))
    assert {len(payload.pop("transaction_id")) for payload in payloads.values()} == {36}
    url = payloads[one]["bundle_url"]
    assert payloads[one] == {
        "subscription_id": one,
        "event_type": "CREATE",
        "match": match,
        "dss_api": dss.url.removesuffix("/v1"),
        "bundle_url": f"{dss.url}/bundles/{bundle.uuid}?version={bundle.version}",
    }
    assert payloads[other] == {"subscription_id": other, "es_query": EVERYTHING, "match": match}
    assert client.get(url, params={"replica": "aws"}).status_code == 200
    assert requests[one].headers["X-dss-notify-attempt"] is None
    assert requests[other].headers["X-dss-notify-attempt"] == "0"


def test_queries_select(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    expected: dict[str, bool] = {
        "files.donor_json[0].species == 'Homo sapiens'": True,
        "files.list_json[0]": True,
        "event_type == 'CREATE'": True,
        "bundle_info.version": True,
        "manifest.files[?name=='a.txt'] | [0]": True,
        "files.a_txt": False,
        "files.donor_json[0].n": False,
        "files.donor_json[0].tags": False,
        "files.donor_json[0].text": False,
        "files.donor_json[?species=='Mus']": False,
        "`{}`": False,
        "`false`": False,
        "nothing": False,
        "abs(files)": False,  # fails
    }
    es_queries: list[tuple[dict[str, Any], bool]] = [
        ({"match": {"files.donor_json.species": "homo SAPIENS"}}, True),
        ({"match": {"files.donor_json.species": "homo"}}, False),
        ({"bool": {"must_not": [{"term": {"admin_deleted": True}}]}}, True),
        ({"term": {"admin_deleted": True}}, False),
        ({"match": {"files.list_json": 1}}, False),  # no object, so not indexed
    ]
    uuids = {
        subscribe(client, receiver.url, jmespath_query=query): notifies
        for query, notifies in expected.items()
    }
    for query, notifies in es_queries:
        uuids[subscribe(client, receiver.url, es_query={"query": query})] = notifies
    for body in ({}, {"es_query": EVERYTHING}):  # of the other replica
        content = {"callback_url": receiver.url, **body}
        client.put("/subscriptions", params={"replica": "gcp"}, json=content).raise_for_status()
    load(dss, FILES)
    requests = notified(dss, receiver)
    assert set(requests) == {uuid for uuid, notifies in uuids.items() if notifies}
    queries = {request.payload.get("jmespath_query") for request in requests.values()}
    assert queries == {query for query, notifies in expected.items() if notifies} | {None}


def test_a_tombstone_of_one_version(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    bundle = load(dss, FILES)
    query = (
        f"event_type == 'TOMBSTONE' && bundle_info.uuid == '{bundle.uuid}'"
        f" && bundle_info.version == '{bundle.version}' && reason == 'test' && admin_deleted"
    )
    reason: dict[str, Any] = {"attachments": expressions(reason="reason")}
    one = subscribe(client, receiver.url, jmespath_query=query, **reason)
    deleted = {"query": {"term": {"admin_deleted": True}}}
    other = subscribe(client, receiver.url, es_query=deleted, **reason)
    delete(client, bundle.uuid, version=bundle.version)
    payloads = {uuid: each.payload for uuid, each in notified(dss, receiver).items()}
    match = {"bundle_uuid": bundle.uuid, "bundle_version": bundle.version}
    assert payloads[one]["event_type"] == "TOMBSTONE"
    assert payloads[one]["match"] == payloads[other]["match"] == match
    assert "attachments" not in payloads[one]  # only for CREATE
    assert payloads[other]["attachments"] == {"reason": "test"}


@KINDS
def test_a_tombstone_of_all_versions_notifies_of_each(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load, kind: str
) -> None:
    bundle = load(dss, FILES, None, V1)
    for version in (V2, V3):
        load(dss, FILES, bundle.uuid, version)
    delete(client, bundle.uuid, version=V2)
    subscribe(client, receiver.url, kind)
    delete(client, bundle.uuid)
    delete(client, bundle.uuid)  # the same once more stores nothing
    settled(dss)
    matches = [request.payload["match"] for request in receiver.all()]
    assert sorted(match["bundle_version"] for match in matches) == [V1, V3]


def test_attachments(dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load) -> None:
    attachments = expressions(
        files="files",
        bundle="bundle_info",
        manifest="manifest.files[].name",
        nothing="files.x",
        bad="abs(files)",
        worse="&files",
        indexed="shape_descriptor",
    )
    one = subscribe(client, receiver.url, attachments=attachments)
    other = subscribe(client, receiver.url, "elasticsearch", attachments=attachments)
    none = subscribe(client, receiver.url, attachments={})
    files = {**FILES, "bad.json": b"{", "dir/donor_1.json": {"a": 1}}
    bundle = load(dss, files)
    payloads = {uuid: each.payload for uuid, each in notified(dss, receiver).items()}
    assert "attachments" not in payloads[none]
    common: dict[str, Any] = {"manifest": sorted(files), "nothing": None}
    documents: dict[str, Any] = {"donor_json": [DONOR], "dir/donor_json": [{"a": 1}]}
    info = {"uuid": bundle.uuid, "version": bundle.version}
    seen: dict[str, dict[str, Any]] = {
        one: {"files": {**documents, "list_json": [[1]]}, "bundle": info, "indexed": None},
        other: {"files": documents, "bundle": None, "indexed": "None"},
    }
    for uuid, expected in seen.items():
        found = payloads[uuid]["attachments"]
        errors = found.pop("_errors")
        assert sorted(errors) == ["bad", "worse"]
        assert all(isinstance(text, str) and text for text in errors.values())
        assert found == {**common, **expected}


@pytest.mark.parametrize("size", [131_072, 131_073])
def test_the_size_of_attachments(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load, size: int
) -> None:
    text = "x" * (size - len('{"a": ""}'))
    subscribe(client, receiver.url, attachments=expressions(a="files.b_json[0].text"))
    load(dss, {"b.json": {"text": text}})
    large = {"_errors": "Attachments too large (131073 > 131072)"}
    expected = {"a": text} if size == 131_072 else large
    assert receiver.next().payload["attachments"] == expected


def test_bundles_that_are_put_notify(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    bundle = load(dss, FILES)
    answer = client.get(f"/bundles/{bundle.uuid}", params={"replica": "aws"}).json()["bundle"]
    names = ("uuid", "version", "name", "indexed")
    files = [{name: file[name] for name in names} for file in answer["files"]]
    subscribe(client, receiver.url, jmespath_query="files.donor_json")
    params = {"replica": "aws", "version": V1}
    for status in (201, 200):  # only what is new notifies
        body = {"files": files, "creator_uid": 1}
        assert client.put(f"/bundles/{bundle.uuid}", params=params, json=body).status_code == status
    with DSSClient(dss.url, token=dss.mint_token(email=ADMIN)) as sdk:
        patched = sdk.patch_bundle(uuid=bundle.uuid, replica="aws", version=V1)
    delete(client, bundle.uuid, version=V1)
    settled(dss)
    versions = [each.payload["match"]["bundle_version"] for each in receiver.all()]
    assert sorted(versions) == [V1, patched.version]


def test_a_broken_subscription_keeps_no_other_from_its_own(
    tmp_path: Path, receiver: Receiver, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / ".subscriptions"
    folder.mkdir()
    queries = {"b": {"query": {"mtch": {}}}, "c": EVERYTHING, "d": 5}
    for uuid, query in queries.items():
        content = {"owner": ADMIN, "replica": "aws", "callback_url": receiver.url}
        stored = {**content, "uuid": uuid, "es_query": query}
        (folder / f"{uuid}.json").write_text(json.dumps(stored))
    with LocalDSS(tmp_path) as dss:
        load(dss, FILES)
        assert list(notified(dss, receiver)) == ["c"]
    assert "subscription b is skipped" in caplog.text
    assert "subscription d is skipped" in caplog.text


def test_a_write_survives_what_goes_wrong_here(
    tmp_path: Path, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    with LocalDSS(tmp_path / "root") as dss, writer(dss) as client, Receiver() as receiver:
        subscribe(client, receiver.url)
        (tmp_path / "root/.deliveries.sqlite3").mkdir()  # so that no file can be there
        with caplog.at_level(logging.ERROR):
            bundle = load(dss, FILES)
        answer = client.get(f"/bundles/{bundle.uuid}", params={"replica": "aws"})
        assert answer.status_code == 200
    assert f"nobody is notified of bundles/{bundle.fqid}" in caplog.text
    with LocalDSS(tmp_path / "root") as dss, writer(dss) as client:
        assert client.get("/subscriptions", params={"replica": "aws"}).status_code == 200
    assert "what is queued is not delivered" in caplog.text
