"""The storage origin: signed URLs and byte ranges."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from starlette.types import ASGIApp, Message

from dss_client.local import LoadedBundle, LocalDSS, LocalSettings
from dss_client.local.storage.signing import BadSignature, Signer
from dss_client.local.storage.storage_app import storage_app
from dss_client.local.storage.store import Storage

Load = Callable[..., LoadedBundle]
CONTENT = bytes(range(256)) * 8000


@pytest.fixture(scope="module")
def dss(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    with LocalDSS(tmp_path_factory.mktemp("storage") / "root") as running:
        yield running


@pytest.fixture(scope="module")
def client(dss: LocalDSS) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=dss.url) as made:
        yield made


@pytest.fixture(scope="module")
def urls(dss: LocalDSS, client: httpx.Client, load: Load) -> dict[str, str]:
    files = {
        "a.bin": CONTENT,
        "empty": b"",
        "lost": b"",
        "odd é 100%25?#&+;=@[!].txt": b"odd",
        "sub/b c": b"b",
    }
    return presigned(client, load(dss, files))


def presigned(client: httpx.Client, bundle: LoadedBundle) -> dict[str, str]:
    query = {"replica": "aws", "presignedurls": "true"}
    files = client.get(f"/bundles/{bundle.uuid}", params=query).json()["bundle"]["files"]
    return {file["name"]: file["url"] for file in files}


def test_it_is_another_origin(dss: LocalDSS, urls: dict[str, str]) -> None:
    assert dss.storage_url != dss.url.removesuffix("/v1")
    assert all(
        url.startswith(f"{dss.storage_url}/dss-local-checkout-aws/") for url in urls.values()
    )


def test_whole_objects(urls: dict[str, str]) -> None:
    response = httpx.get(urls["a.bin"])
    assert response.status_code == 200
    assert response.content == CONTENT
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["content-length"] == str(len(CONTENT))
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["last-modified"].endswith("GMT")
    assert response.headers["x-amz-request-id"]
    assert httpx.get(urls["empty"]).content == b""


def test_head(urls: dict[str, str]) -> None:
    got, head = httpx.get(urls["a.bin"]), httpx.head(urls["a.bin"])
    assert head.status_code == 200
    assert head.content == b""
    for name in ("content-length", "etag", "last-modified", "accept-ranges"):
        assert head.headers[name] == got.headers[name]


def test_names_with_any_characters(urls: dict[str, str]) -> None:
    assert httpx.get(urls["odd é 100%25?#&+;=@[!].txt"]).content == b"odd"
    assert httpx.get(urls["sub/b c"]).content == b"b"


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [("bytes=0-", 0, None), ("bytes=100-199", 100, 200), ("bytes=-7", -7, None)],
)
def test_ranges(urls: dict[str, str], header: str, start: int, end: int | None) -> None:
    response = httpx.get(urls["a.bin"], headers={"range": header})
    expected = CONTENT[start:end]
    first = start % len(CONTENT)
    assert response.status_code == 206
    assert response.content == expected
    assert response.headers["content-length"] == str(len(expected))
    assert (
        response.headers["content-range"]
        == f"bytes {first}-{first + len(expected) - 1}/{len(CONTENT)}"
    )


def test_several_ranges_give_the_whole(urls: dict[str, str]) -> None:
    response = httpx.get(urls["a.bin"], headers={"range": "bytes=0-1,5-6"})
    assert response.status_code == 200
    assert response.content == CONTENT


@pytest.mark.parametrize(("name", "size"), [("a.bin", len(CONTENT)), ("empty", 0)])
def test_416(urls: dict[str, str], name: str, size: int) -> None:
    response = httpx.get(urls[name], headers={"range": f"bytes={size}-"})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{size}"


def test_conditions(urls: dict[str, str]) -> None:
    url, etag = urls["a.bin"], httpx.head(urls["a.bin"]).headers["etag"]
    same = httpx.get(url, headers={"range": "bytes=0-3", "if-range": etag})
    other = httpx.get(url, headers={"range": "bytes=0-3", "if-range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)
    assert httpx.get(url, headers={"if-match": etag}).status_code == 200
    assert httpx.get(url, headers={"if-match": "*"}).status_code == 200
    assert httpx.get(url, headers={"if-match": '"other"'}).status_code == 412


def test_a_lost_object_is_404(dss: LocalDSS, urls: dict[str, str]) -> None:
    [path] = (dss.root / "aws/checkout/bundles").glob("*/lost")
    path.unlink()
    response = httpx.get(urls["lost"])
    assert response.status_code == 404
    assert "NoSuchKey" in response.text


def test_only_reading(urls: dict[str, str]) -> None:
    assert httpx.put(urls["a.bin"], content=b"x").status_code == 405


def tampered(url: str) -> Iterator[str]:
    parts = httpx.URL(url)
    signature = parts.params["signature"]
    yield str(parts.copy_with(query=None))
    yield str(parts.copy_remove_param("signature"))
    yield str(parts.copy_remove_param("expires"))
    yield str(parts.copy_set_param("expires", "99999999999"))
    yield str(parts.copy_set_param("signature", signature[::-1]))
    yield str(parts.copy_set_param("signature", "é"))
    yield str(parts.copy_add_param("signature", signature))
    yield str(parts.copy_add_param("response-content-disposition", "attachment"))
    yield url.replace("a.bin", "empty")
    yield url.replace("a.bin", "../a.bin")
    yield url.replace("dss-local-checkout-aws", "dss-local-aws")


def test_changed_urls_are_refused(urls: dict[str, str]) -> None:
    for url in tampered(urls["a.bin"]):
        response = httpx.get(url)
        assert response.status_code == 403, url
        assert "<Code>SignatureDoesNotMatch</Code>" in response.text
        assert CONTENT not in response.content


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/aws",
        "/dss-local-aws/",
        "/%2e%2e/etc/passwd",
        "/dss-local-aws/..%2f..%2fsecret",
        "//x",
    ],
)
def test_no_path_gets_out(dss: LocalDSS, path: str) -> None:
    (dss.root / "secret").write_text("secret")
    assert httpx.get(dss.storage_url + path).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/dss-local-aws/../secret",
        "/../secret",
        "/./secret",
        "//secret",
        "/.staging/x",
        "/aws/main/x",
    ],
)
def test_even_a_signed_path_does_not_get_out(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    (root / ".staging").mkdir(parents=True)
    (root / ".staging" / "x").touch()
    (root / "aws" / "main").mkdir(parents=True)
    (root / "aws" / "main" / "x").touch()
    (root / "secret").touch()
    (tmp_path / "secret").touch()
    signer = Signer(time.time)
    app = storage_app(Storage(root), signer)
    assert asgi_status(app, signer.sign(path, 60)) == 404


def asgi_status(app: ASGIApp, target: str) -> int:
    """Send a request with this very target: a client would tidy the path up first."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": "GET",
        "path": unquote(path),
        "query_string": query.encode(),
        "headers": [],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        await app(scope, receive, send)

    asyncio.run(run())
    status: int = sent[0]["status"]
    return status


def test_urls_expire(tmp_path: Path, load: Load) -> None:
    now = [time.time()]
    settings = LocalSettings(url_lifetime=100, clock=lambda: now[0])
    with LocalDSS(tmp_path, settings=settings) as dss, httpx.Client(base_url=dss.url) as client:
        url = presigned(client, load(dss, {"a.bin": b"content"}))["a.bin"]
        now[0] += 99
        assert httpx.get(url).status_code == 200
        now[0] += 2
        response = httpx.get(url)
    assert response.status_code == 403
    assert "<Code>ExpiredToken</Code>" in response.text


def test_another_run_has_another_key() -> None:
    path, _, query = Signer(time.time).sign("/b/key", 60).partition("?")
    with pytest.raises(BadSignature):
        Signer(time.time).verify(path, query)


def test_the_key_is_not_shown() -> None:
    assert "key" not in repr(Signer(time.time))


def test_large_objects_can_be_left_halfway(urls: dict[str, str]) -> None:
    with httpx.stream("GET", urls["a.bin"]) as response:
        assert next(response.iter_bytes(10))
    assert httpx.get(urls["a.bin"]).status_code == 200
