"""What is put in one replica comes to the other (docs/behaviour.md 5.3)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from dss_client.local import LocalDSS, LocalSettings
from tests.local.calls import AWS, GCP, NOT_FOUND, UUID, Load, expect
from tests.local.writing import VERSION, put_file, put_source, uuid_of, writer

Start = Callable[..., LocalDSS]
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
    client: httpx.Client, file_uuid: str, status: int = 201, code: str = "", replica: str = "aws"
) -> None:
    file = {"uuid": file_uuid, "version": VERSION, "name": "a", "indexed": False}
    query, body = {"replica": replica, "version": VERSION}, {"files": [file], "creator_uid": 7}
    expect(client, "PUT", f"/bundles/{UUID}", status, code, params=query, json=body)


def put_collection(client: httpx.Client, file_uuid: str) -> None:
    links = [
        {"type": "file", "uuid": file_uuid, "version": VERSION},
        {"type": "bundle", "uuid": UUID, "version": VERSION},
    ]
    body = {"name": "n", "description": "d", "details": {}, "contents": links}
    query = {**AWS, "uuid": UUID, "version": VERSION}
    expect(client, "PUT", "/collections", 201, params=query, json=body)


def test_none_by_default(start: Start) -> None:
    with start() as dss, writer(dss) as client:
        expect(client, "HEAD", f"/files/{uuid_of(put_file(client))}", 404, params=GCP)


@pytest.mark.parametrize(("scheme", "other"), [("s3", GCP), ("gs", AWS)])
def test_files_at_once(start: Start, scheme: str, other: dict[str, str]) -> None:
    with start(replication="at once") as dss, writer(dss) as client:
        response = put_file(client, f"{scheme}://upload/hello.txt")
        found = client.get(f"/files/{uuid_of(response)}", params=other, follow_redirects=True)
        assert found.content == b"hello"


def test_bundles_at_once(start: Start) -> None:
    with start(replication="at once") as dss, writer(dss, email=ADMIN) as client:
        put_bundle(client, uuid_of(put_file(client)))
        bundles = [client.get(f"/bundles/{UUID}", params=each).json() for each in (AWS, GCP)]
        assert bundles[0] == bundles[1]
        query = {**GCP, "version": VERSION}
        patched = client.patch(f"/bundles/{UUID}", params=query, json={}).json()["version"]
        expect(client, "GET", f"/bundles/{UUID}", 200, params={**AWS, "version": patched})
        expect(client, "DELETE", f"/bundles/{UUID}", 200, params=GCP, json={"reason": "r"})
        expect(client, "GET", f"/bundles/{UUID}", 404, params=AWS)


def test_it_can_be_found_there(start: Start, load: Load) -> None:
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
        put_bundle(client, file_uuid)
        put_collection(client, file_uuid)
        path = f"/collections/{UUID}"
        assert client.get(path, params=GCP).json() == client.get(path, params=AWS).json()
        expect(client, "DELETE", path, 200, params=GCP)
        expect(client, "GET", path, 404, params=AWS)


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
        put_bundle(client, uuid_of(response))
        put_bundle(client, uuid_of(response), 400, "file_missing", replica="gcp")
    with dss, writer(dss) as client:
        end = time.monotonic() + 10
        while client.get(f"/bundles/{UUID}", params=GCP).status_code == 404:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_what_cannot_be_copied_whole_is_told(
    start: Start, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    """A collection with a link to what is gone, and objects that are not JSON."""
    with start(replication="at once") as dss, writer(dss) as client:
        file_uuid = uuid_of(put_file(client))
        put_bundle(client, file_uuid)
        for replica in ("aws", "gcp"):
            (dss.root / f"{replica}/main/bundles/{UUID}.{VERSION}").unlink()
        (dss.root / f"aws/main/bundles/{UUID}.{VERSION}").write_text("{}")
        put_collection(client, file_uuid)
        expect(client, "GET", f"/collections/{UUID}", 200, params=GCP)
        (dss.root / f"gcp/main/files/{file_uuid}.{VERSION}").unlink()
        blob = next((dss.root / "aws/main/blobs").iterdir())
        blob.unlink()
        (dss.root / "gcp/main/blobs" / blob.name).unlink()
        patched = client.patch(f"/collections/{UUID}", params={**AWS, "version": VERSION}, json={})
        version = patched.json()["version"]
        query = {**GCP, "version": version}
        expect(client, "GET", f"/collections/{UUID}", *NOT_FOUND, params=query)
    assert f"collections/{UUID}.{version} is not replicated" in caplog.text
