"""HEAD and GET /files/{uuid} (docs/behaviour.md 8.1, 8.2)."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dss_client.local import LoadedBundle, LocalDSS, LocalSettings
from tests.local.calls import AWS, GCP, Load, expect
from tests.local.calls import V2 as OLD
from tests.local.calls import V3 as NEW

SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def head(client: httpx.Client, uuid: str, status: int = 200, **query: str) -> httpx.Response:
    return expect(client, "HEAD", f"/files/{uuid}", status, params={**AWS, **query})


def get(
    client: httpx.Client, uuid: str, status: int = 302, code: str = "", **query: str
) -> httpx.Response:
    return expect(client, "GET", f"/files/{uuid}", status, code, params={**AWS, **query})


def file_uuid(client: httpx.Client, bundle: LoadedBundle) -> str:
    listed = client.get(f"/bundles/{bundle.uuid}", params=AWS).json()
    uuid: str = listed["bundle"]["files"][0]["uuid"]
    return uuid


@pytest.fixture
def uuid(dss: LocalDSS, client: httpx.Client, load: Load) -> str:
    return file_uuid(client, load(dss, {"hello.txt": b"hello"}, version=OLD))


def test_head_has_the_metadata(client: httpx.Client, uuid: str) -> None:
    response = head(client, uuid)
    assert response.content == b""
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    found = {name: text for name, text in response.headers.items() if name.startswith("x-dss-")}
    assert found == {
        "x-dss-creator-uid": "0",
        "x-dss-version": OLD,
        "x-dss-content-type": "text/plain",
        "x-dss-size": "5",
        "x-dss-crc32c": "9a71bb4c",
        "x-dss-s3-etag": "5d41402abc4b2a76b9719d911017c592",
        "x-dss-sha1": "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
        "x-dss-sha256": SHA256,
    }


def test_get_redirects_to_the_content(client: httpx.Client, uuid: str) -> None:
    response = get(client, uuid.upper())
    assert response.headers["x-dss-sha256"] == SHA256
    assert "retry-after" not in response.headers
    content = httpx.get(response.headers["location"])
    assert content.content == b"hello"
    assert content.headers["content-type"] == "text/plain"
    direct = get(client, uuid, directurl="true", content_disposition="attachment")
    assert direct.headers["location"].startswith(f"s3://dss-local-checkout-aws/blobs/{SHA256}")
    assert "?" not in direct.headers["location"]
    for token in ("", "None", "{nonsense"):  # not read when the file is there
        get(client, uuid, token=token)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_absent(client: httpx.Client, uuid: str, method: str) -> None:
    for version in (NEW, "", "2019", "../../../x"):
        expect(client, method, f"/files/{uuid}", 404, params={**AWS, "version": version})
    expect(client, method, f"/files/{uuid}", 404, params=GCP)
    for wrong in ("no-uuid", "%2e%2e", "x" * 3000):
        expect(client, method, f"/files/{wrong}", 404 if method == "HEAD" else 400, params=AWS)


def test_the_latest_version_is_the_default(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    bundle = load(dss, {"a.txt": b"new"}, version=NEW)
    load(dss, {"a.txt": b"older"}, uuid=bundle.uuid, version=OLD)
    uuid = file_uuid(client, bundle)
    answers = head(client, uuid), head(client, uuid, version=OLD), head(client, uuid, version=NEW)
    assert [answer.headers["x-dss-size"] for answer in answers] == ["3", "5", "3"]
    (dss.root / f"aws/main/files/{uuid}.dead").write_text("{}")  # it is deleted
    head(client, uuid, 404)
    head(client, uuid, 404, version=OLD)


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_broken_metadata_is_absent(
    dss: LocalDSS, client: httpx.Client, uuid: str, content: str
) -> None:
    (dss.root / f"aws/main/files/{uuid}.{OLD}").write_text(content)
    head(client, uuid, 404)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ('attachment; filename="a b.txt"', ['attachment; filename="a b.txt"']),
        ("inline\r\nX-Evil: 1", ["inline  X-Evil: 1"]),
        ("attachment; filename=é", ["attachment; filename=é", "attachment; filename=Ã©"]),
    ],
)
def test_content_disposition(client: httpx.Client, uuid: str, given: str, sent: list[str]) -> None:
    content = httpx.get(get(client, uuid, content_disposition=given).headers["location"])
    assert content.headers["content-disposition"] in sent
    assert "x-evil" not in content.headers


@pytest.fixture
def waiting(load: Load) -> Iterator[tuple[httpx.Client, str]]:
    """A service whose copies take two polls, and the URL of a file."""
    settings = LocalSettings(checkout_polls=2, retry_after=3)
    with LocalDSS(settings=settings) as dss, httpx.Client(base_url=dss.url) as client:
        uuid = file_uuid(client, load(dss, {"hello.txt": b"hello"}))
        yield client, f"/files/{uuid}?replica=aws"


def test_301_with_a_token_until_it_is_there(waiting: tuple[httpx.Client, str]) -> None:
    client, url = waiting
    for attempts in (1, 2):
        response = client.get(url)
        assert (response.status_code, response.headers["retry-after"]) == (301, "3")
        assert "x-dss-size" not in response.headers
        url = response.headers["location"]
        token = json.loads(httpx.URL(url).params["token"])
        assert token["attempts"] == attempts
        assert abs(token["start_time"] - time.time()) < 60
    assert client.get(url).status_code == 302


def test_tokens_that_are_not_of_this_run(waiting: tuple[httpx.Client, str]) -> None:
    client, url = waiting
    wrong = ["{", "[]", '"x"', "1", "null", "{}", '{"attempts": "x"}', '{"attempts": []}']
    for token in wrong:
        response = client.get(f"{url}&token={token}")
        assert (response.status_code, response.json()["code"]) == (400, "illegal_token"), token
    first = client.get(url + '&token={"attempts": 7}')
    assert json.loads(httpx.URL(first.headers["location"]).params["token"])["attempts"] == 8
    again = [client.get(first.headers["location"]).status_code for _ in range(2)]
    assert again == [301, 302]


def blob(dss: LocalDSS, bucket: str = "main") -> Path:
    [path] = (dss.root / "aws" / bucket / "blobs").iterdir()
    return path


def test_a_copy_that_fails_ends_with_an_error(
    dss: LocalDSS, client: httpx.Client, uuid: str
) -> None:
    blob(dss).write_bytes(b"hell")
    response = get(client, uuid, 500, "checkout_error")
    assert f"{SHA256} has 4 bytes, not 5" in response.json()["title"]
    assert response.headers["retry-after"] == "10"
    blob(dss).unlink()
    assert "is missing" in get(client, uuid, 500).json()["title"]


def test_a_cut_off_copy_is_made_again(dss: LocalDSS, client: httpx.Client, uuid: str) -> None:
    get(client, uuid)
    blob(dss, "checkout").write_bytes(b"hell")
    assert httpx.get(get(client, uuid).headers["location"]).content == b"hello"


def test_a_checkout_bucket_that_cannot_be_written(
    dss: LocalDSS, client: httpx.Client, uuid: str
) -> None:
    (dss.root / "aws" / "checkout").write_text("a file in its place")
    assert str(dss.root) not in get(client, uuid, 500, "checkout_error").text


@pytest.mark.parametrize(("days", "renewed"), [(6, False), (8, True), (13.99, True)])
def test_copies_age(tmp_path: Path, load: Load, days: float, renewed: bool) -> None:
    now = [time.time()]
    settings = LocalSettings(clock=lambda: now[0])
    with LocalDSS(tmp_path, settings=settings) as dss, httpx.Client(base_url=dss.url) as client:
        uuid = file_uuid(client, load(dss, {"hello.txt": b"hello"}))
        client.get(f"/files/{uuid}", params=AWS)
        before = blob(dss, "checkout").stat().st_ino
        now[0] += days * 24 * 3600
        assert client.get(f"/files/{uuid}", params=AWS).status_code == 302
    assert (blob(dss, "checkout").stat().st_ino != before) is renewed
