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
@pytest.mark.parametrize(
    "changes",
    [
        {"replica": "gcp"},
        {"version": NEW},
        {"version": ""},
        {"version": "2019"},
        {"version": "../../../x"},
    ],
)
def test_absent(reading: Reading, method: str, changes: dict[str, str]) -> None:
    client, uuid = reading
    response = client.request(method, f"/files/{uuid}", params={**AWS, **changes})
    assert response.status_code == 404


@pytest.mark.parametrize("wrong", ["no-uuid", "%2e%2e", "x" * 3000])
def test_head_of_an_ill_formed_uuid_is_404(api: httpx.Client, wrong: str) -> None:
    assert api.head(f"/files/{wrong}", params=AWS).status_code == 404
    assert api.get(f"/files/{wrong}", params=AWS).status_code == 400


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


class TestWaiting:
    """A copy that takes two polls."""

    @pytest.fixture
    def settings(self) -> LocalSettings:
        return LocalSettings(checkout_polls=2, retry_after=3)

    @pytest.fixture
    def dss(self, tmp_path: Path, settings: LocalSettings) -> LocalDSS:
        return LocalDSS(tmp_path / "root", settings=settings)

    @pytest.fixture
    def bundle(self, dss: LocalDSS, load: Load) -> LoadedBundle:
        return load(dss, {"hello.txt": b"hello"})

    def test_301_with_a_token_until_it_is_there(self, dss: LocalDSS, bundle: LoadedBundle) -> None:
        with dss, httpx.Client(base_url=dss.url) as client:
            url = (
                f"{dss.url}/files/{file_uuid(client, bundle)}?replica=aws&version={bundle.version}"
            )
            attempts = []
            for _ in range(2):
                response = client.get(url)
                assert response.status_code == 301
                assert response.headers["retry-after"] == "3"
                assert "x-dss-size" not in response.headers
                url = response.headers["location"]
                token = json.loads(httpx.URL(url).params["token"])
                attempts.append(token["attempts"])
                assert abs(token["start_time"] - time.time()) < 60
            assert attempts == [1, 2]
            assert client.get(url).status_code == 302

    def test_bad_tokens(self, dss: LocalDSS, bundle: LoadedBundle) -> None:
        wrong = ["{", "[]", '"x"', "1", "null", "{}", '{"attempts": "x"}', '{"attempts": []}']
        with dss, httpx.Client(base_url=dss.url) as client:
            url = f"/files/{file_uuid(client, bundle)}"
            responses = [client.get(url, params={**AWS, "token": token}) for token in wrong]
        for token, response in zip(wrong, responses, strict=True):
            assert response.status_code == 400, token
            assert response.json()["code"] == "illegal_token", token

    def test_a_token_of_another_run_starts_anew(self, dss: LocalDSS, bundle: LoadedBundle) -> None:
        with dss, httpx.Client(base_url=dss.url) as client:
            url = f"/files/{file_uuid(client, bundle)}?replica=aws&token=" + '{"attempts": 7}'
            first = client.get(url)
            token = json.loads(httpx.URL(first.headers["location"]).params["token"])
            assert token["attempts"] == 8
            assert client.get(first.headers["location"]).status_code == 301
            assert client.get(first.headers["location"]).status_code == 302


def blob(dss: LocalDSS, bucket: str = "main") -> Path:
    [path] = (dss.root / "aws" / bucket / "blobs").iterdir()
    return path


def test_a_copy_that_fails_ends_with_an_error(
    dss: LocalDSS, client: httpx.Client, uuid: str
) -> None:
    blob(dss).unlink()
    response = client.get(f"/files/{uuid}", params=AWS)
    assert response.status_code == 500
    assert response.json()["code"] == "checkout_error"
    assert HELLO_SHA256 in response.json()["title"]
    assert response.headers["retry-after"] == "10"


def test_a_blob_of_another_size_is_not_given_out(
    dss: LocalDSS, client: httpx.Client, uuid: str
) -> None:
    blob(dss).write_bytes(b"hell")
    response = client.get(f"/files/{uuid}", params=AWS)
    assert "4 bytes, not 5" in response.json()["title"]


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
