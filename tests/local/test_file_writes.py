"""PUT /files/{uuid} (docs/behaviour.md 8.3, S4, S18)."""

import errno
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS, LocalSettings
from tests.local.test_api import problem
from tests.local.writing import HELLO, LATER, VERSION, put_file, put_source, uuid_of, writer

AWS, GCP = {"replica": "aws"}, {"replica": "gcp"}
UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
BLOB = ".".join(HELLO[f"hca-dss-{name}"] for name in ("sha256", "sha1", "s3_etag", "crc32c"))


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    """The directory of the bucket `upload`, with one object."""
    folder = tmp_path / "upload"
    put_source(folder, "hello.txt")
    return folder


@pytest.fixture
def dss(tmp_path: Path, upload: Path) -> Iterator[LocalDSS]:
    with LocalDSS(tmp_path / "root", settings=LocalSettings(sources={"upload": upload})) as dss:
        yield dss


@pytest.fixture
def client(dss: LocalDSS) -> Iterator[httpx.Client]:
    with writer(dss) as made:
        yield made


@pytest.fixture
def slow(tmp_path: Path, upload: Path) -> Iterator[tuple[LocalDSS, httpx.Client]]:
    """A service that copies what has more than five bytes in a job, done after two looks."""
    settings = LocalSettings(sources={"upload": upload}, copy_threshold=5, copy_polls=2)
    put_source(upload, "longer.txt", b"hello!")
    with LocalDSS(tmp_path / "slow", settings=settings) as dss, writer(dss) as client:
        yield dss, client


@pytest.mark.parametrize(
    ("scheme", "replica", "other"), [("s3", "aws", "gcp"), ("gs", "gcp", "aws")]
)
def test_the_scheme_chooses_the_replica(
    client: httpx.Client, scheme: str, replica: str, other: str
) -> None:
    response = put_file(client, f"{scheme}://upload/hello.txt")
    assert (response.status_code, response.json()) == (201, {"version": VERSION})
    path = f"/files/{uuid_of(response)}"
    assert client.head(path, params={"replica": other}).status_code == 404
    found = client.head(path, params={"replica": replica})
    assert found.headers["x-dss-content-type"] == "text/plain"
    assert found.headers["x-dss-creator-uid"] == "7"
    assert found.headers["x-dss-sha256"] == HELLO["hca-dss-sha256"]
    place = client.get(path, params={"replica": replica}, follow_redirects=True)
    assert place.content == b"hello"


def test_what_is_stored(client: httpx.Client, dss: LocalDSS) -> None:
    response = put_file(client, uuid=UUID.upper())
    assert response.status_code == 201
    main = dss.root / "aws" / "main"
    assert (main / "blobs" / BLOB).read_bytes() == b"hello"
    stored = (main / "files" / f"{UUID}.{VERSION}").read_text()
    assert json.loads(stored) == {
        "format": "0.0.4",
        "creator_uid": 7,
        "version": VERSION,
        "content-type": "text/plain",
        "size": 5,
        "crc32c": HELLO["hca-dss-crc32c"],
        "s3-etag": HELLO["hca-dss-s3_etag"],
        "sha1": HELLO["hca-dss-sha1"],
        "sha256": HELLO["hca-dss-sha256"],
    }


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("wasb://upload/hello.txt", 400, "unknown_source_schema"),
        ("http://upload/hello.txt", 400, "illegal_arguments"),
        ("s3://upload", 400, "illegal_arguments"),
        ("s3://upload/", 400, "illegal_arguments"),
        ("s3:///hello.txt", 400, "illegal_arguments"),
        ("s3://upload/missing", 404, "not_found"),
        ("s3://upload/../upload/hello.txt", 404, "not_found"),
        ("s3://upload//hello.txt", 404, "not_found"),
        ("s3://upload/nul\0", 404, "not_found"),
        ("s3://nowhere/hello.txt", 404, "not_found"),
        ("s3://../hello.txt", 404, "not_found"),
    ],
)
def test_bad_sources(client: httpx.Client, url: str, status: int, code: str) -> None:
    assert problem(put_file(client, url)) == (status, code)


def test_the_service_reads_its_own_buckets(client: httpx.Client) -> None:
    assert put_file(client).status_code == 201
    copied = put_file(client, f"gs://dss-local-aws/blobs/{BLOB}")
    assert copied.status_code == 201
    found = client.head(f"/files/{uuid_of(copied)}", params=GCP)
    assert found.headers["x-dss-content-type"] == "application/octet-stream"


def test_metadata_beside_the_object(client: httpx.Client, upload: Path) -> None:
    upper = {name: value.upper() for name, value in HELLO.items()}
    put_source(upload, "a/b", metadata={"content-type": "text/x; y=1", **upper})
    response = put_file(client, "s3://upload/a/b")
    assert response.status_code == 201
    found = client.head(f"/files/{uuid_of(response)}", params=AWS)
    assert found.headers["x-dss-content-type"] == "text/x; y=1"
    assert found.headers["x-dss-sha256"] == HELLO["hca-dss-sha256"]


