"""The storage origin: signed URLs and byte ranges."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dss_client.local import LoadedBundle, LocalDSS, LocalSettings
from dss_client.local.storage.storage_app import Signer

from .calls import Load
from .raw import exchange

CONTENT = bytes(range(256)) * 8000
SIZE = len(CONTENT)


@pytest.fixture(scope="module")
def dss(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    with LocalDSS(tmp_path_factory.mktemp("storage") / "root") as running:
        yield running


@pytest.fixture(scope="module")
def urls(dss: LocalDSS, load: Load) -> dict[str, str]:
    files = {
        "a.bin": CONTENT,
        "empty": b"",
        "lost": b"",
        "odd é 100%25?#&+;=@[!].txt": b"odd",
        "sub/b c": b"b",
    }
    return presigned(dss, load(dss, files))


def presigned(dss: LocalDSS, bundle: LoadedBundle) -> dict[str, str]:
    query = {"replica": "aws", "presignedurls": "true"}
    files = httpx.get(f"{dss.url}/bundles/{bundle.uuid}", params=query).json()["bundle"]["files"]
    return {file["name"]: file["url"] for file in files}


def test_whole_objects(dss: LocalDSS, urls: dict[str, str]) -> None:
    assert dss.storage_url != dss.url.removesuffix("/v1")
    assert urls["a.bin"].startswith(f"{dss.storage_url}/dss-local-checkout-aws/")
    response, head = httpx.get(urls["a.bin"]), httpx.head(urls["a.bin"])
    assert (response.status_code, response.content) == (200, CONTENT)
    assert (head.status_code, head.content) == (200, b"")
    for each in (response, head):
        assert each.headers["accept-ranges"] == "bytes"
        assert each.headers["content-length"] == str(SIZE)
        assert each.headers["content-type"] == "application/octet-stream"
        assert each.headers["last-modified"].endswith("GMT")
        assert each.headers["etag"] == response.headers["etag"]
        assert each.headers["x-amz-request-id"]
    assert httpx.get(urls["empty"]).content == b""
    assert httpx.get(urls["odd é 100%25?#&+;=@[!].txt"]).content == b"odd"
    assert httpx.get(urls["sub/b c"]).content == b"b"
    assert httpx.put(urls["a.bin"], content=b"x").status_code == 405


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-", 0, SIZE),
        ("bytes=100-199", 100, 200),
        (f"bytes=3-{SIZE}", 3, SIZE),
        ("bytes=-7", SIZE - 7, SIZE),
        (f"bytes=-{SIZE + 1}", 0, SIZE),
    ],
)
def test_ranges(urls: dict[str, str], header: str, start: int, end: int) -> None:
    response = httpx.get(urls["a.bin"], headers={"range": header})
    assert (response.status_code, response.content) == (206, CONTENT[start:end])
    assert response.headers["content-length"] == str(end - start)
    assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"


@pytest.mark.parametrize(
    "header", ["", "bytes=5-3", "bytes=0-1,4-5", "lines=1-2", f"bytes={'9' * 5_000}-"]
)
def test_ranges_without_sense_give_the_whole(urls: dict[str, str], header: str) -> None:
    response = httpx.get(urls["a.bin"], headers={"range": header})
    assert (response.status_code, response.content) == (200, CONTENT)


@pytest.mark.parametrize(
    ("name", "size", "header"),
    [("a.bin", SIZE, f"bytes={SIZE}-"), ("a.bin", SIZE, "bytes=-0"), ("empty", 0, "bytes=0-")],
)
def test_ranges_of_nothing(urls: dict[str, str], name: str, size: int, header: str) -> None:
    response = httpx.get(urls[name], headers={"range": header})
    assert (response.status_code, response.headers["content-range"]) == (416, f"bytes */{size}")


def test_conditions(urls: dict[str, str]) -> None:
    headers = httpx.head(urls["a.bin"]).headers
    etag, modified = headers["etag"], headers["last-modified"]
    for name, condition, status in (
        ("if-range", etag, 206),
        ("if-range", modified, 206),
        ("if-range", '"other"', 200),
        ("if-match", etag, 206),
        ("if-match", '"other"', 412),
    ):
        asked = {"range": "bytes=0-3", name: condition}
        assert httpx.get(urls["a.bin"], headers=asked).status_code == status


def test_a_lost_object_is_404(dss: LocalDSS, urls: dict[str, str]) -> None:
    [path] = (dss.root / "aws/checkout/bundles").glob("*/lost")
    path.unlink()
    response = httpx.get(urls["lost"])
    assert response.status_code == 404
    assert "NoSuchKey" in response.text


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
    with LocalDSS() as other:
        moved = httpx.URL(urls["a.bin"]).copy_with(port=httpx.URL(other.storage_url).port)
        assert httpx.get(moved).status_code == 403


@pytest.mark.parametrize(
    "path",
    ["/", "/dss-local-aws/../secret", "/../secret", "//secret", "/.staging/x", "/aws/main/x"],
)
def test_no_path_gets_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Not without a signature, and not even with one."""
    key = b"k" * 32
    monkeypatch.setattr("secrets.token_bytes", lambda size: key[:size])
    with LocalDSS(tmp_path / "root") as dss:
        for place in ("root/.staging/x", "root/aws/main/x", "root/secret", "secret"):
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place).touch()
        signed = Signer(time.time, key).sign(path, 60)
        assert "key" not in repr(Signer(time.time, key))
        assert exchange(dss.storage_url, target=path).status == 403
        assert exchange(dss.storage_url, target=signed).status == 404


def test_urls_expire(tmp_path: Path, load: Load) -> None:
    now = [time.time()]
    settings = LocalSettings(url_lifetime=100, clock=lambda: now[0])
    with LocalDSS(tmp_path, settings=settings) as dss:
        url = presigned(dss, load(dss, {"a.bin": b"content"}))["a.bin"]
        now[0] += 99
        assert httpx.get(url).status_code == 200
        now[0] += 2
        response = httpx.get(url)
    assert response.status_code == 403
    assert "<Code>ExpiredToken</Code>" in response.text
