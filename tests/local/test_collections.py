"""The five /collections operations over a socket (docs/behaviour.md 8.12, 5.1, 7, S21-S24)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dss_client.local import LocalDSS
from tests.local.calls import AWS, ILLEGAL, NOT_FOUND, UNKNOWN, V1, V2, V3, Load, expect
from tests.local.writing import writer

Link = dict[str, Any]
OWNER, OTHER = "owner@example.org", "other@example.org"
DOCUMENT = {"a/b": [{"~": "tilde"}, 1], "": "empty", "n": None}
BODY = {"name": "n", "description": "d", "details": {"k": [1]}}
FORBIDDEN, INVALID_LINK = (403, "Forbidden"), (422, "invalid_link")


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
def links(dss: LocalDSS, client: httpx.Client, load: Load) -> tuple[Link, Link, Link]:
    """Links that resolve: to a bundle, to its JSON file and to its text file."""
    uuid = load(dss, {"a.json": DOCUMENT, "b.txt": b"no JSON"}, version=V1).uuid
    file, text = client.get(f"/bundles/{uuid}", params=AWS).json()["bundle"]["files"]
    return link("bundle", uuid), link("file", file["uuid"]), link("file", text["uuid"])


def link(kind: str, uuid: str = UNKNOWN, version: str = V1, **more: Any) -> Link:
    return {"type": kind, "uuid": uuid, "version": version, **more}


def put(
    client: httpx.Client,
    *contents: Link,
    status: int = 201,
    code: str = "",
    uuid: str = "",
    version: str = V1,
    replica: str = "aws",
    **changes: Any,
) -> str:
    """Put a collection, see the answer's status, and return its uuid."""
    uuid = uuid or str(uuid4())
    query = {"uuid": uuid, "version": version, "replica": replica}
    body = {**BODY, "contents": contents, **changes}
    response = expect(client, "PUT", "/collections", status, code, params=query, json=body)
    if not code:
        assert response.json() == {"uuid": uuid.lower(), "version": version}
    return uuid


def answers(client: httpx.Client, expected: tuple[int, str], *contents: Link, **more: Any) -> None:
    status, code = expected
    put(client, *contents, status=status, code=code, **more)


def get(client: httpx.Client, uuid: str, status: int = 200, code: str = "", **query: str) -> Any:
    query = {**AWS, **query}
    return expect(client, "GET", f"/collections/{uuid}", status, code, params=query).json()


def patch(client: httpx.Client, uuid: str, status: int = 200, code: str = "", **body: Any) -> Any:
    path = f"/collections/{uuid}?replica=aws&version={body.pop('version', V1)}"
    return expect(client, "PATCH", path, status, code, json=body).json()


def delete(
    client: httpx.Client, uuid: str, status: int = 200, code: str = "", replica: str = "aws"
) -> None:
    query = {"replica": replica}
    response = expect(client, "DELETE", f"/collections/{uuid}", status, code, params=query)
    assert code or response.json() == {}


def listed(client: httpx.Client) -> list[tuple[str, str]]:
    found = client.get("/collections").json()["collections"]
    return [(each["uuid"], each["version"]) for each in found]


def stored(dss: LocalDSS, name: str) -> Path:
    return dss.root / "aws/main/collections" / name


def test_put_stores_the_body_and_the_owner(
    dss: LocalDSS, client: httpx.Client, links: tuple[Link, ...]
) -> None:
    uuid = put(client, *links, uuid=UNKNOWN.upper(), owner=OTHER, extra={"x": 1}).lower()
    expected = {**BODY, "contents": [*links], "owner": OWNER, "extra": {"x": 1}}
    assert json.loads(stored(dss, f"{uuid}.{V1}").read_bytes()) == expected
    assert get(client, uuid.upper()) == expected


def test_equal_links_are_kept_once_at_the_first_place(
    client: httpx.Client, links: tuple[Link, ...]
) -> None:
    bundle, file, _ = links
    reordered = dict(reversed(file.items()))
    shouted = {**file, "uuid": file["uuid"].upper()}
    noted, one = {**file, "note": True}, {**file, "note": 1}
    uuid = put(client, file, bundle, reordered, noted, shouted, bundle, one)
    assert get(client, uuid)["contents"] == [file, bundle, noted, one]
    assert get(client, uuid)["contents"][2]["note"] is True


