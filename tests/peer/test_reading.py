"""The reference client reads what the embedded DSS serves, and gets what ours gets."""

import pytest

from dss_client import DSSClient
from dss_client.local.sample import BUNDLES, sample_files
from tests.peer.peer_client import Peer, PeerError

BUNDLE = BUNDLES[0]
HUMAN = {"query": {"match": {"files.donor_organism_json.genus_species.text": "homo sapiens"}}}


def test_it_finds_the_same_bundles(peer: Peer, ours: DSSClient) -> None:
    theirs = peer.iterate("post_search", replica="aws", es_query=HUMAN)
    found = [hit.bundle_fqid for hit in ours.post_search.iterate(replica="aws", es_query=HUMAN)]
    assert found
    assert [hit["bundle_fqid"] for hit in theirs] == found


def test_it_pages_a_search(paged_peer: Peer) -> None:
    pages = paged_peer.paginate("post_search", replica="aws", es_query={}, per_page=10)
    hits = [hit["bundle_fqid"] for page in pages for hit in page["results"]]
    assert len(pages) == 3
    assert len(set(hits)) == len(hits) == 25


def test_it_pages_all_bundles(paged_peer: Peer) -> None:
    bundles = paged_peer.iterate("get_bundles_all", replica="aws", per_page=10)
    assert len({(bundle["uuid"], bundle["version"]) for bundle in bundles}) == len(bundles) == 25


def test_it_pages_a_bundle(paged_peer: Peer, large_bundle: str) -> None:
    pages = paged_peer.paginate("get_bundle", uuid=large_bundle, replica="aws", per_page=10)
    names = [file["name"] for page in pages for file in page["bundle"]["files"]]
    assert [len(page["bundle"]["files"]) for page in pages] == [10, 10, 4]
    assert len(set(names)) == 24


def test_it_gets_urls_of_a_checked_out_bundle(peer: Peer, ours: DSSClient) -> None:
    answer = peer("get_bundle", uuid=BUNDLE.uuid, replica="aws", presignedurls="true")
    again = ours.get_bundle(uuid=BUNDLE.uuid, replica="aws", presignedurls=True)
    theirs = {file["name"]: file["url"].partition("?")[0] for file in answer["bundle"]["files"]}
    assert theirs == {file.name: str(file.url).partition("?")[0] for file in again.bundle.files}


def test_it_reads_and_heads_each_file(peer: Peer) -> None:
    contents = sample_files(BUNDLE)
    files = peer("get_bundle", uuid=BUNDLE.uuid, replica="aws")["bundle"]["files"]
    assert {file["name"] for file in files} == set(contents)
    for file in files:
        content = peer.stream("get_file", uuid=file["uuid"], replica="aws")
        head = peer("head_file", uuid=file["uuid"], replica="aws", version=file["version"])
        assert content == contents[file["name"]]
        assert head["status"] == 200
        assert head["headers"]["x-dss-sha256"] == file["sha256"]
        assert head["headers"]["x-dss-size"] == str(len(content))


def test_it_checks_a_bundle_out(peer: Peer) -> None:
    job = peer("post_bundles_checkout", uuid=BUNDLE.uuid, replica="aws")["checkout_job_id"]
    statuses = [
        peer("get_bundles_checkout", checkout_job_id=job, replica="aws")["status"] for _ in range(3)
    ]
    assert statuses[0] == "RUNNING"
    assert statuses[-1] == "SUCCEEDED"


@pytest.mark.parametrize("method", ["get_bundle", "get_file", "head_file"])
def test_it_understands_a_refusal(peer: Peer, method: str) -> None:
    absent = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(PeerError) as caught:
        peer(method, uuid=absent, replica="aws")
    assert caught.value.type == "SwaggerAPIException"
    assert caught.value.status == 404
    assert caught.value.code == ("Not Found" if method == "head_file" else "not_found")
