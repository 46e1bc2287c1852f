"""The event loop for small files, over sockets: whatever comes, the content is right or refused."""

import datetime as dt
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dss_client.download import DownloadError, DownloadReport
from dss_client.download.resolve import BundleUrls
from dss_client.download.small import SMALL, Job, SmallFiles
from dss_client.errors import DSSConnectionError, DSSResponseError, DSSTimeout
from dss_client.models import FileVersion

from .by_keywords import download_bundle
from .scripted import BUNDLE, FQ, ScriptedSource, task_of
from .storage import Asked, End, Script, Storage, answer, connect, refusal, serve

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


def get(source: ScriptedSource, directory: Path, **options: Any) -> DownloadReport:
    options = {"replica": "aws", "min_delay_seconds": 0, "num_retries": 2, **options}
    return download_bundle(source, bundle_uuid=BUNDLE, download_dir=directory, **options)


def add_files(source: ScriptedSource, count: int, size: int = 1000) -> list[FileVersion]:
    """Hold a bundle of so many different contents."""
    files = [
        source.add_file(f"f{number:03}", number.to_bytes(4) * (size // 4))
        for number in range(count)
    ]
    source.add_bundle(files)
    return files


def get_one(
    source: ScriptedSource,
    directory: Path,
    script: Script,
    content: bytes = CONTENT,
    **options: Any,
) -> tuple[DownloadReport, Storage]:
    """Download a bundle of one file from a storage."""
    file = source.add_file("f", content)
    source.add_bundle([file])
    with Storage(script) as storage:
        connect(source, storage)
        report = get(source, directory, **options)
    path = report.entries[1].path
    assert path is not None
    assert path.read_bytes() == content
    return report, storage


class TestManyFiles:
    def test_few_connections_carry_them(self, source: ScriptedSource, tmp_path: Path) -> None:
        files = add_files(source, 200)
        with Storage(serve(source)) as storage:
            connect(source, storage)
            report = get(source, tmp_path, threads=4)
        assert report.count("downloaded") == 201
        assert storage.connections <= 4
        assert sorted(asked.name for asked in storage.asked) == [file.uuid for file in files]
        assert storage.spans == [None] * 200
        assert source.opened == []  # none of them went to the crew
        for entry in report.entries[1:]:
            assert entry.path is not None
            assert entry.path.read_bytes() == source.contents[str(entry.uuid)]
            assert entry.tries == 1

    def test_one_connection_is_enough(self, source: ScriptedSource, tmp_path: Path) -> None:
        add_files(source, 20)
        with Storage(serve(source)) as storage:
            connect(source, storage)
            assert get(source, tmp_path, threads=1).ok
        assert storage.connections == 1

    def test_several_storages_share_one_connection(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        files = add_files(source, 30)
        with Storage(serve(source)) as one, Storage(serve(source)) as two:
            connect(source, one)
            elsewhere = {file.uuid for file in files[::2]}
            source.bases = dict.fromkeys(elsewhere, two.url)
            report = get(source, tmp_path, threads=1)
        assert report.count("downloaded") == 31
        assert {asked.name for asked in two.asked} == elsewhere
        assert len(one.asked) + len(two.asked) == 30
        assert source.opened == []

    def test_a_bad_one_does_not_stop_the_rest(self, source: ScriptedSource, tmp_path: Path) -> None:
        files = add_files(source, 40)
        bad = {file.uuid for file in files[::8]}
        right = serve(source)

        def script(asked: Asked) -> Iterator[bytes | End]:
            if asked.name in bad:
                yield refusal(404)
            else:
                yield from right(asked)

        with Storage(script) as storage:
            connect(source, storage)
            with pytest.raises(DownloadError, match="5 of 41 files failed") as caught:
                get(source, tmp_path)
        assert {entry.uuid for entry in caught.value.report.failed} == bad
        assert [entry.tries for entry in caught.value.report.failed] == [1] * 5


class TestSizes:
    @pytest.mark.parametrize("size", [1, SMALL - 1, SMALL])
    def test_what_is_small(self, source: ScriptedSource, tmp_path: Path, size: int) -> None:
        get_one(source, tmp_path, serve(source), bytes(size))
        assert source.opened == []

    def test_what_is_not(self, source: ScriptedSource, tmp_path: Path) -> None:
        get_one(source, tmp_path, serve(source), bytes(SMALL + 1))
        assert len(source.opened) == 1


def pieces(content: bytes, asked: Asked) -> Iterator[bytes | End]:
    head, body = answer(content, asked)
    for start in range(len(head)):
        yield head[start : start + 1]
    yield body[:5]
    yield body[5:]


def odd_head(content: bytes, asked: Asked) -> Iterator[bytes | End]:
    yield b"HTTP/1.1 200\r\ncontent-LENGTH:%d\r\nX: a: b\r\n\r\n" % len(content) + content


def old_http(content: bytes, asked: Asked) -> Iterator[bytes | End]:
    yield b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content
    yield "close"


def no_length(content: bytes, asked: Asked) -> Iterator[bytes | End]:
    yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + content
    yield "close"


def chunked(content: bytes, asked: Asked) -> Iterator[bytes | End]:
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for start in range(0, len(content), 3000):
        piece = content[start : start + 3000]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def last_words(content: bytes, asked: Asked) -> Iterator[bytes | End]:
    yield b"".join(answer(content, asked, {"Connection": "close"}))
    yield "close"


def long_head(content: bytes, asked: Asked) -> Iterator[bytes | End]:
    many = {f"X-{number}": "y" * 4000 for number in range(5)}
    yield b"".join(answer(content, asked, many))


def early_hints(content: bytes, asked: Asked) -> Iterator[bytes | End]:
    yield b"HTTP/1.1 100 Continue\r\n\r\n" + b"".join(answer(content, asked))


FRAMES = [pieces, odd_head, old_http, no_length, chunked, last_words, long_head, early_hints]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.__name__)
@pytest.mark.parametrize("size", [1, len(CONTENT), SMALL])
def test_frames(source: ScriptedSource, tmp_path: Path, frame: Any, size: int) -> None:
    content = (CONTENT * (SMALL // len(CONTENT) + 1))[:size]
    report, _ = get_one(source, tmp_path, lambda asked: frame(content, asked), content)
    assert report.ok


def test_chunks_that_end_early(source: ScriptedSource, tmp_path: Path) -> None:
    def script(asked: Asked) -> Iterator[bytes | End]:
        first = len(storage.asked) <= 2  # the loop's request, and the crew's first
        yield from list(chunked(CONTENT, asked))[: 2 if first else None]
        yield "close"

    source.add_bundle([source.add_file("f", CONTENT)])
    with Storage(script) as storage:
        connect(source, storage)
        assert get(source, tmp_path).ok


def test_a_content_that_is_announced_longer(source: ScriptedSource, tmp_path: Path) -> None:
    source.add_bundle([source.add_file("f", CONTENT)])
    with Storage(lambda asked: iter([b"".join(answer(CONTENT + b"!", asked))])) as storage:
        connect(source, storage)
        with pytest.raises(DownloadError) as caught:
            get(source, tmp_path)
    assert f"'f' of bundle {FQ}" in str(caught.value)
    assert f"expected {len(CONTENT)} bytes, found {len(CONTENT) + 1}" in str(caught.value)
    assert len(storage.asked) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 2\xb20 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n" % (b"9" * 5000),
    ],
    ids=["status", "length", "long"],
)
def test_digits_that_are_no_number_fail_one_try(
    source: ScriptedSource, tmp_path: Path, head: bytes
) -> None:
    """Python takes some characters for digits that it cannot read, and refuses too many of them."""

    def script(asked: Asked) -> Iterator[bytes | End]:
        if len(storage.asked) == 1:
            yield head
            yield "close"
        yield from answer(CONTENT, asked)

    source.add_bundle([source.add_file("f", CONTENT)])
    with Storage(script) as storage:
        connect(source, storage)
        assert get(source, tmp_path).ok


def test_what_is_no_http_is_a_fault_of_the_connection(
    source: ScriptedSource, tmp_path: Path
) -> None:
    def script(asked: Asked) -> Iterator[bytes | End]:
        yield b"SSH-2.0-Server\r\n\r\n" * 2
        yield "close"

    source.add_bundle([source.add_file("f", CONTENT)])
    with Storage(script) as storage:
        connect(source, storage)
        with pytest.raises(DownloadError) as caught:
            get(source, tmp_path)
    assert isinstance(caught.value.exceptions[0].__cause__, DSSConnectionError)
    assert len(storage.asked) == 3


def test_bytes_that_come_after_the_end_harm_no_other_file(
    source: ScriptedSource, tmp_path: Path
) -> None:
    """They come once the next request is on its way, and look like its answer."""
    files = add_files(source, 6)
    right = serve(source)

    def script(asked: Asked) -> Iterator[bytes | End]:
        if asked.number == 1:
            yield b"?" * 40 + b"\r\n\r\n"
        yield from right(asked)

    with Storage(script) as storage:
        connect(source, storage)
        report = get(source, tmp_path, threads=1)
    assert report.count("downloaded") == len(files) + 1


def test_a_connection_that_ends_between_two_files_is_no_failure(
    source: ScriptedSource, tmp_path: Path
) -> None:
    """The server ends each connection after an answer, and does not say so beforehand."""
    files = add_files(source, 12)
    right = serve(source)

    def script(asked: Asked) -> Iterator[bytes | End]:
        if asked.number:
            yield "close"
        yield from right(asked)

    with Storage(script) as storage:
        connect(source, storage)
        report = get(source, tmp_path, threads=1, num_retries=0)
    assert report.count("downloaded") == len(files) + 1


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_a_connection_that_ends_while_it_is_idle(
    source: ScriptedSource, tmp_path: Path, ending: End
) -> None:
    ended = threading.Semaphore(0)
    boss = Boss()

    def script(asked: Asked) -> Iterator[bytes | End]:
        yield b"".join(answer(source.contents[asked.name], asked))
        ended.acquire(timeout=10)
        yield ending

    with Storage(script) as storage:
        small = SmallFiles(connect(source, storage), 1, boss)
        try:
            for number in range(3):
                small.add([job_of(source, bytes([number]))])
                assert boss.news.get(timeout=10) == bytes([number])
                ended.release()
                while storage.is_talking:
                    time.sleep(0.002)
        finally:
            small.end()
    assert storage.connections == 3
    assert boss.news.empty()


class Boss:
    """Takes note of what comes."""

    def __init__(self) -> None:
        self.news: queue.SimpleQueue[object] = queue.SimpleQueue()

    def store_small(self, job: Job, content: memoryview, seconds: float) -> None:
        self.news.put(bytes(content))

    def hand_over(self, job: Job, error: Exception | None) -> None:
        self.news.put(error)

    def pass_on(self) -> None:
        pass

    def crashed(self, error: BaseException) -> None:
        self.news.put(error)


def job_of(source: ScriptedSource, content: bytes) -> Job:
    task = task_of(source.add_file("f", content))
    urls = BundleUrls(source, FQ, "aws", [task])
    return Job(task, urls.url(task), urls)


class TestConnections:
    def test_nobody_listens(self, source: ScriptedSource, tmp_path: Path) -> None:
        add_files(source, 20)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with Storage(serve(source)) as storage:
            connect(source, storage)
            source.base = f"http://127.0.0.1:{port}"
            with pytest.raises(DownloadError, match="20 of 21 files failed") as caught:
                get(source, tmp_path)
        assert "Connection refused" in str(caught.value)
        assert {type(error.__cause__) for error in caught.value.exceptions} == {DSSConnectionError}
        assert {entry.tries for entry in caught.value.report.failed} == {3}

    @pytest.mark.parametrize("host", ["x" * 64 + ".example", "", "[::1", "a b"])
    def test_what_is_no_host_fails_its_file(
        self, source: ScriptedSource, tmp_path: Path, host: str
    ) -> None:
        files = add_files(source, 5)
        with Storage(serve(source)) as storage:
            connect(source, storage)
            source.bases = {files[2].uuid: f"http://{host}"}
            with pytest.raises(DownloadError, match="1 of 6 files failed") as caught:
                get(source, tmp_path)
        assert [entry.name for entry in caught.value.report.failed] == ["f002"]

    def test_a_dead_storage_harms_nobody_else(self, source: ScriptedSource, tmp_path: Path) -> None:
        files = add_files(source, 40)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
        source.bases = dict.fromkeys([file.uuid for file in files[::2]], dead)
        with Storage(serve(source)) as storage:
            connect(source, storage)
            with pytest.raises(DownloadError, match="20 of 41 files failed") as caught:
                get(source, tmp_path, num_retries=0)
        assert {str(entry.uuid) for entry in caught.value.report.failed} == set(source.bases)

    def test_what_nobody_thought_of_ends_the_download(
        self, source: ScriptedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr("dss_client.download.small._is_plain", fail)
        add_files(source, 3)
        with Storage(serve(source)) as storage:
            connect(source, storage)
            with pytest.raises(RuntimeError, match="a bug"):
                get(source, tmp_path)

    def test_a_stall_ends(self, source: ScriptedSource, tmp_path: Path) -> None:
        silent = threading.Event()
        first = set[str]()
        right = serve(source)

        def script(asked: Asked) -> Iterator[bytes | End]:
            if asked.name not in first:
                first.add(asked.name)
                yield b"HTTP/1.1 200 OK\r\n"
                silent.wait(10)
            else:
                yield from right(asked)

        files = add_files(source, 3)
        with Storage(script) as storage:
            connect(source, storage, timeout=0.2)
            report = get(source, tmp_path, num_retries=50)
            silent.set()
        assert report.count("downloaded") == len(files) + 1

    def test_a_stall_for_ever_is_an_error(self, source: ScriptedSource, tmp_path: Path) -> None:
        silent = threading.Event()

        def script(asked: Asked) -> Iterator[bytes | End]:
            silent.wait(10)
            yield "close"

        add_files(source, 1)
        with Storage(script) as storage:
            connect(source, storage, timeout=0.1)
            with pytest.raises(DownloadError) as caught:
                get(source, tmp_path, num_retries=1)
            silent.set()
        assert isinstance(caught.value.exceptions[0].__cause__, DSSTimeout)

    def test_a_redirect_is_refused(self, source: ScriptedSource, tmp_path: Path) -> None:
        add_files(source, 1)
        text = b"HTTP/1.1 302 Found\r\nLocation: http://x/?secret\r\nContent-Length: 0\r\n\r\n"
        with Storage(lambda _: iter([text])) as storage:
            connect(source, storage)
            with pytest.raises(DownloadError, match="302") as caught:
                get(source, tmp_path)
        assert isinstance(caught.value.exceptions[0].__cause__, DSSResponseError)
        assert len(storage.asked) == 1
        assert "secret" not in str(caught.value)

    def test_all_threads_and_connections_end(self, source: ScriptedSource, tmp_path: Path) -> None:
        def named() -> set[str]:
            return {one.name for one in threading.enumerate() if one.name.startswith("dss-")}

        before = named()
        add_files(source, 20)
        with Storage(serve(source)) as storage:
            connect(source, storage)
            get(source, tmp_path)
        assert {name for name in named() - before if "small" in name or "download" in name} == set()


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what makes a server of TLS, and what trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=path)


class TestTLS:
    @pytest.mark.parametrize("size", [4, 40_000, SMALL, SMALL + 4])
    def test_contents_come_by_it(
        self,
        source: ScriptedSource,
        tmp_path: Path,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext],
        size: int,
    ) -> None:
        server, trust = contexts
        files = add_files(source, 12, size)
        with Storage(serve(source), server) as storage:
            connect(source, storage, trust=trust)
            report = get(source, tmp_path, threads=3)
        assert report.count("downloaded") == len(files) + 1
        assert len(storage.asked) == len(files)
        assert len(source.opened) == (len(files) if size > SMALL else 0)

    @pytest.mark.parametrize("size", [4, SMALL + 4])
    def test_a_certificate_that_is_not_trusted(
        self,
        source: ScriptedSource,
        tmp_path: Path,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext],
        size: int,
    ) -> None:
        add_files(source, 2, size)
        with Storage(serve(source), contexts[0]) as storage:
            connect(source, storage)
            with pytest.raises(DownloadError, match="certificate verify failed") as caught:
                get(source, tmp_path, num_retries=9)
        assert [entry.tries for entry in caught.value.report.failed] == [1, 1]
        assert storage.asked == []