@pytest.mark.parametrize("name", HELLO)
def test_a_missing_checksum(client: httpx.Client, upload: Path, name: str) -> None:
    left = {key: value for key, value in HELLO.items() if key != name}
    put_source(upload, "less", metadata=left)
    response = put_file(client, "s3://upload/less")
    assert problem(response) == (422, "missing_checksum")
    assert name in response.json()["title"]


@pytest.mark.parametrize("name", HELLO)
@pytest.mark.parametrize("change", ["malformed", "false", "short"])
def test_an_invalid_checksum(
    client: httpx.Client, dss: LocalDSS, upload: Path, name: str, change: str
) -> None:
    good = HELLO[name]
    bad = {"malformed": "g" + good[1:], "false": "0" * len(good), "short": good[:-1]}[change]
    put_source(upload, "bad", metadata={**HELLO, name: bad})
    response = put_file(client, "s3://upload/bad", uuid=UUID)
    assert problem(response) == (422, "invalid_checksum")
    assert name.removeprefix("hca-dss-") in response.json()["title"]
    assert client.head(f"/files/{UUID}", params=AWS).status_code == 404
    assert not list((dss.root / "aws" / "main").rglob("*"))
    assert not list((dss.root / ".staging").glob("*"))


@pytest.mark.parametrize("etag", ["-0", "-1", "-10001", "-x"])
def test_a_malformed_part_count(client: httpx.Client, upload: Path, etag: str) -> None:
    name = "hca-dss-s3_etag"
    put_source(upload, "bad", metadata={**HELLO, name: HELLO[name] + etag})
    assert problem(put_file(client, "s3://upload/bad")) == (422, "invalid_checksum")


def test_broken_metadata(client: httpx.Client, upload: Path) -> None:
    (upload / "hello.txt.metadata.json").write_text("[]")
    response = put_file(client)
    assert problem(response) == (404, "not_found")
    assert "hello.txt.metadata.json" in response.json()["title"]


def test_the_same_again(client: httpx.Client) -> None:
    assert [put_file(client, uuid=UUID).status_code for _ in range(3)] == [201, 200, 200]
    assert put_file(client, uuid=UUID, version=LATER).status_code == 201


@pytest.mark.parametrize("what", ["content", "type", "creator"])
def test_something_else_in_its_place(client: httpx.Client, upload: Path, what: str) -> None:
    assert put_file(client, uuid=UUID).status_code == 201
    put_source(upload, "other.txt", b"world")
    put_source(upload, "hello.csv")
    changed = {
        "content": put_file(client, "s3://upload/other.txt", uuid=UUID),
        "type": put_file(client, "s3://upload/hello.csv", uuid=UUID),
        "creator": put_file(client, uuid=UUID, creator_uid=8),
    }[what]
    assert problem(changed) == (409, "file_already_exists")
    content = client.get(f"/files/{UUID}", params=AWS, follow_redirects=True).content
    assert content == b"hello"


def test_other_body_properties_are_ignored(client: httpx.Client) -> None:
    body = {"source_url": "s3://upload/hello.txt", "creator_uid": 1, "bundle_uuid": UUID}
    response = client.put(f"/files/{UUID}", params={"version": VERSION}, json=body)
    assert response.status_code == 201


@pytest.mark.parametrize(
    ("key", "size", "status"),
    [("x.json", 12_314, 302), ("x.json", 12_315, 301), ("x.txt", 5, 301)],
)
def test_small_json_is_checked_out_at_once(
    tmp_path: Path, upload: Path, key: str, size: int, status: int
) -> None:
    put_source(upload, key, b'"' + b"x" * (size - 2) + b'"')
    settings = LocalSettings(sources={"upload": upload}, checkout_polls=1)
    with LocalDSS(tmp_path / "other", settings=settings) as dss, writer(dss) as client:
        response = put_file(client, f"s3://upload/{key}")
        path = f"/files/{uuid_of(response)}"
        assert client.get(path, params=AWS).status_code == status


def test_a_large_file_is_copied_later(slow: tuple[LocalDSS, httpx.Client]) -> None:
    _, client = slow
    assert put_file(client, uuid=UUID, version=LATER).status_code == 201
    response = put_file(client, "s3://upload/longer.txt", uuid=UUID)
    assert response.status_code == 202
    assert response.json()["version"] == VERSION
    assert len(response.json()["task_id"]) == 36
    again = put_file(client, "s3://upload/longer.txt", uuid=UUID)
    assert (again.status_code, again.json()) == (202, response.json())
    other = put_file(client, "s3://upload/longer.txt", uuid=UUID, creator_uid=8)
    assert problem(other) == (409, "file_already_exists")
    query = {**AWS, "version": VERSION}
    assert problem(client.get(f"/files/{UUID}", params=query)) == (404, "not_found")
    assert client.head(f"/files/{UUID}", params=query).status_code == 404
    found = client.head(f"/files/{UUID}", params=query)
    assert (found.status_code, found.headers["x-dss-size"]) == (200, "6")
    assert put_file(client, "s3://upload/longer.txt", uuid=UUID).status_code == 200


