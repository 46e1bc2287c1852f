"""What is put in one replica comes to the other (docs/behaviour.md 5.3)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from dss_client.local import LoadedBundle, LocalDSS, LocalSettings
from tests.local.calls import problem
from tests.local.writing import VERSION, put_file, put_source, uuid_of, writer

Start = Callable[..., LocalDSS]
AWS, GCP = {"replica": "aws"}, {"replica": "gcp"}
UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
ADMIN = "admin@example.org"


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Make a service that has a source and an admin."""
    put_source(tmp_path / "upload", "hello.txt")

    def make(**settings: Any) -> LocalDSS:
        return LocalDSS(
            tmp_path / "root",
            settings=LocalSettings(
                sources={"upload": tmp_path / "upload"}, admins=frozenset({ADMIN}), **settings
            ),
        )

    return make


def put_bundle(
    client: httpx.Client, file_uuid: str, replica: str = "aws", version: str = VERSION
) -> httpx.Response:
    file = {"uuid": file_uuid, "version": VERSION, "name": "a", "indexed": False}
    return client.put(
        f"/bundles/{UUID}",
        params={"replica": replica, "version": version},
        json={"files": [file], "creator_uid": 7},
    )


def delete(client: httpx.Client, replica: str) -> None:
    query = {"replica": replica}
    response = client.request("DELETE", f"/bundles/{UUID}", params=query, json={"reason": "r"})
    assert response.status_code == 200


def put_collection(client: httpx.Client, file_uuid: str) -> httpx.Response:
    links = [
        {"type": "file", "uuid": file_uuid, "version": VERSION},
        {"type": "bundle", "uuid": UUID, "version": VERSION},
    ]
    body = {"name": "n", "description": "d", "details": {}, "contents": links}
    return client.put("/collections", params={**AWS, "uuid": UUID, "version": VERSION}, json=body)


def test_none_by_default(start: Start) -> None:
    with start() as dss, writer(dss) as client:
        response = put_file(client)
        assert response.status_code == 201
        assert client.head(f"/files/{uuid_of(response)}", params=GCP).status_code == 404


@pytest.mark.parametrize(("scheme", "other"), [("s3", GCP), ("gs", AWS)])
def test_files_at_once(start: Start, scheme: str, other: dict[str, str]) -> None:
    with start(replication="at once") as dss, writer(dss) as client:
        response = put_file(client, f"{scheme}://upload/hello.txt")
        found = client.get(f"/files/{uuid_of(response)}", params=other, follow_redirects=True)
        assert found.content == b"hello"


def test_bundles_at_once(start: Start) -> None:
    with start(replication="at once") as dss, writer(dss, email=ADMIN) as client:
        assert put_bundle(client, uuid_of(put_file(client))).status_code == 201
        bundles = [client.get(f"/bundles/{UUID}", params=each).json() for each in (AWS, GCP)]
        assert bundles[0] == bundles[1]
        query = {**GCP, "version": VERSION}
        patched = client.patch(f"/bundles/{UUID}", params=query, json={}).json()["version"]
        found = client.get(f"/bundles/{UUID}", params={**AWS, "version": patched})
        assert found.status_code == 200
        delete(client, "gcp")
        assert client.get(f"/bundles/{UUID}", params=AWS).status_code == 404


def test_it_can_be_found_there(start: Start, load: Callable[..., LoadedBundle]) -> None:
    dss = start(replication="at once")
    load(dss, {"cell.json": {"describedBy": "x/cell", "n": 1}}, UUID, VERSION)
    with dss:
        response = httpx.post(f"{dss.url}/search", params=GCP, json={"es_query": {}})
        assert [hit["bundle_fqid"] for hit in response.json()["results"]] == [f"{UUID}.{VERSION}"]
        bundle = httpx.get(f"{dss.url}/bundles/{UUID}", params=GCP).json()["bundle"]
        [file] = bundle["files"]
        path = f"{dss.url}/files/{file['uuid']}"
        assert httpx.get(path, params=GCP, follow_redirects=True).json()["n"] == 1


def test_collections_at_once(start: Start) -> None:
    with start(replication="at once") as dss, writer(dss) as client:
        file_uuid = uuid_of(put_file(client))
        assert put_bundle(client, file_uuid).status_code == 201
        assert put_collection(client, file_uuid).status_code == 201
        path = f"/collections/{UUID}"
        assert client.get(path, params=GCP).json() == client.get(path, params=AWS).json()
        assert client.delete(path, params=GCP).status_code == 200
        assert client.get(path, params=AWS).status_code == 404


def test_what_is_there_is_left_alone(start: Start) -> None:
    """A conflict in the other replica stays: only new objects are copied."""
    with start() as dss, writer(dss) as client:
        assert put_file(client, "gs://upload/hello.txt", uuid=UUID, creator_uid=8).is_success
    with start(replication="at once") as dss, writer(dss) as client:
        assert put_file(client, uuid=UUID).status_code == 201
        creators = [
            client.head(f"/files/{UUID}", params=each).headers["x-dss-creator-uid"]
            for each in (AWS, GCP)
        ]
        assert creators == ["7", "8"]


def test_delayed(start: Start) -> None:
    """What is not due when it stops is copied after the next start, without a wait at the stop."""
    dss = start(replication="delayed", replication_delay=0.3)
    with dss, writer(dss) as client:
        response = put_file(client)
        assert put_bundle(client, uuid_of(response)).status_code == 201
        other = put_bundle(client, uuid_of(response), replica="gcp")
        assert problem(other) == (400, "file_missing")
    with dss, writer(dss) as client:
        end = time.monotonic() + 10
        while client.get(f"/bundles/{UUID}", params=GCP).status_code == 404:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_what_cannot_be_copied_whole_is_told(
    start: Start, load: Callable[..., LoadedBundle], caplog: pytest.LogCaptureFixture
) -> None:
    """A collection with a link to what is gone, and objects that are not JSON."""
    with start(replication="at once") as dss, writer(dss) as client:
        file_uuid = uuid_of(put_file(client))
        assert put_bundle(client, file_uuid).status_code == 201
        for replica in ("aws", "gcp"):
            (dss.root / f"{replica}/main/bundles/{UUID}.{VERSION}").unlink()
        (dss.root / f"aws/main/bundles/{UUID}.{VERSION}").write_text("{}")
        assert put_collection(client, file_uuid).status_code == 201
        assert client.get(f"/collections/{UUID}", params=GCP).status_code == 200
        (dss.root / f"gcp/main/files/{file_uuid}.{VERSION}").unlink()
        blob = next((dss.root / "aws/main/blobs").iterdir())
        blob.unlink()
        (dss.root / "gcp/main/blobs" / blob.name).unlink()
        patched = client.patch(f"/collections/{UUID}", params={**AWS, "version": VERSION}, json={})
        version = patched.json()["version"]
        found = client.get(f"/collections/{UUID}", params={**GCP, "version": version})
        assert problem(found) == (404, "not_found")
    assert f"collections/{UUID}.{version} is not replicated" in caplog.text
