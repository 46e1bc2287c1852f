"""Bytes from storage over real sockets, and through real proxies."""

import base64
import datetime as dt
import ipaddress
import logging
import random
import select
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dss_client._options import Timeout
from dss_client._storage import (
    PERMANENT_ERRORS,
    ConnectionPool,
    ParsedURL,
    request_head,
    storage_error,
)
from dss_client._version import USER_AGENT
from dss_client.errors import (
    DSSConnectionError,
    DSSDecodeError,
    DSSError,
    DSSResponseError,
    DSSTimeout,
    Forbidden,
    NotFound,
    RangeNotSatisfiable,
    ServerError,
)

from .conftest import Origins
from .download.storage import Asked, End, Script, Storage, answer
from .origin import Origin, Reply

CONTENT = bytes(range(200)) * 50
SECRET = "Signature=c0ffee"
HOST = "storage.example"  # known to the proxy only
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what makes a server of TLS, and what trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.DNSName(HOST)]
    names += [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "2001:db8::5")]
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
    pem = serialization.Encoding.PEM
    path.write_bytes(
        certificate.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=path)


@pytest.fixture
def resources() -> Iterator[ExitStack]:
    with ExitStack() as held:
        yield held


Connect = Callable[..., ConnectionPool]


@pytest.fixture
def connect(resources: ExitStack) -> Connect:
    """Return a maker of connectors, all of them closed at the end."""

    def make(trust: ssl.SSLContext | None = None, *, timeout: float = 10.0) -> ConnectionPool:
        made = ConnectionPool(
            Timeout(connect=timeout, read=timeout), lambda: trust or ssl.create_default_context()
        )
        resources.callback(made.close)
        return made

    return make


@pytest.fixture
def pool(connect: Connect) -> ConnectionPool:
    return connect()


@pytest.fixture
def storages(resources: ExitStack) -> Callable[..., Storage]:
    """Return a starter of scripted storages, all of them stopped at the end."""

    def start(script: Script, context: ssl.SSLContext | None = None) -> Storage:
        return resources.enter_context(Storage(script, context))

    return start


Storages = Callable[..., Storage]


def right(asked: Asked) -> Iterator[bytes | End]:
    """Answer as one should."""
    yield b"".join(answer(CONTENT, asked))


def sends(*steps: bytes | End) -> Script:
    """Return a script that says the same to each request."""
    return lambda _: iter(steps)


def get(
    pool: ConnectionPool,
    url: str,
    *,
    first: int = 0,
    last: int | None = None,
    step: int = 1 << 20,
    into: bytearray | None = None,
) -> bytes:
    """Return a whole content; put into `into` what comes of it."""
    with pool.open(url, first=first, last=last) as content:
        return read(content.readinto, step, into)


def read(
    readinto: Callable[[memoryview], int], step: int = 1 << 20, into: bytearray | None = None
) -> bytes:
    received = bytearray() if into is None else into
    buffer = memoryview(bytearray(step))
    while count := readinto(buffer):
        received += buffer[:count]
    return bytes(received)


def dead_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as once:
        port: int = once.getsockname()[1]
        return port


