"""A yardstick: threads with plain sockets that fetch a list of URLs, hash and write, and no more.

It trusts the server in everything, asks no API, and names each file by its sha256, the last part
of its URL. What a client does beyond this is what it costs.
"""

import hashlib
import os
import socket
import ssl
import threading
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.measure import Call, Job, serve

_BUFFER = 1 << 20
_END = b"\r\n\r\n"
_LENGTH = b"\r\nContent-Length: "


class Connection:
    """A connection that is kept, and its buffer."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._socket = socket.create_connection((parts.hostname, parts.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._socket = context.wrap_socket(self._socket, server_hostname=parts.hostname)
        self._host = parts.netloc
        self._buffer = memoryview(bytearray(_BUFFER))

    def fetch(self, url: str, folder: str) -> None:
        path = url.partition(self._host)[2]
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        view, filled, end = self._buffer, 0, -1
        while end < 0:
            count = self._socket.recv_into(view[filled:])
            if not count:
                raise EOFError("the server closed the connection")
            filled += count
            end = bytes(view[: min(filled, 4096)]).find(_END)
        head = bytes(view[: end + 2])
        if not head.startswith(b"HTTP/1.1 200"):
            raise ValueError(head.splitlines()[0].decode())
        left = int(head.partition(_LENGTH)[2].partition(b"\r\n")[0])
        name = path.partition("?")[0].rpartition("/")[2]
        target = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            digest = hashlib.sha256()
            piece = view[end + len(_END) : filled]
            while True:
                digest.update(piece)
                os.write(target, piece)
                left -= len(piece)
                if left <= 0:
                    break
                piece = view[: self._socket.recv_into(view)]
                if not piece:
                    raise EOFError("the content ended too early")
            digest.digest()
            os.fsync(target)
        finally:
            os.close(target)


def prepare(job: Job) -> Call:
    urls = Path(job["urls"]).read_text().split()

    def call() -> None:
        todo, errors = deque(urls), list[Exception]()
        threads = [
            threading.Thread(target=_work, args=(todo, job["download_dir"], errors))
            for _ in range(min(job["connections"], len(urls)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    return call


def _work(todo: "deque[str]", folder: str, errors: list[Exception]) -> None:
    try:
        connection = Connection(todo[0])
        while todo:
            connection.fetch(todo.popleft(), folder)
    except IndexError:  # another thread took the last one
        pass
    except Exception as error:  # noqa: BLE001 - raised again by the calling thread
        errors.append(error)


if __name__ == "__main__":
    serve(prepare)
