"""`compat="original"`: the deployed service's answers, and our client on top of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dss_client import BadRequest, DSSClient, DSSResponseError, RetryPolicy, ServerError
from dss_client.local import LocalDSS, LocalSettings

from .calls import Load, expect
from .webhook import Receiver
from .writing import HELLO, VERSION, put_file, put_source, uuid_of, writer

UUID = "5d1c3f4e-1111-4222-8333-444455556666"  # of nothing
SHAPE_A = {"code", "stacktrace", "status", "title"}
SHAPE_B = {"detail", "status", "title", "type"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("upload")


@pytest.fixture(scope="module")
def original(sources: Path, load: Load) -> Iterator[LocalDSS]:
    """A service as it was, with eleven small bundles."""
    settings = LocalSettings(
        checkout_polls=1, retry_after=0, sources={"upload": sources}, copy_threshold=5
    )
    with LocalDSS(compat="original", settings=settings) as dss:
        for number in range(11):
            load(dss, {f"{number}.json": {"n": number}})
        yield dss


@pytest.fixture
def old(original: LocalDSS) -> Iterator[httpx.Client]:
    with writer(original) as client:
        yield client


@pytest.fixture(scope="module")
def large(original: LocalDSS, load: Load) -> str:
    """A bundle of two pages."""
    return load(original, {f"file_{number:02}.txt": b"%d" % number for number in range(11)}).uuid


@pytest.fixture(scope="module")
def closed() -> Iterator[LocalDSS]:
    settings = LocalSettings(read_only=True)
    with LocalDSS(sample=True, compat="original", settings=settings) as dss:
        yield dss


def shape(response: httpx.Response) -> set[str]:
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == response.status_code
    return set(response.json())


def test_settings_are_checked() -> None:
    for name in ("compat", "url_scheme"):
        with pytest.raises(ValueError, match=name):
            LocalSettings(**{name: "older"})  # type: ignore[arg-type]  # what a file might say


# The shapes of answers


def test_page_links(old: httpx.Client, large: str) -> None:
    for query, token in (("", "None"), ("&directurls=true", "")):
        url = f"/bundles/{large}?replica=aws&per_page=10{query}"
        while (response := old.get(url)).status_code == 301:
            url = response.headers["location"].replace("https:", "http:")
        assert response.status_code == 206
        assert response.headers["link"].endswith(f"&token={token}>; rel='next'")
    page = old.get("/bundles/all?replica=aws&per_page=10")
    assert page.headers["link"] == f"<{page.json()['link']}>; rel='next'"
    hits = old.post("/search?replica=aws&per_page=10", json={"es_query": {}})
    assert hits.headers["link"].endswith('; rel="next"')


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing"), ("PUT", "/files/"), ("DELETE", "/search")]
)
def test_unknown_routes(old: httpx.Client, method: str, path: str) -> None:
    response = expect(old, method, path, 403)
    assert response.json() == {"message": "Missing Authentication Token"}
    assert response.headers["content-type"] == "application/json"
    assert "max-age=31536000" in response.headers["strict-transport-security"]


def test_errors(old: httpx.Client) -> None:
    for content, content_type, status in (
        (b"{", "application/json", 400),
        (b"{}", "text/plain", 415),
    ):
        sent: Any = {"content": content, "headers": {"content-type": content_type}}
        assert shape(expect(old, "POST", "/search?replica=aws", status, **sent)) == SHAPE_B
    response = expect(old, "GET", f"/bundles/{UUID}?replica=aws", 404)
    assert shape(response) == SHAPE_A
    assert response.json()["stacktrace"].startswith("Traceback")
    assert response.json()["code"] == "not_found"
    assert "max-age=31536000" in response.headers["strict-transport-security"]


# Refusals that its check of its own answers replaced


def test_another_ones_collection(original: LocalDSS, old: httpx.Client) -> None:
    body: dict[str, Any] = {"name": "n", "description": "d", "details": {}, "contents": []}
    query = {"replica": "aws", "version": VERSION}
    expect(old, "PUT", "/collections", 201, params={**query, "uuid": UUID}, json=body)
    place = f"/collections/{UUID}"
    with writer(original, email="else@example.org") as other:
        for method in ("GET", "PATCH", "DELETE"):
            content = {"name": "m"} if method == "PATCH" else None
            response = expect(other, method, place, 500, params=query, json=content)
            assert shape(response) == SHAPE_B
            assert ("retry-after" in response.headers) == (method != "PATCH")
    with writer(original, email=None) as nameless:
        response = expect(nameless, "PATCH", place, 500, params=query, json={"name": "m"})
        assert shape(response) == SHAPE_B
        expect(nameless, "GET", place, 401, params=query)
    expect(old, "GET", place, 200, params=query)


def test_a_file_whose_copy_failed(old: httpx.Client, sources: Path) -> None:
    put_source(sources, "false", b"not hello", metadata=HELLO)
    put = put_file(old, "s3://upload/false")
    assert put.status_code == 202
    path = f"/files/{uuid_of(put)}?replica=aws&version={VERSION}"
    while (head := old.head(path)).status_code == 404:
        pass
    get = old.get(path)
    assert (head.status_code, get.status_code, shape(get)) == (422, 500, SHAPE_B)


def test_a_patch_that_adds_unknown_files(old: httpx.Client, large: str) -> None:
    file = {"uuid": UUID, "version": VERSION, "name": "x", "indexed": False}
    version = old.get(f"/bundles/{large}?replica=aws").json()["bundle"]["version"]
    query = {"replica": "aws", "version": version}
    patched = old.patch(f"/bundles/{large}", params=query, json={"add_files": [file]})
    assert (patched.status_code, shape(patched)) == (500, SHAPE_B)
    assert "retry-after" not in patched.headers
    put = old.put(f"/bundles/{UUID}", params=query, json={"creator_uid": 1, "files": [file]})
    assert (put.status_code, put.json()["code"]) == (400, "file_missing")  # as it was meant


def test_read_only_mode(closed: LocalDSS) -> None:
    with DSSClient(closed.url) as dss:
        bundle = dss.get_bundles_all(replica="aws").bundles[0]
        file = dss.get_bundle(uuid=bundle.uuid, replica="aws").bundle.files[0]
    with writer(closed) as client:
        head = client.head(f"/files/{file.uuid}?replica=aws")
        assert (head.status_code, head.headers["retry-after"], head.content) == (503, "10", b"")
        assert not [name for name in head.headers if name.startswith("x-dss-")]
        assert client.head(f"/files/{UUID}?replica=aws").status_code == 404
        put = put_file(client)
        assert (put.status_code, put.json()["code"]) == (503, "read_only")
        assert (put.json()["stacktrace"], put.headers["retry-after"]) == ("", "10")
        checkout = client.post(f"/bundles/{UUID}/checkout?replica=aws", json={})
        assert (checkout.status_code, shape(checkout)) == (500, SHAPE_B)
        assert "retry-after" not in checkout.headers


# URLs of the service itself


@pytest.fixture(scope="module")
def plain(load: Load) -> Iterator[LocalDSS]:
    """The same, but with URLs that can be followed."""
    settings = LocalSettings(url_scheme="http", checkout_polls=1, retry_after=0)
    with LocalDSS(compat="original", settings=settings) as dss:
        for number in range(11):
            load(dss, {f"{number}.json": {"n": number}})
        yield dss


@pytest.mark.parametrize(("service", "scheme"), [("original", "https"), ("plain", "http")])
def test_the_scheme_of_its_own_urls(
    request: pytest.FixtureRequest, load: Load, service: str, scheme: str
) -> None:
    dss: LocalDSS = request.getfixturevalue(service)
    origin = dss.url.replace("http:", f"{scheme}:")
    with writer(dss) as client, Receiver() as receiver:
        subscription = {"callback_url": receiver.url, "es_query": {}}
        assert client.put("/subscriptions?replica=aws", json=subscription).status_code == 201
        bundle = load(dss, {"a.json": {}})
        notification = receiver.next().payload
        page = client.get("/bundles/all?replica=aws&per_page=10")
        found = client.post("/search?replica=aws", json={"es_query": {}}).json()["results"]
        waiting = client.get(f"/bundles/{bundle.uuid}?replica=aws&presignedurls=true")
        swagger = client.get("/swagger.json").json()
    assert page.headers["link"].startswith(f"<{origin}/bundles/all?")
    assert f"{page.json()['dss_api']}/v1" == origin
    assert found[0]["bundle_url"].startswith(f"{origin}/bundles/")
    assert f"{notification['dss_api']}/v1" == origin
    assert notification["bundle_url"].startswith(f"{origin}/bundles/")
    assert waiting.status_code == 301
    assert waiting.headers["location"].startswith(f"{origin}/bundles/")
    assert swagger["schemes"] == [scheme]


def test_with_http_any_client_can_download(original: LocalDSS, plain: LocalDSS, load: Load) -> None:
    paths = {
        dss: f"{dss.url}/bundles/{load(dss, {'a': b'content'}).uuid}?replica=aws&presignedurls=true"
        for dss in (original, plain)
    }
    with httpx.Client(follow_redirects=True) as client:
        [file] = client.get(paths[plain]).json()["bundle"]["files"]
        assert client.get(file["url"]).content == b"content"
        with pytest.raises(httpx.ConnectError):
            client.get(paths[original])


def test_our_client_survives_all_of_it(
    original: LocalDSS, closed: LocalDSS, large: str, tmp_path: Path
) -> None:
    policy = RetryPolicy(attempts=2, initial_delay=0, max_retry_after=0)
    with DSSClient(original.url, retries=policy, token=original.mint_token) as dss:
        pages = list(dss.get_bundle.paginate(uuid=large, replica="aws", per_page=10))
        assert [len(page.bundle.files) for page in pages] == [10, 1]
        checked_out = list(
            dss.get_bundle.paginate(uuid=large, replica="aws", per_page=10, presignedurls=True)
        )
        assert all(file.url for page in checked_out for file in page.bundle.files)
        assert len(list(dss.get_bundles_all.iterate(replica="aws", per_page=10))) > 11
        assert len(list(dss.post_search.iterate(replica="aws", es_query={}, per_page=10))) > 11
        assert dss.download(bundle_uuid=large, replica="aws", download_dir=tmp_path).ok
        with pytest.raises(BadRequest) as refused:
            dss.get_bundle(uuid="no-uuid", replica="aws")
        assert refused.value.code == "illegal_arguments"
        with pytest.raises(DSSResponseError):
            dss.get_bundle(uuid=UUID, replica="aws")
    with DSSClient(closed.url, retries=policy) as dss, pytest.raises(ServerError) as failed:
        dss.post_bundles_checkout(uuid=UUID, replica="aws")
    assert failed.value.code is None
