"""Who is notified of what (docs/behaviour.md 11.2, 11.3, 12.1, S28)."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dss_client import DSSClient
from dss_client.local import LoadedBundle, LocalDSS, LocalSettings
from dss_client.local.notify.subscription_store import Subscription, Subscriptions
from dss_client.local.storage.metadata import metadata_document
from dss_client.local.storage.store import Storage
from dss_client.versions import is_version
from tests.local.webhook import Receiver
from tests.local.writing import writer

Load = Callable[..., LoadedBundle]
ADMIN = "admin@example.org"
V1, V2 = "2018-01-01T000000.000000Z", "2019-01-01T000000.000000Z"
DONOR = {"species": "Homo sapiens", "n": 0, "tags": [], "text": ""}
FILES = {"donor_0.json": DONOR, "list.json": [1], "a.txt": b"text"}
EVERYTHING: dict[str, Any] = {"query": {"match_all": {}}}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def dss(tmp_path: Path) -> Iterator[LocalDSS]:
    settings = LocalSettings(admins=frozenset({ADMIN}), retry_delays=())
    with LocalDSS(tmp_path / "root", settings=settings) as running:
        yield running


@pytest.fixture
def client(dss: LocalDSS) -> Iterator[httpx.Client]:
    with writer(dss, email=ADMIN) as made:
        yield made


def subscribe(client: httpx.Client, receiver: Receiver, **body: Any) -> str:
    replica = body.pop("replica", "aws")
    content = {"callback_url": receiver.url, **body}
    response = client.put("/subscriptions", params={"replica": replica}, json=content)
    assert response.status_code == 201, response.text
    uuid: str = response.json()["uuid"]
    return uuid


def delete(client: httpx.Client, uuid: str, **version: str) -> None:
    response = client.request(
        "DELETE",
        f"/bundles/{uuid}",
        params={"replica": "aws", **version},
        json={"reason": "test"},
    )
    assert response.status_code == 200, response.text


def expression(text: str) -> dict[str, str]:
    return {"type": "jmespath", "expression": text}


def quiet(client: httpx.Client, receiver: Receiver, act: Callable[[], object]) -> None:
    """Check that something notifies no one but a subscription made here."""
    last = subscribe(client, receiver)
    act()
    assert receiver.next().payload["subscription_id"] == last
    client.delete(f"/subscriptions/{last}", params={"replica": "aws"})
    assert receiver.received.empty()


def test_the_payload_of_a_new_bundle(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    uuid = subscribe(client, receiver)
    bundle = load(dss, FILES)
    request = receiver.next()
    payload = request.payload
    assert is_version(payload.pop("event_timestamp"))
    assert len(payload.pop("transaction_id")) == 36
    origin = dss.url.removesuffix("/v1")
    url = f"{dss.url}/bundles/{bundle.uuid}?version={bundle.version}"
    assert payload == {
        "subscription_id": uuid,
        "event_type": "CREATE",
        "match": {"bundle_uuid": bundle.uuid, "bundle_version": bundle.version},
        "dss_api": origin,
        "bundle_url": url,
    }
    assert client.get(payload["bundle_url"], params={"replica": "aws"}).status_code == 200
    assert request.headers["X-dss-notify-attempt"] is None


def test_the_payload_of_an_es_query(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    uuid = subscribe(client, receiver, es_query=EVERYTHING, jmespath_query="nothing")
    bundle = load(dss, FILES)
    request = receiver.next()
    payload = request.payload
    assert len(payload.pop("transaction_id")) == 36
    assert payload == {
        "subscription_id": uuid,
        "es_query": EVERYTHING,
        "match": {"bundle_uuid": bundle.uuid, "bundle_version": bundle.version},
    }
    assert request.headers["X-dss-notify-attempt"] == "0"


@pytest.mark.parametrize(
    ("query", "notifies"),
    [
        ("files.donor_json[0].species == 'Homo sapiens'", True),
        ("files.list_json[0]", True),
        ("event_type == 'CREATE'", True),
        ("bundle_info.version", True),
        ("manifest.files[?name=='a.txt'] | [0]", True),
        ("files.a_txt", False),
        ("files.donor_json[0].n", False),
        ("files.donor_json[0].tags", False),
        ("files.donor_json[0].text", False),
        ("files.donor_json[?species=='Mus']", False),
        ("`{}`", False),
        ("`false`", False),
        ("nothing", False),
        ("abs(files)", False),  # fails
    ],
)
def test_jmespath_queries(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load, query: str, notifies: bool
) -> None:
    uuid = subscribe(client, receiver, jmespath_query=query)
    if notifies:
        load(dss, FILES)
        payload = receiver.next().payload
        assert payload["subscription_id"] == uuid
        assert payload["jmespath_query"] == query
    else:
        quiet(client, receiver, lambda: load(dss, FILES))


@pytest.mark.parametrize(
    ("query", "notifies"),
    [
        ({"match": {"files.donor_json.species": "homo SAPIENS"}}, True),
        ({"match": {"files.donor_json.species": "homo"}}, False),
        ({"bool": {"must_not": [{"term": {"admin_deleted": True}}]}}, True),
        ({"term": {"admin_deleted": True}}, False),
        ({"match": {"files.list_json": 1}}, False),  # no object, so not indexed
    ],
)
def test_es_queries(
    dss: LocalDSS,
    client: httpx.Client,
    receiver: Receiver,
    load: Load,
    query: dict[str, Any],
    notifies: bool,
) -> None:
    uuid = subscribe(client, receiver, es_query={"query": query})
    if notifies:
        load(dss, FILES)
        assert receiver.next().payload["subscription_id"] == uuid
    else:
        quiet(client, receiver, lambda: load(dss, FILES))


def test_the_other_replica_is_not_notified(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    subscribe(client, receiver, replica="gcp")
    subscribe(client, receiver, replica="gcp", es_query=EVERYTHING)
    quiet(client, receiver, lambda: load(dss, FILES))


def test_a_tombstone_of_one_version(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    bundle = load(dss, FILES)
    query = (
        f"event_type == 'TOMBSTONE' && bundle_info.uuid == '{bundle.uuid}'"
        f" && bundle_info.version == '{bundle.version}' && reason == 'test' && admin_deleted"
    )
    attachments = {"reason": expression("reason")}
    uuid = subscribe(client, receiver, jmespath_query=query, attachments=attachments)
    delete(client, bundle.uuid, version=bundle.version)
    payload = receiver.next().payload
    assert payload["subscription_id"] == uuid
    assert payload["event_type"] == "TOMBSTONE"
    assert payload["match"] == {"bundle_uuid": bundle.uuid, "bundle_version": bundle.version}
    assert "attachments" not in payload  # only for CREATE


def test_a_tombstone_matches_es_queries(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    bundle = load(dss, FILES)
    subscribe(
        client,
        receiver,
        es_query={"query": {"term": {"admin_deleted": True}}},
        attachments={"reason": expression("reason")},
    )
    delete(client, bundle.uuid, version=bundle.version)
    payload = receiver.next().payload
    assert payload["match"] == {"bundle_uuid": bundle.uuid, "bundle_version": bundle.version}
    assert payload["attachments"] == {"reason": "test"}


@pytest.mark.parametrize("kind", ["jmespath", "elasticsearch"])
def test_a_tombstone_of_all_versions_notifies_of_each(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load, kind: str
) -> None:
    bundle = load(dss, FILES, None, V1)
    for version in (V2, "2020-01-01T000000.000000Z"):
        load(dss, FILES, bundle.uuid, version)
    delete(client, bundle.uuid, version=V2)
    subscribe(client, receiver, **({} if kind == "jmespath" else {"es_query": EVERYTHING}))
    delete(client, bundle.uuid)
    matches = [receiver.next().payload["match"] for _ in range(2)]
    assert sorted(match["bundle_version"] for match in matches) == [
        V1,
        "2020-01-01T000000.000000Z",
    ]
    delete(client, bundle.uuid)  # the same once more stores nothing
    subscribe(client, receiver, jmespath_query="event_type == 'CREATE'")
    if kind == "jmespath":
        load(dss, FILES)
        created = [receiver.next().payload["event_type"] for _ in range(2)]
        assert created == ["CREATE", "CREATE"]
    assert receiver.received.empty()


def test_attachments(dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load) -> None:
    attachments = {
        "species": expression("files.donor_json[].species"),
        "nothing": expression("files.x"),
        "bad": expression("abs(files)"),
        "worse": expression("&files"),
        "indexed": expression("shape_descriptor"),
    }
    expected = {"species": ["Homo sapiens"], "nothing": None}
    first = subscribe(client, receiver, attachments=attachments)
    second = subscribe(client, receiver, attachments=attachments, es_query=EVERYTHING)
    subscribe(client, receiver, attachments={})
    load(dss, FILES)
    payloads = {each["subscription_id"]: each for each in (receiver.next().payload for _ in "123")}
    for uuid, shape in ((first, None), (second, "None")):
        found = payloads.pop(uuid)["attachments"]
        errors = found.pop("_errors")
        assert sorted(errors) == ["bad", "worse"]
        assert all(isinstance(text, str) and text for text in errors.values())
        assert found == {**expected, "indexed": shape}
    [rest] = payloads.values()
    assert "attachments" not in rest


@pytest.mark.parametrize("size", [131_072, 131_073])
def test_the_size_of_attachments(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load, size: int
) -> None:
    text = "x" * (size - len('{"a": ""}'))
    subscribe(client, receiver, attachments={"a": expression("files.b_json[0].text")})
    load(dss, {"b.json": {"text": text}})
    found = receiver.next().payload["attachments"]
    if size == 131_072:
        assert found == {"a": text}
    else:
        assert found == {"_errors": "Attachments too large (131073 > 131072)"}


def test_bundles_that_are_put_notify(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    bundle = load(dss, FILES)
    answer = client.get(f"/bundles/{bundle.uuid}", params={"replica": "aws"}).json()["bundle"]
    files = [
        {name: file[name] for name in ("uuid", "version", "name", "indexed")}
        for file in answer["files"]
    ]
    with (
        Receiver() as receiver,
        DSSClient(dss.url, token=dss.mint_token(email=ADMIN)) as dss_client,
    ):
        dss_client.put_subscription(
            replica="aws",
            callback_url=receiver.url,
            jmespath_query="files.donor_json",
            attachments={"info": {"type": "jmespath", "expression": "bundle_info"}},
        )
        params = {"replica": "aws", "version": V1}
        for status in (201, 200):  # only what is new notifies
            response = client.put(
                f"/bundles/{bundle.uuid}", params=params, json={"files": files, "creator_uid": 1}
            )
            assert response.status_code == status
        patched = dss_client.patch_bundle(uuid=bundle.uuid, replica="aws", version=V1)
        dss_client.delete_bundle(uuid=bundle.uuid, replica="aws", version=V1, reason="test")
        found = [receiver.next().payload for _ in range(2)]
        assert receiver.received.empty()
    versions = {each["attachments"]["info"]["version"] for each in found}
    assert versions == {V1, patched.version}


def test_the_metadata_document(tmp_path: Path, load: Load) -> None:
    dss = LocalDSS(tmp_path)
    bundle = load(dss, {**FILES, "bad.json": b"{", "dir/donor_1.json": {"a": 1}})
    replica = Storage(tmp_path).replicas["aws"]
    document = metadata_document(replica, bundle.uuid, bundle.version)
    assert document is not None
    assert document["event_type"] == "CREATE"
    assert document["bundle_info"] == {"uuid": bundle.uuid, "version": bundle.version}
    assert document["manifest"] == replica.manifest(bundle.uuid, bundle.version)
    assert document["files"] == {
        "donor_json": [DONOR],
        "list_json": [[1]],
        "dir/donor_json": [{"a": 1}],
    }
    assert metadata_document(replica, bundle.uuid, V1) is None


def test_a_broken_subscription_keeps_no_other_from_its_own(
    tmp_path: Path, receiver: Receiver, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    subscriptions = Subscriptions(tmp_path / ".subscriptions")
    content = {"owner": ADMIN, "replica": "aws", "callback_url": receiver.url}
    queries: dict[str, object] = {
        "b": {"query": {"mtch": {}}},
        "c": EVERYTHING,
        "d": 5,  # looked at before c: the order is descending
    }
    for uuid, query in queries.items():
        stored = {**content, "uuid": uuid, "es_query": query}
        subscriptions.add(Subscription(stored))
    with LocalDSS(tmp_path) as dss:
        load(dss, FILES)
        assert receiver.next().payload["subscription_id"] == "c"
        assert len(dss.deliveries()) <= 1
    assert "subscription b is skipped" in caplog.text
    assert "subscription d is skipped" in caplog.text


def test_a_write_survives_what_goes_wrong_here(
    tmp_path: Path, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    with LocalDSS(tmp_path / "root") as dss, writer(dss) as client, Receiver() as receiver:
        subscribe(client, receiver)
        (tmp_path / "root/.deliveries.sqlite3").mkdir()  # so that no file can be there
        with caplog.at_level(logging.ERROR):
            bundle = load(dss, FILES)
        answer = client.get(f"/bundles/{bundle.uuid}", params={"replica": "aws"})
        assert answer.status_code == 200
    assert f"nobody is notified of bundles/{bundle.fqid}" in caplog.text