class TestAddresses:
    @pytest.mark.parametrize(
        ("url", "scheme", "host", "port", "target", "authority"),
        [
            ("http://h/x", "http", "h", 80, "/x", "h"),
            ("https://h/x?a=b&c=%20", "https", "h", 443, "/x?a=b&c=%20", "h"),
            ("http://h:81/", "http", "h", 81, "/", "h:81"),
            ("https://h:443/x", "https", "h", 443, "/x", "h"),
            ("https://h:80/x", "https", "h", 80, "/x", "h:80"),
            ("http://h", "http", "h", 80, "/", "h"),
            ("https://h", "https", "h", 443, "/", "h"),
            ("http://h?a=/b", "http", "h", 80, "/?a=/b", "h"),
            ("http://h/?a=/b?c", "http", "h", 80, "/?a=/b?c", "h"),
            ("http://h/x#part", "http", "h", 80, "/x", "h"),
            ("http://h/x?a#part/y", "http", "h", 80, "/x?a", "h"),
            ("http://h#part", "http", "h", 80, "/", "h"),
            ("HTTP://H/X", "http", "h", 80, "/X", "h"),
            ("http://[::1]:81/x", "http", "::1", 81, "/x", "[::1]:81"),
            ("https://[2001:DB8::1]/x", "https", "2001:db8::1", 443, "/x", "[2001:db8::1]"),
            ("http://user:pw@h:81/x", "http", "h", 81, "/x", "h:81"),
            ("http://h//x/../y", "http", "h", 80, "//x/../y", "h"),
            ("http://h/a b\té", "http", "h", 80, "/a%20b%09%C3%A9", "h"),
            ("http://h/a%20b c%2F?d=%41+é", "http", "h", 80, "/a%20b%20c%2F?d=%41+%C3%A9", "h"),
            ("http://h/x?s=a/b+c==&t=~!$'()*,;:@", "http", "h", 80, None, "h"),
            ("http://h/\r\nX: y", "http", "h", 80, "/%0D%0AX:%20y", "h"),
        ],
    )
    def test_urls_are_taken_apart(
        self, url: str, scheme: str, host: str, port: int, target: str | None, authority: str
    ) -> None:
        address = ParsedURL.of(url)
        assert address.origin == (scheme, host, port)
        assert address.target == (url.removeprefix("http://h") if target is None else target)
        assert address.authority == authority

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "x",
            "/x",
            "//h/x",
            "http:",
            "http://",
            "http:///x",
            "https://:80/x",
            "ftp://h/x",
            "file:///etc/passwd",
            "http://h:port/x",
            "http://h:99999/x",
            "http://[::1/x",
            "http://[::1?x",
            "httpsx://h/x",
        ],
    )
    def test_others_are_refused(self, pool: ConnectionPool, url: str) -> None:
        with pytest.raises(DSSConnectionError, match="expected http or https"):
            ParsedURL.of(url)
        with pytest.raises(DSSConnectionError), pool.open(url):
            pass

    def test_a_refusal_tells_no_secret(self) -> None:
        with pytest.raises(DSSConnectionError) as caught:
            ParsedURL.of(f"ftp://user:pa55@h/x?{SECRET}")
        assert "c0ffee" not in str(caught.value)
        assert "pa55" not in str(caught.value)

    @pytest.mark.parametrize(
        "host", ["a b", "a\0b", "é..x", "x" * 70 + ".example", "nowhere.invalid", "é.invalid"]
    )
    def test_hosts_that_cannot_be_are_faults_of_a_connection(
        self, pool: ConnectionPool, host: str
    ) -> None:
        with pytest.raises(DSSConnectionError), pool.open(f"http://{host}/x"):
            pass


