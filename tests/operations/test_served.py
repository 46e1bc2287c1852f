"""The operations that the embedded DSS serves, over real sockets and with real bytes."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from dss_client import BadRequest, DSSClient, NotFound
from tests.drive import Drive, Driver
from tests.operations.cases import FILE, UUID, VERSION

if TYPE_CHECKING:
    from dss_client.local import LocalDSS

BUNDLE: dict[str, Any] = {"uuid": UUID, "replica": "aws"}


@pytest.fixture
def dss(drive: Driver, local_dss: "LocalDSS") -> Drive:
    return drive(url=local_dss.url)


@pytest.fixture(scope="module")
def files(local_dss: "LocalDSS") -> list[Any]:
    with DSSClient(local_dss.url) as client:
        return list(client.get_bundle.iterate(uuid=UUID, replica="aws"))


def test_search_finds_the_bundles(dss: Drive) -> None:
    result = dss.call("post_search", replica="aws", es_query={})
    assert (result.total_hits, len(result.results)) == (3, 3)
    assert f"{UUID}.{VERSION}" in [hit.bundle_fqid for hit in result.results]
    hits = dss.call("post_search.iterate", replica="aws", es_query={}, output_format="raw")
    assert len(hits) == 3
    assert all(hit.metadata["manifest"]["files"] for hit in hits)


def test_the_other_replica_is_empty(dss: Drive) -> None:
    assert dss.call("post_search", replica="gcp", es_query={}).total_hits == 0


def test_events_are_listed_and_read(dss: Drive) -> None:
    first = dss.call("get_events", replica="aws")
    assert len(first.event_streams) == 1
    journals = dss.call("get_events.iterate", replica="aws", per_page=2)
    ids = [event.event_id for journal in journals for event in journal.events]
    assert len(ids) == 3
    assert f"{UUID}.{VERSION}" in ids
    document = dss.call("get_event", uuid=UUID, replica="aws", version=VERSION)
    assert document["bundle_info"] == {"uuid": UUID, "version": VERSION}


def test_bundles_are_listed(dss: Drive) -> None:
    page = dss.call("get_bundles_all", replica="aws")
    assert (page.page_count, page.has_more) == (3, False)
    found = dss.call("get_bundles_all.iterate", replica="aws", prefix=UUID[:8])
    assert [(bundle.uuid, bundle.version) for bundle in found] == [(UUID, VERSION)]


def test_a_bundle_is_read_whole_in_pages(dss: Drive, files: list[Any]) -> None:
    whole = dss.call("get_bundle", **BUNDLE)
    assert (whole.bundle.uuid, whole.bundle.version) == (UUID, VERSION)
    pages = dss.call("get_bundle.paginate", **BUNDLE, per_page=10)
    assert len(pages) > 1
    assert [file for page in pages for file in page.bundle.files] == whole.bundle.files == files


def test_every_file_is_what_the_bundle_says(dss: Drive, files: list[Any]) -> None:
    for file in files:
        arguments = {"uuid": file.uuid, "version": file.version, "replica": "aws"}
        streamed = dss.call("get_file.stream", **arguments)
        assert len(streamed.content) == file.size
        assert hashlib.sha256(streamed.content).hexdigest() == file.sha256
        assert streamed.headers == dss.call("head_file", **arguments)
        assert streamed.headers.content_type == file.content_type


def test_metadata_are_bytes_of_json(dss: Drive, files: list[Any]) -> None:
    file = next(file for file in files if file.indexed)
    content = dss.call("get_file", uuid=file.uuid, replica="aws")
    assert "describedBy" in json.loads(content)


def test_a_presigned_url_gives_the_content(dss: Drive, files: list[Any]) -> None:
    place = dss.call("get_file.locate", uuid=files[0].uuid, replica="aws")
    assert place.headers.sha256 == files[0].sha256
    assert "?" in place.url
    with DSSClient(dss.url) as client, client._transport.open_storage(place.url) as response:
        assert len(b"".join(response.iter_bytes())) == files[0].size


def test_a_direct_url_is_that_of_the_bucket(dss: Drive, files: list[Any]) -> None:
    place = dss.call("get_file", uuid=files[0].uuid, replica="aws", directurl=True)
    assert place.startswith("s3://")
    assert files[0].sha256 in place


def test_a_bundle_has_urls_of_its_files(dss: Drive) -> None:
    answer = dss.call("get_bundle", **BUNDLE, presignedurls=True)
    for file in answer.bundle.files:
        assert file.url.startswith("http://127.0.0.1:")
        assert file.url.partition("?")[2] not in repr(file)
    answer = dss.call("get_bundle", **BUNDLE, directurls=True)
    assert all(file.url.startswith("s3://") for file in answer.bundle.files)


def test_a_checkout_gives_a_location(dss: Drive) -> None:
    job = dss.call("post_bundles_checkout", **BUNDLE)
    state = dss.call("get_bundles_checkout", checkout_job_id=job.checkout_job_id, replica="aws")
    assert (state.status, state.cause) == ("SUCCEEDED", None)
    assert state.location.endswith(f"/bundles/{UUID}.{VERSION}")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("get_bundle", {"uuid": FILE[:-1] + "0", "replica": "aws"}),
        ("get_bundle", {**BUNDLE, "version": "2000-01-01T000000.000000Z"}),
        ("get_bundle", {**BUNDLE, "replica": "gcp"}),
        ("get_file", {"uuid": FILE, "replica": "aws"}),
        ("head_file", {"uuid": FILE, "replica": "aws"}),
        ("post_bundles_checkout", {"uuid": FILE[:-1] + "0", "replica": "aws"}),
        ("get_bundles_checkout", {"checkout_job_id": FILE, "replica": "aws"}),
    ],
)
def test_what_is_not_there_is_not_found(name: str, arguments: dict[str, Any], dss: Drive) -> None:
    with pytest.raises(NotFound) as caught:
        dss.call(name, **arguments)
    assert caught.value.code == (None if name == "head_file" else "not_found")
    assert caught.value.request_id


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("get_bundle", {**BUNDLE, "replica": "azure"}, "illegal_arguments"),
        ("get_bundle", {**BUNDLE, "per_page": 9}, "illegal_arguments"),
        ("get_bundle", {**BUNDLE, "directurls": True, "presignedurls": True}, "only_one_urltype"),
        ("get_file", {"uuid": FILE, "replica": "azure"}, "illegal_arguments"),
        ("post_search", {"replica": "aws", "es_query": {}, "per_page": 501}, "illegal_arguments"),
    ],
)
def test_bad_arguments_are_refused(
    name: str, arguments: dict[str, Any], code: str, dss: Drive
) -> None:
    with pytest.raises(BadRequest) as caught:
        dss.call(name, **arguments)
    assert caught.value.code == code
