"""`LocalDSS.reset`: a running service is emptied, and stays where it is."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dss_client.local import LoadedBundle, LocalDSS, LocalSettings, load_sample
from tests.local.webhook import PATIENCE, Receiver, subscribe
from tests.local.writing import HELLO, VERSION, put_file, put_source, writer

Load = Callable[..., LoadedBundle]
AWS = {"replica": "aws"}
UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"


@pytest.fixture
def dss(tmp_path: Path) -> Iterator[LocalDSS]:
    metadata = {**HELLO, "hca-dss-content-type": "text/plain"}
    put_source(tmp_path / "upload", "hello.txt", metadata=metadata)
    settings = LocalSettings(
        sources={"upload": tmp_path / "upload"},
        checkout_polls=9,
        copy_threshold=2,
        copy_polls=1,
        retry_delays=(60.0,),
        retry_after=0,
    )
    with LocalDSS(tmp_path / "root", settings=settings) as running:
        yield running


@pytest.fixture
def client(dss: LocalDSS) -> Iterator[httpx.Client]:
    with writer(dss) as made:
        yield made


def found(client: httpx.Client, replica: str = "aws") -> list[str]:
    answer = client.post("/search", params={"replica": replica}, json={"es_query": {}})
    assert answer.status_code == 200, answer.text
    return [hit["bundle_fqid"] for hit in answer.json()["results"]]


def listed(client: httpx.Client, path: str, **query: str) -> Any:
    """Return the one list that an answer has."""
    answer = client.get(path, params={"replica": "aws", **query})
    assert answer.status_code == 200, answer.text
    [content] = (each for each in answer.json().values() if isinstance(each, list))
    return content


def test_nothing_is_left_but_the_address_and_the_keys(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    addresses = (dss.url, dss.storage_url)
    receiver.statuses = [500, 500]
    subscribe(client, receiver.url)
    subscribe(client, receiver.url, "elasticsearch")
    bundle = load(dss, {"cell.json": {"a": 1}, "reads": b"ACGT"}, UUID, VERSION)
    receiver.next(), receiver.next()
    job = client.post(f"/bundles/{UUID}/checkout", params=AWS, json={}).json()["checkout_job_id"]
    collection = {"name": "n", "description": "d", "details": {}, "contents": []}
    query = {**AWS, "uuid": str(uuid4()), "version": VERSION}
    assert client.put("/collections", params=query, json=collection).status_code == 201
    assert put_file(client, uuid=UUID).status_code == 202
    dss.faults = [{"on": "get_bundle", "status": 500}]
    assert found(client) == [bundle.fqid]
    assert listed(client, "/events")

    dss.reset()

    assert (dss.url, dss.storage_url) == addresses
    assert dss.faults.idle
    assert dss.deliveries() == []
    for replica in ("aws", "gcp"):
        assert found(client, replica) == []
        assert listed(client, "/bundles/all", replica=replica) == []
        assert listed(client, "/events", replica=replica) == []
        for kind in ("jmespath", "elasticsearch"):
            kinds = {"replica": replica, "subscription_type": kind}
            assert listed(client, "/subscriptions", **kinds) == []
    assert listed(client, "/collections") == []
    for path in (f"/bundles/checkout/{job}", f"/bundles/{UUID}", f"/files/{UUID}"):
        for _ in range(2):  # no job comes to its end
            assert client.get(path, params=AWS).status_code == 404
    assert put_file(client, uuid=UUID, creator_uid=8).status_code == 202
    # The same id may hold something else now, and is found; nobody is notified.
    assert load(dss, {"other.json": {"b": 2}}, UUID, VERSION).fqid == bundle.fqid
    files = client.get(f"/bundles/{UUID}", params=AWS).json()["bundle"]["files"]
    assert [file["name"] for file in files] == ["other.json"]
    assert found(client) == [bundle.fqid]
    assert receiver.received.empty()


def test_storage_urls_stay_good_for_what_comes_again(
    dss: LocalDSS, client: httpx.Client, load: Load
) -> None:
    def url() -> str:
        load(dss, {"reads": b"ACGT"}, UUID, VERSION)
        answer = client.get(f"/bundles/{UUID}", params={**AWS, "presignedurls": "true"})
        while answer.status_code == 301:
            answer = client.get(answer.headers["location"])
        [file] = answer.json()["bundle"]["files"]
        return str(file["url"])

    first = url()
    assert httpx.get(first).content == b"ACGT"
    dss.reset()
    assert httpx.get(first).status_code == 404
    assert httpx.get(url()).content == b"ACGT"
    assert httpx.get(first).content == b"ACGT"


def test_what_was_to_be_replicated_is_not(load: Load) -> None:
    settings = LocalSettings(replication="delayed", replication_delay=0.05)
    with LocalDSS(settings=settings) as dss, writer(dss) as client:
        load(dss, {"a.json": {}}, UUID, VERSION)
        dss.reset()
        other = load(dss, {"b.json": {}})
        deadline = time.monotonic() + PATIENCE
        while not (there := listed(client, "/bundles/all", replica="gcp")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert [bundle["uuid"] for bundle in there] == [other.uuid]


def test_while_others_write(dss: LocalDSS) -> None:
    begun, ended = threading.Barrier(4), threading.Event()

    def write() -> set[int]:
        statuses: set[int] = set()
        with writer(dss) as client:
            begun.wait()
            while not (ended.is_set() and statuses):
                statuses.add(put_file(client).status_code)
                statuses.add(client.get("/bundles/all", params=AWS).status_code)
                found(client)
        return statuses

    with ThreadPoolExecutor(3) as pool:
        writing = [pool.submit(write) for _ in range(3)]
        begun.wait()
        for _ in range(10):
            dss.reset()
        ended.set()
        assert [each.result() for each in writing] == [{200, 202}] * 3
    dss.reset()
    assert not [path for path in dss.root.rglob("*") if path.is_file() and "aws" in path.parts]


def test_the_sample_can_be_put_in_again_and_root_may_be_a_url() -> None:
    with (
        LocalDSS(f"memory://{uuid4()}", sample=True) as dss,
        httpx.Client(base_url=dss.url) as client,
    ):
        before = found(client)
        assert len(before) == 3
        dss.reset()
        assert found(client) == []
        load_sample(dss)
        assert found(client) == before


def test_only_a_running_service() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        LocalDSS().reset()


def test_a_file_in_the_place_of_a_bucket_goes(dss: LocalDSS) -> None:
    (dss.root / "aws").mkdir(exist_ok=True)
    (dss.root / "aws/checkout").write_text("", encoding="utf-8")
    dss.reset()
    assert not (dss.root / "aws/checkout").exists()