def test_more_than_a_thousand_links_are_for_put_only(
    client: httpx.Client, links: tuple[Link, ...]
) -> None:
    contents = [{**links[0], "n": number} for number in range(1001)]
    uuid = put(client, *contents)
    assert get(client, uuid)["contents"] == contents
    patch(client, uuid, *ILLEGAL, add_contents=contents)
    patch(client, uuid, *ILLEGAL, remove_contents=contents)


def test_links_to_whole_objects(
    dss: LocalDSS, client: httpx.Client, links: tuple[Link, ...]
) -> None:
    first = put(client, *links)
    put(client, link("collection", first))
    delete(client, first)
    put(client, link("collection", first))  # tombstones are not looked at
    lost = [link(kind, fragment="") for kind in ("bundle", "file", "collection", "donor")]
    for each in (*lost, link("collection", first, V2)):
        answers(client, INVALID_LINK, each)
    answers(client, INVALID_LINK, links[0], replica="gcp")
    assert not (dss.root / "gcp/main/collections").exists()
    text = b"x" * (1024 * 1024 - 2)
    for content, expected in (
        (b'"%s"' % text, (201, "")),
        (b'"%sx"' % text, INVALID_LINK),
        (b"[1]", (201, "")),
        (b"{", INVALID_LINK),
        (b"[" * 100_000, INVALID_LINK),
    ):
        stored(dss, f"{first}.{V1}").write_bytes(content)
        answers(client, expected, link("collection", first))


def test_fragments(dss: LocalDSS, client: httpx.Client, links: tuple[Link, ...]) -> None:
    donor = {**links[1], "type": "donor"}
    for pointer in ("", "/a~1b", "/a~1b/0/~0", "/a~1b/1", "/", "/n"):
        put(client, {**donor, "fragment": pointer}, {**donor, "path": pointer})
    put(client, {**donor, "fragment": "/n", "path": "/x"})
    index = ("2", "-", "01", "-1", "²", "1" * 5000)
    wrong = ("a~1b", "/a/b", "/n/x", "/x", *(f"/a~1b/{each}" for each in index))
    bad = [{**donor, name: pointer} for pointer in wrong for name in ("fragment", "path")]
    bad += [donor, {**donor, "fragment": 7}, {**donor, "fragment": "/x", "path": "/n"}]
    bad += [{**links[2], "type": "donor", "fragment": ""}, link("donor", fragment="")]
    (dss.root / f"aws/main/files/{UNKNOWN}.{V1}").write_text("{}")
    for each in bad:
        answers(client, INVALID_LINK, each)


def test_links_and_arguments_that_are_refused(client: httpx.Client) -> None:
    uuid = put(client)
    for odd in (link("file", x=[]), link("file", x={"a": 1})):
        answers(client, ILLEGAL, odd)
        patch(client, uuid, *ILLEGAL, add_contents=[odd])
        patch(client, uuid, *ILLEGAL, remove_contents=[odd])
    answers(client, ILLEGAL, link("file", f"xx{UNKNOWN}"))
    answers(client, (400, "illegal_version"), link("file", version="2019"))
    expect(client, "GET", "/collections?start_at=-1", *ILLEGAL)


def test_put_again(client: httpx.Client, other: httpx.Client) -> None:
    uuid = put(client)
    put(client, uuid=uuid, status=200)
    answers(client, (409, "collection_already_exists"), uuid=uuid, name="another")
    answers(other, FORBIDDEN, uuid=uuid)
    answers(other, FORBIDDEN, uuid=uuid, version=V2)
    assert get(client, uuid)["name"] == "n"


