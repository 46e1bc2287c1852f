"""Downloads over real sockets, from the embedded DSS and from a stubborn storage."""

import hashlib
import http.server
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from dss_client import DSSClient
from dss_client.download import DownloadError, NameClash, download_bundle
from dss_client.download.source import ClientSource
from dss_client.errors import NotFound
from dss_client.local import LocalDSS
from dss_client.manifest import manifest_rows, write_manifest
from dss_client.models import GetBundleResponse

from .scripted import FQ, page_of, sha256

VERSION = "2019-06-03T140927.880042Z"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Generator[LocalDSS]:
    with LocalDSS(tmp_path_factory.mktemp("dss"), sample=True) as local:
        yield local


@pytest.fixture
def dss(local: LocalDSS) -> Generator[DSSClient]:
    with DSSClient(local.url) as client:
        yield client


@pytest.fixture
def loaded(tmp_path: Path) -> Path:
    root = tmp_path / "loaded"
    for name, content in {
        "cell.json": b"{}",
        "reads/r1.fastq.gz": bytes(range(256)) * 5000,
        "reads/r2.fastq.gz": bytes(range(256)) * 5000,
        "matrix.zarr!.zattrs": b"[]",
        "empty.txt": b"",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_a_loaded_bundle_comes_back(
    local: LocalDSS, dss: DSSClient, loaded: Path, tmp_path: Path
) -> None:
    bundle = local.load_bundle(loaded)
    report = dss.download(bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path / "d")
    back = tree(tmp_path / "d" / f"{bundle.uuid}.{bundle.version}")
    description = GetBundleResponse.model_validate_json(back.pop("bundle.json"))
    assert back == tree(loaded)
    assert description == dss.get_bundle(uuid=bundle.uuid, replica="aws")
    assert report.files_done == len(back) + 1
    assert report.bytes_downloaded < report.bytes_done


@pytest.mark.parametrize("layout", ["none", "bundle"])
def test_the_sample_by_manifest(
    dss: DSSClient, tmp_path: Path, layout: Literal["none", "bundle"]
) -> None:
    pages = [
        page
        for hit in dss.post_search.iterate(replica="aws", es_query={})
        for page in dss.get_bundle.paginate(
            replica="aws",
            uuid=hit.bundle_fqid.partition(".")[0],
            version=hit.bundle_fqid.partition(".")[2],
        )
    ]
    rows = [row for page in pages for row in manifest_rows(page.bundle)]
    assert write_manifest(tmp_path / "m.tsv", rows) > 30
    report = dss.download_manifest(
        manifest=tmp_path / "m.tsv", replica="aws", layout=layout, download_dir=tmp_path / "d"
    )
    assert report.ok
    assert report.files_done >= len(rows)
    for entry in report.entries:
        assert entry.path is not None
        content = entry.path.read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry.size, entry.sha256)
    assert report.manifest_path is not None
    assert report.manifest_path.read_bytes().count(b"\r\n") == len(rows) + 1


def test_an_unknown_bundle(dss: DSSClient, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        dss.download(bundle_uuid=FQ.uuid, replica="aws", download_dir=tmp_path)


def test_a_clash_is_found_before_any_byte(local: LocalDSS, dss: DSSClient, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name in ("readme", "README"):
        (tmp_path / "src" / name).write_text(name)
    bundle = local.load_bundle(tmp_path / "src")
    with pytest.raises(NameClash):
        dss.download(bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path / "d")
    assert not (tmp_path / "d").exists()


CONTENT = bytes(range(251)) * 4096


class Storage(http.server.ThreadingHTTPServer):
    """Breaks off each answer, and forgets about ranges at times."""

    daemon_threads = True

    def __init__(self, *, heed: list[bool], cut: int) -> None:
        self.heed = iter(heed)
        self.cut = cut
        self.ranges: list[str | None] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/blob?signature=secret"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Storage

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if not next(self.server.heed, True):
            start = 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(CONTENT[start : start + self.server.cut])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(*, heed: list[bool], cut: int) -> Iterator[Storage]:
    with Storage(heed=heed, cut=cut) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class OneFile(ClientSource):
    """A source whose one bundle is made up, and whose storage is real."""

    def __init__(self, client: DSSClient, url: str) -> None:
        super().__init__(client)
        self.url = url

    def bundle_pages(self, **_: object) -> Iterator[GetBundleResponse]:
        file = {
            "name": "blob",
            "uuid": FQ.uuid,
            "version": VERSION,
            "content-type": "x/y",
            "size": len(CONTENT),
            "indexed": False,
            "crc32c": "",
            "s3_etag": "",
            "sha1": "",
            "sha256": sha256(CONTENT),
        }
        page = page_of([])
        document = page.model_dump(mode="json")
        document["bundle"]["files"] = [file]
        yield GetBundleResponse.model_validate(document)

    def locate(self, **_: object) -> str:
        return self.url


def test_c4_a_broken_connection_is_resumed(dss: DSSClient, tmp_path: Path) -> None:
    with serving(heed=[], cut=400_000) as storage:
        report = download_bundle(
            OneFile(dss, storage.url),
            bundle_uuid=FQ.uuid,
            replica="aws",
            download_dir=tmp_path,
            min_delay_seconds=0,
        )
    entry = report.entries[1]
    assert entry.path is not None
    assert entry.path.read_bytes() == CONTENT
    assert entry.tries == len(storage.ranges) > 2
    assert storage.ranges[0] is None
    assert all(asked and asked.startswith("bytes=") for asked in storage.ranges[1:])


def test_c4_an_ignored_range_starts_over(dss: DSSClient, tmp_path: Path) -> None:
    with serving(heed=[True, False], cut=600_000) as storage:
        report = download_bundle(
            OneFile(dss, storage.url),
            bundle_uuid=FQ.uuid,
            replica="aws",
            download_dir=tmp_path,
            min_delay_seconds=0,
        )
    assert report.entries[1].path is not None
    assert report.entries[1].path.read_bytes() == CONTENT


def test_no_presigned_query_in_errors(dss: DSSClient, tmp_path: Path) -> None:
    with serving(heed=[], cut=10) as storage, pytest.raises(DownloadError) as caught:
        download_bundle(
            OneFile(dss, storage.url),
            bundle_uuid=FQ.uuid,
            replica="aws",
            download_dir=tmp_path,
            num_retries=0,
        )
    assert "secret" not in str(caught.value) + repr(caught.value) + caught.value.report.to_json()
