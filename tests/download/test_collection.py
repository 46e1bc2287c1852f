"""Downloads of collections and of what a search finds, over a socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dss_client import AsyncDSSClient, DSSClient, NotFound, create_version
from dss_client.download import DownloadError
from dss_client.local import LocalDSS
from dss_client.models import BundleVersion, CollectionItemDict


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalDSS]:
    with LocalDSS(tmp_path / "root", sample=True) as server:
        yield server


@pytest.fixture
def dss(server: LocalDSS) -> Iterator[DSSClient]:
    with DSSClient(server.url, token=server.mint_token(email="me@example.org")) as dss:
        yield dss


@pytest.fixture
def bundles(dss: DSSClient) -> list[BundleVersion]:
    return [
        dss.get_bundle(uuid=each.uuid, version=each.version, replica="aws").bundle
        for each in dss.get_bundles_all(replica="aws").bundles
    ]


def link(kind: str, uuid: str, version: str, **more: str) -> CollectionItemDict:
    item: CollectionItemDict = {"type": kind, "uuid": uuid, "version": version}
    if "fragment" in more:
        item["fragment"] = item["path"] = more["fragment"]
    return item


def collect(dss: DSSClient, number: int, *contents: CollectionItemDict) -> CollectionItemDict:
    """Put a collection, and return a link to it."""
    uuid = f"cccccccc-0000-4000-8000-{number:012d}"
    version = create_version()
    dss.put_collection(
        uuid=uuid,
        version=version,
        replica="aws",
        name=f"collection {number}",
        description="",
        details={},
        contents=list(contents),
    )
    return link("collection", uuid, version)


def names_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_bundles_files_and_nested_collections(
    dss: DSSClient, bundles: list[BundleVersion], tmp_path: Path
) -> None:
    first, second, third = bundles
    file, holder = third.files[0], third.files[1]
    inner = collect(
        dss,
        1,
        link("bundle", second.uuid, second.version),
        link("bundle", first.uuid, first.version),  # once more
    )
    outer = collect(
        dss,
        2,
        link("bundle", first.uuid, first.version),
        inner,
        link("file", file.uuid, file.version),
        link("part", holder.uuid, holder.version, fragment=""),  # a pointer to all of it
    )
    report = dss.download_collection(uuid=outer["uuid"], replica="aws", download_dir=tmp_path / "d")
    assert report.ok
    assert report.files_done == len(first.files) + len(second.files) + 2 + 2
    names = {name for name in names_below(tmp_path / "d") if not name.startswith(".hca")}
    assert {f"{each.uuid}.{each.version}/bundle.json" for each in (first, second)} <= names
    folder = f"collection-{outer['uuid']}"
    content = (tmp_path / "d" / folder / f"{file.uuid}.{file.version}").read_bytes()
    assert len(content) == file.size
    name = f"{holder.uuid}.{holder.version}"
    whole = dss.get_file(uuid=holder.uuid, version=holder.version, replica="aws")
    assert (tmp_path / "d" / folder / name).read_bytes() == whole
    part = next(entry for entry in report.files if entry.name == name)
    assert part.reason == "the collection lists '' of it: it was downloaded as a whole"
    again = dss.download_collection(
        uuid=outer["uuid"], version=outer["version"], replica="aws", download_dir=tmp_path / "d"
    )
    assert again.count("reused") == report.files_done


def test_a_place_is_downloaded_once_whatever_its_type(
    dss: DSSClient, bundles: list[BundleVersion], tmp_path: Path
) -> None:
    file = next(f for f in bundles[0].files if f.content_type.startswith("application/json"))
    outer = collect(
        dss,
        1,
        link("donor", file.uuid, file.version, fragment=""),
        link("cell", file.uuid, file.version, fragment=""),
        link("file", file.uuid, file.version),
    )
    report = dss.download_collection(uuid=outer["uuid"], replica="aws", download_dir=tmp_path)
    assert report.files_total == report.files_done == 1


def test_collections_that_hold_each_other_come_to_an_end(
    dss: DSSClient, bundles: list[BundleVersion], tmp_path: Path
) -> None:
    inner = collect(dss, 1, link("bundle", bundles[0].uuid, bundles[0].version))
    outer = collect(dss, 2, inner)
    dss.patch_collection(
        uuid=inner["uuid"], version=inner["version"], replica="aws", add_contents=[outer]
    )
    report = dss.download_collection(uuid=outer["uuid"], replica="aws", download_dir=tmp_path)
    assert report.files_done == len(bundles[0].files) + 1


def test_what_is_lost_fails_by_itself(
    dss: DSSClient, bundles: list[BundleVersion], server: LocalDSS, tmp_path: Path
) -> None:
    first, second, third = bundles
    inner = collect(dss, 1, link("bundle", second.uuid, second.version))
    outer = collect(
        dss,
        2,
        link("bundle", first.uuid, first.version),
        inner,
        link("file", third.files[0].uuid, third.files[0].version),
    )
    dss.delete_collection(uuid=inner["uuid"], replica="aws")
    server.faults = [
        {"on": "head_file", "status": 404},
        {"on": "get_bundle", "uuid": first.uuid, "status": 404},
    ]
    with pytest.raises(DownloadError) as caught:
        dss.download_collection(uuid=outer["uuid"], replica="aws", download_dir=tmp_path / "d")
    texts = sorted(str(error) for error in caught.value.report.errors)
    assert len(texts) == 3
    assert any("collection cccccccc" in text and "cannot be read" in text for text in texts)
    assert any("it cannot be read" in text for text in texts)
    assert any("its bundle cannot be downloaded" in text for text in texts)


def test_an_unknown_collection(dss: DSSClient, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        dss.download_collection(
            uuid="cccccccc-0000-4000-8000-000000000009", replica="aws", download_dir=tmp_path
        )
    assert names_below(tmp_path / "d") == set()


def test_what_a_search_finds(dss: DSSClient, bundles: list[BundleVersion], tmp_path: Path) -> None:
    report = dss.download_search(
        es_query={"query": {"match": {"uuid": bundles[1].uuid}}},
        replica="aws",
        download_dir=tmp_path / "d",
        no_data=True,
    )
    metadata = [file for file in bundles[1].files if file.indexed]
    assert report.files_done == len(metadata) + 1
    assert report.count("skipped") == len(bundles[1].files) - len(metadata)


def test_a_bundle_that_was_deleted_is_skipped(
    dss: DSSClient, bundles: list[BundleVersion], server: LocalDSS, tmp_path: Path
) -> None:
    server.faults = [{"on": "get_bundle", "uuid": bundles[0].uuid, "status": 404}]
    report = dss.download_search(es_query={}, replica="aws", download_dir=tmp_path / "d")
    [skipped] = report.in_state("skipped")
    assert skipped.reason == "the search found it, but it was deleted"
    assert skipped.bundle is not None
    assert skipped.bundle.uuid == bundles[0].uuid
    assert report.files_done == len(bundles[1].files) + len(bundles[2].files) + 2


def test_several_bundles_of_which_one_is_unknown(
    dss: DSSClient, bundles: list[BundleVersion], tmp_path: Path
) -> None:
    known = f"{bundles[0].uuid}.{bundles[0].version}"
    unknown = "dddddddd-0000-4000-8000-000000000001.2019-01-01T000000.000000Z"
    with pytest.raises(DownloadError) as caught:
        dss.download_bundles(
            bundles=[known, unknown, known], replica="aws", download_dir=tmp_path / "d"
        )
    [error] = caught.value.report.errors
    assert str(error.bundle) == unknown
    assert caught.value.report.files_done == len(bundles[0].files) + 1


async def test_the_asynchronous_client_does_the_same(
    dss: DSSClient, bundles: list[BundleVersion], server: LocalDSS, tmp_path: Path
) -> None:
    outer = collect(
        dss,
        1,
        link("bundle", bundles[0].uuid, bundles[0].version),
        link("file", bundles[1].files[0].uuid, bundles[1].files[0].version),
    )

    async def token() -> str:
        return server.mint_token(email="me@example.org")

    async with AsyncDSSClient(server.url, token=token) as client:
        report = await client.download_collection(
            uuid=outer["uuid"], replica="aws", download_dir=tmp_path / "d"
        )
        found = await client.download_search(
            es_query={}, replica="aws", download_dir=tmp_path / "d"
        )
    assert report.files_done == len(bundles[0].files) + 2
    assert found.count("reused") >= len(bundles[0].files) + 1
    assert found.ok
