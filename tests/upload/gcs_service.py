"""As much of Google Cloud Storage's JSON API as an upload needs, over a directory.

An object lies there as the embedded DSS takes its sources: with a file of its metadata beside it.
"""

import base64
import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import define, field

from dss_client.local.storage.checksums import Hasher
from tests.origin import Reply, Seen

SIDECAR = ".metadata.json"
MOST_AT_ONCE = 32
_OBJECT = re.compile(r"/storage/v1/b/[^/]+/o/([^/]+?)(/compose)?")


@define
class Service:
    """The service, as the script of an `Origin`.

    Attributes:
        folder: Where its only bucket is.
        requests: How many requests for objects there were of each method.
        refuse: A method, from which of its requests on they are refused, and with which status.
        spoil: Whether to answer with a wrong checksum.
    """

    folder: Path
    requests: Counter[str] = field(factory=Counter[str])
    refuse: tuple[str, int, int] | None = None
    spoil: bool = False

    def __call__(self, seen: Seen) -> Reply:
        status, document = self.answer(seen)
        body = b"" if status == 204 else json.dumps(document).encode()
        return Reply(status, {"Content-Type": "application/json"}, body)

    def store(self, name: str, content: bytes, properties: dict[str, Any]) -> dict[str, Any]:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        described = {"content-type": properties["contentType"], **properties.get("metadata", {})}
        (self.folder / (name + SIDECAR)).write_text(json.dumps(described))
        return self.describe(name)

    def describe(self, name: str) -> dict[str, Any]:
        content = (self.folder / name).read_bytes()
        hasher = Hasher(1 << 20)
        hasher.update(content + b"!" * self.spoil)
        crc = bytes.fromhex(hasher.checksums().crc32c)
        return {
            "name": name,
            "bucket": self.folder.name,
            "generation": "1",
            "size": str(len(content)),
            "crc32c": base64.b64encode(crc).decode(),
            "md5Hash": base64.b64encode(hashlib.md5(content).digest()).decode(),
            "metadata": json.loads((self.folder / (name + SIDECAR)).read_bytes()),
        }

    def names(self, prefix: str = "") -> list[str]:
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        names = sorted(path.relative_to(self.folder).as_posix() for path in paths)
        return [each for each in names if each.startswith(prefix) and not each.endswith(SIDECAR)]

    def answer(self, seen: Seen) -> tuple[int, object]:
        """Return the status and the document that answer a request."""
        url, method = urlsplit(seen.target), seen.method
        path, query = url.path, parse_qs(url.query)
        if path.endswith(f"/b/{self.folder.name}"):
            return 200, {"name": self.folder.name}  # the library is curious
        if method == "GET" and path.endswith("/o"):
            return 200, {"items": [self.describe(each) for each in self.names(query["prefix"][0])]}
        self.requests[method] += 1
        refused, first, status = self.refuse or ("", 0, 0)
        if method == refused and self.requests[method] >= first:
            return status, {"error": {"message": "refused"}}
        match = _OBJECT.fullmatch(path)
        if match is None:  # an upload, of properties and a content
            boundary = seen.headers["content-type"].partition("=")[2].strip('"').encode()
            _, properties, stored, _ = seen.body.split(b"--" + boundary)
            described = json.loads(properties.partition(b"\r\n\r\n")[2])
            head, _, content = stored.partition(b"\r\n\r\n")
            described.setdefault("contentType", head.decode().partition(": ")[2])
            return 200, self.store(described["name"], content.removesuffix(b"\r\n"), described)
        name = unquote(match[1])
        if match[2]:
            return self.compose(name, json.loads(seen.body))
        if not (self.folder / name).is_file():
            return 404, {"error": {"message": "not there"}}
        if method == "GET":
            return 200, self.describe(name)
        for each in (name, name + SIDECAR):
            (self.folder / each).unlink()
        return 204, {}

    def compose(self, name: str, wanted: dict[str, Any]) -> tuple[int, object]:
        paths = [self.folder / each["name"] for each in wanted["sourceObjects"]]
        if len(paths) > MOST_AT_ONCE:
            return 400, {"error": {"message": "too many"}}
        if not all(path.is_file() for path in paths):
            return 404, {"error": {"message": "a part is not there"}}
        content = b"".join(path.read_bytes() for path in paths)
        return 200, self.store(name, content, wanted["destination"])
