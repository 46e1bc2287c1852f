"""Who is notified of what (docs/behaviour.md 11.2, 11.3, 12.1, S28)."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS
from dss_client.versions import is_version
from tests.local.calls import AWS, GCP, V1, V2, V3, Load, expect
from tests.local.webhook import EVERYTHING, Hook, Receiver, settled, subscribe
from tests.local.writing import writer

DONOR = {"species": "Homo sapiens", "n": 0, "tags": [], "text": ""}
FILES = {"donor_0.json": DONOR, "list.json": [1], "a.txt": b"text"}
DEAD = {"term": {"admin_deleted": True}}
KINDS = pytest.mark.parametrize("kind", ["jmespath", "elasticsearch"])


def delete(hook: Hook, uuid: str, **version: str) -> None:
    query = {**AWS, **version}
    expect(hook.client, "DELETE", f"/bundles/{uuid}", 200, params=query, json={"reason": "test"})


def expressions(**texts: str) -> dict[str, dict[str, str]]:
    return {name: {"type": "jmespath", "expression": text} for name, text in texts.items()}


def payloads(hook: Hook) -> dict[str, dict[str, Any]]:
    return {uuid: each.payload for uuid, each in hook.received().items()}


def test_the_payload_of_a_new_bundle(hook: Hook) -> None:
    one, other = hook.subscribe(), hook.subscribe("elasticsearch", jmespath_query="nothing")
    bundle = hook.load(hook.dss, FILES)
    found = payloads(hook)
    match = {"bundle_uuid": bundle.uuid, "bundle_version": bundle.version}
    assert is_version(found[one].pop("event_timestamp"))
    assert {len(payload.pop("transaction_id")) for payload in found.values()} == {36}
    url = f"{hook.dss.url}/bundles/{bundle.uuid}?version={bundle.version}"
    assert found[one] == {
        "subscription_id": one,
        "event_type": "CREATE",
        "match": match,
        "dss_api": hook.dss.url.removesuffix("/v1"),
        "bundle_url": url,
    }
    assert found[other] == {"subscription_id": other, "es_query": EVERYTHING, "match": match}
    expect(hook.client, "GET", f"{url}&replica=aws", 200)


def test_queries_select(hook: Hook) -> None:
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
        "`{}`": False,
        "`false`": False,
        "abs(files)": False,  # fails
    }
    es_queries: list[tuple[dict[str, Any], bool]] = [
        ({"match": {"files.donor_json.species": "homo SAPIENS"}}, True),
        ({"match": {"files.donor_json.species": "homo"}}, False),
        ({"bool": {"must_not": [DEAD]}}, True),
        (DEAD, False),
        ({"match": {"files.list_json": 1}}, False),  # no object, so not indexed
    ]
    uuids = {hook.subscribe(jmespath_query=query): good for query, good in expected.items()}
    for es_query, good in es_queries:
        uuids[hook.subscribe(es_query={"query": es_query})] = good
    for body in ({}, {"es_query": EVERYTHING}):  # of the other replica
        content = {"callback_url": hook.receiver.url, **body}
        expect(hook.client, "PUT", "/subscriptions", 201, params=GCP, json=content)
    hook.load(hook.dss, FILES)
    found = payloads(hook)
    assert set(found) == {uuid for uuid, good in uuids.items() if good}
    queries = {payload.get("jmespath_query") for payload in found.values()}
    assert queries == {query for query, good in expected.items() if good} | {None}


def test_a_tombstone_of_one_version(hook: Hook) -> None:
    bundle = hook.load(hook.dss, FILES)
    query = (
        f"event_type == 'TOMBSTONE' && bundle_info.uuid == '{bundle.uuid}'"
        f" && bundle_info.version == '{bundle.version}' && reason == 'test' && admin_deleted"
    )
    reason: dict[str, Any] = {"attachments": expressions(reason="reason")}
    one = hook.subscribe(jmespath_query=query, **reason)
    other = hook.subscribe(es_query={"query": DEAD}, **reason)
    delete(hook, bundle.uuid, version=bundle.version)
    found = payloads(hook)
    match = {"bundle_uuid": bundle.uuid, "bundle_version": bundle.version}
    assert found[one]["event_type"] == "TOMBSTONE"
    assert found[one]["match"] == found[other]["match"] == match
    assert "attachments" not in found[one]  # only for CREATE
    assert found[other]["attachments"] == {"reason": "test"}


@KINDS
def test_a_tombstone_of_all_versions_notifies_of_each(hook: Hook, kind: str) -> None:
    uuid = hook.load(hook.dss, FILES, None, V1).uuid
    for version in (V2, V3):
        hook.load(hook.dss, FILES, uuid, version)
    delete(hook, uuid, version=V2)
    hook.subscribe(kind)
    delete(hook, uuid)
    delete(hook, uuid)  # the same once more stores nothing
    assert versions(hook) == [V1, V3]


def versions(hook: Hook) -> list[str]:
    """Return the versions of all notifications so far."""
    settled(hook.dss)
    return sorted(each.payload["match"]["bundle_version"] for each in hook.receiver.all())


def test_attachments(hook: Hook) -> None:
    attachments = expressions(
        files="files",
        bundle="bundle_info",
        manifest="manifest.files[].name",
        nothing="files.x",
        bad="abs(files)",
        worse="&files",
        indexed="shape_descriptor",
    )
    one = hook.subscribe(attachments=attachments)
    other = hook.subscribe("elasticsearch", attachments=attachments)
    none = hook.subscribe(attachments={})
    files = {**FILES, "bad.json": b"{", "dir/donor_1.json": {"a": 1}}
    bundle = hook.load(hook.dss, files)
    found = payloads(hook)
    assert "attachments" not in found[none]
    common: dict[str, Any] = {"manifest": sorted(files), "nothing": None}
    documents: dict[str, Any] = {"donor_json": [DONOR], "dir/donor_json": [{"a": 1}]}
    info = {"uuid": bundle.uuid, "version": bundle.version}
    seen: dict[str, dict[str, Any]] = {
        one: {"files": {**documents, "list_json": [[1]]}, "bundle": info, "indexed": None},
        other: {"files": documents, "bundle": None, "indexed": "None"},
    }
    for uuid, expected in seen.items():
        attached = found[uuid]["attachments"]
        errors = attached.pop("_errors")
        assert sorted(errors) == ["bad", "worse"]
        assert all(isinstance(text, str) and text for text in errors.values())
        assert attached == {**common, **expected}


@pytest.mark.parametrize("size", [131_072, 131_073])
def test_the_size_of_attachments(hook: Hook, size: int) -> None:
    text = "x" * (size - len('{"a": ""}'))
    hook.subscribe(attachments=expressions(a="files.b_json[0].text"))
    hook.load(hook.dss, {"b.json": {"text": text}})
    large = {"_errors": "Attachments too large (131073 > 131072)"}
    expected = {"a": text} if size == 131_072 else large
    assert hook.receiver.next().payload["attachments"] == expected


def test_bundles_that_are_put_notify(hook: Hook) -> None:
    bundle = hook.load(hook.dss, FILES)
    answer = hook.client.get(f"/bundles/{bundle.uuid}", params=AWS).json()["bundle"]
    names = ("uuid", "version", "name", "indexed")
    files = [{name: file[name] for name in names} for file in answer["files"]]
    hook.subscribe(jmespath_query="files.donor_json")
    query, body = {**AWS, "version": V1}, {"files": files, "creator_uid": 1}
    for status in (201, 200):  # only what is new notifies
        expect(hook.client, "PUT", f"/bundles/{bundle.uuid}", status, params=query, json=body)
    with DSSClient(hook.dss.url, token=hook.dss.mint_token()) as sdk:
        patched = sdk.patch_bundle(uuid=bundle.uuid, replica="aws", version=V1)
    delete(hook, bundle.uuid, version=V1)
    assert versions(hook) == [V1, patched.version]


def test_a_broken_subscription_keeps_no_other_from_its_own(
    tmp_path: Path, receiver: Receiver, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / ".subscriptions"
    folder.mkdir()
    for uuid, query in {"b": {"query": {"mtch": {}}}, "c": EVERYTHING, "d": 5}.items():
        stored = {"owner": "x@y", "replica": "aws", "callback_url": receiver.url, "uuid": uuid}
        (folder / f"{uuid}.json").write_text(json.dumps({**stored, "es_query": query}))
    with LocalDSS(tmp_path) as dss:
        load(dss, FILES)
        assert receiver.next().payload["subscription_id"] == "c"
        assert [each.subscription for each in settled(dss)] == ["c"]
    assert "subscription b is skipped" in caplog.text
    assert "subscription d is skipped" in caplog.text


def test_a_write_survives_what_goes_wrong_here(
    tmp_path: Path, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    with LocalDSS(tmp_path / "root") as dss, writer(dss) as client:
        subscribe(client, "http://127.0.0.1:9/")
        (tmp_path / "root/.deliveries.sqlite3").mkdir()  # so that no file can be there
        with caplog.at_level(logging.ERROR):
            bundle = load(dss, FILES)
        expect(client, "GET", f"/bundles/{bundle.uuid}", 200, params=AWS)
    assert f"nobody is notified of bundles/{bundle.fqid}" in caplog.text
    with LocalDSS(tmp_path / "root") as dss, writer(dss) as client:
        expect(client, "GET", "/subscriptions", 200, params=AWS)
    assert "what is queued is not delivered" in caplog.text
