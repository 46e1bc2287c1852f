"""Answers without what a download does not use: its files come all the same."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dss_client import DSSClient, DSSDecodeError
from dss_client.download import DownloadError
from dss_client.local import LocalDSS
from tests.drive import Driver

from .sample import sample_rows

Json = dict[str, Any]
UNUSED_BY_FILE = ("content-type", "crc32c", "s3_etag", "sha1", "indexed")
UNUSED_HEADERS = ("creator-uid", "version", "content-type", "crc32c", "s3-etag", "sha1")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalDSS]:
    with LocalDSS(tmp_path / "root", sample=True) as server:
        yield server


@pytest.fixture
def bundle(server: LocalDSS) -> Json:
    """The answer of GET /bundles/{uuid} for a bundle of the sample."""
    with DSSClient(server.url) as dss:
        (uuid, *_) = (each.uuid for each in dss.get_bundles_all(replica="aws").bundles)
        found: Json = json.loads(dss.get_bundle.raw(uuid=uuid, replica="aws").content)
    return found


def blanked(entry: Json, *names: str) -> Json:
    return {**entry, **dict.fromkeys(names)}


def left_out(entry: Json, *names: str) -> Json:
    return {name: value for name, value in entry.items() if name not in names}


each_way = pytest.mark.parametrize("spoil", [blanked, left_out])


@each_way
def test_a_whole_bundle(
    server: LocalDSS,
    bundle: Json,
    drive: Driver,
    spoil: Callable[..., Json],
    tmp_path: Path,
) -> None:
    inner = bundle["bundle"]
    inner["files"] = [spoil(file, *UNUSED_BY_FILE) for file in inner["files"]]
    answer = {"bundle": spoil(inner, "creator_uid")}
    server.faults = [
        {"on": "get_bundle", "body": answer},
        {"on": ["get_file", "head_file"], "headers": sparse_headers()},
    ]
    client = drive(url=server.url)
    report = client.call(
        "download", bundle_uuid=inner["uuid"], replica="aws", download_dir=tmp_path
    )
    folder = tmp_path / f"{inner['uuid']}.{inner['version']}"
    assert report.ok
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")} >= {
        file["name"] for file in inner["files"]
    }
    assert json.loads((folder / "bundle.json").read_text()) == answer
    with pytest.raises(DSSDecodeError):
        client.call("get_bundle", uuid=inner["uuid"], replica="aws")


@each_way
@pytest.mark.parametrize("field", ["name", "uuid", "version", "size", "sha256"])
def test_what_a_download_uses_must_be_there(
    server: LocalDSS,
    bundle: Json,
    spoil: Callable[..., Json],
    field: str,
    tmp_path: Path,
) -> None:
    files = bundle["bundle"]["files"]
    files[1] = spoil(files[1], field)
    server.faults = [{"on": "get_bundle", "body": bundle}]
    with (
        DSSClient(server.url) as dss,
        pytest.raises(DSSDecodeError, match=rf"bundle\.files\.1\.{field}"),
    ):
        dss.download(bundle_uuid=bundle["bundle"]["uuid"], replica="aws", download_dir=tmp_path)


def sparse_headers() -> dict[str, None]:
    return dict.fromkeys(f"X-DSS-{name.upper()}" for name in UNUSED_HEADERS)


def test_a_manifest(server: LocalDSS, bundle: Json, drive: Driver, tmp_path: Path) -> None:
    inner = bundle["bundle"]
    rows = [row for row in sample_rows(server.url) if row.bundle_uuid == inner["uuid"]]
    answer = {"bundle": {**inner, "files": [left_out(f, *UNUSED_BY_FILE) for f in inner["files"]]}}
    server.faults = [
        {"on": "get_bundle", "body": answer},
        {"on": ["get_file", "head_file"], "headers": sparse_headers()},
    ]
    for layout in ("none", "bundle"):
        report = drive(url=server.url).call(
            "download_manifest",
            manifest=[row.model_dump() for row in rows],
            replica="aws",
            layout=layout,
            download_dir=tmp_path / layout,
        )
        assert report.ok


def test_a_collection_and_its_files(
    server: LocalDSS, bundle: Json, drive: Driver, tmp_path: Path
) -> None:
    file = bundle["bundle"]["files"][0]
    contents = [
        {"type": "file", "uuid": file["uuid"], "version": file["version"]},
        {"type": "bundle", "uuid": "odd", "version": "odd"},
    ]
    server.faults = [
        {"on": "get_collection", "status": 200, "body": {"collection": {"contents": contents}}},
        {"on": ["get_file", "head_file"], "headers": sparse_headers()},
    ]
    token = server.mint_token()
    with pytest.raises(DownloadError, match=r"'bundle odd\.odd': it cannot be read") as failed:
        drive(url=server.url, options={"token": token}).call(
            "download_collection",
            uuid="cccccccc-0000-4000-8000-000000000000",
            replica="aws",
            download_dir=tmp_path,
        )
    assert failed.value.report.files_done == 1


def test_what_a_search_finds(server: LocalDSS, bundle: Json, drive: Driver, tmp_path: Path) -> None:
    inner = bundle["bundle"]
    hits = [{"bundle_fqid": "odd"}, {"bundle_fqid": f"{inner['uuid']}.{inner['version']}"}]
    server.faults = [{"on": "post_search", "body": {"results": hits}}]
    with pytest.raises(DownloadError, match="'bundle odd': it cannot be read") as failed:
        drive(url=server.url).call(
            "download_search", es_query={}, replica="aws", download_dir=tmp_path
        )
    assert failed.value.report.files_done == len(inner["files"]) + 1
    assert len(failed.value.report.errors) == 1
