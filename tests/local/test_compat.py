"""`compat="original"`: the deployed service's answers, and our client on top of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dss_client import BadRequest, DSSClient, DSSResponseError, RetryPolicy, ServerError
from dss_client.local import LoadedBundle, LocalDSS, LocalSettings

from .webhook import Receiver
from .writing import HELLO, VERSION, put_file, put_source, uuid_of, writer

UUID = "5d1c3f4e-1111-4222-8333-444455556666"  # of nothing
SHAPE_A = {"code", "stacktrace", "status", "title"}
SHAPE_B = {"detail", "status", "title", "type"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("upload")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, sources: Path) -> Iterator[LocalDSS]:
    root = tmp_path_factory.mktemp("original")
    settings = LocalSettings(
        checkout_polls=1, retry_after=0, sources={"upload": sources}, copy_threshold=5
    )
    with LocalDSS(root, sample=True, compat="original", settings=settings) as dss:
        yield dss


@pytest.fixture
def old(original: LocalDSS) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=original.url) as client:
        yield client


@pytest.fixture(scope="module")
def large(original: LocalDSS, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A bundle of two pages."""
    folder = tmp_path_factory.mktemp("large")
    for number in range(11):
        (folder / f"file_{number:02}.txt").write_text(str(number))
    return original.load_bundle(folder).uuid


def shape(response: httpx.Response) -> set[str]:
    assert response.headers["content-type"] == "application/problem+json"
    return set(response.json())


def test_the_default_is_none_of_it(sample_dss: LocalDSS, original: LocalDSS) -> None:
    assert sample_dss.settings.compat is None
    assert original.settings.compat == "original"
    with pytest.raises(ValueError, match="compat"):
        LocalSettings(compat="older")  # type: ignore[arg-type]  # what a config file might say


@pytest.mark.parametrize(("query", "token"), [("", "None"), ("&directurls=true", "")])
def test_page_links(old: httpx.Client, large: str, query: str, token: str) -> None:
    url = f"/bundles/{large}?replica=aws&per_page=10{query}"
    while (response := old.get(url)).status_code == 301:
        assert response.headers["location"].startswith("https://127.0.0.1:")
        url = response.headers["location"].replace("https:", "http:")
    link = response.headers["link"]
    assert response.status_code == 206
    assert link.startswith("<https://127.0.0.1:")
    assert link.endswith(f"&token={token}>; rel='next'")


def test_links_of_all_bundles_and_of_search(original: LocalDSS, old: httpx.Client) -> None:
    for number in range(10):
        folder = original.root.parent / f"one_{number}"
        folder.mkdir(exist_ok=True)
        (folder / "a.txt").write_text(str(number))
        original.load_bundle(folder)
    response = old.get("/bundles/all?replica=aws&per_page=10")
    body = response.json()
    assert response.status_code == 206
    assert body["dss_api"].startswith("https://")
    assert response.headers["link"] == f"<{body['link']}>; rel='next'"
    hits = old.post("/search?replica=aws&per_page=10", json={"es_query": {}})
    assert hits.headers["link"].startswith("<https://")
    assert hits.headers["link"].endswith('; rel="next"')


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("PUT", "/files/"), ("DELETE", "/search"), ("PATCH", "/files/x")],
)
def test_unknown_routes(old: httpx.Client, method: str, path: str) -> None:
    response = old.request(method, path)
    assert response.status_code == 403
    assert response.json() == {"message": "Missing Authentication Token"}
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [(b"{", "application/json", 400), (b"{}", "text/plain", 415)],
)
def test_bodies_that_are_no_json(
    old: httpx.Client, content: bytes, content_type: str, status: int
) -> None:
    headers = {"content-type": content_type}
    response = old.post("/search?replica=aws", content=content, headers=headers)
    assert (response.status_code, shape(response)) == (status, SHAPE_B)
    assert response.json()["status"] == status


def test_other_errors_keep_shape_a_and_have_a_trace(old: httpx.Client) -> None:
    response = old.get(f"/bundles/{UUID}?replica=aws")
    assert (response.status_code, shape(response)) == (404, SHAPE_A)
    assert response.json()["stacktrace"].startswith("Traceback")
    assert response.json()["code"] == "not_found"


@pytest.mark.parametrize("path", ["/swagger.json", "/bundles/all?replica=aws", "/nothing"])
def test_strict_transport_security(old: httpx.Client, path: str) -> None:
    assert "max-age=31536000" in old.get(path).headers["strict-transport-security"]


