"""One share of a download: the same on every machine, and all shares are the whole."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dss_client import FQID, DSSClient, create_version
from dss_client.download import DownloadReport
from dss_client.errors import InvalidArgument
from dss_client.local import LocalDSS
from dss_client.models import CollectionItem

from .sample import sample_rows, write_sample

SHARDS = ("1/3", "2/3", "3/3")
# Of the sample, in the second of three.
PINNED = {
    "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7.2019-05-16T211813.059197Z",
    "5b7e3c2d-4f60-4172-9b83-94a5b6c7d8e9.2019-05-20T081502.417360Z",
}
UUID = "0a6f2b1c-3c1d-4e2f-8a9b-5d6c7e8f9a0b"


@pytest.fixture
def dss(local_dss: LocalDSS) -> Iterator[DSSClient]:
    with DSSClient(local_dss.url) as client:
        yield client


@pytest.fixture
def manifest(local_dss: LocalDSS, tmp_path: Path) -> Path:
    return write_sample(tmp_path / "wanted.tsv", local_dss.url)


Entries = Counter[tuple[FQID | None, str]]


def entries(*reports: DownloadReport) -> Entries:
    return Counter((entry.bundle, entry.name) for report in reports for entry in report.entries)


def assert_whole(download: Callable[..., DownloadReport], directory: Path) -> list[DownloadReport]:
    """Download all shares, and assert that they are what there is to download; return them."""
    shares = [download(shard=shard, download_dir=directory) for shard in SHARDS]
    whole = download(dry_run=True, download_dir=directory / "other")
    assert entries(*shares) == entries(whole)
    assert sum(bool(share.entries) for share in shares) > 1
    assert [share.manifest_path for share in shares] == [None] * len(SHARDS)
    again = download(download_dir=directory)
    assert again.count("downloaded") == 0
    assert again.count("reused") == again.files_total
    return shares


def test_a_manifest_by_bundles(dss: DSSClient, manifest: Path, tmp_path: Path) -> None:
    def download(**options: Any) -> DownloadReport:
        return dss.download_manifest(
            manifest=manifest, replica="aws", layout="bundle", durable=False, **options
        )

    shares = assert_whole(download, tmp_path / "data")
    bundles = [{entry.bundle for entry in share.entries} for share in shares]
    assert sum(map(len, bundles)) == len(set[FQID | None]().union(*bundles)) == 3
    assert (tmp_path / "data" / "wanted.tsv").exists()  # of the last run


def test_the_share_of_a_bundle_never_changes(
    dss: DSSClient, manifest: Path, tmp_path: Path
) -> None:
    """Jobs of an array may have other versions of Python, and of this package."""
    report = dss.download_manifest(
        manifest=manifest,
        replica="aws",
        layout="bundle",
        shard="2/3",
        download_dir=tmp_path,
        dry_run=True,
    )
    assert {str(entry.bundle) for entry in report.entries} == PINNED


def test_a_manifest_by_contents(dss: DSSClient, manifest: Path, tmp_path: Path) -> None:
    def download(**options: Any) -> DownloadReport:
        return dss.download_manifest(manifest=manifest, replica="aws", durable=False, **options)

    shares = assert_whole(download, tmp_path / "data")
    keys = [{entry.sha256 for entry in share.entries} for share in shares]
    assert sum(map(len, keys)) == len(set[str]().union(*keys))  # none is fetched twice


def test_a_single_bundle_by_files(dss: DSSClient, local_dss: LocalDSS, tmp_path: Path) -> None:
    row = sample_rows(local_dss.url)[0]

    def download(**options: Any) -> DownloadReport:
        return dss.download(
            bundle_uuid=row.bundle_uuid, replica="aws", no_data=True, durable=False, **options
        )

    assert_whole(download, tmp_path / "data")


def test_several_bundles(dss: DSSClient, local_dss: LocalDSS, tmp_path: Path) -> None:
    fqids = sorted(
        {FQID(row.bundle_uuid, row.bundle_version) for row in sample_rows(local_dss.url)}
    )

    def download(**options: Any) -> DownloadReport:
        return dss.download_bundles(bundles=fqids, replica="aws", durable=False, **options)

    assert_whole(download, tmp_path / "data")


def test_a_search_that_workers_share(dss: DSSClient, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:

        def download(**options: Any) -> DownloadReport:
            return dss.download_search(
                es_query={}, replica="aws", durable=False, executor=pool, **options
            )

        assert_whole(download, tmp_path / "data")


def test_a_collection(local_dss: LocalDSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = sample_rows(local_dss.url)
    bundles = sorted({(row.bundle_uuid, row.bundle_version) for row in rows})
    files = [(row.file_uuid, row.file_version) for row in rows[:9]]
    monkeypatch.setenv("DSS_TOKEN", local_dss.mint_token(email="me@example.org"))
    with DSSClient(local_dss.url) as dss:
        dss.put_collection(
            replica="aws",
            uuid=UUID,
            version=create_version(),
            name="mine",
            description="of the test",
            details={},
            contents=[
                *(CollectionItem(type="bundle", uuid=uuid, version=v) for uuid, v in bundles),
                *(CollectionItem(type="file", uuid=uuid, version=v) for uuid, v in files),
            ],
        )

        def download(**options: Any) -> DownloadReport:
            return dss.download_collection(uuid=UUID, replica="aws", durable=False, **options)

        assert_whole(download, tmp_path / "data")


@pytest.mark.parametrize("shard", ["", "3", "0/3", "4/3", "1/0", "-1/3", "a/3", "1/3/3", "auto"])
def test_a_shard_that_is_not_valid(dss: DSSClient, shard: str) -> None:
    with pytest.raises(InvalidArgument, match="is not a valid shard: expected I/N"):
        dss.download_search(es_query={}, replica="aws", shard=shard)
