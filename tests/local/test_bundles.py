"""GET /bundles/{uuid} and GET /bundles/all (docs/behaviour.md 7, 8.4, 8.8)."""

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dss_client.local import LocalDSS, LocalSettings
from tests.local.calls import AWS, ILLEGAL, UUID, V1, V2, V3, Load, expect

OTHER = "ffffffff-3d4e-4f50-8a61-72b3c4d5e6f7"
SIGNED = {"presignedurls": "true"}


def get(
    client: httpx.Client, status: int = 200, code: str = "", uuid: str = UUID, **query: str
) -> httpx.Response:
    return expect(client, "GET", f"/bundles/{uuid}", status, code, params={**AWS, **query})


def files(client: httpx.Client, **query: str) -> list[Any]:
    found: list[Any] = get(client, 200, "", UUID, **query).json()["bundle"]["files"]
    return found


def pages(client: httpx.Client, url: str) -> Iterator[httpx.Response]:
    """Yield all pages, and check that statuses and headers say which is the last."""
    next_url: str | None = url
    while next_url:
        response = client.get(next_url)
        next_url = response.links.get("next", {}).get("url")
        assert response.status_code == (206 if next_url else 200)
        assert response.headers["x-openapi-pagination"] == ("true" if next_url else "false")
        yield response


def bury(dss: LocalDSS, name: str) -> None:
    tombstone = {"email": "a@example.org", "reason": "test", "admin_deleted": True}
    (dss.root / f"aws/main/bundles/{name}.dead").write_text(json.dumps(tombstone))


def version_of(client: httpx.Client, uuid: str = UUID, **query: str) -> str | None:
    response = client.get(f"/bundles/{uuid}", params={**AWS, **query})
    if response.status_code == 404:
        assert response.json()["code"] == "not_found"
        return None
    version: str = response.json()["bundle"]["version"]
    return version