def test_content_types_without_content(old: httpx.Client, original: LocalDSS) -> None:
    with DSSClient(original.url) as dss:
        bundle = dss.get_bundles_all(replica="aws").bundles[0]
        file = dss.get_bundle(uuid=bundle.uuid, replica="aws").bundle.files[0]
    path = f"/files/{file.uuid}?replica=aws"
    while (redirect := old.get(path)).status_code == 301:
        assert redirect.headers["content-type"].startswith("text/html")
        path = redirect.headers["location"].replace("https:", "http:")
    assert redirect.status_code == 302
    assert redirect.headers["location"].startswith(original.storage_url)
    head = old.head(f"/files/{file.uuid}?replica=aws")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == "text/html; charset=utf-8"
    assert head.headers["x-dss-sha256"] == file.sha256


def test_another_ones_collection_is_an_error_of_the_service(original: LocalDSS) -> None:
    url = f"{original.url}/collections"
    body: dict[str, Any] = {"name": "n", "description": "d", "details": {}, "contents": []}
    query = {"uuid": str(uuid4()), "version": "2019-01-01T000000.000000Z", "replica": "aws"}
    tokens = [original.mint_token(email=f"{name}@example.org") for name in ("one", "other")]
    mine, other = ({"Authorization": f"Bearer {token}"} for token in tokens)
    assert httpx.put(url, params=query, json=body, headers=mine).status_code in {200, 201}
    place, query = f"{url}/{query['uuid']}", {"replica": "aws", "version": query["version"]}
    for method in ("GET", "PATCH", "DELETE"):
        content = {"name": "m"} if method == "PATCH" else None
        response = httpx.request(method, place, params=query, json=content, headers=other)
        assert (response.status_code, shape(response)) == (500, SHAPE_B)
        assert ("retry-after" in response.headers) == (method != "PATCH")
    nameless = {"Authorization": f"Bearer {original.mint_token(email=None)}"}
    response = httpx.patch(place, params=query, json={"name": "m"}, headers=nameless)
    assert (response.status_code, shape(response)) == (500, SHAPE_B)
    assert httpx.get(place, params=query, headers=nameless).status_code == 401
    assert httpx.get(place, params=query, headers=mine).status_code == 200


def test_read_only_mode(tmp_path: Path) -> None:
    settings = LocalSettings(read_only=True)
    with LocalDSS(tmp_path, sample=True, compat="original", settings=settings) as dss:
        with DSSClient(dss.url) as client:
            bundle = client.get_bundles_all(replica="aws").bundles[0]
            file = client.get_bundle(uuid=bundle.uuid, replica="aws").bundle.files[0]
        head = httpx.head(f"{dss.url}/files/{file.uuid}?replica=aws")
        missing = httpx.head(f"{dss.url}/files/{UUID}?replica=aws")
        headers = {"Authorization": f"Bearer {dss.mint_token()}"}
        checkout = httpx.post(f"{dss.url}/bundles/{UUID}/checkout?replica=aws", json={})
        put = httpx.put(
            f"{dss.url}/files/{UUID}?version=2019-01-01T000000.000000Z",
            json={"source_url": "s3://a/b", "creator_uid": 0},
            headers=headers,
        )
    assert (head.status_code, head.headers["retry-after"], head.content) == (503, "10", b"")
    assert not [name for name in head.headers if name.startswith("x-dss-")]
    assert missing.status_code == 404
    assert (put.status_code, put.json()["code"], put.headers["retry-after"]) == (
        503,
        "read_only",
        "10",
    )
    assert put.json()["stacktrace"] == ""
    assert (checkout.status_code, shape(checkout)) == (500, SHAPE_B)
    assert "retry-after" not in checkout.headers


@pytest.mark.parametrize(
    ("method", "status", "shape_of_it"), [("GET", 500, SHAPE_B), ("HEAD", 422, None)]
)
def test_a_file_whose_copy_failed(
    original: LocalDSS, sources: Path, method: str, status: int, shape_of_it: set[str] | None
) -> None:
    put_source(sources, "false", b"not hello", metadata=HELLO)
    with writer(original) as client:
        response = put_file(client, "s3://upload/false")
        assert response.status_code == 202
        path = f"/files/{uuid_of(response)}?replica=aws&version={VERSION}"
        while (response := client.request(method, path)).status_code == 404:
            pass
    assert response.status_code == status
    assert shape_of_it is None or shape(response) == shape_of_it