class TestRequests:
    def test_nothing_is_sent_along(self, pool: ConnectionPool, origins: Origins) -> None:
        storage = origins(Reply(body=CONTENT))
        assert get(pool, f"{storage.url}/x y?{SECRET}") == CONTENT
        (seen,) = storage.seen
        assert (seen.method, seen.target) == ("GET", f"/x%20y?{SECRET}")
        assert dict(seen.headers) == {
            "host": urlsplit(storage.url).netloc,
            "accept-encoding": "identity",
            "accept": "*/*",
            "user-agent": USER_AGENT,
        }

    def test_user_info_is_not(self, pool: ConnectionPool, origins: Origins) -> None:
        storage = origins(Reply(body=CONTENT))
        get(pool, storage.url.replace("//", "//user:pa55@") + "/x")
        assert "authorization" not in storage.seen[0].headers
        assert "pa55" not in str(storage.seen)

    def test_a_request_is_bytes(self) -> None:
        address = ParsedURL.of("https://[::1]:81/x?y")
        assert request_head(address, address.target, "A: b\r\n") == (
            b"GET /x?y HTTP/1.1\r\nHost: [::1]:81\r\nAccept-Encoding: identity\r\nAccept: */*\r\n"
            b"User-Agent: " + USER_AGENT.encode() + b"\r\nA: b\r\n\r\n"
        )

    @pytest.mark.parametrize(
        ("first", "last", "span"),
        [
            (0, None, None),
            (5, None, "bytes=5-"),
            (0, 9, "bytes=0-9"),
            (5, 9, "bytes=5-9"),
            (0, 0, "bytes=0-0"),
        ],
    )
    def test_ranges(
        self,
        pool: ConnectionPool,
        storages: Storages,
        first: int,
        last: int | None,
        span: str | None,
    ) -> None:
        storage = storages(right)
        with pool.open(f"{storage.url}/x", first=first, last=last) as content:
            end = len(CONTENT) if last is None else last + 1
            assert read(content.readinto) == CONTENT[first:end]
            assert content.status_code == (200 if span is None else 206)
            given = content.headers.get("content-range")
            assert given == (span and f"bytes {first}-{end - 1}/{len(CONTENT)}")
        assert storage.asked[0].headers.get("range") == span

    @pytest.mark.parametrize("step", [1, 7, 10_000, 1 << 20])
    def test_a_content_comes_in_pieces(
        self, pool: ConnectionPool, origins: Origins, step: int
    ) -> None:
        content = CONTENT[:3000] if step == 1 else CONTENT * 30
        assert get(pool, origins(Reply(body=content)).url, step=step) == content

    def test_an_empty_content(self, pool: ConnectionPool, origins: Origins) -> None:
        storage = origins(Reply())
        assert get(pool, storage.url) == get(pool, storage.url) == b""
        assert storage.connections == 1

    @pytest.mark.parametrize("step", [3, 1 << 20])
    def test_a_content_may_be_in_chunks(
        self, pool: ConnectionPool, storages: Storages, step: int
    ) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        storage = storages(sends(head + b"3\r\ncon\r\n4;x=y\r\ntent\r\n0\r\n\r\n"))
        for _ in range(2):
            assert get(pool, f"{storage.url}/x", step=step) == b"content"

    def test_or_end_with_its_connection(self, pool: ConnectionPool, storages: Storages) -> None:
        storage = storages(sends(b"HTTP/1.0 200 OK\r\n\r\n" + CONTENT, "close"))
        assert get(pool, f"{storage.url}/x") == CONTENT

    @pytest.mark.parametrize("encoding", ["identity", "Identity"])
    def test_content_that_is_not_encoded_is_fine(
        self, pool: ConnectionPool, origins: Origins, encoding: str
    ) -> None:
        storage = origins(Reply(200, {"Content-Encoding": encoding}, CONTENT))
        assert get(pool, storage.url) == CONTENT

    @pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", ""])
    def test_encoded_content_is_refused(
        self, pool: ConnectionPool, origins: Origins, encoding: str
    ) -> None:
        storage = origins(Reply(200, {"Content-Encoding": encoding}, CONTENT))
        with pytest.raises(DSSDecodeError, match=f"encoded as '{encoding}'") as caught:
            get(pool, f"{storage.url}/x?{SECRET}")
        assert "c0ffee" not in str(caught.value)


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (403, Forbidden),
            (404, NotFound),
            (416, RangeNotSatisfiable),
            (503, ServerError),
            (302, DSSResponseError),
            (304, DSSResponseError),
        ],
    )
    def test_they_are_errors(
        self,
        pool: ConnectionPool,
        origins: Origins,
        status: int,
        kind: type[DSSResponseError],
    ) -> None:
        elsewhere = origins(Reply(body=CONTENT))
        headers = {"Location": elsewhere.url, "Retry-After": "7", "Content-Range": "bytes */3"}
        storage = origins(Reply(status, headers, b"" if status == 304 else b"Expired"))
        with pytest.raises(kind) as caught:
            get(pool, f"{storage.url}/x?{SECRET}")
        error = caught.value
        assert (error.status_code, error.response.headers["retry-after"]) == (status, "7")
        assert error.response.headers["content-range"] == "bytes */3"
        assert status < 400 or "Expired" in str(error)
        assert "c0ffee" not in str(error)
        assert elsewhere.seen == []

    def test_of_a_long_one_the_beginning_is_kept(
        self, pool: ConnectionPool, origins: Origins
    ) -> None:
        storage = origins(Reply(500, body=b"x" * (1 << 20)), Reply(body=CONTENT))
        with pytest.raises(ServerError) as caught:
            get(pool, storage.url)
        assert len(caught.value.response.content) <= 1 << 16
        assert get(pool, storage.url) == CONTENT

    def test_one_that_breaks_off_is_a_fault(self, pool: ConnectionPool, origins: Origins) -> None:
        storage = origins(Reply(500, body=b"some", cut=2))
        with pytest.raises(DSSError, match=r"500|IncompleteRead"):
            get(pool, storage.url)

    def test_one_that_stalls_is_a_timeout(self, connect: Connect, storages: Storages) -> None:
        def stall(_: Asked) -> Iterator[bytes | End]:
            yield b"HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nab"
            done.wait(10)

        done = threading.Event()
        storage = storages(stall)
        with pytest.raises(DSSTimeout):
            get(connect(timeout=0.05), f"{storage.url}/x")
        done.set()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"


