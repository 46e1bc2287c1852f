"""A service and its storage on one real socket, of which a test writes the answers byte by byte.

The service knows what a download asks it: bundles, files, and a search. `LocalDSS` is the better
one wherever its faults are enough.
"""

import asyncio
import hashlib
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from attrs import Factory, define, field, frozen

VERSION = "2019-01-01T000000.000000Z"
RESET = struct.pack("ii", 1, 0)
URL_LIMIT = 1 << 23


@frozen
class Asked:
    """A request as it came.

    Attributes:
        path: What is asked for, without the query.
        query: The query, the first value of each name.
        headers: The headers, names in lower case.
        connection: Number of the connection it came by, from 0.
        turn: How many requests this path had before.
    """

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    connection: int
    turn: int

    @property
    def name(self) -> str:
        """The last part of the path: the uuid of a file."""
        return self.path.rpartition("/")[2]

    @property
    def first(self) -> int:
        """The first byte that is asked for."""
        return int(self.headers.get("range", "bytes=0-")[6:].partition("-")[0])


Step = bytes | float | Literal["close", "reset", "stall"]
"""Bytes to send, seconds to wait, or an end; a stall lasts until the client goes."""
Script = Callable[[Asked], Iterator[Step]]


@frozen
class Content:
    """What a file holds, and what is said of it.

    Attributes:
        body: The bytes.
        sha256: The checksum that the service says; that of the bytes when None.
        origin: Where it is; at this storage when None.
    """

    body: bytes
    sha256: str | None = None
    origin: str | None = None


@frozen
class Bundle:
    """A bundle that can be asked for."""

    uuid: str
    files: list[dict[str, Any]]
    version: str = VERSION

    @property
    def fqid(self) -> str:
        """Its fully qualified id, the directory that it is downloaded to."""
        return f"{self.uuid}.{self.version}"

    @property
    def rows(self) -> list[dict[str, str]]:
        """Its files as rows of a manifest."""
        described = ("name", "uuid", "version", "sha256", "size")
        return [
            {"bundle_uuid": self.uuid, "bundle_version": self.version}
            | {f"file_{each}": str(file[each]) for each in described}
            for file in self.files
        ]

    def write_manifest(self, path: Path) -> Path:
        """Write its files as a manifest."""
        rows = [list(self.rows[0]), *(list(row.values()) for row in self.rows)]
        path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def uuid_of(self, name: str) -> str:
        """Return the uuid of a file."""
        return next(str(file["uuid"]) for file in self.files if file["name"] == name)


