"""One share of a download: the same on every machine, and all shares are the whole."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from dss_client import FQID, DSSClient, create_version
from dss_client.download import DownloadReport
from dss_client.errors import InvalidArgument
from dss_client.local import LocalDSS
from dss_client.models import CollectionItem

from .sample import sample_rows

SHARDS = ("1/3", "2/3", "3/3")
# Of the sample, in the second of three.
PINNED = {
    "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7.2019-05-16T211813.059197Z",
    "5b7e3c2d-4f60-4172-9b83-94a5b6c7d8e9.2019-05-20T081502.417360Z",
}


@pytest.fixture
def collection(local_dss: LocalDSS) -> str:
    """A collection of all bundles of the sample, and of some of their files."""
    rows = sample_rows(local_dss.url)
    items = {("bundle", row.bundle_uuid, row.bundle_version) for row in rows}
    items |= {("file", row.file_uuid, row.file_version) for row in rows[:9]}
    with DSSClient(local_dss.url, token=local_dss.mint_token(email="me@example.org")) as dss:
        made = dss.put_collection(
            replica="aws",
            uuid=str(uuid4()),
            version=create_version(),
            name="mine",
            description="of the test",
            details={},
            contents=[CollectionItem(type=kind, uuid=u, version=v) for kind, u, v in sorted(items)],
        )
    return made.uuid


def entries(*reports: DownloadReport) -> Counter[tuple[FQID | None, str]]:
    return Counter((entry.bundle, entry.name) for report in reports for entry in report.files)


@pytest.mark.parametrize(
    ("kind", "shared"),
    [
        ("manifest, bundles", "bundle"),
        ("manifest", "sha256"),
        ("bundle", None),
        ("bundles", "bundle"),
        ("search", "bundle"),
        ("collection", None),
    ],
)
def test_all_shares_are_the_whole(
    local_dss: LocalDSS, manifest: Path, collection: str, tmp_path: Path, kind: str, shared: Any
) -> None:
    rows = sample_rows(local_dss.url)
    fqids = sorted({FQID(row.bundle_uuid, row.bundle_version) for row in rows})
    token = local_dss.mint_token(email="me@example.org")
    with DSSClient(local_dss.url, token=token) as dss, ThreadPoolExecutor(2) as pool:
        calls: dict[str, Callable[..., DownloadReport]] = {
            "manifest, bundles": partial(dss.download_manifest, manifest=manifest, layout="bundle"),
            "manifest": partial(dss.download_manifest, manifest=manifest),
            "bundle": partial(dss.download, bundle_uuid=rows[0].bundle_uuid, no_data=True),
            "bundles": partial(dss.download_bundles, bundles=fqids),
            "search": partial(dss.download_search, es_query={}, executor=pool),
            "collection": partial(dss.download_collection, uuid=collection),
        }
        download = partial(calls[kind], replica="aws", durable=False)
        data = tmp_path / "data"
        shares = [download(shard=shard, download_dir=data) for shard in SHARDS]
        whole = download(dry_run=True, download_dir=tmp_path / "other")
        again = download(download_dir=data)
    assert entries(*shares) == entries(whole)
    assert sum(bool(share.files) for share in shares) > 1
    assert [share.manifest_path for share in shares] == [None] * len(SHARDS)
    assert (data / "wanted.tsv").exists() == kind.startswith("manifest")  # of the last run
    assert again.count("downloaded") == 0
    assert again.count("reused") == again.files_total
    if shared is not None:  # and nothing is in two of them
        seen = [{getattr(entry, shared) for entry in share.files} for share in shares]
        assert sum(map(len, seen)) == len(set[object]().union(*seen))


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
    assert {str(entry.bundle) for entry in report.files} == PINNED


@pytest.mark.parametrize("shard", ["", "3", "0/3", "4/3", "1/0", "-1/3", "a/3", "1/3/3", "auto"])
def test_a_shard_that_is_not_valid(dss: DSSClient, shard: str) -> None:
    with pytest.raises(InvalidArgument, match="is not a valid shard: expected I/N"):
        dss.download_search(es_query={}, replica="aws", shard=shard)
