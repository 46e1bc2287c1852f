"""PUT, PATCH and DELETE /bundles/{uuid} (docs/behaviour.md 8.5-8.7, S3, S7, S10, S11)."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import httpx
import pytest

from dss_client import DSSClient, models
from dss_client.local import LocalDSS, LocalSettings
from tests.local.calls import problem
from tests.local.writing import HELLO, LATER, VERSION, put_file, put_source, uuid_of, writer

ADMIN, OTHER_ADMIN = "admin@example.org", "other@example.org"
AWS = {"replica": "aws"}
UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
UNKNOWN = "11111111-2222-4333-8444-555555555555"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    folder = tmp_path_factory.mktemp("bundles")
    for name in ("hello.txt", "cell.json"):
        put_source(folder / "upload", name)
    settings = LocalSettings(
        sources={"upload": folder / "upload"}, admins=frozenset({ADMIN, OTHER_ADMIN})
    )
    with LocalDSS(folder / "root", settings=settings) as running:
        yield running


@pytest.fixture
def dss(shared: LocalDSS) -> LocalDSS:
    shared.reset()
    return shared


@pytest.fixture
def client(dss: LocalDSS) -> Iterator[httpx.Client]:
    with writer(dss, email=ADMIN) as made:
        yield made


@pytest.fixture
def file(client: httpx.Client) -> dict[str, Any]:
    """A stored file, as a bundle names it."""
    return {"uuid": uuid_of(put_file(client)), "version": VERSION, "name": "a", "indexed": False}


def put(
    client: httpx.Client,
    files: list[dict[str, Any]],
    *,
    uuid: str = UUID,
    creator_uid: int = 7,
    **query: str,
) -> httpx.Response:
    return client.put(
        f"/bundles/{uuid}",
        params={**AWS, "version": VERSION, **query},
        json={"files": files, "creator_uid": creator_uid},
    )


def patch(client: httpx.Client, uuid: str = UUID, **body: Any) -> httpx.Response:
    return client.patch(f"/bundles/{uuid}", params={**AWS, "version": VERSION}, json=body)


def delete(
    client: httpx.Client, version: str | None = None, *, uuid: str = UUID, **body: str
) -> httpx.Response:
    query = AWS if version is None else {**AWS, "version": version}
    return client.request("DELETE", f"/bundles/{uuid}", params=query, json={"reason": "r", **body})


def names(client: httpx.Client, version: str | None = None) -> list[str]:
    query = AWS if version is None else {**AWS, "version": version}
    bundle = client.get(f"/bundles/{UUID}", params=query).raise_for_status().json()["bundle"]
    return [file["name"] for file in bundle["files"]]


def status(client: httpx.Client, version: str | None = None, replica: str = "aws") -> int:
    query = {"replica": replica, **({} if version is None else {"version": version})}
    return client.get(f"/bundles/{UUID}", params=query).status_code


def stored(dss: LocalDSS, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((dss.root / "aws/main/bundles" / name).read_bytes())
    return document


def test_put_stores_and_answers_the_manifest(
    dss: LocalDSS, client: httpx.Client, file: dict[str, Any]
) -> None:
    response = put(client, [{**file, "uuid": file["uuid"].upper()}], uuid=UUID.upper())
    manifest = stored(dss, f"{UUID}.{VERSION}")
    assert (response.status_code, response.json()["version"]) == (201, VERSION)
    assert response.json()["manifest"] == manifest
    assert list(manifest) == ["format", "version", "files", "creator_uid"]
    expected = {
        "name": "a",
        "uuid": file["uuid"],
        "version": VERSION,
        "content-type": "text/plain",
        "size": 5,
        "indexed": False,
        "crc32c": HELLO["hca-dss-crc32c"],
        "s3-etag": HELLO["hca-dss-s3_etag"],
        "sha1": HELLO["hca-dss-sha1"],
        "sha256": HELLO["hca-dss-sha256"],
    }
    assert list(manifest["files"][0].items()) == list(expected.items())
    assert (manifest["format"], manifest["creator_uid"]) == ("0.0.1", 7)
    again = put(client, [file])
    assert (again.status_code, again.json()) == (200, response.json())
    assert put(client, [], version=LATER).status_code == 201
    assert (names(client, VERSION), names(client)) == (["a"], [])


@pytest.mark.parametrize("change", ["order", "creator", "indexed", "name", "fewer"])
def test_put_of_something_else(client: httpx.Client, file: dict[str, Any], change: str) -> None:
    other = {**file, "name": "b"}
    assert put(client, [file, other]).status_code == 201
    changed = {
        "order": [other, file],
        "creator": [file, other],
        "indexed": [file, {**other, "indexed": True}],
        "name": [file, {**other, "name": "c"}],
        "fewer": [file],
    }[change]
    response = put(client, changed, creator_uid=8 if change == "creator" else 7)
    assert problem(response) == (409, "bundle_already_exists")
    assert names(client) == ["a", "b"]


def test_put_of_a_missing_file(client: httpx.Client, file: dict[str, Any]) -> None:
    for missing in ({**file, "uuid": UNKNOWN}, {**file, "version": LATER}):
        response = put(client, [file, missing])
        assert problem(response) == (400, "file_missing")
        assert missing["uuid"] in response.json()["title"]
        assert problem(put(client, [missing, missing])) == (400, "file_missing")
    assert problem(put(client, [file], replica="gcp")) == (400, "file_missing")
    assert status(client) == 404


def test_put_of_files_that_are_refused(client: httpx.Client, file: dict[str, Any]) -> None:
    bad = ["", "a\0", "a/", "a//b", "/a", "../a", "a/..", ".", "a\\b", "a\nb", "~/a", "a\t"]
    uuids = [f"x{UNKNOWN}", f"../{UNKNOWN}", f"{UNKNOWN}.{VERSION}"]
    for changed in [*({"name": name} for name in bad), *({"uuid": uuid} for uuid in uuids)]:
        assert problem(put(client, [{**file, **changed}])) == (400, "illegal_arguments"), changed
    assert problem(put(client, [file, file])) == (400, "duplicate_filename")
    assert problem(put(client, [file], version="2019")) == (400, "illegal_version")
    assert problem(put(client, [{**file, "version": "2019"}])) == (400, "illegal_version")
    good = ["a", "A", "a b", "pa/th.2json", "good..path", "...", "ä", "-rf", "C:"]
    assert put(client, [{**file, "name": name} for name in good]).status_code == 201
    assert names(client) == good


def test_put_over_a_tombstone(client: httpx.Client, file: dict[str, Any]) -> None:
    assert put(client, [file]).status_code == 201
    assert delete(client).status_code == 200
    assert put(client, [file]).status_code == 200
    assert put(client, [file], version=LATER).status_code == 201
    assert status(client) == status(client, LATER) == 404


def test_put_waits_for_a_file(tmp_path: Path) -> None:
    put_source(tmp_path / "upload", "hello.txt")
    settings = LocalSettings(sources={"upload": tmp_path / "upload"}, missing_files_wait=5)
    with LocalDSS(tmp_path / "root", settings=settings) as dss, writer(dss) as client:
        late = Timer(0.05, put_file, [client], {"uuid": UNKNOWN})
        late.start()
        file = {"uuid": UNKNOWN, "version": VERSION, "name": "a", "indexed": True}
        assert put(client, [file]).status_code == 201
        late.join()


def test_patch_makes_a_new_version_of_the_named_one(
    dss: LocalDSS, client: httpx.Client, file: dict[str, Any]
) -> None:
    """Not of the latest: two patches of one version fork."""
    assert put(client, [file]).status_code == 201
    for name in ("b", "c"):
        response = patch(client, UUID.upper(), add_files=[{**file, "name": name}])
        assert (response.status_code, response.json()["uuid"]) == (200, UUID)
    version = response.json()["version"]
    assert version > VERSION
    assert names(client) == names(client, version) == ["a", "c"]
    version = patch(client).json()["version"]
    old, new = stored(dss, f"{UUID}.{VERSION}"), stored(dss, f"{UUID}.{version}")
    assert list(new.items()) == list({**old, "version": version}.items())


def test_patch_removes_before_it_adds(client: httpx.Client, file: dict[str, Any]) -> None:
    assert put(client, [file, {**file, "name": "b"}]).status_code == 201
    unknown = [{**file, "uuid": UNKNOWN}, {**file, "version": LATER}, {**file, "name": "c"}]
    assert patch(client, remove_files=unknown).status_code == 200
    assert names(client) == ["a", "b"]
    upper = {**file, "uuid": file["uuid"].upper(), "indexed": True}
    other = {**file, "uuid": uuid_of(put_file(client, "s3://upload/cell.json"))}
    assert patch(client, remove_files=[upper], add_files=[other]).status_code == 200
    assert names(client) == ["b", "a"]


def test_patches_that_are_refused(client: httpx.Client, file: dict[str, Any]) -> None:
    assert problem(patch(client)) == (404, "not_found")
    assert put(client, [file]).status_code == 201
    missing = {**file, "uuid": UNKNOWN}
    assert problem(patch(client, add_files=[file])) == (400, "duplicate_filename")
    assert problem(patch(client, add_files=[missing])) == (400, "file_missing")
    bad = {**file, "name": "a//b"}
    assert problem(patch(client, add_files=[bad])) == (400, "illegal_arguments")
    files = [{**file, "name": str(number)} for number in range(1001)]
    assert problem(patch(client, add_files=files)) == (400, "illegal_arguments")
    assert problem(patch(client, remove_files=files)) == (400, "illegal_arguments")
    response = patch(client, add_files=files[:1000], remove_files=files[:1000])
    assert response.status_code == 200
    assert delete(client, VERSION).status_code == 200
    assert problem(patch(client)) == (404, "not_found")


def test_delete_one_version(dss: LocalDSS, client: httpx.Client) -> None:
    for version in (VERSION, LATER):
        assert put(client, [], version=version).status_code == 201
    response = delete(client, LATER, uuid=UUID.upper())
    assert (response.status_code, response.json()) == (200, {})
    tombstone = {"email": ADMIN, "reason": "r", "admin_deleted": True}
    assert stored(dss, f"{UUID}.{LATER}.dead") == {**tombstone, "version": LATER}
    latest = client.get(f"/bundles/{UUID}", params=AWS).json()["bundle"]["version"]
    assert (latest, status(client, LATER)) == (VERSION, 404)


def test_delete_all_versions(dss: LocalDSS, client: httpx.Client) -> None:
    for replica in ("aws", "gcp"):
        assert put(client, [], replica=replica).status_code == 201
    assert delete(client).status_code == 200
    tombstone = {"email": ADMIN, "reason": "r", "admin_deleted": True}
    assert stored(dss, f"{UUID}.dead") == tombstone
    assert stored(dss, f"{UUID}.{VERSION}")
    assert status(client) == status(client, VERSION) == 404
    assert client.get("/bundles/all", params=AWS).json()["bundles"] == []
    assert status(client, replica="gcp") == 200


@pytest.mark.parametrize("version", [None, VERSION])
def test_delete_again(client: httpx.Client, dss: LocalDSS, version: str | None) -> None:
    assert put(client, []).status_code == 201
    assert [delete(client, version).status_code for _ in range(2)] == [200, 200]
    with writer(dss, email=OTHER_ADMIN) as somebody:
        for other in (delete(client, version, reason="another"), delete(somebody, version)):
            assert problem(other) == (409, "bundle_tombstone_already_exists")


def test_deletions_that_are_refused(client: httpx.Client, dss: LocalDSS) -> None:
    assert problem(delete(client)) == problem(delete(client, VERSION)) == (404, "not_found")
    assert put(client, []).status_code == 201
    assert problem(delete(client, LATER)) == (404, "not_found")
    for version in ("", "2019", VERSION[:-1], VERSION + ".dead"):
        assert problem(delete(client, version)) == (400, "illegal_version")
    response = client.request("DELETE", f"/bundles/{UUID}", params=AWS, json={})
    assert problem(response) == (400, "illegal_arguments")
    assert len(list((dss.root / "aws/main/bundles").iterdir())) == 1


def test_the_client_writes_bundles(dss: LocalDSS, file: dict[str, Any]) -> None:
    files = [models.BundleFile(**file)]
    with DSSClient(dss.url, token=dss.mint_token(email=ADMIN)) as client:
        made = client.put_bundle(
            uuid=UUID, version=VERSION, replica="aws", files=files, creator_uid=7
        )
        assert made.version == VERSION
        patched = client.patch_bundle(uuid=UUID, version=VERSION, replica="aws", remove_files=files)
        assert client.get_bundle(uuid=UUID, replica="aws").bundle.version == patched.version
        client.delete_bundle(uuid=UUID, replica="aws", reason="r", version=patched.version)
        assert client.get_bundle(uuid=UUID, replica="aws").bundle.version == VERSION
