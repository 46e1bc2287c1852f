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
from tests.local.test_api import problem
from tests.local.writing import HELLO, LATER, VERSION, put_file, put_source, uuid_of, writer

ADMIN, OTHER_ADMIN = "admin@example.org", "other@example.org"
AWS = {"replica": "aws"}
UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
UNKNOWN = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def settings(tmp_path: Path) -> LocalSettings:
    upload = tmp_path / "upload"
    for name in ("hello.txt", "cell.json"):
        put_source(upload, name)
    return LocalSettings(sources={"upload": upload}, admins=frozenset({ADMIN, OTHER_ADMIN}))


@pytest.fixture
def dss(tmp_path: Path, settings: LocalSettings) -> Iterator[LocalDSS]:
    with LocalDSS(tmp_path / "root", settings=settings) as dss:
        yield dss


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


def patch(client: httpx.Client, body: dict[str, Any], uuid: str = UUID) -> httpx.Response:
    return client.patch(f"/bundles/{uuid}", params={**AWS, "version": VERSION}, json=body)


def delete(
    client: httpx.Client, version: str | None = None, *, reason: str = "r", uuid: str = UUID
) -> httpx.Response:
    query = AWS if version is None else {**AWS, "version": version}
    return client.request("DELETE", f"/bundles/{uuid}", params=query, json={"reason": reason})


def names(client: httpx.Client, version: str | None = None) -> list[str]:
    query = AWS if version is None else {**AWS, "version": version}
    bundle = client.get(f"/bundles/{UUID}", params=query).raise_for_status().json()["bundle"]
    return [file["name"] for file in bundle["files"]]


def status(client: httpx.Client, version: str | None = None) -> int:
    query = AWS if version is None else {**AWS, "version": version}
    return client.get(f"/bundles/{UUID}", params=query).status_code


class TestPut:
    def test_the_manifest_is_stored_and_answered(
        self, client: httpx.Client, dss: LocalDSS, file: dict[str, Any]
    ) -> None:
        response = put(client, [file], uuid=UUID.upper())
        assert response.status_code == 201
        stored = (dss.root / "aws/main/bundles" / f"{UUID}.{VERSION}").read_bytes()
        manifest = json.loads(stored)
        assert response.json() == {"version": VERSION, "manifest": manifest}
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
        assert names(client) == ["a"]

    def test_the_same_again(self, client: httpx.Client, file: dict[str, Any]) -> None:
        first, second = put(client, [file]), put(client, [file])
        assert (first.status_code, second.status_code) == (201, 200)
        assert first.json() == second.json()
        assert put(client, [file], version=LATER).status_code == 201

    @pytest.mark.parametrize("change", ["order", "creator", "indexed", "name", "fewer"])
    def test_something_else(self, client: httpx.Client, file: dict[str, Any], change: str) -> None:
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

    def test_an_empty_bundle(self, client: httpx.Client) -> None:
        assert put(client, []).status_code == 201
        assert names(client) == []

    def test_uuids_of_files_in_upper_case(self, client: httpx.Client, file: dict[str, Any]) -> None:
        response = put(client, [{**file, "uuid": file["uuid"].upper()}])
        assert response.json()["manifest"]["files"][0]["uuid"] == file["uuid"]

    def test_a_missing_file(self, client: httpx.Client, file: dict[str, Any]) -> None:
        for missing in ({**file, "uuid": UNKNOWN}, {**file, "version": LATER}):
            response = put(client, [file, missing])
            assert problem(response) == (400, "file_missing")
            assert missing["uuid"] in response.json()["title"]
        assert problem(put(client, [file], replica="gcp")) == (400, "file_missing")
        assert status(client) == 404

    def test_names_are_there_once(self, client: httpx.Client, file: dict[str, Any]) -> None:
        assert problem(put(client, [file, file])) == (400, "duplicate_filename")
        missing = {**file, "uuid": UNKNOWN}
        assert problem(put(client, [missing, missing])) == (400, "file_missing")
        assert put(client, [file, {**file, "name": "A"}]).status_code == 201

    @pytest.mark.parametrize(
        "name", ["", "a\0", "a/", "a//b", "/a", "../a", "a/..", ".", "a\\b", "a\nb", "~/a", "a\t"]
    )
    def test_bad_names(self, client: httpx.Client, file: dict[str, Any], name: str) -> None:
        response = put(client, [{**file, "name": name}])
        assert problem(response) == (400, "illegal_arguments")

    @pytest.mark.parametrize("uuid", [f"x{UNKNOWN}", f"../{UNKNOWN}", f"{UNKNOWN}.{VERSION}"])
    def test_bad_uuids(self, client: httpx.Client, file: dict[str, Any], uuid: str) -> None:
        response = put(client, [{**file, "uuid": uuid}])
        assert problem(response) == (400, "illegal_arguments")

    @pytest.mark.parametrize("name", ["a b", "pa/th.2json", "good..path", "...", "ä", "-rf", "C:"])
    def test_good_names(self, client: httpx.Client, file: dict[str, Any], name: str) -> None:
        assert put(client, [{**file, "name": name}]).status_code == 201
        assert names(client) == [name]

    def test_versions(self, client: httpx.Client, file: dict[str, Any]) -> None:
        assert problem(put(client, [file], version="2019")) == (400, "illegal_version")
        bad = {**file, "version": "2019"}
        assert problem(put(client, [bad])) == (400, "illegal_version")

    def test_over_a_tombstone(self, client: httpx.Client, file: dict[str, Any]) -> None:
        assert put(client, [file]).status_code == 201
        assert delete(client).status_code == 200
        assert put(client, [file]).status_code == 200
        assert put(client, [file], version=LATER).status_code == 201
        assert status(client) == status(client, LATER) == 404

    def test_waiting_for_a_file(self, tmp_path: Path, settings: LocalSettings) -> None:
        waiting = LocalSettings(sources=settings.sources, missing_files_wait=5)
        with LocalDSS(tmp_path / "waiting", settings=waiting) as dss, writer(dss) as client:
            late = Timer(0.05, put_file, [client], {"uuid": UNKNOWN})
            late.start()
            file = {"uuid": UNKNOWN, "version": VERSION, "name": "a", "indexed": True}
            assert put(client, [file]).status_code == 201
            late.join()


