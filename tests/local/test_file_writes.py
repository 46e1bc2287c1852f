"""PUT /files/{uuid} (docs/behaviour.md 8.3, S4, S18)."""

import errno
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from dss_client.local import LocalDSS, LocalSettings
from tests.local.calls import AWS, GCP, ILLEGAL, NOT_FOUND, UUID, expect, problem
from tests.local.writing import HELLO, LATER, VERSION, put_file, put_source, uuid_of, writer

BLOB = ".".join(HELLO[f"hca-dss-{name}"] for name in ("sha256", "sha1", "s3_etag", "crc32c"))
MISSING, INVALID = (422, "missing_checksum"), (422, "invalid_checksum")
TAKEN = (409, "file_already_exists")


@pytest.fixture(scope="module")
def upload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the bucket `upload`."""
    folder = tmp_path_factory.mktemp("upload")
    put_source(folder, "hello.txt")
    put_source(folder, "longer.txt", b"hello!")
    return folder


@pytest.fixture(scope="module")
def services(upload: Path) -> Iterator[tuple[LocalDSS, LocalDSS]]:
    """Two services: one copies what has more than five bytes in jobs, done after two looks."""
    sources = {"upload": upload}
    jobs = LocalSettings(sources=sources, copy_threshold=5, copy_polls=2, checkout_polls=1)
    plain = LocalSettings(sources=sources, checkout_polls=1)
    with LocalDSS(settings=plain) as dss, LocalDSS(settings=jobs) as slow:
        yield dss, slow


@pytest.fixture
def dss(services: tuple[LocalDSS, LocalDSS]) -> LocalDSS:
    services[0].reset()
    return services[0]


@pytest.fixture
def client(dss: LocalDSS) -> Iterator[httpx.Client]:
    with writer(dss) as made:
        yield made


@pytest.fixture
def slow(services: tuple[LocalDSS, LocalDSS]) -> Iterator[httpx.Client]:
    services[1].reset()
    with writer(services[1]) as made:
        yield made


@pytest.mark.parametrize(
    ("scheme", "replica", "other"), [("s3", "aws", "gcp"), ("gs", "gcp", "aws")]
)
def test_the_scheme_chooses_the_replica(
    dss: LocalDSS, client: httpx.Client, scheme: str, replica: str, other: str
) -> None:
    response = put_file(client, f"{scheme}://upload/hello.txt", uuid=UUID.upper())
    assert (response.status_code, response.json()) == (201, {"version": VERSION})
    assert client.head(f"/files/{UUID}", params={"replica": other}).status_code == 404
    main = dss.root / replica / "main"
    assert (main / "blobs" / BLOB).read_bytes() == b"hello"
    assert json.loads((main / "files" / f"{UUID}.{VERSION}").read_text()) == {
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
    place = client.get(f"/files/{UUID}", params={"replica": replica}, follow_redirects=True)
    assert place.content == b"hello"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("wasb://upload/hello.txt", (400, "unknown_source_schema")),
        ("http://upload/hello.txt", ILLEGAL),
        ("s3://upload/", ILLEGAL),
        ("s3:///hello.txt", ILLEGAL),
        ("s3://upload/missing", NOT_FOUND),
        ("s3://upload/../upload/hello.txt", NOT_FOUND),
        ("s3://upload//hello.txt", NOT_FOUND),
        ("s3://upload/nul\0", NOT_FOUND),
        ("s3://nowhere/hello.txt", NOT_FOUND),
        ("s3://../hello.txt", NOT_FOUND),
    ],
)
def test_bad_sources(client: httpx.Client, url: str, expected: tuple[int, str]) -> None:
    assert problem(put_file(client, url)) == expected


def test_what_is_known_of_a_source(client: httpx.Client, upload: Path) -> None:
    """By a file beside it; else its name tells the type. The service's own buckets are sources."""
    upper = {name: value.upper() for name, value in HELLO.items()}
    put_source(upload, "a/b", metadata={"content-type": "text/x; y=1", **upper})
    for url, replica, content_type in (
        ("s3://upload/a/b", AWS, "text/x; y=1"),
        (f"gs://dss-local-aws/blobs/{BLOB}", GCP, "application/octet-stream"),
    ):
        response = put_file(client, url)
        assert response.status_code == 201
        found = client.head(f"/files/{uuid_of(response)}", params=replica)
        assert found.headers["x-dss-content-type"] == content_type
        assert found.headers["x-dss-sha256"] == HELLO["hca-dss-sha256"]
    (upload / "broken.metadata.json").write_text("[]")
    (upload / "broken").touch()
    response = put_file(client, "s3://upload/broken")
    assert problem(response) == NOT_FOUND
    assert "broken.metadata.json" in response.json()["title"]


@pytest.mark.parametrize("name", HELLO)
def test_an_invalid_checksum(client: httpx.Client, dss: LocalDSS, upload: Path, name: str) -> None:
    good = HELLO[name]
    bad = [None, "g" + good[1:], "0" * len(good), good[:-1]]
    if name == "hca-dss-s3_etag":
        bad += [good + parts for parts in ("-0", "-1", "-10001", "-x")]
    for text in bad:
        claims = {key: text if key == name else HELLO[key] for key in HELLO}
        put_source(upload, "bad", metadata={key: text for key, text in claims.items() if text})
        response = put_file(client, "s3://upload/bad", uuid=UUID)
        assert problem(response) == (INVALID if text else MISSING)
        assert name.removeprefix("hca-dss-") in response.json()["title"]
    expect(client, "HEAD", f"/files/{UUID}", 404, params=AWS)
    assert not [path for path in (dss.root / "aws").rglob("*") if path.is_file()]
    assert not list((dss.root / ".staging").glob("*"))


