"""Downloads over real sockets, from the embedded DSS and from a stubborn storage."""

import hashlib
import threading
import time
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from pytest_httpx import HTTPXMock

from dss_client import DSSClient
from dss_client.download import (
    DownloadError,
    DownloadReport,
    NameClash,
    ProgressEvent,
    SizeMismatch,
)
from dss_client.download.lanes import Limits
from dss_client.errors import NotFound
from dss_client.local import LoadedBundle, LocalDSS, LocalSettings
from dss_client.manifest import manifest_rows, write_manifest
from dss_client.models import GetBundleResponse

from .by_keywords import download_bundle
from .scripted import BUNDLE, FQ, ScriptedSource
from .storage import Asked, End, Storage, answer, connect, serve

SMALL = 1000
LARGE = 400_000  # more than the event loop takes


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
    return folder_of(
        tmp_path,
        {
            "cell.json": b"{}",
            "reads/r1.fastq.gz": bytes(range(256)) * 5000,
            "reads/r2.fastq.gz": bytes(range(256)) * 5000,
            "matrix.zarr!.zattrs": b"[]",
            "empty.txt": b"",
        },
    )


def folder_of(directory: Path, contents: dict[str, bytes]) -> Path:
    """Write files to be loaded as a bundle."""
    root = directory / "loaded"
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def many(count: int, size: int) -> dict[str, bytes]:
    """Return so many different contents."""
    return {f"f{number:03}": number.to_bytes(4) * (size // 4) for number in range(count)}


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def below(directory: Path, bundle: LoadedBundle) -> dict[str, bytes]:
    """Return the files of a bundle that was downloaded, without its description."""
    files = tree(directory / f"{bundle.uuid}.{bundle.version}")
    del files["bundle.json"]
    return files


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
    bundle = local.load_bundle(folder_of(tmp_path, {"readme": b"1", "README": b"2"}))
    with pytest.raises(NameClash):
        dss.download(bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path / "d")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_names_that_need_quoting(
    local: LocalDSS, dss: DSSClient, tmp_path: Path, size: int
) -> None:
    names = ["a b.txt", "größe/日本 語.txt", "100%25.txt", "x+y&z=1#2;3.txt", "'q'!(1)@~.txt"]
    contents = {name: name.encode() * (size // 8) for name in names}
    bundle = local.load_bundle(folder_of(tmp_path, contents))
    dss.download(bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path / "d")
    assert below(tmp_path / "d", bundle) == contents


COUNTED = ("get_bundle", "get_file", "storage")


def counting(*rules: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a scenario of some faults, and of rules that only count."""
    never = {"nth": 10**9, "status": 500}
    return [*rules, *({"name": f"all {on}", "on": on, **never} for on in COUNTED)]


def counts(local: LocalDSS) -> dict[str, int]:
    """Return how many requests there were, but for none."""
    found = {count.name: count.selected for count in local.faults.counts}
    return {on: found[f"all {on}"] for on in COUNTED if found[f"all {on}"]}


class TestRequests:
    """How many requests there are, to the API and to storage."""

    @pytest.fixture
    def now(self) -> list[float]:
        return [1e9]

    @pytest.fixture
    def slow(self, tmp_path: Path, now: list[float]) -> Iterator[LocalDSS]:
        """A service that needs to be polled three times, and whose clock is in our hands."""
        settings = LocalSettings(
            checkout_polls=3, retry_after=0, url_lifetime=100, clock=lambda: now[0]
        )
        with LocalDSS(tmp_path / "slow", settings=settings) as dss:
            yield dss

    @pytest.mark.parametrize("size", [SMALL, LARGE])
    def test_a_bundle_needs_one_question(
        self, local: LocalDSS, dss: DSSClient, tmp_path: Path, size: int
    ) -> None:
        bundle = local.load_bundle(folder_of(tmp_path, many(20, size)))
        local.faults = counting()
        dss.download(bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path / "d")
        assert counts(local) == {"get_bundle": 1, "storage": 20}
        assert below(tmp_path / "d", bundle) == many(20, size)
        again = dss.download(bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path / "d")
        assert counts(local) == {"get_bundle": 2, "storage": 20}
        local.faults = None
        assert again.count("reused") == 21

    @pytest.mark.parametrize(
        ("wanted", "asked"), [(3, {"get_file": 3}), (4, {"get_bundle": 1}), (20, {"get_bundle": 1})]
    )
    def test_a_few_files_of_a_bundle_are_asked_for_one_by_one(
        self, local: LocalDSS, dss: DSSClient, tmp_path: Path, wanted: int, asked: dict[str, int]
    ) -> None:
        bundle = local.load_bundle(folder_of(tmp_path, many(20, SMALL)))
        page = dss.get_bundle(uuid=bundle.uuid, replica="aws")
        rows = [row.model_dump() for row in manifest_rows(page.bundle)][:wanted]
        local.faults = counting()
        report = dss.download_manifest(manifest=rows, replica="aws", download_dir=tmp_path / "d")
        assert counts(local) == {**asked, "storage": wanted}
        local.faults = None
        assert report.count("downloaded") == wanted

    def test_a_bundle_of_more_than_one_page(
        self, local: LocalDSS, dss: DSSClient, tmp_path: Path
    ) -> None:
        contents = {f"f{number}": b"%d" % number for number in range(510)}
        bundle = local.load_bundle(folder_of(tmp_path, contents))
        local.faults = counting()
        dss.download(bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path / "d")
        assert counts(local) == {"get_bundle": 2, "storage": 510}
        local.faults = None
        assert below(tmp_path / "d", bundle) == contents

    @pytest.mark.parametrize("size", [SMALL, LARGE])
    def test_the_wait_for_a_checkout_is_shared(
        self, slow: LocalDSS, tmp_path: Path, size: int
    ) -> None:
        bundle = slow.load_bundle(folder_of(tmp_path, many(20, size)))
        slow.faults = counting()
        with DSSClient(slow.url) as dss:
            dss.download(bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path / "d")
        assert counts(slow) == {"get_bundle": 4, "storage": 20}
        assert below(tmp_path / "d", bundle) == many(20, size)

    @pytest.mark.parametrize("size", [SMALL, LARGE])
    def test_urls_that_expire_together_are_renewed_together(
        self, slow: LocalDSS, tmp_path: Path, now: list[float], size: int
    ) -> None:
        def let_them_expire(event: ProgressEvent) -> None:
            if event.kind == "planned":
                now[0] += 1000

        bundle = slow.load_bundle(folder_of(tmp_path, many(20, size)))
        slow.faults = counting()
        with DSSClient(slow.url) as dss:
            report = dss.download(
                bundle_uuid=bundle.uuid,
                replica="aws",
                download_dir=tmp_path / "d",
                min_delay_seconds=0,
                progress=let_them_expire,
            )
        # The first question with its three polls, and one more; no file was asked for by itself.
        found = counts(slow)
        assert (found["get_bundle"], found.get("get_file")) == (5, None)
        assert 21 <= found["storage"] <= 40  # some may have been sent after the renewal
        assert found["storage"] == sum(entry.tries for entry in report.entries)
        assert below(tmp_path / "d", bundle) == many(20, size)

    def test_when_a_bundle_cannot_be_checked_out_its_files_are_asked_for(
        self, local: LocalDSS, dss: DSSClient, tmp_path: Path
    ) -> None:
        bundle = local.load_bundle(folder_of(tmp_path, many(5, SMALL)))
        # With URLs, without them, and with them once more for all files together.
        failing = {"on": "get_bundle", "nth": [1, 3], "status": 500}
        local.faults = counting(failing)
        with dss.with_options(retries=0) as impatient:
            impatient.download(bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path / "d")
        assert counts(local) == {"get_bundle": 3, "get_file": 5, "storage": 5}
        local.faults = None
        assert below(tmp_path / "d", bundle) == many(5, SMALL)


class TestWrongSizes:
    """A manifest that says another size than the content has."""

    @pytest.mark.parametrize("http", [False, True], ids=["", "httpx"])
    @pytest.mark.parametrize("size", [SMALL, LARGE])
    @pytest.mark.parametrize("by", [-1, 1])
    def test_it_is_told(
        self, local: LocalDSS, tmp_path: Path, http: bool, size: int, by: int
    ) -> None:
        bundle = local.load_bundle(folder_of(tmp_path, many(2, size)))
        with (
            httpx.Client() as client,
            DSSClient(local.url, storage_client=client if http else None) as dss,
        ):
            page = dss.get_bundle(uuid=bundle.uuid, replica="aws")
            rows = [row.model_dump() for row in manifest_rows(page.bundle)]
            rows[0]["file_size"] += by
            with pytest.raises(DownloadError) as caught:
                dss.download_manifest(
                    manifest=rows,
                    replica="aws",
                    download_dir=tmp_path / "d",
                    num_retries=6,
                    min_delay_seconds=0,
                )
        (error,) = caught.value.report.errors
        assert error.name == rows[0]["file_name"]
        assert f"{size + by} bytes, found {size}" in str(error)
        assert isinstance(error, SizeMismatch)
        assert caught.value.report.count("downloaded") == 1


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the parts of large files small."""
    limits = partial(Limits, part_size=100_000)
    monkeypatch.setattr("dss_client.download.start.Limits", limits)


CONTENT = bytes(range(251)) * 4096


def get(source: ScriptedSource, directory: Path, **options: Any) -> DownloadReport:
    options = {"replica": "aws", "min_delay_seconds": 0, **options}
    report = download_bundle(source, bundle_uuid=BUNDLE, download_dir=directory, **options)
    for entry in report.entries[1:]:
        assert entry.path is not None
        assert entry.path.read_bytes() == source.contents[str(entry.uuid)]
    return report


class TestStubbornStorage:
    """What the embedded storage does not do: the wire is in our hands."""

    def test_c4_a_broken_connection_is_resumed(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        def script(asked: Asked) -> Iterator[bytes | End]:
            head, body = answer(CONTENT, asked)
            yield head + body[:400_000]
            yield "close"

        source.add_bundle([source.add_file("blob", CONTENT)])
        with Storage(script) as storage:
            connect(source, storage)
            report = get(source, tmp_path)
        assert storage.spans == [None, (400_000, None), (800_000, None)]
        assert report.entries[1].tries == 3

    @pytest.mark.parametrize("ending", ["close", "reset", "stall"])
    def test_what_came_before_a_fault_is_kept(
        self, source: ScriptedSource, tmp_path: Path, ending: Literal["close", "reset", "stall"]
    ) -> None:
        """Each connection brings less than a MiB, and still it gets on."""
        done = threading.Event()

        def script(asked: Asked) -> Iterator[bytes | End]:
            head, body = answer(CONTENT, asked)
            yield head + body[:300_000]
            if ending == "stall" and len(body) > 300_000:
                done.wait(10)
            time.sleep(0.02)  # a reset overtakes what was not read yet
            yield "reset" if ending == "reset" else "close"

        source.add_bundle([source.add_file("blob", CONTENT)])
        with Storage(script) as storage:
            connect(source, storage, timeout=0.2)
            report = get(source, tmp_path, num_retries=20)
            done.set()
        starts = [span[0] if span else 0 for span in storage.spans]
        assert len(starts) == report.entries[1].tries
        assert starts == sorted(set(starts))

    def test_c4_an_ignored_range_starts_over(self, source: ScriptedSource, tmp_path: Path) -> None:
        def script(asked: Asked) -> Iterator[bytes | End]:
            head, body = answer(CONTENT, Asked(asked.path, 0, 0, {}))
            yield head + (body[:600_000] if asked.span is None else body)
            yield "close"

        source.add_bundle([source.add_file("blob", CONTENT)])
        with Storage(script) as storage:
            connect(source, storage)
            get(source, tmp_path)
        assert storage.spans == [None, (600_000, None)]

    @pytest.mark.usefixtures("parts")
    @pytest.mark.parametrize("threads", [1, 2, 5])
    def test_c4_storage_that_knows_no_ranges(
        self, source: ScriptedSource, tmp_path: Path, threads: int
    ) -> None:
        def script(asked: Asked) -> Iterator[bytes | End]:
            yield b"".join(answer(CONTENT, Asked(asked.path, 0, 0, {})))

        source.add_bundle([source.add_file("blob", CONTENT)])
        with Storage(script) as storage:
            connect(source, storage)
            get(source, tmp_path, threads=threads)

    @pytest.mark.usefixtures("parts")
    def test_a_slow_connection_is_helped(self, source: ScriptedSource, tmp_path: Path) -> None:
        """The first one sends its second part only after others have asked for the rest."""

        def script(asked: Asked) -> Iterator[bytes | End]:
            head, body = answer(CONTENT, asked)
            if asked.connection:
                yield head + body
                return
            yield head + body[:150_000]
            while len(storage.asked) < 9:
                yield b""
            yield body[150_000:]

        source.add_bundle([source.add_file("blob", CONTENT)])
        with Storage(script) as storage:
            connect(source, storage)
            report = get(source, tmp_path, threads=4)
        starts = {span[0] if span else 0 for span in storage.spans}
        assert len(starts) == len(storage.spans) == report.entries[1].tries
        assert starts >= {100_000 * number for number in range(3, 11)}

    @pytest.mark.usefixtures("parts")
    @pytest.mark.parametrize("threads", [1, 3])
    def test_chunks(self, source: ScriptedSource, tmp_path: Path, threads: int) -> None:
        def script(asked: Asked) -> Iterator[bytes | End]:
            head, body = answer(CONTENT, asked)
            lines = [line for line in head.split(b"\r\n") if b"Length" not in line]
            yield b"\r\n".join([*lines[:-2], b"Transfer-Encoding: chunked", b"", b""])
            for start in range(0, len(body), 70_001):
                piece = body[start : start + 70_001]
                yield b"%x\r\n%b\r\n" % (len(piece), piece)
            yield b"0\r\n\r\n"

        source.add_bundle([source.add_file("blob", CONTENT)])
        with Storage(script) as storage:
            connect(source, storage)
            get(source, tmp_path, threads=threads)

    def test_chunks_that_end_early(self, source: ScriptedSource, tmp_path: Path) -> None:
        def script(asked: Asked) -> Iterator[bytes | End]:
            head, body = answer(CONTENT, asked)
            if asked.connection:
                yield head + body
                return
            yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            yield b"%x\r\n%b\r\n" % (500_000, body[:500_000])
            yield "close"

        source.add_bundle([source.add_file("blob", CONTENT)])
        with Storage(script) as storage:
            connect(source, storage)
            get(source, tmp_path)
        assert len(storage.spans) == 2

    def test_too_many_chunks(self, source: ScriptedSource, tmp_path: Path) -> None:
        def script(asked: Asked) -> Iterator[bytes | End]:
            yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            yield b"%x\r\n%b!\r\n" % (len(CONTENT) + 1, CONTENT)
            yield b"0\r\n\r\n"

        source.add_bundle([source.add_file("blob", CONTENT)])
        with Storage(script) as storage:
            connect(source, storage)
            with pytest.raises(DownloadError, match=r"bytes, found more"):
                get(source, tmp_path)

    def test_a_connection_that_ends_between_two_files_is_no_failure(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        right = serve(source)

        def script(asked: Asked) -> Iterator[bytes | End]:
            if asked.number:
                yield "reset" if asked.connection % 2 else "close"
            yield from right(asked)

        files = [source.add_file(f"f{n}", CONTENT + bytes([n])) for n in range(6)]
        source.add_bundle(files)
        with Storage(script) as storage:
            connect(source, storage)
            get(source, tmp_path, threads=1, num_retries=0)

    @pytest.mark.parametrize("size", [SMALL, LARGE])
    def test_no_presigned_query_in_errors(
        self, source: ScriptedSource, tmp_path: Path, size: int
    ) -> None:
        def script(asked: Asked) -> Iterator[bytes | End]:
            yield answer(bytes(size), asked)[0]
            yield "close"

        source.add_bundle([source.add_file("f", bytes(size))])
        with Storage(script) as storage:
            connect(source, storage)
            with pytest.raises(DownloadError) as caught:
                get(source, tmp_path, num_retries=0)
        text = str(caught.value) + repr(caught.value) + caught.value.report.to_json()
        assert "signature" not in text
        assert f"'f' of bundle {FQ}" in text


FACTS = {
    f"x-dss-{name}": "1"
    for name in ("creator-uid", "content-type", "size", "crc32c", "s3-etag", "sha1", "sha256")
}
FACTS["x-dss-version"] = FQ.version


class TestOwnClients:
    @pytest.fixture
    def bundle(self) -> dict[str, Any]:
        content = b"content"
        file = {
            "name": "f",
            "uuid": FQ.uuid,
            "version": FQ.version,
            "content-type": "x/y",
            "size": len(content),
            "indexed": False,
            "crc32c": "",
            "s3_etag": "",
            "sha1": "",
            "sha256": hashlib.sha256(content).hexdigest(),
            "url": "https://storage.example/f?signature=1",
        }
        return {
            "bundle": {"uuid": FQ.uuid, "version": FQ.version, "creator_uid": 1, "files": [file]}
        }

    def test_they_are_asked(
        self, httpx_mock: HTTPXMock, bundle: dict[str, Any], tmp_path: Path
    ) -> None:
        httpx_mock.add_response(
            url=f"https://dss.example/v1/bundles/{FQ.uuid}?replica=aws&presignedurls=true",
            json=bundle,
        )
        httpx_mock.add_response(
            url="https://storage.example/f?signature=1",
            content=b"content",
            match_headers={"accept-encoding": "identity", "x-mine": "yes"},
        )
        with (
            httpx.Client() as api,
            httpx.Client(headers={"x-mine": "yes"}) as storage,
            DSSClient(
                "https://dss.example/v1", token="t", http_client=api, storage_client=storage
            ) as dss,
        ):
            report = dss.download(bundle_uuid=FQ.uuid, replica="aws", download_dir=tmp_path)
        assert report.count("downloaded") == 2
        asked = httpx_mock.get_requests()
        assert "x-mine" not in asked[0].headers
        assert "authorization" not in asked[1].headers

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_from_storage_is_refused(
        self, httpx_mock: HTTPXMock, bundle: dict[str, Any], tmp_path: Path, status: int
    ) -> None:
        httpx_mock.add_response(json=bundle)
        httpx_mock.add_response(status_code=status, headers={"location": "https://x.example/"})
        with (
            httpx.Client(follow_redirects=True) as client,
            DSSClient("https://dss.example/v1", http_client=client, storage_client=client) as dss,
            pytest.raises(DownloadError, match=str(status)),
        ):
            dss.download(bundle_uuid=FQ.uuid, replica="aws", download_dir=tmp_path)
        assert len(httpx_mock.get_requests()) == 2

    def test_a_url_that_steps_back_to_http_is_not_followed(
        self, httpx_mock: HTTPXMock, bundle: dict[str, Any], tmp_path: Path
    ) -> None:
        bundle["bundle"]["files"][0]["url"] = "http://storage.example/f"
        httpx_mock.add_response(json=bundle)
        httpx_mock.add_response(
            url=f"https://dss.example/v1/files/{FQ.uuid}?replica=aws&version={FQ.version}",
            status_code=302,
            headers={"location": "https://storage.example/g", **FACTS},
        )
        httpx_mock.add_response(url="https://storage.example/g", content=b"content")
        with (
            httpx.Client() as client,
            DSSClient("https://dss.example/v1", http_client=client, storage_client=client) as dss,
        ):
            assert dss.download(bundle_uuid=FQ.uuid, replica="aws", download_dir=tmp_path).ok