def test_a_patch_that_adds_unknown_files(original: LocalDSS, large: str) -> None:
    file = {"uuid": UUID, "version": VERSION, "name": "x", "indexed": False}
    query = {"replica": "aws", "version": VERSION}
    with writer(original) as client:
        versions = client.get(f"/bundles/{large}?replica=aws").json()["bundle"]["version"]
        patched = client.patch(
            f"/bundles/{large}", params={**query, "version": versions}, json={"add_files": [file]}
        )
        content = {"creator_uid": 1, "files": [file]}
        put = client.put(f"/bundles/{UUID}", params=query, json=content)
    assert (patched.status_code, shape(patched)) == (500, SHAPE_B)
    assert "retry-after" not in patched.headers
    assert (put.status_code, put.json()["code"]) == (400, "file_missing")  # as it was meant


# URLs of the service itself


@pytest.fixture(scope="module", params=["https", "http"])
def addressed(request: pytest.FixtureRequest) -> Iterator[tuple[LocalDSS, str]]:
    """A service as the original was, and the scheme that it gives its own URLs."""
    scheme: Any = request.param
    settings = LocalSettings(
        url_scheme=None if scheme == "https" else scheme, checkout_polls=1, retry_after=0
    )
    with LocalDSS(compat="original", settings=settings) as dss:
        yield dss, scheme


def test_the_scheme_of_its_own_urls(
    addressed: tuple[LocalDSS, str], load: Callable[..., LoadedBundle]
) -> None:
    dss, scheme = addressed
    origin = dss.url.replace("http:", f"{scheme}:")
    with writer(dss) as client, Receiver() as receiver:
        callback = {"callback_url": receiver.url, "es_query": {}}
        assert client.put("/subscriptions?replica=aws", json=callback).status_code == 201
        bundles = [load(dss, {f"{number}.json": {"n": number}}) for number in range(11)]
        notification = receiver.next().payload
        page = client.get("/bundles/all?replica=aws&per_page=10")
        found = client.post("/search?replica=aws", json={"es_query": {}}).json()["results"]
        waiting = client.get(f"/bundles/{bundles[0].uuid}?replica=aws&presignedurls=true")
        swagger = client.get("/swagger.json").json()
    assert page.headers["link"].startswith(f"<{origin}/bundles/all?")
    assert page.json()["link"].startswith(f"{origin}/bundles/all?")
    assert f"{page.json()['dss_api']}/v1" == origin
    assert found[0]["bundle_url"].startswith(f"{origin}/bundles/")
    assert f"{notification['dss_api']}/v1" == origin
    assert notification["bundle_url"].startswith(f"{origin}/bundles/")
    assert waiting.status_code == 301
    assert waiting.headers["location"].startswith(f"{origin}/bundles/")
    assert swagger["schemes"] == [scheme]


def test_with_http_any_client_can_download(
    addressed: tuple[LocalDSS, str], load: Callable[..., LoadedBundle]
) -> None:
    dss, scheme = addressed
    bundle = load(dss, {"a.txt": b"content"})
    with httpx.Client(base_url=dss.url, follow_redirects=True) as client:
        path = f"/bundles/{bundle.uuid}?replica=aws&presignedurls=true"
        if scheme == "https":
            with pytest.raises(httpx.ConnectError):
                client.get(path)
            return
        [file] = client.get(path).json()["bundle"]["files"]
        assert client.get(file["url"]).content == b"content"


def test_our_client_survives_all_of_it(original: LocalDSS, large: str, tmp_path: Path) -> None:
    policy = RetryPolicy(attempts=2, initial_delay=0, max_retry_after=0)
    with DSSClient(original.url, retries=policy, token=original.mint_token) as dss:
        pages = list(dss.get_bundle.paginate(uuid=large, replica="aws", per_page=10))
        assert [len(page.bundle.files) for page in pages] == [10, 1]
        checked_out = list(
            dss.get_bundle.paginate(uuid=large, replica="aws", per_page=10, presignedurls=True)
        )
        assert all(file.url for page in checked_out for file in page.bundle.files)
        assert len(list(dss.get_bundles_all.iterate(replica="aws", per_page=10))) > 3
        assert len(list(dss.post_search.iterate(replica="aws", es_query={}, per_page=10))) > 3
        report = dss.download(bundle_uuid=large, replica="aws", download_dir=tmp_path)
        assert report.ok
        with pytest.raises(BadRequest) as refused:
            dss.get_bundle(uuid="no-uuid", replica="aws")
        assert refused.value.code == "illegal_arguments"
        with pytest.raises(DSSResponseError):
            dss.get_bundle(uuid=UUID, replica="aws")
    with LocalDSS(compat="original", settings=LocalSettings(read_only=True)) as closed:
        with DSSClient(closed.url, retries=policy) as dss, pytest.raises(ServerError) as failed:
            dss.post_bundles_checkout(uuid=UUID, replica="aws")
        assert failed.value.code is None