class TestFaults:
    @pytest.mark.parametrize("sent", [0, 1, 5000, 9999])
    def test_a_content_that_ends_early(
        self, pool: ConnectionPool, storages: Storages, sent: int
    ) -> None:
        storage = storages(sends(HEAD + CONTENT[:sent], "close"))
        self._breaks(pool, storage, sent, match=f"ended {10_000 - sent} bytes before")

    def test_a_connection_that_is_reset(self, pool: ConnectionPool, storages: Storages) -> None:
        def script(_: Asked) -> Iterator[bytes | End]:
            yield HEAD + CONTENT[:5000]
            _wait_for(lambda: len(came) == 5000)
            yield "reset"

        came = bytearray()
        storage = storages(script)
        with pytest.raises(DSSConnectionError, match="reset"):
            get(pool, f"{storage.url}/x", into=came)
        assert came == CONTENT[:5000]

    def test_a_connection_that_stalls(self, connect: Connect, storages: Storages) -> None:
        def script(_: Asked) -> Iterator[bytes | End]:
            yield HEAD + CONTENT[:5000]
            done.wait(10)

        done = threading.Event()
        storage = storages(script)
        came = bytearray()
        with pytest.raises(DSSTimeout, match="no answer in time"):
            get(connect(timeout=0.05), f"{storage.url}/x", into=came)
        assert came == CONTENT[:5000]
        done.set()

    def _breaks(
        self,
        pool: ConnectionPool,
        storage: Storage,
        sent: int,
        *,
        match: str,
    ) -> None:
        """Make sure that nothing is lost of what came before the break."""
        came = bytearray()
        with pytest.raises(DSSConnectionError, match=match) as caught:
            get(pool, f"{storage.url}/x?{SECRET}", into=came)
        assert came == CONTENT[:sent]
        assert "c0ffee" not in str(caught.value)

    def test_chunks_that_end_early(self, pool: ConnectionPool, storages: Storages) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        storage = storages(sends(head + b"5\r\nconte", "close"))
        with pytest.raises(DSSConnectionError):
            get(pool, f"{storage.url}/x")

    @pytest.mark.parametrize("end", ["close", "reset"])
    @pytest.mark.parametrize(
        "sent", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nA: b\r\n", b"?\r\n"]
    )
    def test_invalid_heads(
        self, pool: ConnectionPool, storages: Storages, sent: bytes, end: End
    ) -> None:
        storage = storages(sends(sent, end))
        if sent.startswith(b"HTTP/1.1 200") and end == "close":
            # It may be an answer without a length, which ends with its connection.
            assert get(pool, f"{storage.url}/x") == b""
            return
        with pytest.raises(DSSConnectionError):
            get(pool, f"{storage.url}/x")

    def test_a_head_that_does_not_come(self, connect: Connect, storages: Storages) -> None:
        def script(_: Asked) -> Iterator[bytes | End]:
            yield b"HTTP/1.1"
            done.wait(10)

        done = threading.Event()
        with pytest.raises(DSSTimeout):
            get(connect(timeout=0.05), f"{storages(script).url}/x")
        done.set()

    def test_nobody_there(self, pool: ConnectionPool) -> None:
        url = f"http://127.0.0.1:{dead_port()}/x?{SECRET}"
        with pytest.raises(DSSConnectionError, match="refused") as caught:
            get(pool, url)
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)
        assert "c0ffee" not in str(caught.value)

    def test_errors_without_a_text_have_their_name(self) -> None:
        assert "OSError" in str(storage_error(OSError(), "http://h/x"))

    def test_the_log_tells_no_secret(
        self, pool: ConnectionPool, origins: Origins, caplog: pytest.LogCaptureFixture
    ) -> None:
        storage = origins(Reply(403), Reply(body=CONTENT), Reply(body=CONTENT, cut=5))
        url = f"{storage.url}/x?{SECRET}".replace("//", "//user:pa55@")
        with caplog.at_level(logging.DEBUG):
            for _ in range(4):
                with suppress(DSSError):
                    get(pool, url)
        assert f"GET {storage.url}/x?<redacted> -> 403 in " in caplog.text
        assert " -> 200 in " in caplog.text
        assert "c0ffee" not in caplog.text
        assert "pa55" not in caplog.text


