"""A source of bundles and contents that does, try by try, what a test tells it to."""

import hashlib
import io
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from attrs import Factory, define, field, frozen

from dss_client.download.responses import BundlePage
from dss_client.download.source import ContentStream, DirectAccess, FileFacts
from dss_client.download.task import FileTask
from dss_client.errors import (
    DSSConnectionError,
    DSSResponseError,
    DSSTimeout,
    NotFound,
    RequestInfo,
    ResponseInfo,
)
from dss_client.models import CollectionItem, FileVersion, GetBundleResponse
from dss_client.types import JSONMapping, Replica
from dss_client.versions import FQID

BUNDLE = "aaaaaaaa-0000-4000-8000-000000000001"
VERSION = "2019-01-01T000000.000000Z"
LATER = "2020-02-02T000000.000000Z"
FQ = FQID(BUNDLE, VERSION)
INFO = RequestInfo("GET", "http://storage/blob")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def broken() -> DSSConnectionError:
    return DSSConnectionError("the connection broke", request=INFO)


def stalled() -> DSSTimeout:
    return DSSTimeout("no answer in time", request=INFO)


def refusal(status: int, headers: Mapping[str, str] | None = None) -> DSSResponseError:
    response = ResponseInfo(status, dict(headers or {}))
    return DSSResponseError.for_response(request=INFO, response=response)


@frozen(kw_only=True)
class Try:
    """How storage answers once; by default as it should.

    Attributes:
        ranges: Whether it heeds a range.
        content: Serve this instead.
        cut: Serve so many bytes only.
        headers: Headers to put over the right ones.
        refuse: Raise this at once.
        fault: Raise this after the last byte.
        before: Called first.
    """

    ranges: bool = True
    content: bytes | None = None
    cut: int | None = None
    headers: Mapping[str, str] = field(factory=dict[str, str])
    refuse: Exception | None = None
    fault: Exception | None = None
    before: Callable[[], object] | None = None