def test_without_fruitless_looks_the_first_one_finds_it(tmp_path: Path, upload: Path) -> None:
    settings = LocalSettings(sources={"upload": upload}, copy_threshold=4)
    with LocalDSS(tmp_path / "other", settings=settings) as dss, writer(dss) as client:
        for number in range(10):
            put_source(upload, f"{number}.txt", b"hello %d" % number)
            response = put_file(client, f"s3://upload/{number}.txt")
            assert response.status_code == 202
            assert client.head(f"/files/{uuid_of(response)}", params=AWS).status_code == 200


def test_looking_for_any_version_counts(slow: tuple[LocalDSS, httpx.Client]) -> None:
    _, client = slow
    assert put_file(client, "s3://upload/longer.txt", uuid=UUID).status_code == 202
    statuses = [client.head(f"/files/{UUID}", params=AWS).status_code for _ in range(3)]
    assert statuses == [404, 404, 200]


def test_a_large_file_that_is_there_needs_no_copy(slow: tuple[LocalDSS, httpx.Client]) -> None:
    _, client = slow
    assert put_file(client, "s3://upload/longer.txt", uuid=UUID).status_code == 202
    for _ in range(3):
        client.head(f"/files/{UUID}", params=AWS)
    assert put_file(client, "s3://upload/longer.txt").status_code == 201


def test_a_copy_that_finds_its_place_taken(slow: tuple[LocalDSS, httpx.Client]) -> None:
    _, client = slow
    assert put_file(client, "s3://upload/longer.txt", uuid=UUID).status_code == 202
    assert put_file(client, uuid=UUID).status_code == 201
    looks = [client.head(f"/files/{UUID}", params=AWS) for _ in range(3)]
    assert [look.headers["x-dss-size"] for look in looks] == ["5", "5", "5"]


def test_a_copy_that_fails(slow: tuple[LocalDSS, httpx.Client], upload: Path) -> None:
    _, client = slow
    put_source(upload, "false", b"longer than five", metadata=HELLO)
    assert put_file(client, "s3://upload/false", uuid=UUID).status_code == 202
    query = {**AWS, "version": VERSION}
    looks = [client.head(f"/files/{UUID}", params=query) for _ in range(3)]
    assert [look.status_code for look in looks] == [404, 404, 422]
    for replica in ("aws", "gcp"):
        response = client.get(f"/files/{UUID}", params={**query, "replica": replica})
        assert problem(response) == (422, "missing_checksum")
    assert client.head(f"/files/{UUID}", params=AWS).status_code == 404
    assert put_file(client, "s3://upload/longer.txt", uuid=UUID).status_code == 202
    assert client.head(f"/files/{UUID}", params=query).status_code == 404


def test_a_full_disk_stores_nothing_and_says_so(
    client: httpx.Client, upload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_source(upload, "later", b"hello", metadata=HELLO)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.replace", full)
        assert problem(put_file(client, "s3://upload/later", uuid=UUID)) == (
            507,
            "insufficient_storage",
        )
    assert client.head(f"/files/{UUID}", params=AWS).status_code == 404
    assert put_file(client, "s3://upload/later", uuid=UUID).status_code == 201


def test_the_client_puts_files(dss: LocalDSS) -> None:
    with DSSClient(dss.url, token=dss.mint_token()) as client:
        answer = client.put_file(
            uuid=UUID, version=VERSION, source_url="s3://upload/hello.txt", creator_uid=7
        )
        assert (answer.version, answer.task_id) == (VERSION, None)
        assert client.get_file(uuid=UUID, replica="aws") == b"hello"


UNREADABLE = Path("/proc/self/mem")
"""A regular file that can be opened, and gives an error when it is read."""


@pytest.mark.skipif(not UNREADABLE.is_file(), reason="there is no such file on this platform")
@pytest.mark.parametrize("metadata", [None, HELLO])
def test_a_source_that_cannot_be_read(
    client: httpx.Client, upload: Path, metadata: dict[str, str] | None
) -> None:
    put_source(upload, "broken", metadata=metadata)
    (upload / "broken").unlink()
    (upload / "broken").symlink_to(UNREADABLE)
    response = put_file(client, "s3://upload/broken")
    assert problem(response) == (404, "not_found")
    assert "cannot be read" in response.json()["title"]


def test_puts_of_one_file_at_the_same_time(client: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        putting = [pool.submit(put_file, client, uuid=UUID, creator_uid=7) for _ in range(7)]
        putting.append(pool.submit(put_file, client, uuid=UUID, creator_uid=8))
        statuses = [each.result().status_code for each in putting]
    assert statuses.count(201) == 1
    assert statuses.count(409) in {1, 7}
    assert statuses.count(200) == 7 - statuses.count(409)
