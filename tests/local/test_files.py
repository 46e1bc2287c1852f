"""HEAD and GET /files/{uuid} (docs/behaviour.md 8.1, 8.2)."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from dss_client.local import LoadedBundle, LocalDSS, LocalSettings

Load = Callable[..., LoadedBundle]
Reading = tuple[httpx.Client, str]
OLD, NEW = "2019-01-01T000000.000000Z", "2020-01-01T000000.000000Z"
AWS = {"replica": "aws"}
HELLO_SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def file_uuid(client: httpx.Client, bundle: LoadedBundle) -> str:
    listed = client.get(f"/bundles/{bundle.uuid}", params=AWS).json()
    uuid: str = listed["bundle"]["files"][0]["uuid"]
    return uuid


@pytest.fixture
def uuid(dss: LocalDSS, client: httpx.Client, load: Load) -> str:
    return file_uuid(client, load(dss, {"hello.txt": b"hello"}, version=OLD))


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory, load: Load) -> Iterator[Reading]:
    """A service with one file, for tests that only read."""
    with (
        LocalDSS(tmp_path_factory.mktemp("files")) as dss,
        httpx.Client(base_url=dss.url) as client,
    ):
        yield client, file_uuid(client, load(dss, {"hello.txt": b"hello"}, version=OLD))


def test_head_has_the_metadata(reading: Reading) -> None:
    client, uuid = reading
    response = client.head(f"/files/{uuid}", params=AWS)
    assert response.status_code == 200
    assert response.content == b""
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert {
        name: value for name, value in response.headers.items() if name.startswith("x-dss-")
    } == {
        "x-dss-creator-uid": "0",
        "x-dss-version": OLD,
        "x-dss-content-type": "text/plain",
        "x-dss-size": "5",
        "x-dss-crc32c": "9a71bb4c",
        "x-dss-s3-etag": "5d41402abc4b2a76b9719d911017c592",
        "x-dss-sha1": "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
        "x-dss-sha256": HELLO_SHA256,
    }


def test_get_redirects_to_the_content(reading: Reading) -> None:
    client, uuid = reading
    response = client.get(f"/files/{uuid.upper()}", params=AWS)
    assert response.status_code == 302
    assert response.headers["x-dss-sha256"] == HELLO_SHA256
    assert "retry-after" not in response.headers
    content = httpx.get(response.headers["location"])
    assert content.content == b"hello"
    assert content.headers["content-type"] == "text/plain"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_absent(reading: Reading, method: str) -> None:
    client, uuid = reading
    versions = [{"version": version} for version in (NEW, "", "2019", "../../../x")]
    for changes in ({"replica": "gcp"}, *versions):
        response = client.request(method, f"/files/{uuid}", params={**AWS, **changes})
        assert response.status_code == 404
    for wrong in ("no-uuid", "%2e%2e", "x" * 3000):
        response = client.request(method, f"/files/{wrong}", params=AWS)
        assert response.status_code == (404 if method == "HEAD" else 400)


def test_the_latest_version_is_the_default(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    bundle = load(dss, {"a.txt": b"new"}, version=NEW)
    load(dss, {"a.txt": b"older"}, uuid=bundle.uuid, version=OLD)
    uuid = file_uuid(client, bundle)
    sizes = [
        client.head(f"/files/{uuid}", params={**AWS, **version}).headers["x-dss-size"]
        for version in ({}, {"version": OLD}, {"version": NEW})
    ]
    assert sizes == ["3", "5", "3"]


def test_a_file_with_a_tombstone_is_deleted(dss: LocalDSS, client: httpx.Client, uuid: str) -> None:
    (dss.root / f"aws/main/files/{uuid}.dead").write_text("{}")
    for version in ({}, {"version": OLD}):
        assert client.head(f"/files/{uuid}", params={**AWS, **version}).status_code == 404


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_broken_metadata_is_absent(
    dss: LocalDSS, client: httpx.Client, uuid: str, content: str
) -> None:
    (dss.root / f"aws/main/files/{uuid}.{OLD}").write_text(content)
    assert client.head(f"/files/{uuid}", params=AWS).status_code == 404


def test_directurl(reading: Reading) -> None:
    client, uuid = reading
    query = {**AWS, "directurl": "true", "content_disposition": "attachment"}
    location = client.get(f"/files/{uuid}", params=query).headers["location"]
    assert location.startswith("s3://dss-local-checkout-aws/blobs/" + HELLO_SHA256)
    assert "?" not in location


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ('attachment; filename="a b.txt"', 'attachment; filename="a b.txt"'),
        ("inline\r\nX-Evil: 1", "inline  X-Evil: 1"),
        ("attachment; filename=é", "attachment; filename=Ã©"),
    ],
)
def test_content_disposition(reading: Reading, given: str, sent: str) -> None:
    client, uuid = reading
    query = {**AWS, "content_disposition": given}
    content = httpx.get(client.get(f"/files/{uuid}", params=query).headers["location"])
    assert content.headers["content-disposition"].encode() in {
        sent.encode(),
        sent.encode("latin-1"),
    }
    assert "x-evil" not in content.headers


@pytest.mark.parametrize("token", ["", "None", "{nonsense"])
def test_a_token_is_not_read_when_the_file_is_there(reading: Reading, token: str) -> None:
    client, uuid = reading
    client.get(f"/files/{uuid}", params=AWS)
    assert client.get(f"/files/{uuid}", params={**AWS, "token": token}).status_code == 302


@pytest.fixture
def waiting(tmp_path: Path, load: Load) -> Iterator[tuple[httpx.Client, str]]:
    """A service whose copies take two polls, and the URL of a file."""
    settings = LocalSettings(checkout_polls=2, retry_after=3)
    with LocalDSS(tmp_path / "root", settings=settings) as dss, httpx.Client() as client:
        bundle = load(dss, {"hello.txt": b"hello"})
        listed = client.get(f"{dss.url}/bundles/{bundle.uuid}", params=AWS).json()
        yield client, f"{dss.url}/files/{listed['bundle']['files'][0]['uuid']}?replica=aws"


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
    response = client.get(f"/files/{uuid}", params=AWS)
    assert (response.status_code, response.json()["code"]) == (500, "checkout_error")
    assert f"{HELLO_SHA256} has 4 bytes, not 5" in response.json()["title"]
    assert response.headers["retry-after"] == "10"
    blob(dss).unlink()
    assert "is missing" in client.get(f"/files/{uuid}", params=AWS).json()["title"]


def test_a_cut_off_copy_is_made_again(dss: LocalDSS, client: httpx.Client, uuid: str) -> None:
    client.get(f"/files/{uuid}", params=AWS)
    blob(dss, "checkout").write_bytes(b"hell")
    location = client.get(f"/files/{uuid}", params=AWS).headers["location"]
    assert httpx.get(location).content == b"hello"


def test_a_checkout_bucket_that_cannot_be_written(
    dss: LocalDSS, client: httpx.Client, uuid: str
) -> None:
    (dss.root / "aws" / "checkout").write_text("a file in its place")
    response = client.get(f"/files/{uuid}", params=AWS)
    assert response.json()["code"] == "checkout_error"
    assert str(dss.root) not in response.text


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
