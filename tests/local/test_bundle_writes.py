"""PUT, PATCH and DELETE /bundles/{uuid} (docs/behaviour.md 8.5-8.7, S3, S7, S10, S11)."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import httpx
import pytest

from dss_client.local import LocalDSS, LocalSettings
from tests.local.calls import AWS, ILLEGAL, NOT_FOUND, UNKNOWN, UUID, expect
from tests.local.writing import HELLO, LATER, VERSION, put_file, put_source, uuid_of, writer

File = dict[str, Any]
ADMIN, OTHER_ADMIN = "admin@example.org", "other@example.org"
TOMBSTONE = {"email": ADMIN, "reason": "r", "admin_deleted": True}
FILE_MISSING, ILLEGAL_VERSION = (400, "file_missing"), (400, "illegal_version")
DUPLICATE, TAKEN = (400, "duplicate_filename"), (409, "bundle_already_exists")


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
def file(client: httpx.Client) -> File:
    """A stored file, as a bundle names it."""
    return {"uuid": uuid_of(put_file(client)), "version": VERSION, "name": "a", "indexed": False}


def put(
    client: httpx.Client,
    files: list[File],
    status: int = 201,
    code: str = "",
    *,
    uuid: str = UUID,
    creator_uid: int = 7,
    **query: str,
) -> httpx.Response:
    query = {**AWS, "version": VERSION, **query}
    body = {"files": files, "creator_uid": creator_uid}
    return expect(client, "PUT", f"/bundles/{uuid}", status, code, params=query, json=body)


def patch(
    client: httpx.Client, status: int = 200, code: str = "", uuid: str = UUID, **body: list[File]
) -> str:
    """Patch the bundle, and return its new version."""
    query = {**AWS, "version": VERSION}
    answer = expect(client, "PATCH", f"/bundles/{uuid}", status, code, params=query, json=body)
    return str(answer.json().get("version"))


def delete(
    client: httpx.Client,
    version: str | None = None,
    status: int = 200,
    code: str = "",
    *,
    uuid: str = UUID,
    **body: str,
) -> None:
    query = AWS if version is None else {**AWS, "version": version}
    body = {"reason": "r", **body}
    answer = expect(client, "DELETE", f"/bundles/{uuid}", status, code, params=query, json=body)
    assert code or answer.json() == {}


def get(client: httpx.Client, status: int = 200, **query: str) -> Any:
    answer = expect(client, "GET", f"/bundles/{UUID}", status, params={**AWS, **query})
    return answer.json().get("bundle")


def names(client: httpx.Client, **query: str) -> list[str]:
    return [file["name"] for file in get(client, 200, **query)["files"]]


def stored(dss: LocalDSS, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((dss.root / "aws/main/bundles" / name).read_bytes())
    return document


def test_put_stores_and_answers_the_manifest(
    dss: LocalDSS, client: httpx.Client, file: File
) -> None:
    answer = put(client, [{**file, "uuid": file["uuid"].upper()}], uuid=UUID.upper()).json()
    manifest = stored(dss, f"{UUID}.{VERSION}")
    assert (answer["version"], answer["manifest"]) == (VERSION, manifest)
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
    assert put(client, [file], 200).json() == answer
    put(client, [], version=LATER)
    assert (names(client, version=VERSION), names(client)) == (["a"], [])


def test_put_of_something_else(client: httpx.Client, file: File) -> None:
    other = {**file, "name": "b"}
    put(client, [file, other])
    for changed in (
        [other, file],
        [file, {**other, "indexed": True}],
        [file, {**other, "name": "c"}],
        [file],
    ):
        put(client, changed, *TAKEN)
    put(client, [file, other], *TAKEN, creator_uid=8)
    assert names(client) == ["a", "b"]


def test_put_of_files_that_are_refused(client: httpx.Client, file: File) -> None:
    for missing in ({**file, "uuid": UNKNOWN}, {**file, "version": LATER}):
        title = put(client, [file, missing], *FILE_MISSING).json()["title"]
        assert missing["uuid"] in title
        put(client, [missing, missing], *FILE_MISSING)
    put(client, [file], *FILE_MISSING, replica="gcp")
    bad = ["", "a\0", "a/", "a//b", "/a", "../a", "a/..", ".", "a\\b", "a\nb", "~/a"]
    uuids = [f"x{UNKNOWN}", f"../{UNKNOWN}", f"{UNKNOWN}.{VERSION}"]
    for changed in [*({"name": name} for name in bad), *({"uuid": uuid} for uuid in uuids)]:
        put(client, [{**file, **changed}], *ILLEGAL)
    put(client, [file, file], *DUPLICATE)
    put(client, [file], *ILLEGAL_VERSION, version="2019")
    put(client, [{**file, "version": "2019"}], *ILLEGAL_VERSION)
    get(client, 404)
    good = ["a", "A", "a b", "pa/th.2json", "good..path", "...", "ä", "-rf", "C:"]
    put(client, [{**file, "name": name} for name in good])
    assert names(client) == good


def test_put_over_a_tombstone(client: httpx.Client, file: File) -> None:
    put(client, [file])
    delete(client)
    put(client, [file], 200)
    put(client, [file], version=LATER)
    get(client, 404)
    get(client, 404, version=LATER)


def test_put_waits_for_a_file(tmp_path: Path) -> None:
    put_source(tmp_path / "upload", "hello.txt")
    settings = LocalSettings(sources={"upload": tmp_path / "upload"}, missing_files_wait=5)
    with LocalDSS(tmp_path / "root", settings=settings) as dss, writer(dss) as client:
        late = Timer(0.05, put_file, [client], {"uuid": UNKNOWN})
        late.start()
        put(client, [{"uuid": UNKNOWN, "version": VERSION, "name": "a", "indexed": True}])
        late.join()


def test_patch_makes_a_new_version_of_the_named_one(
    dss: LocalDSS, client: httpx.Client, file: File
) -> None:
    """Not of the latest: two patches of one version fork."""
    put(client, [file])
    for name in ("b", "c"):
        version = patch(client, uuid=UUID.upper(), add_files=[{**file, "name": name}])
    assert version > VERSION
    assert names(client) == names(client, version=version) == ["a", "c"]
    version = patch(client)
    old, new = stored(dss, f"{UUID}.{VERSION}"), stored(dss, f"{UUID}.{version}")
    assert list(new.items()) == list({**old, "version": version}.items())


def test_patch_removes_before_it_adds(client: httpx.Client, file: File) -> None:
    put(client, [file, {**file, "name": "b"}])
    unknown = [{**file, "uuid": UNKNOWN}, {**file, "version": LATER}, {**file, "name": "c"}]
    patch(client, remove_files=unknown)
    assert names(client) == ["a", "b"]
    upper = {**file, "uuid": file["uuid"].upper(), "indexed": True}
    other = {**file, "uuid": uuid_of(put_file(client, "s3://upload/cell.json"))}
    patch(client, remove_files=[upper], add_files=[other])
    assert names(client) == ["b", "a"]


def test_patches_that_are_refused(client: httpx.Client, file: File) -> None:
    patch(client, *NOT_FOUND)
    put(client, [file])
    patch(client, *DUPLICATE, add_files=[file])
    patch(client, *FILE_MISSING, add_files=[{**file, "uuid": UNKNOWN}])
    patch(client, *ILLEGAL, add_files=[{**file, "name": "a//b"}])
    files = [{**file, "name": str(number)} for number in range(1001)]
    patch(client, *ILLEGAL, add_files=files)
    patch(client, *ILLEGAL, remove_files=files)
    patch(client, add_files=files[:1000], remove_files=files[:1000])
    delete(client, VERSION)
    patch(client, *NOT_FOUND)


def test_delete_one_version(dss: LocalDSS, client: httpx.Client) -> None:
    put(client, [])
    put(client, [], version=LATER)
    delete(client, LATER, uuid=UUID.upper())
    assert stored(dss, f"{UUID}.{LATER}.dead") == {**TOMBSTONE, "version": LATER}
    assert get(client)["version"] == VERSION
    get(client, 404, version=LATER)


def test_delete_all_versions(dss: LocalDSS, client: httpx.Client) -> None:
    for replica in ("aws", "gcp"):
        put(client, [], replica=replica)
    delete(client)
    assert stored(dss, f"{UUID}.dead") == TOMBSTONE
    assert stored(dss, f"{UUID}.{VERSION}")
    get(client, 404)
    get(client, 404, version=VERSION)
    assert client.get("/bundles/all", params=AWS).json()["bundles"] == []
    get(client, replica="gcp")


@pytest.mark.parametrize("version", [None, VERSION])
def test_delete_again(client: httpx.Client, dss: LocalDSS, version: str | None) -> None:
    there = (409, "bundle_tombstone_already_exists")
    put(client, [])
    delete(client, version)
    delete(client, version)
    delete(client, version, *there, reason="another")
    with writer(dss, email=OTHER_ADMIN) as somebody:
        delete(somebody, version, *there)


def test_deletions_that_are_refused(client: httpx.Client, dss: LocalDSS) -> None:
    delete(client, None, *NOT_FOUND)
    put(client, [])
    delete(client, LATER, *NOT_FOUND)
    for version in ("", "2019", VERSION[:-1], VERSION + ".dead"):
        delete(client, version, *ILLEGAL_VERSION)
    assert len(list((dss.root / "aws/main/bundles").iterdir())) == 1
