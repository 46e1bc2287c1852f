"""As much of Google Cloud Storage's JSON API as an upload needs, over a directory.

An object lies there as the embedded DSS takes its sources: with a file of its metadata beside it.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from dss_client.local.storage.checksums import Hasher

SIDECAR = ".metadata.json"
MOST_AT_ONCE = 32
_OBJECT = re.compile(r"/storage/v1/b/([^/]+)/o/([^/]+?)(/compose)?")


class Service:
    """The service.

    Attributes:
        folder: Where its only bucket is.
        requests: What was asked for: the method and the object.
        refuse: The status that each request is answered with, if not None.
        refuse_from: A method, and from which of its requests on they are refused.
        spoil: Whether to answer with a wrong checksum.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[tuple[str, str]] = []
        self.refuse: int | None = None
        self.refuse_from: tuple[str, int] | None = None
        self.spoil = False
        self.metadata: dict[str, dict[str, str]] = {}
        self._generation = 0

    def store(self, name: str, content: bytes, properties: dict[str, Any]) -> dict[str, Any]:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        kind = {"content-type": properties.get("contentType", "")}
        claims = properties.get("metadata") or {}
        (self.folder / (name + SIDECAR)).write_text(json.dumps({**kind, **claims}))
        self.metadata[name] = claims
        return self.describe(name)

    def describe(self, name: str) -> dict[str, Any]:
        content = (self.folder / name).read_bytes()
        hasher = Hasher(1 << 20)
        hasher.update(content + b"!" * self.spoil)
        crc = bytes.fromhex(hasher.checksums().crc32c)
        self._generation += 1
        return {
            "name": name,
            "bucket": self.folder.name,
            "generation": str(self._generation),
            "size": str(len(content)),
            "crc32c": base64.b64encode(crc).decode(),
            "md5Hash": base64.b64encode(hashlib.md5(content).digest()).decode(),
            "metadata": self.metadata.get(name, {}),
        }

    def names(self, prefix: str) -> list[str]:
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        names = sorted(path.relative_to(self.folder).as_posix() for path in paths)
        return [each for each in names if each.startswith(prefix) and not each.endswith(SIDECAR)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # heads and bodies in one segment
    service: Service

    def log_message(self, *args: Any) -> None:
        pass

    def _answer(self, status: int, document: object = None) -> None:
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _object(self) -> tuple[str, bool] | None:
        """Return the object that is asked for, and whether to compose it; None was answered."""
        match = _OBJECT.fullmatch(urlsplit(self.path).path)
        name = unquote(match[2]) if match else ""
        self.service.requests.append((self.command, name))
        compose = bool(match and match[3])
        refuse = self.service.refuse
        if self.service.refuse_from is not None:
            method, first = self.service.refuse_from
            sent = [each for each, _ in self.service.requests if each == method]
            refuse = 403 if self.command == method and len(sent) >= first else None
        if refuse is not None:
            self._body()
            self._answer(refuse, {"error": {"message": "refused"}})
            return None
        if not compose and self.command != "POST" and not (self.service.folder / name).is_file():
            self._answer(404, {"error": {"message": "not there"}})
            return None
        return name, compose

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path.endswith(f"/b/{self.service.folder.name}"):
            self._answer(200, {"name": self.service.folder.name})  # the library is curious
        elif url.path.endswith("/o"):
            names = self.service.names(parse_qs(url.query)["prefix"][0])
            self._answer(200, {"items": [self.service.describe(each) for each in names]})
        elif (wanted := self._object()) is not None:
            self._answer(200, self.service.describe(wanted[0]))

    def do_DELETE(self) -> None:
        if (wanted := self._object()) is not None:
            (self.service.folder / wanted[0]).unlink()
            (self.service.folder / (wanted[0] + SIDECAR)).unlink()
            self._answer(204)

    def do_POST(self) -> None:
        wanted = self._object()
        if wanted is None:
            return
        body, (name, compose) = self._body(), wanted
        if compose:
            self._compose(name, json.loads(body))
            return
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        whole = message_from_bytes(head + body, policy=HTTP)
        described, content = whole.iter_parts()
        properties = json.loads(str(described.get_payload()))
        # The policy would change the ends of lines.
        boundary = b"--" + str(whole.get_boundary()).encode()
        data = body.split(boundary)[2].split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
        properties.setdefault("contentType", content.get_content_type())
        self._answer(200, self.service.store(properties["name"], data, properties))

    def _compose(self, name: str, document: dict[str, Any]) -> None:
        sources = [each["name"] for each in document["sourceObjects"]]
        if len(sources) > MOST_AT_ONCE:
            self._answer(400, {"error": {"message": "too many"}})
            return
        paths = [self.service.folder / each for each in sources]
        if not all(path.is_file() for path in paths):
            self._answer(404, {"error": {"message": "a part is not there"}})
            return
        content = b"".join(path.read_bytes() for path in paths)
        self._answer(200, self.service.store(name, content, document["destination"]))


@contextmanager
def gcs_service(folder: Path) -> Iterator[tuple[Service, str]]:
    """Run a service over a directory; yield it and its URL."""
    service = Service(folder)
    handler = type("Bound", (Handler,), {"service": service})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield service, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
