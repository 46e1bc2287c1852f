"""Answers of HTTP/1.1 byte for byte, and the life of connections: both clients take them alike."""

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest

from dss_client import (
    DSSClient,
    DSSConnectionError,
    DSSError,
    DSSTimeout,
    NotFound,
    Timeout,
)
from tests.drive import Driver

BODY = b'{"collections": []}'
OK = b"HTTP/1.1 200 OK\r\n"
SIZED = OK + b"Content-Length: 19\r\n\r\n" + BODY
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ID = {"uuid": "00000000-0000-4000-8000-000000000001", "replica": "aws"}
Script = Callable[[int], bytes | None]


class RawOrigin:
    """Answers each request with the bytes that a script gives for its number.

    An answer without bytes closes the connection; after None, nothing comes and it stays open. One
    that no more bytes are to follow of ends with its connection.
    """

    def __init__(self, script: Script, *, ends: bool) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.closed = threading.Semaphore(0)
        self._script = script
        self._ends = ends
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        for each in (self._socket, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self._socket.accept()
                self.connections += 1
                self._open.append(accepted)
                self._threads.append(threading.Thread(target=self._serve, args=(accepted,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection.makefile("rb") as stream:
            while request := stream.readline():
                while not request.endswith(b"\r\n\r\n"):
                    request += stream.readline()
                _, _, length = request.lower().partition(b"content-length: ")
                request += stream.read(int(length.split(b"\r\n")[0] or b"0"))
                with self._lock:
                    number = len(self.requests)
                    self.requests.append(request)
                answer = self._script(number)
                if answer:
                    connection.sendall(answer)
                if answer == b"" or (answer and self._ends):
                    break
            connection.shutdown(socket.SHUT_RDWR)
        self.closed.release()


Start = Callable[..., RawOrigin]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as running:

        def begin(
            *answers: bytes | None, script: Script | None = None, ends: bool = False
        ) -> RawOrigin:
            def turn(number: int) -> bytes | None:
                return answers[min(number, len(answers) - 1)]

            origin = RawOrigin(script or turn, ends=ends)
            running.callback(origin.close)
            return origin

        yield begin


class TestAnswers:
    @pytest.mark.parametrize(
        "answer",
        [
            SIZED,
            SIZED.replace(b"Content-Length", b"content-length").replace(
                b"length: ", b"length:  \t"
            ),
            SIZED.replace(b"200 OK", b"200"),
            SIZED.replace(b"OK", b"\xc3\xa9"),
            SIZED.replace(b"\r\n\r\n", b"\r\nContent-Length: 19\r\n\r\n"),
            SIZED.replace(
                b"\r\n\r\n", b"\r\nX-Folded: a\r\n  b\r\nX-Latin: \xe9\r\nX-Empty:\r\n\r\n"
            ),
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + SIZED,
            CHUNKED + b"5\r\n" + BODY[:5] + b"\r\n000E;x=y\r\n" + BODY[5:] + b"\r\n0\r\n\r\n",
            CHUNKED + b"13\r\n" + BODY + b"\r\n0\r\nX-Trailer: 1\r\n\r\n",
            CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n")
            + b"13\r\n"
            + BODY
            + b"\r\n0\r\n\r\n",
        ],
    )
    def test_whose_end_is_known_leave_the_connection_open(
        self, answer: bytes, start: Start, drive: Driver
    ) -> None:
        origin = start(answer)
        pages = drive(url=origin.url, options={"retries": 0}).call("get_collections.paginate")
        assert [page.collections for page in pages] == [[]]
        with DSSClient(origin.url, retries=0) as dss:
            for _ in range(2):
                assert dss.get_collections().collections == []
        assert origin.connections == 2

    @pytest.mark.parametrize(
        "head", [OK, b"HTTP/1.0 200 OK\r\n", OK + b"Connection: x, Close\r\nContent-Length: 19\r\n"]
    )
    def test_whose_connection_ends(self, head: bytes, start: Start, drive: Driver) -> None:
        origin = start(head + b"\r\n" + BODY, ends=True)
        assert drive(url=origin.url).call("get_collections").collections == []
        with DSSClient(origin.url, retries=0) as dss:
            for _ in range(2):
                assert dss.get_collections().collections == []
        assert origin.connections == 3

    @pytest.mark.parametrize("status", [b"200 OK", b"404 N"])
    def test_to_head_have_no_content(self, status: bytes, start: Start, drive: Driver) -> None:
        origin = start(b"HTTP/1.1 " + status + b"\r\nContent-Length: 19\r\n\r\n")
        options = {"retries": 0, "timeout": 5}
        with pytest.raises(NotFound if status == b"404 N" else DSSError) as caught:
            drive(url=origin.url, options=options).call("head_file", **ID)
        assert not isinstance(caught.value, DSSConnectionError | DSSTimeout)

    def test_may_be_compressed(self, start: Start, drive: Driver) -> None:
        content = gzip.compress(BODY)
        head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(content)
        origin = start(head + content)
        assert drive(url=origin.url).call("get_collections").collections == []
        assert b"accept-encoding: gzip" in origin.requests[0].lower()

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"HTTP/1.1 2",
            b"HTTP/2 200 OK\r\n\r\n",
            b"220 mail.example\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
            OK + b"Content-Length: 19\r\n",
            OK + b"Content-Length: 20\r\n\r\n" + BODY,
            OK + b"Content-Length: 19x\r\n\r\n" + BODY,
            OK + b"Content-Length: 99999999999999999\r\n\r\n" + BODY,
            OK + b"Content-Length: 19\r\nContent-Length: 20\r\n\r\n" + BODY,
            OK + b"Content-Encoding: gzip\r\nContent-Length: 19\r\n\r\n" + BODY,
            OK + b"Content-Length: 19\r\nno colon\r\n\r\n" + BODY,
            OK + b"X-Long: " + b"x" * 500_000 + b"\r\nContent-Length: 19\r\n\r\n" + BODY,
            OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n13\r\n" + BODY + b"\r\n0\r\n\r\n",
            CHUNKED + b"13\r\n" + BODY,
            CHUNKED + b"13\r\n" + BODY + b"\r\n",
            CHUNKED + b"13\r\n" + BODY + b"\r\n0\r\n",
            CHUNKED + b"12\r\n" + BODY + b"\r\n0\r\n\r\n",
            CHUNKED + b"-1\r\n" + BODY,
            CHUNKED + b"fffffffffffff\r\n" + BODY,
        ],
    )
    def test_that_cannot_be_understood_are_errors(
        self, answer: bytes, start: Start, drive: Driver
    ) -> None:
        origin = start(answer, ends=True)
        with pytest.raises(DSSConnectionError):
            drive(url=origin.url, options={"retries": 0}).call("get_collections")


class TestConnections:
    def test_one_that_was_closed_meanwhile_is_not_used(self, start: Start) -> None:
        origin = start(SIZED, ends=True)
        with DSSClient(origin.url, retries=0) as dss:
            for _ in range(3):
                dss.get_collections()
                origin.closed.acquire()
        assert origin.connections == 3

    def test_one_that_is_closed_as_it_is_used(self, start: Start, drive: Driver) -> None:
        origin = start(b"", SIZED)
        assert drive(url=origin.url).call("get_collections").collections == []
        assert len(origin.requests) == 2

    def test_a_request_that_may_have_had_an_effect_is_not_sent_again(
        self, start: Start, drive: Driver
    ) -> None:
        origin = start(b"", SIZED)
        with pytest.raises(DSSConnectionError, match="disconnected"):
            drive(url=origin.url).call("post_bundles_checkout", **ID)
        assert len(origin.requests) == 1

    def test_who_closes_it_before_all_was_sent_may_have_answered(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def refuse() -> None:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

            thread = threading.Thread(target=refuse)
            thread.start()
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
            with DSSClient(url, retries=0) as dss, pytest.raises(NotFound):
                dss.post_search(replica="aws", es_query={"query": "x" * 10_000_000})
            thread.join()

    def test_threads_have_their_own(self, start: Start) -> None:
        together = threading.Barrier(8)

        def script(number: int) -> bytes:
            if number < 8:
                together.wait(20)
            return SIZED

        origin = start(script=script)
        with DSSClient(origin.url, retries=0) as dss, ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(dss.get_collections) for _ in range(80)]
            assert all(each.result().collections == [] for each in asked)
        assert origin.connections == 8

    def test_closing_closes_them(self, start: Start) -> None:
        origin = start(SIZED)
        with DSSClient(origin.url) as dss:
            dss.get_collections()
        assert origin.closed.acquire(timeout=20)

    def test_no_answer_in_time(self, start: Start, drive: Driver) -> None:
        for answer in (None, OK, SIZED[:-1], CHUNKED + b"5\r\n"):
            origin = start(answer)
            options = {"timeout": Timeout(read=0.05), "retries": 0}
            with pytest.raises(DSSTimeout, match="ReadTimeout"):
                drive(url=origin.url, options=options).call("get_collections")

    def test_a_request_that_nobody_takes(self, drive: Driver) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
            options = {"timeout": Timeout(write=0.05), "retries": 0}
            with pytest.raises(DSSTimeout, match="WriteTimeout"):
                drive(url=url, options=options).call(
                    "post_search", replica="aws", es_query={"query": "x" * 20_000_000}
                )