def contents(count: int, size: int) -> dict[str, bytes]:
    """Return so many different contents, by name."""
    return {f"f{number}": number.to_bytes(2) * (size // 2) for number in range(count)}


def head(status: int, length: int | None = None, **fields: str) -> bytes:
    """Return the head of an answer; ``_`` in a name is ``-``."""
    if length is not None:
        fields["Content-Length"] = str(length)
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} As-Scripted\r\n{lines}\r\n".encode()


def answer(content: bytes, asked: Asked, **fields: str) -> tuple[bytes, bytes]:
    """Return head and body of the right answer; a range is heeded."""
    if "range" not in asked.headers:
        return head(200, len(content), **fields), content
    first, _, last = asked.headers["range"].removeprefix("bytes=").partition("-")
    part = content[int(first) : int(last) + 1 if last else None]
    end = int(first) + len(part) - 1
    fields["Content_Range"] = f"bytes {first}-{end}/{len(content)}"
    return head(206, len(part), **fields), part


def stall(_: Asked) -> Iterator[Step]:
    """Answer nothing."""
    yield "stall"


@define
class Sends:
    """Sends contents, or so many bytes of them and then nothing more.

    Attributes:
        wire: The storage.
        left: Bytes that are left.
        sent: Bytes sent.
    """

    wire: "Wire"
    left: int = 1 << 60
    sent: int = 0

    def __call__(self, asked: Asked) -> Iterator[Step]:
        """Answer a request for a content."""
        start, body = answer(self.wire.stored[asked.name].body, asked)
        yield start
        for position in range(0, len(body), 1 << 18):
            piece = body[position : position + (1 << 18)][: self.left]
            self.left -= len(piece)
            self.sent += len(piece)
            yield piece
            if not self.left:
                yield "stall"


@define
class Wire:
    """Serves bundles and contents; `script` and `api` change what it answers.

    Attributes:
        script: Answers requests for contents; `serve` does it right.
        api: Answers requests to the service; where it yields nothing, the right answer follows.
        stored: Contents by the uuids of their files.
        bundles: Bundles by their uuids.
        origins: Where contents are that are not at this storage, by the uuids of their files.
        found: What a search finds: all bundles.
        page: Files of a bundle, or bundles of a search, that one answer has.
        presigns: Whether a bundle's answer has URLs where they are asked for.
        host: What URLs name it.
        asked: The requests for contents, in their order.
        asked_api: The requests to the service.
        sent: Bytes of contents sent.
        most: The most connections that were open at once.
    """

    script: Script | None = None
    api: Script | None = None
    stored: dict[str, Content] = Factory(dict)
    bundles: dict[str, Bundle] = Factory(dict)
    origins: dict[str, str] = Factory(dict)
    found: list[str] = Factory(list)
    asked: list[Asked] = Factory(list)
    asked_api: list[Asked] = Factory(list)
    page: int = 500
    presigns: bool = True
    host: str = "127.0.0.1"
    sent: int = 0
    most: int = 0
    _open: int = 0
    _connections: int = 0
    _turns: Counter[str] = Factory(Counter)
    _port: int = 0
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _thread: threading.Thread = field(init=False)
    _end: asyncio.Event = field(init=False)
    _up: threading.Event = Factory(threading.Event)

    @property
    def open(self) -> int:
        """How many connections are open."""
        return self._open

    @property
    def origin(self) -> str:
        """The origin of the storage."""
        return f"http://{self.host}:{self._port}"

    @property
    def url(self) -> str:
        """The base URL of the service."""
        return f"{self.origin}/v1"

    def add_bundle(
        self,
        files: Mapping[str, bytes] | Mapping[str, Content],
        *,
        indexed: bool = False,
        **said: object,
    ) -> Bundle:
        """Hold a bundle; `said` is said of each of its files instead of what is right."""
        bundle = Bundle(str(uuid4()), [])
        for name, content in files.items():
            stored = content if isinstance(content, Content) else Content(content)
            uuid = str(uuid4())
            self.stored[uuid] = stored
            if stored.origin is not None:
                self.origins[uuid] = stored.origin
            described = {
                "name": name,
                "uuid": uuid,
                "version": VERSION,
                "content-type": "text/plain",
                "size": len(stored.body),
                "indexed": indexed,
                "crc32c": "0" * 8,
                "s3_etag": "0" * 32,
                "sha1": "0" * 40,
                "sha256": stored.sha256 or hashlib.sha256(stored.body).hexdigest(),
            }
            bundle.files.append(described | said)
        self.bundles[bundle.uuid] = bundle
        self.found.append(bundle.fqid)
        return bundle

    def serve(self, asked: Asked, **fields: str) -> Iterator[Step]:
        """Answer a request for a content as it should be."""
        yield from answer(self.stored[asked.name].body, asked, **fields)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),), name="wire")
        self._thread.start()
        self._up.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._converse(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            task.add_done_callback(lambda _: writer.transport.abort())

        server = await asyncio.start_server(accepted, "127.0.0.1", 0, backlog=512, limit=URL_LIMIT)
        async with server:
            self._port = server.sockets[0].getsockname()[1]
            self._up.set()
            await self._end.wait()
            for _ in range(5):
                await asyncio.sleep(0)  # a server that closes loses what it has just accepted
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # until the connections are closed

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self._connections = self._connections, self._connections + 1
        self._open += 1
        self.most = max(self.most, self._open)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer(reader, writer, number):
                    pass
        finally:
            self._open -= 1

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> bool:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text.rstrip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        await reader.readexactly(int(headers.get("content-length", 0)))
        target = urlsplit(first.split(" ")[1])
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        asked = Asked(target.path, query, headers, number, self._turns[target.path])
        self._turns[target.path] += 1
        is_api = asked.path.startswith("/v1/")
        (self.asked_api if is_api else self.asked).append(asked)
        for step in self._api(asked) if is_api else (self.script or self.serve)(asked):
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
                self.sent += 0 if is_api else len(step)
            elif isinstance(step, float):
                await asyncio.sleep(step)
            elif step == "stall":
                await reader.read()
                return False
            else:
                if step == "reset":
                    connection: socket.socket = writer.get_extra_info("socket")
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                else:
                    writer.close()
                    await writer.wait_closed()
                return False
        return True

    def _api(self, asked: Asked) -> Iterator[Step]:
        if self.api is not None:
            steps = self.api(asked)
            first = next(steps, None)
            if first is not None:
                yield first
                yield from steps
                return
        yield from self.right(asked)

    def right(self, asked: Asked) -> Iterator[Step]:
        """Answer a request to the service as it should be."""
        _, _, kind, *rest = asked.path.split("/")
        if kind == "search":
            yield self._hits(asked)
        elif kind == "bundles" and rest[0] in self.bundles:
            yield self._page(self.bundles[rest[0]], asked)
        elif kind == "files" and rest[0] in self.stored:
            yield head(302, 0, Location=self.url_of(rest[0], asked.turn))
        else:
            yield head(404, 0)

    def url_of(self, uuid: str, turn: int = 0) -> str:
        """Return a presigned URL of a content."""
        return f"{self.origins.get(uuid, self.origin)}/{uuid}?X-Amz-Signature={turn}"

    def _page(self, bundle: Bundle, asked: Asked) -> bytes:
        start = int(asked.query.get("token", 0))
        files = [dict(file) for file in bundle.files[start : start + self.page]]
        if self.presigns and asked.query.get("presignedurls") == "true":
            for file in files:
                file["url"] = self.url_of(file["uuid"], asked.turn)
        described = {"uuid": bundle.uuid, "version": bundle.version, "creator_uid": 1}
        document = {"bundle": {**described, "files": files}}
        return self._paged(document, asked, start + self.page, len(bundle.files))

    def _hits(self, asked: Asked) -> bytes:
        start = int(asked.query.get("token", 0))
        hits = [
            {"bundle_fqid": fqid, "bundle_url": f"{self.url}/{fqid}", "search_score": None}
            for fqid in self.found[start : start + self.page]
        ]
        document = {"es_query": {}, "results": hits, "total_hits": len(self.found)}
        return self._paged(document, asked, start + self.page, len(self.found))

    def _paged(self, document: dict[str, Any], asked: Asked, end: int, count: int) -> bytes:
        body = json.dumps(document).encode()
        if end >= count:
            return head(200, len(body), Content_Type="application/json") + body
        query = "&".join(
            f"{name}={value}" for name, value in {**asked.query, "token": str(end)}.items()
        )
        link = f'<{self.origin}{asked.path}?{query}>; rel="next"'
        return head(206, len(body), Content_Type="application/json", Link=link) + body