class TestKeptConnections:
    def test_one_is_used_again(self, pool: ConnectionPool, origins: Origins) -> None:
        storage = origins(Reply(body=CONTENT))
        for _ in range(5):
            assert get(pool, f"{storage.url}/x") == CONTENT
        assert storage.connections == 1

    def test_origins_have_their_own(self, pool: ConnectionPool, origins: Origins) -> None:
        storages = [origins(Reply(body=CONTENT)) for _ in range(2)]
        for _ in range(3):
            for storage in storages:
                get(pool, f"{storage.url}/x")
        assert [storage.connections for storage in storages] == [1, 1]

    def test_threads_do_not_share_one_at_once(self, pool: ConnectionPool, origins: Origins) -> None:
        barrier = threading.Barrier(4)
        storage = origins(Reply(body=CONTENT))

        def work(_: int) -> bytes:
            with pool.open(f"{storage.url}/x") as content:
                barrier.wait()
                return read(content.readinto)

        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(work, range(4))) == [CONTENT] * 4
            assert storage.connections == 4
            list(threads.map(work, range(4)))
        assert storage.connections == 4

    def test_threads_that_end_leave_theirs_to_others(
        self, pool: ConnectionPool, origins: Origins
    ) -> None:
        storage = origins(Reply(body=CONTENT))
        for _ in range(10):
            with ThreadPoolExecutor(1) as threads:
                assert threads.submit(get, pool, f"{storage.url}/x").result() == CONTENT
        assert storage.connections == 1

    @pytest.mark.parametrize("count", [0, 1, 9_999])
    def test_one_that_was_not_read_to_its_end_is_not(
        self, pool: ConnectionPool, origins: Origins, count: int
    ) -> None:
        storage = origins(Reply(body=CONTENT))
        with pool.open(storage.url) as content:
            if count:
                content.readinto(memoryview(bytearray(count)))
        assert get(pool, storage.url) == CONTENT
        assert storage.connections == 2

    def test_nor_is_one_whose_reader_failed(self, pool: ConnectionPool, origins: Origins) -> None:
        storage = origins(Reply(body=CONTENT))

        def fail() -> None:
            with pool.open(storage.url) as content:
                read(content.readinto)
                raise RuntimeError("the disk is full")

        with pytest.raises(RuntimeError):
            fail()
        assert get(pool, storage.url) == CONTENT

    @pytest.mark.parametrize("header", ["Connection: close\r\n", ""])
    def test_one_that_the_other_side_closed_is_replaced(
        self, pool: ConnectionPool, storages: Storages, header: str
    ) -> None:
        head = f"HTTP/1.1 200 OK\r\n{header}Content-Length: 10000\r\n\r\n".encode()
        storage = storages(sends(head + CONTENT, "close"))
        for _ in range(3):
            assert get(pool, f"{storage.url}/x") == CONTENT
            _wait_for(lambda: not storage.is_talking)
        assert [asked.connection for asked in storage.asked] == [0, 1, 2]

    @pytest.mark.parametrize("end", ["close", "reset"])
    def test_so_is_one_that_it_closes_just_now(
        self, pool: ConnectionPool, storages: Storages, end: End
    ) -> None:
        def script(asked: Asked) -> Iterator[bytes | End]:
            if asked.number:
                yield end
            else:
                yield from right(asked)

        storage = storages(script)
        for _ in range(3):
            assert get(pool, f"{storage.url}/x", first=5) == CONTENT[5:]
        assert [(asked.connection, asked.number) for asked in storage.asked] == [
            (0, 0),
            (0, 1),
            (1, 0),
            (1, 1),
            (2, 0),
        ]

    def test_but_only_once(self, pool: ConnectionPool, storages: Storages) -> None:
        def script(asked: Asked) -> Iterator[bytes | End]:
            if len(storage.asked) > 1:
                yield "close"
            else:
                yield from right(asked)

        storage = storages(script)
        get(pool, f"{storage.url}/x")
        with pytest.raises(DSSConnectionError):
            get(pool, f"{storage.url}/x")
        assert len(storage.asked) == 3

    def test_and_not_where_no_answer_comes(self, connect: Connect, storages: Storages) -> None:
        def script(asked: Asked) -> Iterator[bytes | End]:
            if asked.number:
                done.wait(10)
            else:
                yield from right(asked)

        done = threading.Event()
        storage = storages(script)
        pool = connect(timeout=0.05)
        get(pool, f"{storage.url}/x")
        with pytest.raises(DSSTimeout):
            get(pool, f"{storage.url}/x")
        assert storage.connections == 1
        done.set()

    def test_one_with_something_in_it_that_nobody_asked_for_is_replaced(
        self, pool: ConnectionPool, storages: Storages
    ) -> None:
        storage = storages(sends(HEAD + CONTENT + b"HTTP/1.1 200 OK\r\n" * 10_000))
        for _ in range(2):
            assert get(pool, f"{storage.url}/x") == CONTENT
        assert storage.connections == 2

    def test_one_that_cannot_be_looked_at_is_replaced(
        self, pool: ConnectionPool, origins: Origins, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise ValueError("filedescriptor out of range in select()")

        storage = origins(Reply(body=CONTENT))
        get(pool, storage.url)
        monkeypatch.setattr(select, "poll", fail)
        assert get(pool, storage.url) == CONTENT
        assert storage.connections == 2


class TestClosing:
    def test_connections_are_closed(self, pool: ConnectionPool, storages: Storages) -> None:
        storage = storages(right)
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(lambda _: get(pool, f"{storage.url}/x"), range(3)))
        assert storage.is_talking
        pool.close()
        _wait_for(lambda: not storage.is_talking)
        pool.close()

    def test_it_can_be_used_again(self, pool: ConnectionPool, storages: Storages) -> None:
        storage = storages(right)
        for number in range(3):
            assert get(pool, f"{storage.url}/x") == CONTENT
            assert storage.connections == number + 1
            pool.close()

    def test_one_in_use_is_not_kept_afterwards(
        self, pool: ConnectionPool, storages: Storages
    ) -> None:
        storage = storages(right)
        with pool.open(f"{storage.url}/x") as content:
            pool.close()
            with suppress(DSSConnectionError):
                read(content.readinto)
        _wait_for(lambda: not storage.is_talking)
        assert get(pool, f"{storage.url}/x") == CONTENT
        assert storage.connections == 2

    def test_sockets_that_cannot_be_closed_are_let_go(
        self, pool: ConnectionPool, origins: Origins, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        storage = origins(Reply(body=CONTENT))
        get(pool, storage.url)
        (kept,) = pool._shared.all
        with monkeypatch.context() as patch:
            patch.setattr(type(kept), "close", _cannot)
            pool.close()
        kept.close()
        assert get(pool, storage.url) == CONTENT


def _cannot(_: object) -> None:
    raise OSError("not now")


def _wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it did not come about")


class TestTLS:
    def test_contents_come_by_it(
        self,
        connect: Connect,
        storages: Storages,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    ) -> None:
        storage = storages(right, contexts[0])
        pool = connect(contexts[1])
        for _ in range(3):
            assert get(pool, f"{storage.url}/x", first=3) == CONTENT[3:]
        assert storage.connections == 1

    @pytest.mark.parametrize("size", [100, 300_000, 3_000_000])
    @pytest.mark.parametrize("step", [999, 1 << 20])
    def test_any_content_comes_whole(
        self,
        connect: Connect,
        storages: Storages,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext],
        size: int,
        step: int,
    ) -> None:
        content = random.Random(size).randbytes(size)
        storage = storages(lambda asked: iter(answer(content, asked)), contexts[0])
        assert get(connect(contexts[1]), f"{storage.url}/x", step=step) == content

    @pytest.mark.parametrize(
        ("end", "kind"),
        [
            ("close", DSSConnectionError),
            ("reset", DSSConnectionError),
            ("stall", DSSTimeout),
        ],
    )
    @pytest.mark.parametrize("pieces", [1, 5])
    def test_nothing_is_lost_of_what_came_before_a_break(
        self,
        connect: Connect,
        storages: Storages,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext],
        end: str,
        kind: type[DSSError],
        pieces: int,
    ) -> None:
        def script(_: Asked) -> Iterator[bytes | End]:
            yield HEAD
            for number in range(pieces):
                yield CONTENT[1000 * number : 1000 * (number + 1)]
            if end == "stall":
                done.wait(10)
            else:
                yield "close" if end == "close" else "reset"

        done = threading.Event()
        storage = storages(script, contexts[0])
        came = bytearray()
        pool = connect(contexts[1], timeout=0.1 if end == "stall" else 10.0)
        with pytest.raises(kind):
            get(pool, f"{storage.url}/x", into=came)
        assert came == CONTENT[: 1000 * pieces]
        done.set()

    def test_who_is_not_trusted_is_told_nothing(
        self,
        pool: ConnectionPool,
        storages: Storages,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    ) -> None:
        storage = storages(right, contexts[0])
        with pytest.raises(DSSConnectionError, match="certificate verify failed") as caught:
            get(pool, f"{storage.url}/x?{SECRET}")
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
        assert storage.asked == []

    def test_names_are_verified(
        self,
        connect: Connect,
        storages: Storages,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    ) -> None:
        storage = storages(right, contexts[0])
        url = f"https://localhost.localdomain:{storage.port}/x"
        with pytest.raises(DSSConnectionError):
            get(connect(contexts[1]), url)
        assert storage.asked == []

    @pytest.mark.parametrize("end", ["close", "reset"])
    def test_a_kept_one_that_is_closed_is_replaced(
        self,
        connect: Connect,
        storages: Storages,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext],
        end: End,
    ) -> None:
        def script(asked: Asked) -> Iterator[bytes | End]:
            if asked.number:
                yield end
            else:
                yield from right(asked)

        storage = storages(script, contexts[0])
        pool = connect(contexts[1])
        for _ in range(2):
            assert get(pool, f"{storage.url}/x") == CONTENT

    def test_a_fault_after_some_pieces_is_told_after_them(
        self,
        connect: Connect,
        storages: Storages,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    ) -> None:
        content = bytes(range(256)) * 400

        def script(asked: Asked) -> Iterator[bytes | End]:
            head, body = answer(content, asked)
            yield head + body[:100]
            yield body[100:40_000]
            yield "reset"

        storage = storages(script, contexts[0])
        came = bytearray()
        buffer = memoryview(bytearray(1 << 20))
        with connect(contexts[1]).open(f"{storage.url}/x") as opened:

            def read_all() -> None:
                while count := opened.readinto(buffer):
                    came.extend(buffer[:count])

            with pytest.raises(DSSConnectionError):
                read_all()
        assert content.startswith(bytes(came))