def test_the_same_again_and_something_else(client: httpx.Client, upload: Path) -> None:
    assert [put_file(client, uuid=UUID).status_code for _ in range(3)] == [201, 200, 200]
    assert put_file(client, uuid=UUID, version=LATER).status_code == 201
    put_source(upload, "other.txt", b"world")
    put_source(upload, "hello.csv")
    for changed in (
        put_file(client, "s3://upload/other.txt", uuid=UUID),
        put_file(client, "s3://upload/hello.csv", uuid=UUID),
        put_file(client, uuid=UUID, creator_uid=8),
    ):
        assert problem(changed) == TAKEN
    content = client.get(f"/files/{UUID}", params=AWS, follow_redirects=True).content
    assert content == b"hello"


@pytest.mark.parametrize(
    ("key", "size", "status"), [("x.json", 12_314, 302), ("x.json", 12_315, 301), ("x.txt", 5, 301)]
)
def test_small_json_is_checked_out_at_once(
    client: httpx.Client, upload: Path, key: str, size: int, status: int
) -> None:
    put_source(upload, key, b'"' + b"x" * (size - 2) + b'"')
    path = f"/files/{uuid_of(put_file(client, f's3://upload/{key}'))}"
    expect(client, "GET", path, status, params=AWS)


def test_a_large_file_is_copied_later(slow: httpx.Client) -> None:
    assert put_file(slow, uuid=UUID, version=LATER).status_code == 201
    response = put_file(slow, "s3://upload/longer.txt", uuid=UUID)
    assert (response.status_code, response.json()["version"]) == (202, VERSION)
    assert len(response.json()["task_id"]) == 36
    again = put_file(slow, "s3://upload/longer.txt", uuid=UUID)
    assert (again.status_code, again.json()) == (202, response.json())
    other = put_file(slow, "s3://upload/longer.txt", uuid=UUID, creator_uid=8)
    assert problem(other) == TAKEN
    query = {**AWS, "version": VERSION}
    looks = [slow.head(f"/files/{UUID}", params=query) for _ in range(3)]
    assert [look.status_code for look in looks] == [404, 404, 200]
    assert looks[2].headers["x-dss-size"] == "6"
    assert put_file(slow, "s3://upload/longer.txt", uuid=UUID).status_code == 200
    assert put_file(slow, "s3://upload/longer.txt").status_code == 201  # its content is there


def test_looking_for_any_version_counts(slow: httpx.Client) -> None:
    assert put_file(slow, "s3://upload/longer.txt", uuid=UUID).status_code == 202
    statuses = [slow.head(f"/files/{UUID}", params=AWS).status_code for _ in range(3)]
    assert statuses == [404, 404, 200]


def test_a_copy_that_finds_its_place_taken(slow: httpx.Client) -> None:
    assert put_file(slow, "s3://upload/longer.txt", uuid=UUID).status_code == 202
    assert put_file(slow, uuid=UUID).status_code == 201
    looks = [slow.head(f"/files/{UUID}", params=AWS) for _ in range(3)]
    assert [look.headers["x-dss-size"] for look in looks] == ["5", "5", "5"]


def test_a_copy_that_fails(slow: httpx.Client, upload: Path) -> None:
    put_source(upload, "false", b"longer than five", metadata=HELLO)
    assert put_file(slow, "s3://upload/false", uuid=UUID).status_code == 202
    query = {**AWS, "version": VERSION}
    looks = [slow.head(f"/files/{UUID}", params=query) for _ in range(3)]
    assert [look.status_code for look in looks] == [404, 404, 422]
    for replica in ("aws", "gcp"):
        response = slow.get(f"/files/{UUID}", params={**query, "replica": replica})
        assert problem(response) == MISSING
    assert slow.head(f"/files/{UUID}", params=AWS).status_code == 404
    assert put_file(slow, "s3://upload/longer.txt", uuid=UUID).status_code == 202
    assert slow.head(f"/files/{UUID}", params=query).status_code == 404


def test_a_full_disk_stores_nothing_and_says_so(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.replace", full)
        assert problem(put_file(client, uuid=UUID)) == (507, "insufficient_storage")
    assert client.head(f"/files/{UUID}", params=AWS).status_code == 404
    assert put_file(client, uuid=UUID).status_code == 201


UNREADABLE = Path("/proc/self/mem")
"""A regular file that can be opened, and gives an error when it is read."""


@pytest.mark.skipif(not UNREADABLE.is_file(), reason="there is no such file on this platform")
@pytest.mark.parametrize("metadata", [None, HELLO])
def test_a_source_that_cannot_be_read(
    client: httpx.Client, upload: Path, metadata: dict[str, str] | None
) -> None:
    put_source(upload, "unreadable", metadata=metadata)
    (upload / "unreadable").unlink()
    (upload / "unreadable").symlink_to(UNREADABLE)
    response = put_file(client, "s3://upload/unreadable")
    (upload / "unreadable").unlink()
    assert problem(response) == NOT_FOUND
    assert "cannot be read" in response.json()["title"]


def test_puts_of_one_file_at_the_same_time(client: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        putting = [pool.submit(put_file, client, uuid=UUID, creator_uid=7) for _ in range(7)]
        putting.append(pool.submit(put_file, client, uuid=UUID, creator_uid=8))
        statuses = [each.result().status_code for each in putting]
    assert statuses.count(201) == 1
    assert statuses.count(409) in {1, 7}
    assert statuses.count(200) == 7 - statuses.count(409)
