"""PUT /files copies from S3: claims in tags and metadata, and what is missing."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
from attrs import asdict

from dss_client import MissingExtra
from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.storage.checksums import checksums_of
from tests.s3_service import ENVIRON, make_bucket, s3_service

CONTENT = b"ACGT" * 1000
CLAIMS = {
    f"hca-dss-{name}": text for name, text in asdict(checksums_of([CONTENT], len(CONTENT))).items()
}
VERSION = "2019-01-01T000000.000000Z"


@dataclass
class Source:
    service: str
    bucket: str

    def put(self, key: str, metadata: dict[str, str], tags: dict[str, str] | None = None) -> str:
        headers = {f"x-amz-meta-{name}": text for name, text in metadata.items()}
        query = "&".join(f"{name}={text}" for name, text in (tags or {}).items())
        if query:
            headers["x-amz-tagging"] = query
        httpx.put(
            f"{self.service}/{self.bucket}/{key}",
            content=CONTENT,
            headers={**headers, "Content-Type": "text/x-reads"},
        ).raise_for_status()
        return f"s3://{self.bucket}/{key}"


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    with pytest.MonkeyPatch.context() as patch, s3_service() as service:
        for name, text in ENVIRON.items():
            patch.setenv(name, text)
        yield Source(service, make_bucket(service))


@pytest.fixture(scope="module")
def dss(source: Source) -> Iterator[LocalDSS]:
    with LocalDSS(settings=LocalSettings(s3_endpoint=source.service)) as running:
        yield running


@pytest.fixture
def client(dss: LocalDSS) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {dss.mint_token()}"}
    with httpx.Client(base_url=dss.url, headers=headers) as made:
        yield made


def put(client: httpx.Client, url: str, uuid: str = "") -> httpx.Response:
    body = {"source_url": url, "creator_uid": 1}
    return client.put(f"/files/{uuid or uuid4()}", params={"version": VERSION}, json=body)


@pytest.mark.parametrize("spelling", [str.lower, str.upper])
def test_a_file_with_metadata(
    client: httpx.Client, source: Source, spelling: Callable[[str], str]
) -> None:
    uuid = str(uuid4())
    url = source.put(f"reads/{uuid}.txt", {spelling(name): text for name, text in CLAIMS.items()})
    assert put(client, url, uuid).status_code == 201
    head = client.head(f"/files/{uuid}", params={"replica": "aws"}).headers
    assert head["x-dss-content-type"] == "text/x-reads"
    assert head["x-dss-sha256"] == CLAIMS["hca-dss-sha256"]
    location = client.get(f"/files/{uuid}", params={"replica": "aws"}, follow_redirects=True)
    assert location.content == CONTENT


def test_tags_win_over_metadata(client: httpx.Client, source: Source) -> None:
    wrong = {name: text[::-1] for name, text in CLAIMS.items()}
    assert put(client, source.put("tagged", wrong, CLAIMS)).status_code == 201
    refused = put(client, source.put("wrong", CLAIMS, wrong))
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_checksum")


def test_a_missing_claim(client: httpx.Client, source: Source) -> None:
    claims = {name: text for name, text in CLAIMS.items() if name != "hca-dss-sha1"}
    refused = put(client, source.put("bare", claims))
    assert (refused.status_code, refused.json()["code"]) == (422, "missing_checksum")
    assert "hca-dss-sha1" in refused.json()["title"]


def test_what_is_not_there(client: httpx.Client, source: Source) -> None:
    for url in (f"s3://{source.bucket}/missing", "s3://no-such-bucket-here/key"):
        refused = put(client, url)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtra, match=r"dss-client\[s3\]"):
        LocalDSS(settings=LocalSettings(s3_endpoint="http://127.0.0.1:9"))
