"""A source of bundles and contents that does, try by try, what a test tells it to."""

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from attrs import Factory, define, field, frozen

from dss_client.download.plan import FileTask
from dss_client.errors import (
    DSSConnectionError,
    DSSResponseError,
    DSSTimeout,
    NotFound,
    RequestInfo,
    ResponseInfo,
)
from dss_client.models import FileVersion, GetBundleResponse
from dss_client.versions import FQID

BUNDLE = "aaaaaaaa-0000-4000-8000-000000000001"
VERSION = "2019-01-01T000000.000000Z"
LATER = "2020-02-02T000000.000000Z"
FQ = FQID(BUNDLE, VERSION)
INFO = RequestInfo("GET", "http://storage/blob")

Replica = Literal["aws", "gcp"]


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


@frozen
class Served:
    status_code: int
    headers: Mapping[str, str]
    content: bytes
    fault: Exception | None

    def iter_bytes(self, chunk_size: int = 4, /) -> Iterator[bytes]:
        step = min(chunk_size, max(4, len(self.content) // 8))
        for start in range(0, len(self.content), step):
            yield self.content[start : start + step]
        if self.fault is not None:
            raise self.fault


@define
class ScriptedSource:
    """Bundles and contents, and what has been asked of it."""

    contents: dict[str, bytes] = Factory(dict)
    bundles: dict[tuple[str, str | None], list[GetBundleResponse]] = Factory(dict)
    tries: dict[str, list[Try]] = Factory(dict)
    located: list[tuple[str, str | None, str]] = Factory(list)
    opened: list[tuple[str, int]] = Factory(list)
    asked: list[tuple[str, str | None, str]] = Factory(list)
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
        self, *, uuid: str, version: str | None, replica: Replica
    ) -> Iterator[GetBundleResponse]:
        self.asked.append((uuid, version, replica))
        if (uuid, version) not in self.bundles:
            raise refusal(404)
        yield from self.bundles[uuid, version]

    def locate(self, *, uuid: str, version: str | None, replica: Replica) -> str:
        self.located.append((uuid, version, replica))
        if uuid not in self.contents:
            raise NotFound(request=INFO, response=ResponseInfo(404))
        return f"http://storage/{uuid}?signature={len(self.located)}"

    @contextmanager
    def open(self, url: str, *, offset: int) -> Generator[Served]:
        uuid = url.rpartition("/")[2].partition("?")[0]
        self.opened.append((url, offset))
        plan = self.tries.get(uuid)
        how = plan.pop(0) if plan else Try()
        if how.before is not None:
            how.before()
        if how.refuse is not None:
            raise how.refuse
        content = self.contents[uuid] if how.content is None else how.content
        total = len(content)
        headers = {"content-length": str(total)}
        status = 200
        if offset and how.ranges:
            if offset >= total:
                raise refusal(416, {"content-range": f"bytes */{total}"})
            status = 206
            content = content[offset:]
            headers = {"content-range": f"bytes {offset}-{total - 1}/{total}"}
        yield Served(status, {**headers, **how.headers}, content[: how.cut], how.fault)

    @property
    def offsets(self) -> list[int]:
        return [offset for _, offset in self.opened]


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


def task_of(file: FileVersion, *, linked: bool = False) -> FileTask:
    return FileTask(
        bundle=FQ,
        name=file.name,
        uuid=file.uuid,
        version=file.version,
        sha256=file.sha256,
        size=file.size,
        linked=linked,
        content=None if file.size else b"",
    )
