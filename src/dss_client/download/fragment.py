"""Parts of JSON files, as collections list them by JSON pointers (RFC 6901)."""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from attrs import frozen

from dss_client.errors import DSSError
from dss_client.types import Replica

from .errors import ChecksumMismatch, FileDownloadError
from .indented import indented
from .source import Source
from .task import FileResult, FileTask
from .want import FILES_OF_A_BUNDLE, BundleRule, Expanded

if TYPE_CHECKING:
    from .source import FileFacts

__all__ = ["FragmentOrder", "InvalidPointer", "fragment_name", "resolve"]

_MAX_SIZE = 1 << 26  # bytes of a file that is read for a part of it
_READABLE = 60  # characters of a pointer in a name
_BAD_ESCAPE = re.compile("~(?![01])")
_INDEX = re.compile("0|[1-9][0-9]{0,17}")


class InvalidPointer(DSSError, ValueError):
    """A JSON pointer that is not valid or leads nowhere."""


def resolve(document: object, pointer: str) -> object:
    """Return the value that a JSON pointer leads to.

    Args:
        document: A value as `json.loads` returns it.
        pointer: The pointer; the empty one is the whole document.

    Raises:
        InvalidPointer: It is not valid or leads nowhere.
    """
    value = document
    for token in _tokens(pointer):
        if isinstance(value, dict) and token in value:
            value = cast("dict[str, object]", value)[token]
        elif isinstance(value, list) and _INDEX.fullmatch(token):
            items = cast("list[object]", value)
            if int(token) >= len(items):
                raise InvalidPointer(f"{pointer!r} leads nowhere: there is no item {token}")
            value = items[int(token)]
        else:
            raise InvalidPointer(f"{pointer!r} leads nowhere: there is no {token!r}")
    return value


def _tokens(pointer: str) -> Iterator[str]:
    if pointer and not pointer.startswith("/"):
        raise InvalidPointer(
            f"{pointer!r} is not a valid JSON pointer: expected / at the beginning"
        )
    if _BAD_ESCAPE.search(pointer):
        raise InvalidPointer(f"{pointer!r} is not a valid JSON pointer: expected 0 or 1 after ~")
    for token in pointer.split("/")[1:]:
        yield token.replace("~1", "/").replace("~0", "~")


def fragment_name(uuid: str, version: str, pointer: str) -> str:
    """Return a file name for a pointer: safe on every system, and different for each pointer."""
    readable = quote(pointer.strip("/").replace("/", "."), safe="")[:_READABLE].rstrip(".%")
    mark = hashlib.sha256(pointer.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{uuid}.{version}.{readable or 'document'}-{mark}.json"


@frozen(kw_only=True)
class FragmentOrder:
    """A part of a JSON file, as a collection lists it.

    Attributes:
        number: Its place in the report, among the bundles.
        uuid: Id of the file.
        version: Version of the file.
        pointer: The pointer to the part.
        folder: Where to put it below the download directory.
    """

    number: int
    uuid: str
    version: str
    pointer: str
    folder: str

    is_entered = False
    files = 1
    size = 0

    def expand(self, source: Source, rule: BundleRule) -> Expanded:
        """Read the file, and return the part as a known content."""
        number = self.number * FILES_OF_A_BUNDLE
        name = fragment_name(self.uuid, self.version, self.pointer)
        try:
            content = self._content(source, rule.replica, name)
        except DSSError as error:
            named = FileDownloadError(name, f"it cannot be read: {error}", cause=error)
            task = self._task(number, name, b"")
            return Expanded(bundle=None, others=[(task, FileResult(number, "failed", error=named))])
        return Expanded(bundle=None, wanted=[self._task(number, name, content)])

    def _content(self, source: Source, replica: Replica, name: str) -> bytes:
        facts = source.file_facts(uuid=self.uuid, version=self.version, replica=replica)
        if facts.size > _MAX_SIZE:
            raise FileDownloadError(name, f"its file of {facts.size} bytes is too large for this")
        url = source.locate(uuid=self.uuid, version=self.version, replica=replica)
        whole = _read(source, url, facts, name)
        try:
            document: object = json.loads(whole)
        except (ValueError, RecursionError) as error:
            raise FileDownloadError(name, f"its file is not JSON: {error}") from error
        return indented(resolve(document, self.pointer)).encode()

    def _task(self, number: int, name: str, content: bytes) -> FileTask:
        return FileTask(
            number=number,
            bundle=None,
            name=name,
            uuid=self.uuid,
            version=self.version,
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            target=f"{self.folder}/{name}",
            content=content,
        )


def _read(source: Source, url: str, facts: "FileFacts", name: str) -> bytes:
    """Read a whole content, and verify it."""
    buffer = memoryview(bytearray(facts.size + 1))
    filled = 0
    with source.open(url) as content:
        while filled < len(buffer) and (count := content.readinto(buffer[filled:])):
            filled += count
    actual = hashlib.sha256(buffer[:filled]).hexdigest()
    if actual != facts.sha256.lower():
        raise ChecksumMismatch(name, facts.sha256, actual)
    return bytes(buffer[:filled])