class TestPatch:
    def test_it_makes_a_new_version(self, client: httpx.Client, file: dict[str, Any]) -> None:
        assert put(client, [file]).status_code == 201
        response = patch(client, {"add_files": [{**file, "name": "b"}]}, UUID.upper())
        assert response.status_code == 200
        assert response.json()["uuid"] == UUID
        version = response.json()["version"]
        assert version > VERSION
        assert names(client) == names(client, version) == ["a", "b"]
        assert names(client, VERSION) == ["a"]

    def test_what_is_stored(
        self, client: httpx.Client, dss: LocalDSS, file: dict[str, Any]
    ) -> None:
        assert put(client, [file]).status_code == 201
        version = patch(client, {}).json()["version"]
        folder = dss.root / "aws" / "main" / "bundles"
        old, new = (
            json.loads((folder / f"{UUID}.{each}").read_bytes()) for each in (VERSION, version)
        )
        assert new == {**old, "version": version}
        assert list(new) == list(old)

    def test_removing(self, client: httpx.Client, file: dict[str, Any]) -> None:
        other = {**file, "name": "b"}
        assert put(client, [file, other]).status_code == 201
        unknown = [{**file, "uuid": UNKNOWN}, {**file, "version": LATER}, {**file, "name": "c"}]
        assert patch(client, {"remove_files": unknown}).status_code == 200
        assert names(client) == ["a", "b"]
        upper = {**file, "uuid": file["uuid"].upper(), "indexed": True}
        assert patch(client, {"remove_files": [upper]}).status_code == 200
        assert names(client) == ["b"]

    def test_it_changes_the_named_version(self, client: httpx.Client, file: dict[str, Any]) -> None:
        """Not the latest: two patches of one version fork."""
        assert put(client, [file]).status_code == 201
        for name in ("b", "c"):
            assert patch(client, {"add_files": [{**file, "name": name}]}).status_code == 200
        assert names(client) == ["a", "c"]

    def test_remove_and_add_one_name(self, client: httpx.Client, file: dict[str, Any]) -> None:
        assert put(client, [file, {**file, "name": "b"}]).status_code == 201
        other = {**file, "uuid": uuid_of(put_file(client, "s3://upload/cell.json"))}
        response = patch(client, {"remove_files": [file], "add_files": [other]})
        assert response.status_code == 200
        assert names(client) == ["b", "a"]

    def test_duplicates(self, client: httpx.Client, file: dict[str, Any]) -> None:
        assert put(client, [file]).status_code == 201
        assert problem(patch(client, {"add_files": [file]})) == (400, "duplicate_filename")

    def test_a_missing_file(self, client: httpx.Client, file: dict[str, Any]) -> None:
        assert put(client, [file]).status_code == 201
        missing = {**file, "uuid": UNKNOWN}
        assert problem(patch(client, {"add_files": [missing]})) == (400, "file_missing")

    @pytest.mark.parametrize("key", ["add_files", "remove_files"])
    def test_long_lists(self, client: httpx.Client, file: dict[str, Any], key: str) -> None:
        assert put(client, []).status_code == 201
        files = [{**file, "name": str(number)} for number in range(1001)]
        assert problem(patch(client, {key: files})) == (400, "illegal_arguments")
        assert patch(client, {key: files[:1000]}).status_code == 200

    def test_bad_names(self, client: httpx.Client, file: dict[str, Any]) -> None:
        assert put(client, []).status_code == 201
        response = patch(client, {"add_files": [{**file, "name": "a//b"}]})
        assert problem(response) == (400, "illegal_arguments")

    def test_only_the_living(self, client: httpx.Client, file: dict[str, Any]) -> None:
        assert problem(patch(client, {})) == (404, "not_found")
        assert put(client, [file]).status_code == 201
        assert delete(client, VERSION).status_code == 200
        assert problem(patch(client, {})) == (404, "not_found")


