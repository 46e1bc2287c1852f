"""The reference client writes to the embedded DSS, with a token that this minted."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from dss_client import DSSClient, create_version
from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.sample import BUNDLES
from tests.peer.peer_client import Peer, PeerError

OWNER = "peer@example.org"
CALLBACK = "http://127.0.0.1:9/"
CONTENT = b'{"describedBy": "https://example.org/type/cell/1.0.0/cell", "name": "one"}'


@pytest.fixture(scope="module")
def writable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    source = tmp_path_factory.mktemp("source")
    (source / "cell_0.json").write_bytes(CONTENT)
    (source / "reads.txt").write_bytes(b"ACGT")
    settings = LocalSettings(retry_after=0, sources={"source": source}, admins=frozenset({OWNER}))
    with LocalDSS(sample=True, settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def writer(writable: LocalDSS, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    token = writable.mint_token(email=OWNER)
    with Peer(writable.url, tmp_path_factory.mktemp("writer"), token) as made:
        yield made


@pytest.fixture
def ours(writable: LocalDSS) -> Iterator[DSSClient]:
    with DSSClient(writable.url) as client:
        yield client


def put_file(writer: Peer, name: str) -> dict[str, object]:
    """Put a file; return how a bundle names it."""
    uuid, version = str(uuid4()), create_version()
    answer = writer(
        "put_file", uuid=uuid, version=version, source_url=f"s3://source/{name}", creator_uid=0
    )
    assert answer == {"version": version}
    return {"uuid": uuid, "version": version, "name": name, "indexed": name.endswith(".json")}


def put_bundle(writer: Peer, *files: dict[str, object]) -> tuple[str, str]:
    uuid, version = str(uuid4()), create_version()
    arguments = {"uuid": uuid, "version": version, "replica": "aws", "creator_uid": 0}
    answer = writer("put_bundle", **arguments, files=list(files))
    assert answer["version"] == version
    assert writer("put_bundle", **arguments, files=list(files)) == answer
    return uuid, version


def test_it_puts_files_and_a_bundle_of_them(writer: Peer, ours: DSSClient, tmp_path: Path) -> None:
    files = [put_file(writer, name) for name in ("cell_0.json", "reads.txt")]
    uuid, version = put_bundle(writer, *files)
    ours.download(bundle_uuid=uuid, replica="aws", download_dir=tmp_path)
    folder = tmp_path / f"{uuid}.{version}"
    assert (folder / "cell_0.json").read_bytes() == CONTENT
    assert (folder / "reads.txt").read_bytes() == b"ACGT"
    found = writer.iterate(
        "post_search",
        replica="aws",
        es_query={"query": {"match": {"files.cell_json.name": "one"}}},
    )
    assert f"{uuid}.{version}" in [hit["bundle_fqid"] for hit in found]


def test_it_patches_and_deletes_a_bundle(writer: Peer, ours: DSSClient) -> None:
    first, second = (put_file(writer, name) for name in ("cell_0.json", "reads.txt"))
    uuid, version = put_bundle(writer, first)
    patched = writer(
        "patch_bundle",
        uuid=uuid,
        version=version,
        replica="aws",
        add_files=[second],
        remove_files=[first],
    )
    assert patched["uuid"] == uuid
    names = [file.name for file in ours.get_bundle.iterate(uuid=uuid, replica="aws")]
    assert names == ["reads.txt"]
    assert writer("delete_bundle", uuid=uuid, replica="aws", reason="a test") == {}
    with pytest.raises(PeerError) as caught:
        writer("get_bundle", uuid=uuid, replica="aws")
    assert (caught.value.status, caught.value.code) == (404, "not_found")


def test_it_is_told_why_a_write_is_refused(writer: Peer) -> None:
    file = put_file(writer, "reads.txt")
    with pytest.raises(PeerError) as caught:
        put_bundle(writer, file, file)
    assert (caught.value.status, caught.value.code) == (400, "duplicate_filename")


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("jmespath", {"jmespath_query": "event_type == 'CREATE'"}),
        ("elasticsearch", {"es_query": {"query": {"match_all": {}}}}),
    ],
)
def test_it_puts_lists_and_deletes_subscriptions(
    kind: str, query: dict[str, object], writer: Peer
) -> None:
    put = writer("put_subscription", replica="aws", callback_url=CALLBACK, **query)
    place = {"replica": "aws", "subscription_type": kind}
    got = writer("get_subscription", uuid=put["uuid"], **place)
    assert got["callback_url"] == CALLBACK
    assert got["owner"] == OWNER
    listed = writer("get_subscriptions", **place)["subscriptions"]
    assert [one["uuid"] for one in listed] == [put["uuid"]]
    assert set(writer("delete_subscription", uuid=put["uuid"], **place)) == {"timeDeleted"}
    assert writer("get_subscriptions", **place) == {"subscriptions": []}


def test_it_creates_patches_downloads_and_deletes_collections(writer: Peer, tmp_path: Path) -> None:
    bundles = [
        {"type": "bundle", "uuid": bundle.uuid, "version": bundle.version} for bundle in BUNDLES
    ]
    uuid, version = str(uuid4()), create_version()
    put = writer(
        "put_collection",
        replica="aws",
        uuid=uuid,
        version=version,
        name="peer",
        description="a test",
        details={"of": "peer"},
        contents=bundles[:1],
    )
    assert put == {"uuid": uuid, "version": version}
    patched = writer(
        "patch_collection",
        uuid=uuid,
        replica="aws",
        version=version,
        name="patched",
        add_contents=bundles[1:],
        remove_contents=bundles[:1],
    )
    got = writer("get_collection", uuid=uuid, replica="aws")
    assert got["name"] == "patched"
    assert got["description"] == "a test"
    assert got["contents"] == bundles[1:]
    listed = writer.iterate("get_collections")
    assert {"uuid": uuid, "version": patched["version"]} in listed
    writer.inside(tmp_path, "download_collection", uuid=uuid, replica="aws")
    assert {path.parent.name for path in tmp_path.glob("*/bundle.json")} == {
        f"{bundle.uuid}.{bundle.version}" for bundle in BUNDLES[1:]
    }
    assert writer("delete_collection", uuid=uuid, replica="aws") == {}
    with pytest.raises(PeerError) as caught:
        writer("get_collection", uuid=uuid, replica="aws")
    assert caught.value.status == 404


def test_it_reads_events(writer: Peer, writable: LocalDSS) -> None:
    uuid, version = put_bundle(writer, put_file(writer, "cell_0.json"))
    event = writer("get_event", uuid=uuid, version=version, replica="aws")
    assert event["bundle_info"] == {"uuid": uuid, "version": version}
    streams = writer.iterate("get_events", replica="aws")
    listed = [each["event_id"] for stream in streams for each in stream["events"]]
    assert f"{uuid}.{version}" in listed