def test_an_address_of_ipv6(pool: ConnectionPool, resources: ExitStack) -> None:
    storage = Storage(right)
    try:
        six = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        storage._socket.close()
        pytest.skip("no IPv6 here")
    storage._socket.close()
    storage._socket = six
    with storage:
        netloc = f"[::1]:{storage.port}"
        assert get(pool, f"http://{netloc}/x") == CONTENT
    assert storage.asked[0].headers["host"] == netloc


class Proxy:
    """Forwards requests, and remembers what it was asked.

    Attributes:
        places: Where the hosts are that it knows, as ports of this machine.
        heads: The heads of the requests that came to it.
        refuse: Answer so, instead.
    """

    def __init__(self, places: Mapping[str, int], refuse: bytes = b"") -> None:
        self.places = places
        self.heads: list[str] = []
        self.refuse = refuse
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    @property
    def headers(self) -> list[dict[str, str]]:
        """The headers of the requests that came to it."""
        return [
            {
                name.lower(): value
                for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])
            }
            for head in self.heads
        ]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._socket, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                return
            self._start(self._serve, accepted)

    def _start(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        self._open += arguments
        thread = threading.Thread(target=self._quietly, args=(work, *arguments), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _quietly(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        with suppress(OSError):
            work(*arguments)

    def _serve(self, client: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = client.recv(1 << 16)
            if not piece:
                return
            received += piece
            head, end, rest = received.partition(b"\r\n\r\n")
            if end:
                self.heads.append(head.decode())
                if self.refuse:
                    client.sendall(self.refuse)
                    client.shutdown(socket.SHUT_RDWR)
                    return
                received = rest
                self._forward(client, head.decode())

    def _forward(self, client: socket.socket, head: str) -> None:
        first, *lines = head.split("\r\n")
        method, target, version = first.split(" ")
        if method == "CONNECT":
            host = target.rpartition(":")[0].strip("[]")
            server = socket.create_connection(("127.0.0.1", self.places[host]))
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            self._start(self._pump, server, client)
            self._pump(client, server)
            return
        parts = urlsplit(target)
        assert parts.scheme == "http"
        assert parts.hostname
        kept = [line for line in lines if not line.lower().startswith("proxy-")]
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        with socket.create_connection(("127.0.0.1", self.places[parts.hostname])) as server:
            request = "\r\n".join([f"{method} {path} {version}", "Connection: close", *kept])
            server.sendall(request.encode() + b"\r\n\r\n")
            left = 1 << 30
            head_ = b""
            while left and (piece := server.recv(1 << 16)):
                if left == 1 << 30:
                    head_ += piece
                    before, end, body = head_.partition(b"\r\n\r\n")
                    if end:
                        length = before.lower().partition(b"content-length: ")[2]
                        left = int(length.split(b"\r\n")[0]) - len(body)
                else:
                    left -= len(piece)
                client.sendall(piece)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        while piece := source.recv(1 << 16):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


class TestProxies:
    @pytest.fixture
    def storage(self, origins: Origins) -> Origin:
        return origins(Reply(body=CONTENT))

    @pytest.fixture
    def proxy(self, storage: Origin, resources: ExitStack) -> Proxy:
        port = urlsplit(storage.url).port
        assert port
        return resources.enter_context(Proxy({HOST: port, "2001:db8::5": port}))

    @pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
    @pytest.mark.parametrize("scheme", ["http://", ""])
    def test_http_goes_to_them_whole(
        self,
        pool: ConnectionPool,
        storage: Origin,
        proxy: Proxy,
        monkeypatch: pytest.MonkeyPatch,
        variable: str,
        scheme: str,
    ) -> None:
        monkeypatch.setenv(variable, f"{scheme}{proxy.netloc}")
        for _ in range(2):
            assert get(pool, f"http://{HOST}/a b?{SECRET}", first=5) == CONTENT
        first = proxy.heads[0].split("\r\n")[0]
        assert first == f"GET http://{HOST}/a%20b?{SECRET} HTTP/1.1"
        assert proxy.headers[0]["host"] == HOST
        assert proxy.headers[0]["range"] == "bytes=5-"
        assert storage.seen[0].target == f"/a%20b?{SECRET}"

    def test_ports_and_addresses_are_part_of_it(
        self,
        pool: ConnectionPool,
        proxy: Proxy,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("http_proxy", proxy.netloc)
        assert get(pool, "http://[2001:db8::5]:81/x") == CONTENT
        assert proxy.heads[0].startswith("GET http://[2001:db8::5]:81/x HTTP/1.1\r\n")

    @pytest.mark.parametrize(
        ("user", "plain"),
        [("user:pa55", "user:pa55"), ("user", "user:"), ("m%C3%A9:p%3A%40%2F", "mé:p:@/")],
    )
    def test_credentials_are_for_them_only(
        self,
        pool: ConnectionPool,
        storage: Origin,
        proxy: Proxy,
        monkeypatch: pytest.MonkeyPatch,
        user: str,
        plain: str,
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://{user}@{proxy.netloc}")
        get(pool, f"http://{HOST}/x")
        given = proxy.headers[0]["proxy-authorization"].removeprefix("Basic ")
        assert base64.b64decode(given).decode() == plain
        assert not {"authorization", "proxy-authorization"} & set(storage.seen[0].headers)
        assert "user-agent" in storage.seen[0].headers

    @pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
    def test_https_goes_through_them_unseen(
        self,
        connect: Connect,
        storages: Storages,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext],
        resources: ExitStack,
        monkeypatch: pytest.MonkeyPatch,
        variable: str,
    ) -> None:
        storage = storages(right, contexts[0])
        proxy = resources.enter_context(Proxy({HOST: storage.port}))
        monkeypatch.setenv(variable, f"http://user:pa55@{proxy.netloc}")
        pool = connect(contexts[1])
        for _ in range(3):
            assert get(pool, f"https://{HOST}/x?{SECRET}", first=5) == CONTENT[5:]
        (head,) = proxy.heads
        assert head.startswith(f"CONNECT {HOST}:443 HTTP/1.")
        assert "c0ffee" not in head
        assert "dss-client" not in head
        given = proxy.headers[0]["proxy-authorization"].removeprefix("Basic ")
        assert base64.b64decode(given) == b"user:pa55"
        assert storage.connections == 1
        for asked in storage.asked:
            assert "proxy-authorization" not in asked.headers
            assert asked.headers["host"] == HOST

    @pytest.mark.skipif(
        sys.version_info < (3, 13), reason="Python leaves out the brackets, and proxies may guess"
    )
    def test_so_does_an_address_of_ipv6(
        self,
        connect: Connect,
        storages: Storages,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext],
        resources: ExitStack,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        storage = storages(right, contexts[0])
        proxy = resources.enter_context(Proxy({"2001:db8::5": storage.port}))
        monkeypatch.setenv("https_proxy", proxy.netloc)
        assert get(connect(contexts[1]), "https://[2001:db8::5]:8443/x") == CONTENT
        assert proxy.heads[0].startswith("CONNECT [2001:db8::5]:8443 HTTP/1.")

    def test_a_server_behind_one_is_verified(
        self,
        connect: Connect,
        storages: Storages,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext],
        resources: ExitStack,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        storage = storages(right, contexts[0])
        proxy = resources.enter_context(Proxy({"other.example": storage.port}))
        monkeypatch.setenv("https_proxy", proxy.netloc)
        with pytest.raises(DSSConnectionError, match="certificate verify failed"):
            get(connect(contexts[1]), f"https://other.example/x?{SECRET}")
        assert storage.asked == []

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_a_refusal_of_theirs_is_an_error(
        self,
        pool: ConnectionPool,
        resources: ExitStack,
        monkeypatch: pytest.MonkeyPatch,
        scheme: str,
    ) -> None:
        text = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
        proxy = resources.enter_context(Proxy({}, refuse=text))
        monkeypatch.setenv(f"{scheme}_proxy", f"http://user:pa55@{proxy.netloc}")
        with pytest.raises(DSSError, match="407") as caught:
            get(pool, f"{scheme}://{HOST}/x?{SECRET}")
        assert "pa55" not in str(caught.value)
        assert "c0ffee" not in str(caught.value)

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_one_that_is_not_there_is_an_error(
        self, pool: ConnectionPool, monkeypatch: pytest.MonkeyPatch, scheme: str
    ) -> None:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://user:pa55@127.0.0.1:{dead_port()}")
        with pytest.raises(DSSConnectionError, match="refused") as caught:
            get(pool, f"{scheme}://{HOST}/x?{SECRET}")
        assert "pa55" not in str(caught.value)

    @pytest.mark.parametrize("scheme", ["socks5", "https"])
    def test_one_of_another_kind_is_refused_at_once(
        self, pool: ConnectionPool, monkeypatch: pytest.MonkeyPatch, scheme: str
    ) -> None:
        monkeypatch.setenv("all_proxy", f"{scheme}://user:pa55@proxy.example:1080")
        with pytest.raises(DSSConnectionError) as caught:
            get(pool, f"http://{HOST}/x?{SECRET}")
        assert isinstance(caught.value.__cause__, PERMANENT_ERRORS)
        assert f"{scheme}://proxy.example:1080 of all_proxy" in str(caught.value)
        assert "storage_client=" in str(caught.value)
        assert "pa55" not in str(caught.value)

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_this_machine_is_reached_without_them(
        self,
        pool: ConnectionPool,
        storage: Origin,
        monkeypatch: pytest.MonkeyPatch,
        host: str,
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{dead_port()}")
        assert get(pool, storage.url.replace("127.0.0.1", host)) == CONTENT

    @pytest.mark.parametrize("no_proxy", [HOST, "*", ".example", f"x,{HOST}"])
    def test_others_may_be_left_out(
        self,
        pool: ConnectionPool,
        proxy: Proxy,
        monkeypatch: pytest.MonkeyPatch,
        no_proxy: str,
    ) -> None:
        monkeypatch.setenv("http_proxy", proxy.netloc)
        monkeypatch.setenv("no_proxy", no_proxy)
        with pytest.raises(DSSConnectionError):
            get(pool, f"http://{HOST}/x")
        assert proxy.heads == []

    def test_one_for_another_scheme_is_not_used(
        self, pool: ConnectionPool, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("https_proxy", proxy.netloc)
        with pytest.raises(DSSConnectionError):
            get(pool, f"http://{HOST}/x")
        assert proxy.heads == []


def test_the_read_timeout_is_known(tmp_path: Path) -> None:
    made = ConnectionPool(Timeout(connect=1, read=7), ssl.create_default_context)
    assert made.read_timeout == 7