class TestDelete:
    def test_one_version(self, client: httpx.Client, dss: LocalDSS) -> None:
        for version in (VERSION, LATER):
            assert put(client, [], version=version).status_code == 201
        response = delete(client, LATER, uuid=UUID.upper())
        assert (response.status_code, response.json()) == (200, {})
        tombstone = dss.root / "aws/main/bundles" / f"{UUID}.{LATER}.dead"
        assert json.loads(tombstone.read_bytes()) == {
            "email": ADMIN,
            "reason": "r",
            "admin_deleted": True,
            "version": LATER,
        }
        assert status(client, LATER) == 404
        latest = client.get(f"/bundles/{UUID}", params=AWS).json()["bundle"]["version"]
        assert latest == VERSION

    def test_all_versions(self, client: httpx.Client, dss: LocalDSS) -> None:
        assert put(client, []).status_code == 201
        assert status(client) == 200
        assert delete(client).status_code == 200
        tombstone = dss.root / "aws/main/bundles" / f"{UUID}.dead"
        assert json.loads(tombstone.read_bytes()) == {
            "email": ADMIN,
            "reason": "r",
            "admin_deleted": True,
        }
        assert status(client) == status(client, VERSION) == 404
        listed = client.get("/bundles/all", params=AWS).json()["bundles"]
        assert listed == []
        assert (dss.root / "aws/main/bundles" / f"{UUID}.{VERSION}").is_file()

    def test_it_leaves_the_other_replica(self, client: httpx.Client) -> None:
        for replica in ("aws", "gcp"):
            assert put(client, [], replica=replica).status_code == 201
        assert delete(client).status_code == 200
        assert client.get(f"/bundles/{UUID}", params={"replica": "gcp"}).status_code == 200

    @pytest.mark.parametrize("version", [None, VERSION])
    def test_again(self, client: httpx.Client, dss: LocalDSS, version: str | None) -> None:
        assert put(client, []).status_code == 201
        assert delete(client, version).status_code == 200
        assert delete(client, version).status_code == 200
        other = delete(client, version, reason="another")
        assert problem(other) == (409, "bundle_tombstone_already_exists")
        with writer(dss, email=OTHER_ADMIN) as somebody:
            other = delete(somebody, version)
            assert problem(other) == (409, "bundle_tombstone_already_exists")

    def test_what_is_not_there(self, client: httpx.Client) -> None:
        assert problem(delete(client)) == (404, "not_found")
        assert problem(delete(client, VERSION)) == (404, "not_found")
        assert put(client, []).status_code == 201
        assert problem(delete(client, LATER)) == (404, "not_found")

    @pytest.mark.parametrize("version", ["", "2019", VERSION[:-1], VERSION + ".dead"])
    def test_versions_are_whole(self, client: httpx.Client, dss: LocalDSS, version: str) -> None:
        assert put(client, []).status_code == 201
        assert problem(delete(client, version)) == (400, "illegal_version")
        assert len(list((dss.root / "aws/main/bundles").iterdir())) == 1

    def test_a_reason_is_needed(self, client: httpx.Client) -> None:
        response = client.request("DELETE", f"/bundles/{UUID}", params=AWS, json={})
        assert problem(response) == (400, "illegal_arguments")


def test_the_client_writes_bundles(dss: LocalDSS, file: dict[str, Any]) -> None:
    with DSSClient(dss.url, token=dss.mint_token(email=ADMIN)) as client:
        made = client.put_bundle(
            uuid=UUID,
            version=VERSION,
            replica="aws",
            files=[models.BundleFile(**file)],
            creator_uid=7,
        )
        assert made.version == VERSION
        patched = client.patch_bundle(
            uuid=UUID, version=VERSION, replica="aws", remove_files=[models.BundleFile(**file)]
        )
        assert client.get_bundle(uuid=UUID, replica="aws").bundle.version == patched.version
        client.delete_bundle(uuid=UUID, replica="aws", reason="r", version=patched.version)
        assert client.get_bundle(uuid=UUID, replica="aws").bundle.version == VERSION