def test_a_bundle(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    load(dss, {"a.txt": b"hello"}, UUID, V1)
    response = get(client, uuid=UUID.upper())
    assert response.headers["x-openapi-paginated-content-key"] == "bundle.files"
    bundle = response.json()["bundle"]
    [file] = bundle.pop("files")
    assert bundle == {"uuid": UUID, "version": V1, "creator_uid": 0}
    assert file.pop("uuid")
    assert file == {
        "name": "a.txt",
        "version": V1,
        "content-type": "text/plain",
        "size": 5,
        "indexed": False,
        "crc32c": "9a71bb4c",
        "s3_etag": "5d41402abc4b2a76b9719d911017c592",
        "sha1": "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
        "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    }


def test_versions(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    for version in (V2, V1, V3):
        load(dss, {"a": version.encode()}, UUID, version)
    assert version_of(client) == V3
    assert version_of(client, version=V1) == V1
    for absent in ("", "2019", "2021-01-01T000000.000000Z", "../../x"):
        assert version_of(client, version=absent) is None
    assert version_of(client, replica="gcp") is None
    assert version_of(client, OTHER) is None


def test_tombstones(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    for version in (V1, V2):
        load(dss, {"a": version.encode()}, UUID, version)
    bury(dss, f"{UUID}.{V2}")
    assert version_of(client) == V1
    assert version_of(client, version=V2) is None
    assert version_of(client, version=V1) == V1
    bury(dss, f"{UUID}.{V1}")
    assert version_of(client) is None
    (dss.root / f"aws/main/bundles/{UUID}.{V1}.dead").unlink()
    bury(dss, UUID)
    assert version_of(client) is None
    assert version_of(client, version=V1) is None


@pytest.mark.parametrize("content", ["{", "{}", '{"version": "x", "files": [{}]}', '{"files": 1}'])
def test_broken_manifests_are_absent(
    dss: LocalDSS, client: httpx.Client, load: Load, content: str
) -> None:
    load(dss, {"a": b""}, UUID, V1)
    (dss.root / f"aws/main/bundles/{UUID}.{V1}").write_text(content)
    assert version_of(client) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_in_the_place_of_an_object_is_not_waited_for(
    dss: LocalDSS, client: httpx.Client
) -> None:
    folder = dss.root / "aws/main/bundles"
    folder.mkdir(parents=True)
    os.mkfifo(folder / f"{UUID}.{V1}")
    assert version_of(client) is None


def test_paging_stays_in_one_version(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    names = [f"{number:03}.txt" for number in range(25)]
    load(dss, dict.fromkeys(names, b""), UUID, V1)
    found: list[str] = []
    for page in pages(client, f"/bundles/{UUID}?per_page=10&replica=aws&token=None"):
        bundle = page.json()["bundle"]
        found += [file["name"] for file in bundle["files"]]
        assert bundle["version"] == V1
        load(dss, {"a": b""}, UUID, f"2020-01-01T000000.{len(found):06}Z")
    assert found == names


def test_links(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    load(dss, {str(number): b"" for number in range(20)}, UUID, V1)
    first = expect(client, "GET", f"/bundles/{UUID}?per_page=10&replica=aws&start_at=0", 206)
    assert first.headers["link"] == (
        f'<{dss.url}/bundles/{UUID}?per_page=10&replica=aws&start_at=10&version={V1}>; rel="next"'
    )
    expect(client, "GET", first.links["next"]["url"], 200)
    assert files(client, start_at="99") == []


def test_refused(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    load(dss, {"a": b""}, UUID, V1)
    get(client, *ILLEGAL, start_at="-1")
    get(client, 400, "only_one_urltype", directurls="true", presignedurls="true")
    for token in ("{", '{"attempts": 1}'):
        get(client, 400, "illegal_token", presignedurls="true", token=token)
    token = json.dumps({"execution_id": OTHER, "attempts": 1})  # of no job
    response = get(client, 500, "unhandled_exception", presignedurls="true", token=token)
    assert response.headers["retry-after"] == "10"
    for query in ({"prefix": ""}, {"prefix": "-a"}, {"prefix": "a/"}, {"search_after": "x"}):
        expect(client, "GET", "/bundles/all", *ILLEGAL, params={**AWS, **query})


def test_urls(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    load(dss, {"sub/a b": b"1", "z": b"2"}, UUID, V1)
    place = f"s3://dss-local-checkout-aws/bundles/{UUID}.{V1}"
    urls = [file["url"] for file in files(client, directurls="true")]
    assert urls == [f"{place}/sub/a b", f"{place}/z"]
    files(client, **SIGNED)
    (dss.root / f"aws/checkout/bundles/{UUID}.{V1}/sub/a b").unlink()  # it is checked out again
    [file, _] = files(client, **SIGNED)
    assert httpx.get(file["url"]).content == b"1"
    # Old manifests repeat names.
    path = dss.root / f"aws/main/bundles/{UUID}.{V1}"
    path.write_text(path.read_text().replace('"name": "z"', '"name": "sub/a b"'))
    assert [file["name"] for file in files(client, **SIGNED)] == ["sub/a b"] * 2


def test_a_failing_checkout(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    load(dss, {"a": b"content"}, UUID, V1)
    [blob] = (dss.root / "aws/main/blobs").iterdir()
    blob.unlink()
    get(client, 500, "checkout_error", presignedurls="true")


def test_301_until_it_is_checked_out(load: Load) -> None:
    settings = LocalSettings(checkout_polls=2, retry_after=1)
    with LocalDSS(settings=settings) as dss, httpx.Client(base_url=dss.url) as client:
        load(dss, {"a": b"content"}, UUID, V1)
        url = f"/bundles/{UUID}?replica=aws&presignedurls=true"
        for attempts in (1, 2):
            response = expect(client, "GET", url, 301)
            assert response.headers["retry-after"] == "1"
            url = response.headers["location"]
            assert json.loads(httpx.URL(url).params["token"])["attempts"] == attempts
        [file] = client.get(url).json()["bundle"]["files"]
        assert httpx.get(file["url"]).content == b"content"
        get(client, presignedurls="true", token="")


@pytest.fixture
def listed(dss: LocalDSS, load: Load) -> list[str]:
    """25 versions of one bundle, one of another, and what must not be listed."""
    versions = [f"2019-01-01T000000.{number:06}Z" for number in range(25)]
    for version in versions:
        load(dss, {"a": b""}, UUID, version)
    load(dss, {"a": b""}, OTHER, V1)
    load(dss, {"a": b""}, OTHER, V2)
    bury(dss, f"{OTHER}.{V2}")
    gone = "eeeeeeee-3d4e-4f50-8a61-72b3c4d5e6f7"
    load(dss, {"a": b""}, gone, V1)
    bury(dss, gone)
    (dss.root / "aws/main/bundles/README").touch()
    return [*(f"{UUID}.{version}" for version in versions), f"{OTHER}.{V1}"]


def test_every_living_version_is_listed_once(
    dss: LocalDSS, client: httpx.Client, listed: list[str]
) -> None:
    found: list[str] = []
    for page in pages(client, "/bundles/all?per_page=10&replica=aws"):
        body = page.json()
        assert body["object"] == "list"
        assert body["dss_api"] == dss.url.removesuffix("/v1")
        assert body["search_prefix"] == "bundles/"
        assert (body["per_page"], body["page_count"]) == (10, len(body["bundles"]))
        assert body["event_timestamp"].endswith("Z")
        assert page.headers["x-openapi-paginated-content-key"] == "bundles"
        if body["has_more"]:
            assert body["link"] == page.links["next"]["url"]
            assert body["search_after"] == f"bundles/{listed[len(found) + 9]}"
            assert body["token"]
        else:
            assert not {"link", "search_after", "token"} & set(body)
        found += [f"{bundle['uuid']}.{bundle['version']}" for bundle in body["bundles"]]
    assert found == listed
    full = pages(client, "/bundles/all?per_page=13&replica=aws")
    assert [page.json()["page_count"] for page in full] == [13, 13, 0]
    for prefix, count in (("FFFF", 1), ("0a6f", 25), ("1", 0)):
        body = client.get("/bundles/all", params={**AWS, "prefix": prefix}).json()
        assert (body["page_count"], body["search_prefix"]) == (count, f"bundles/{prefix.lower()}")