def test_versions_and_what_is_not_there(client: httpx.Client) -> None:
    uuid = put(client, name="two", version=V2)
    put(client, name="one", uuid=uuid, version=V1)
    assert get(client, uuid)["name"] == "two"
    assert get(client, uuid, version=V1)["name"] == "one"
    for version in (V3, "", "dead", "2019"):
        get(client, uuid, *NOT_FOUND, version=version)
    patch(client, uuid, *NOT_FOUND, version=V3)
    for call in (get, patch, delete):
        call(client, UNKNOWN, *NOT_FOUND)
    get(client, uuid, *NOT_FOUND, replica="gcp")
    delete(client, uuid, *NOT_FOUND, replica="gcp")


def test_someone_elses(dss: LocalDSS, client: httpx.Client, other: httpx.Client) -> None:
    uuid = put(client)
    for call in (get, patch, delete):
        call(other, uuid, *FORBIDDEN)
    assert listed(other) == []
    stored(dss, f"{uuid}.{V2}").write_text('{"name": "orphan", "owner": 7}')
    get(client, uuid, *FORBIDDEN)


def test_foreign_and_broken_objects_are_skipped(
    dss: LocalDSS, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    uuid = put(client)
    stored(dss, f"{uuid}.{V2}").write_text("[]")
    stored(dss, "README").write_text("")
    assert get(client, uuid)["name"] == "n"
    get(client, uuid, *NOT_FOUND, version=V2)
    assert listed(client) == [(uuid, V1)]
    assert "README" in caplog.text
    assert f"{uuid}.{V2}" in caplog.text
    answers(client, (409, "collection_already_exists"), uuid=uuid, version=V2)


def test_patch_makes_a_new_version_of_the_named_one(
    dss: LocalDSS, client: httpx.Client, links: tuple[Link, ...]
) -> None:
    bundle, file, text = links
    one, true = {**file, "n": 1}, {**file, "n": True}
    uuid = put(client, file, bundle, one, extra=1)
    changes: dict[str, Any] = {"name": "new", "details": {}, "extra": 1}
    answer = patch(
        client, uuid.upper(), name="new", details={},
        remove_contents=[file, text, true], add_contents=[text, bundle, text],
    )  # fmt: skip
    version = answer["version"]
    assert version > V3
    assert answer == {"uuid": uuid, "version": version}
    expected = {**BODY, **changes, "contents": [bundle, one, text], "owner": OWNER}
    assert get(client, uuid) == get(client, uuid, version=version) == expected
    assert listed(client) == [(uuid, version), (uuid, V1)]
    assert patch(client, uuid)["version"] > version
    assert get(client, uuid)["contents"] == [file, bundle, one]
    # Only what is added has to be there.
    (dss.root / f"aws/main/files/{file['uuid']}.{V1}").unlink()
    patch(client, uuid, name="new", remove_contents=[link("file")])
    patch(client, uuid, *INVALID_LINK, add_contents=[file])


def test_delete(dss: LocalDSS, client: httpx.Client) -> None:
    uuid, kept = put(client), put(client)
    put(client, uuid=uuid, version=V2)
    delete(client, uuid.upper())
    assert json.loads(stored(dss, f"{uuid}.dead").read_bytes()) == {"email": OWNER}
    assert listed(client) == [(kept, V1)]
    for call in (get, delete, patch):
        call(client, uuid, *NOT_FOUND)
    get(client, uuid, *NOT_FOUND, version=V1)
    put(client, uuid=uuid, version=V3)  # allowed, and invisible
    get(client, uuid, *NOT_FOUND)
    assert listed(client) == [(kept, V1)]
    put(client, uuid=kept, replica="gcp", version=V2)
    assert listed(client) == [(kept, V2), (kept, V1)]  # the replicas share the list
    delete(client, kept, replica="gcp")
    assert listed(client) == []


def test_pages(dss: LocalDSS, client: httpx.Client) -> None:
    versions = [f"2019-01-01T0000{second:02}.000000Z" for second in range(21)]
    for version in versions:
        put(client, uuid=UNKNOWN, version=version)
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
    assert found == [{"uuid": UNKNOWN, "version": version} for version in reversed(versions)]
    expect(client, "GET", "/collections?per_page=11&start_at=10", 200)  # as soon as the rest fits
    assert client.get("/collections?start_at=99").json() == {"collections": []}
