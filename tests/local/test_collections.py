"""The five /collections operations over a socket (docs/behaviour.md 8.12, 5.1, 7, S21-S24)."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dss_client import DSSClient, Forbidden, NotFound
from dss_client.local import LoadedBundle, LocalDSS
from dss_client.models import CollectionItemDict
from tests.local.test_api import problem
from tests.local.writing import writer

Load = Callable[..., LoadedBundle]
Link = dict[str, Any]
V1, V2, V3 = (f"201{digit}-01-01T000000.000000Z" for digit in (7, 8, 9))
OWNER, OTHER = "owner@example.org", "other@example.org"
AWS = {"replica": "aws"}
DOCUMENT = {"a/b": [{"~": "tilde"}, 1], "": "empty", "n": None}


@pytest.fixture
def client(dss: LocalDSS) -> Iterator[httpx.Client]:
    """A client of the owner, in place of one without a token."""
    with writer(dss, email=OWNER) as made:
        yield made


@pytest.fixture
def other(dss: LocalDSS) -> Iterator[httpx.Client]:
    with writer(dss, email=OTHER) as made:
        yield made


@pytest.fixture
def links(dss: LocalDSS, load: Load) -> dict[str, Link]:
    """Links that resolve: to a bundle, to its JSON `file` and to its `text` file."""
    bundle = load(dss, {"a.json": DOCUMENT, "b.txt": b"no JSON"}, version=V1)
    answer = httpx.get(f"{dss.url}/bundles/{bundle.uuid}", params=AWS).json()["bundle"]
    files = {file["name"]: file for file in answer["files"]}
    return {
        "bundle": link("bundle", bundle.uuid),
        "file": link("file", files["a.json"]["uuid"]),
        "text": link("file", files["b.txt"]["uuid"]),
    }


def link(kind: str, uuid: str, version: str = V1, **more: Any) -> Link:
    return {"type": kind, "uuid": uuid, "version": version, **more}


def body(*contents: Link, **changes: Any) -> dict[str, Any]:
    made = {"name": "n", "description": "d", "details": {"k": [1]}, "contents": list(contents)}
    return {**made, **changes}


def put(
    client: httpx.Client,
    *contents: Link,
    uuid: str | None = None,
    version: str = V1,
    replica: str = "aws",
    **changes: Any,
) -> httpx.Response:
    params = {"uuid": uuid or str(uuid4()), "version": version, "replica": replica}
    return client.put("/collections", params=params, json=body(*contents, **changes))


def get(client: httpx.Client, uuid: str, **params: str) -> httpx.Response:
    return client.get(f"/collections/{uuid}", params={**AWS, **params})


def patch(client: httpx.Client, uuid: str, version: str = V1, **changes: Any) -> httpx.Response:
    params = {**AWS, "version": version}
    return client.patch(f"/collections/{uuid}", params=params, json=changes)


def delete(client: httpx.Client, uuid: str, replica: str = "aws") -> httpx.Response:
    return client.delete(f"/collections/{uuid}", params={"replica": replica})


def listed(client: httpx.Client) -> list[tuple[str, str]]:
    found = client.get("/collections").json()["collections"]
    return [(each["uuid"], each["version"]) for each in found]


def made(client: httpx.Client, *contents: Link, version: str = V1, **more: Any) -> str:
    response = put(client, *contents, version=version, **more)
    assert response.status_code == 201, response.text
    uuid: str = response.json()["uuid"]
    return uuid


def stored(dss: LocalDSS, name: str) -> Path:
    return dss.root / "aws/main/collections" / name


def test_put_stores_the_body_and_the_owner(
    dss: LocalDSS, client: httpx.Client, links: dict[str, Link]
) -> None:
    uuid = str(uuid4())
    response = put(
        client, links["file"], links["bundle"], uuid=uuid.upper(), owner=OTHER, extra={"x": 1}
    )
    assert (response.status_code, response.json()) == (201, {"uuid": uuid, "version": V1})
    expected = body(links["file"], links["bundle"], owner=OWNER, extra={"x": 1})
    assert json.loads(stored(dss, f"{uuid}.{V1}").read_bytes()) == expected
    assert get(client, uuid.upper()).json() == expected


def test_equal_links_are_kept_once_at_the_first_place(
    client: httpx.Client, links: dict[str, Link]
) -> None:
    file, bundle = links["file"], links["bundle"]
    reordered = dict(reversed(file.items()))
    shouted = {**file, "uuid": file["uuid"].upper()}
    noted = {**file, "note": True}
    uuid = made(client, file, bundle, reordered, noted, shouted, bundle, {**file, "note": 1})
    assert get(client, uuid).json()["contents"] == [file, bundle, noted, {**file, "note": 1}]
    assert get(client, uuid).json()["contents"][2]["note"] is True


def test_more_than_a_thousand_links_are_accepted(
    client: httpx.Client, links: dict[str, Link]
) -> None:
    contents = [{**links["file"], "n": number} for number in range(1001)]
    uuid = made(client, *contents)
    assert get(client, uuid).json()["contents"] == contents
    response = patch(client, uuid, add_contents=contents)
    assert problem(response) == (400, "illegal_arguments")
    response = patch(client, uuid, remove_contents=contents)
    assert problem(response) == (400, "illegal_arguments")


def test_links_to_whole_objects(client: httpx.Client, links: dict[str, Link]) -> None:
    first = made(client, links["bundle"], links["file"], links["text"])
    made(client, link("collection", first))
    delete(client, first)
    made(client, link("collection", first))  # tombstones are not looked at
    assert problem(put(client, link("collection", first, V2))) == (422, "invalid_link")


def test_links_that_lead_nowhere(
    client: httpx.Client, dss: LocalDSS, links: dict[str, Link]
) -> None:
    for kind in ("bundle", "file", "collection", "donor"):
        response = put(client, link(kind, str(uuid4()), fragment=""))
        assert problem(response) == (422, "invalid_link")
        assert kind in response.json()["title"]
    assert problem(put(client, links["bundle"], replica="gcp")) == (422, "invalid_link")
    assert not stored(dss, "").exists()


@pytest.mark.parametrize(
    ("content", "status"),
    [(b'"' + b"x" * (1024 * 1024 - 2) + b'"', 201), (b'"' + b"x" * 1024 * 1024, 422),
     (b"{", 422), (b"[" * 100_000, 422), (b"[1]", 201)],
)  # fmt: skip
def test_linked_objects_are_json_of_at_most_one_mebibyte(
    dss: LocalDSS, client: httpx.Client, content: bytes, status: int
) -> None:
    uuid = made(client)
    stored(dss, f"{uuid}.{V1}").write_bytes(content)
    assert put(client, link("collection", uuid)).status_code == status


def test_fragments(dss: LocalDSS, client: httpx.Client, links: dict[str, Link]) -> None:
    donor = {**links["file"], "type": "donor"}
    for pointer in ("", "/a~1b", "/a~1b/0/~0", "/a~1b/1", "/", "/n"):
        made(client, {**donor, "fragment": pointer}, {**donor, "path": pointer})
    made(client, {**donor, "fragment": "/n", "path": "/x"})
    index = ("2", "-", "01", "-1", "²", "1" * 5000)
    wrong = ("a~1b", "/a/b", "/n/x", "/x", *(f"/a~1b/{each}" for each in index))
    refused = [{**donor, name: pointer} for pointer in wrong for name in ("fragment", "path")]
    refused += [donor, {**donor, "fragment": 7}, {**donor, "fragment": "/x", "path": "/n"}]
    refused += [{**links["text"], "type": "donor", "fragment": ""}]
    empty = str(uuid4())
    (dss.root / f"aws/main/files/{empty}.{V1}").write_text("{}")
    for each in (*refused, link("donor", empty, fragment="")):
        assert problem(put(client, each)) == (422, "invalid_link"), each


def test_links_with_nested_values(client: httpx.Client, links: dict[str, Link]) -> None:
    uuid = made(client)
    for value in ([], {}, [1], {"a": 1}):
        odd = {**links["file"], "x": value}
        for response in (
            put(client, odd),
            patch(client, uuid, add_contents=[odd]),
            patch(client, uuid, remove_contents=[odd]),
        ):
            assert problem(response) == (400, "illegal_arguments")


@pytest.mark.parametrize("missing", ["name", "description", "details", "contents"])
def test_bodies_and_arguments_that_are_refused(client: httpx.Client, missing: str) -> None:
    content = {name: value for name, value in body().items() if name != missing}
    params = {**AWS, "uuid": str(uuid4()), "version": V1}
    response = client.put("/collections", params=params, json=content)
    assert problem(response) == (400, "illegal_arguments")
    assert missing in response.json()["title"]
    assert problem(put(client, link("file", f"xx{uuid4()}"))) == (400, "illegal_arguments")
    for response in (
        put(client, version="2019"),
        patch(client, str(uuid4()), version="2019"),
        put(client, link("file", str(uuid4()), "2019")),
    ):
        assert problem(response) == (400, "illegal_version")
    for query in ("start_at=-1", "start_at=x", "per_page=9", "per_page=501", "per_page="):
        response = client.get(f"/collections?{query}")
        assert problem(response) == (400, "illegal_arguments")


def test_put_again(client: httpx.Client, other: httpx.Client) -> None:
    uuid = made(client)
    assert put(client, uuid=uuid).status_code == 200
    response = put(client, uuid=uuid, name="another")
    assert problem(response) == (409, "collection_already_exists")
    assert problem(put(other, uuid=uuid)) == (403, "Forbidden")
    assert problem(put(other, uuid=uuid, version=V2)) == (403, "Forbidden")
    assert get(client, uuid).json()["name"] == "n"


def test_latest_and_named_versions(client: httpx.Client) -> None:
    uuid = made(client, name="two", version=V2)
    made(client, name="one", uuid=uuid, version=V1)
    assert get(client, uuid).json()["name"] == "two"
    assert get(client, uuid, version=V1).json()["name"] == "one"
    for version in (V3, "", "dead", "2019"):
        assert problem(get(client, uuid, version=version)) == (404, "not_found")


def test_what_is_not_there(client: httpx.Client) -> None:
    uuid = str(uuid4())
    for response in (get(client, uuid), patch(client, uuid), delete(client, uuid)):
        assert problem(response) == (404, "not_found")
    uuid = made(client)
    assert problem(get(client, uuid, replica="gcp")) == (404, "not_found")
    assert problem(delete(client, uuid, replica="gcp")) == (404, "not_found")
    assert problem(patch(client, uuid, V2)) == (404, "not_found")


def test_someone_elses(dss: LocalDSS, client: httpx.Client, other: httpx.Client) -> None:
    uuid = made(client)
    for response in (get(other, uuid), patch(other, uuid), delete(other, uuid)):
        assert problem(response) == (403, "Forbidden")
    assert listed(other) == []
    stored(dss, f"{uuid}.{V2}").write_text('{"name": "orphan", "owner": 7}')
    assert problem(get(client, uuid)) == (403, "Forbidden")


def test_without_an_email_or_the_group(dss: LocalDSS) -> None:
    with writer(dss, email=None) as nobody:
        for response in (patch(nobody, str(uuid4())), nobody.get("/collections"), put(nobody)):
            assert problem(response) == (401, "Unauthorized")
    with writer(dss, group="public") as public:
        assert problem(put(public)) == (403, "Forbidden")
    with httpx.Client(base_url=dss.url) as anonymous:
        assert problem(put(anonymous)) == (401, "OAuthProblem")


def test_foreign_and_broken_objects_are_skipped(
    dss: LocalDSS, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    uuid = made(client)
    stored(dss, f"{uuid}.{V2}").write_text("[]")
    stored(dss, "README").write_text("")
    assert get(client, uuid).json()["name"] == "n"
    assert problem(get(client, uuid, version=V2)) == (404, "not_found")
    assert listed(client) == [(uuid, V1)]
    assert "README" in caplog.text
    assert f"{uuid}.{V2}" in caplog.text
    assert problem(put(client, uuid=uuid, version=V2)) == (409, "collection_already_exists")


def test_patch_makes_a_new_version(client: httpx.Client, links: dict[str, Link]) -> None:
    file, bundle, text = links["file"], links["bundle"], links["text"]
    other = {**file, "n": True}
    uuid = made(client, file, bundle, {**file, "n": 1}, extra=1)
    response = patch(
        client, uuid.upper(), name="new", details={}, remove_contents=[file, text, other],
        add_contents=[text, bundle, text],
    )  # fmt: skip
    assert response.status_code == 200
    version = response.json()["version"]
    assert response.json() == {"uuid": uuid, "version": version}
    assert version > V3
    expected = body(bundle, {**file, "n": 1}, text, name="new", details={}, extra=1, owner=OWNER)
    assert get(client, uuid).json() == expected
    assert get(client, uuid, version=V1).json()["contents"] == [file, bundle, {**file, "n": 1}]
    assert listed(client) == [(uuid, version), (uuid, V1)]
    again = patch(client, uuid, V1).json()["version"]  # made of the named one, not the latest
    assert again > version
    assert get(client, uuid).json()["contents"] == [file, bundle, {**file, "n": 1}]


def test_patch_checks_only_what_is_added(
    dss: LocalDSS, client: httpx.Client, links: dict[str, Link]
) -> None:
    uuid = made(client, links["file"])
    (dss.root / f"aws/main/files/{links['file']['uuid']}.{V1}").unlink()
    assert patch(client, uuid, name="new").status_code == 200
    response = patch(client, uuid, add_contents=[links["file"]])
    assert problem(response) == (422, "invalid_link")
    gone = link("file", str(uuid4()))
    assert patch(client, uuid, remove_contents=[gone]).status_code == 200


def test_delete(dss: LocalDSS, client: httpx.Client) -> None:
    uuid, kept = made(client), made(client)
    made(client, uuid=uuid, version=V2)
    response = delete(client, uuid.upper())
    assert (response.status_code, response.json()) == (200, {})
    assert json.loads(stored(dss, f"{uuid}.dead").read_bytes()) == {"email": OWNER}
    assert listed(client) == [(kept, V1)]
    for gone in (
        get(client, uuid),
        get(client, uuid, version=V1),
        delete(client, uuid),
        patch(client, uuid),
    ):
        assert problem(gone) == (404, "not_found")
    made(client, uuid=uuid, version=V3)  # allowed, and invisible
    assert problem(get(client, uuid)) == (404, "not_found")
    assert listed(client) == [(kept, V1)]
    made(client, uuid=kept, replica="gcp", version=V2)
    assert listed(client) == [(kept, V2), (kept, V1)]  # the replicas share the list
    delete(client, kept, "gcp")
    assert listed(client) == []


def test_pages(dss: LocalDSS, client: httpx.Client) -> None:
    versions = [f"2019-01-01T0000{second:02}.000000Z" for second in range(21)]
    uuid = made(client, version=versions[0])
    for version in versions[1:]:
        made(client, uuid=uuid, version=version)
    sizes, found = [], []
    url: str | None = "/collections?per_page=10&extra=1"
    while url:
        page = client.get(url)
        assert page.headers["x-openapi-paginated-content-key"] == "collections"
        url = page.links.get("next", {}).get("url")
        assert page.headers["x-openapi-pagination"] == ("true" if url else "false")
        assert page.status_code == (206 if url else 200)
        sizes.append(len(page.json()["collections"]))
        found += page.json()["collections"]
        if url:
            assert url.startswith(f"{dss.url}/collections?per_page=10&extra=1&start_at=")
    assert sizes == [10, 10, 1]
    assert found == [{"uuid": uuid, "version": version} for version in reversed(versions)]
    exact = client.get("/collections?per_page=11&start_at=10")
    assert exact.status_code == 200  # as soon as the rest fits
    assert client.get("/collections?start_at=99").json() == {"collections": []}
    with DSSClient(dss.url, token=dss.mint_token(email=OWNER)) as dss_client:
        iterated = list(dss_client.get_collections.iterate(per_page=10))
    assert [each.version for each in iterated] == versions[::-1]


def test_through_the_client(dss: LocalDSS, links: dict[str, Link]) -> None:
    uuid = str(uuid4())
    contents: list[CollectionItemDict] = [
        {"type": "bundle", "uuid": links["bundle"]["uuid"], "version": V1},
        {"type": "donor", "uuid": links["file"]["uuid"], "version": V1, "path": "/n"},
    ]
    with (
        DSSClient(dss.url, token=dss.mint_token(email=OWNER)) as owner,
        DSSClient(dss.url, token=dss.mint_token(email=OTHER)) as stranger,
    ):
        put = owner.put_collection(
            replica="aws", uuid=uuid, version=V1, name="n", description="d", details={"a": 1},
            contents=contents,
        )  # fmt: skip
        assert put.uuid == uuid
        patched = owner.patch_collection(
            uuid=uuid, replica="aws", version=V1, remove_contents=contents[:1]
        )
        collection = owner.get_collection(uuid=uuid, replica="aws")
        assert collection.owner == OWNER
        assert [each.type for each in collection.contents] == ["donor"]
        assert [each.version for each in owner.get_collections.iterate()] == [
            patched.version,
            V1,
        ]
        with pytest.raises(Forbidden):
            stranger.get_collection(uuid=uuid, replica="aws")
        owner.delete_collection(uuid=uuid, replica="aws")
        with pytest.raises(NotFound):
            owner.get_collection(uuid=uuid, replica="aws")