class Served:
    """An answer whose content comes in eight pieces or fewer."""

    def __init__(
        self,
        status_code: int,
        headers: Mapping[str, str],
        content: bytes,
        fault: Exception | None,
    ) -> None:
        self.status_code = status_code
        self.headers = headers
        self._content = io.BytesIO(content)
        self._step = max(4, len(content) // 8)
        self._fault = fault

    def readinto(self, buffer: memoryview, /) -> int:
        piece = self._content.read(min(len(buffer), self._step))
        buffer[: len(piece)] = piece
        if not piece and self._fault is not None:
            raise self._fault
        return len(piece)


@frozen
class Opened:
    """A request for content, as it came."""

    url: str
    first: int
    last: int | None


@define
class ScriptedSource:
    """Bundles and contents, and what has been asked of it."""

    contents: dict[str, bytes] = Factory(dict)
    bundles: dict[tuple[str, str | None], list[GetBundleResponse]] = Factory(dict)
    tries: dict[str, list[Try]] = Factory(dict)
    tries_of: Callable[[Opened], Try] | None = None
    located: list[tuple[str, str | None, str]] = Factory(list)
    opened: list[Opened] = Factory(list)
    asked: list[tuple[str, str | None, str]] = Factory(list)
    presigned: list[bool] = Factory(list)
    presigns: bool = True
    collections: dict[str, list[CollectionItem]] = Factory(dict)
    found: list[str] = Factory(list)
    base: str = "http://storage"
    bases: dict[str, str] = Factory(dict)
    direct: DirectAccess | None = None
    made: int = 0

    def add_file(
        self,
        name: str,
        content: bytes,
        *,
        indexed: bool = False,
        sha: str | None = None,
        size: int | None = None,
        uuid: str | None = None,
    ) -> FileVersion:
        """Hold a file, and return it as a bundle lists it."""
        self.made += 1
        uuid = uuid or f"ffffffff-0000-4000-8000-{self.made:012d}"
        self.contents[uuid] = content
        return FileVersion.model_validate(
            {
                "name": name,
                "uuid": uuid,
                "version": VERSION,
                "content-type": "text/plain",
                "size": len(content) if size is None else size,
                "indexed": indexed,
                "crc32c": "0" * 8,
                "s3_etag": "0" * 32,
                "sha1": "0" * 40,
                "sha256": sha or sha256(content),
            }
        )

    def add_bundle(
        self,
        *pages: list[FileVersion],
        uuid: str = BUNDLE,
        version: str = VERSION,
        latest: bool = True,
    ) -> None:
        """Hold a bundle of some pages of files."""
        answers = [page_of(files, uuid=uuid, version=version) for files in pages]
        self.bundles[uuid, version] = answers
        if latest:
            self.bundles[uuid, None] = answers

    def bundle_pages(
        self, *, uuid: str, version: str | None, replica: Replica, presigned: bool = False
    ) -> Iterator[BundlePage]:
        self.asked.append((uuid, version, replica))
        self.presigned.append(presigned)
        if (uuid, version) not in self.bundles:
            raise refusal(404)
        for page in self.bundles[uuid, version]:
            document = page.model_dump(mode="json", by_alias=True, exclude_unset=True)
            for file in document["bundle"]["files"] if presigned and self.presigns else ():
                file["url"] = f"{self.url_of(file['uuid'])}b{len(self.asked)}"
            yield BundlePage.model_validate(document)

    def locate(self, *, uuid: str, version: str | None, replica: Replica) -> str:
        self.located.append((uuid, version, replica))
        if uuid not in self.contents:
            raise NotFound(request=INFO, response=ResponseInfo(404))
        return f"{self.url_of(uuid)}{len(self.located)}"

    def file_facts(self, *, uuid: str, version: str, replica: Replica) -> FileFacts:
        if uuid not in self.contents:
            raise NotFound(request=INFO, response=ResponseInfo(404))
        return FileFacts(sha256(self.contents[uuid]), len(self.contents[uuid]))

    def collection_items(
        self, *, uuid: str, version: str | None, replica: Replica
    ) -> list[CollectionItem]:
        if uuid not in self.collections:
            raise NotFound(request=INFO, response=ResponseInfo(404))
        return self.collections[uuid]

    def bundles_found(self, *, es_query: JSONMapping, replica: Replica) -> Iterator[str]:
        yield from self.found

    def detached(self) -> "ScriptedSource":
        return self

    def close(self) -> None:
        pass

    def allows(self, url: str) -> bool:
        return url.startswith("http")

    def url_of(self, uuid: str) -> str:
        """Return the URL of a content, but for the end of its signature."""
        return f"{self.bases.get(uuid, self.base)}/{uuid}?signature="

    def open(
        self, url: str, *, first: int = 0, last: int | None = None
    ) -> AbstractContextManager[ContentStream]:
        self.opened.append(Opened(url, first, last))
        return self._serve(url, first, last)

    @contextmanager
    def _serve(self, url: str, first: int, last: int | None) -> Generator[Served]:
        uuid = url.rpartition("/")[2].partition("?")[0]
        plan = self.tries.get(uuid)
        how = plan.pop(0) if plan else Try()
        if self.tries_of is not None:
            how = self.tries_of(Opened(url, first, last))
        if how.before is not None:
            how.before()
        if how.refuse is not None:
            raise how.refuse
        content = self.contents.get(uuid) if how.content is None else how.content
        if content is None:
            raise refusal(404)
        total = len(content)
        headers = {"content-length": str(total)}
        status = 200
        if (first or last is not None) and how.ranges:
            if first >= total:
                raise refusal(416, {"content-range": f"bytes */{total}"})
            status = 206
            content = content[first : None if last is None else last + 1]
            headers = {
                "content-range": f"bytes {first}-{first + len(content) - 1}/{total}",
                "content-length": str(len(content)),
            }
        yield Served(status, {**headers, **how.headers}, content[: how.cut], how.fault)

    @property
    def offsets(self) -> list[int]:
        """Where each request for content began."""
        return [each.first for each in self.opened]


def page_of(
    files: list[FileVersion], *, uuid: str = BUNDLE, version: str = VERSION
) -> GetBundleResponse:
    return GetBundleResponse.model_validate(
        {
            "bundle": {
                "uuid": uuid,
                "version": version,
                "creator_uid": 8008,
                "files": [
                    file.model_dump(mode="json", by_alias=True, exclude_unset=True)
                    for file in files
                ],
            }
        }
    )


def task_of(file: FileVersion, *, number: int = 0, target: str | None = None) -> FileTask:
    return FileTask(
        number=number,
        bundle=FQ,
        name=file.name,
        uuid=file.uuid,
        version=file.version,
        sha256=file.sha256,
        size=file.size,
        target=target,
    )
