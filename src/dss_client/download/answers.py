"""What a download needs of the service's answers, and no more.

A deployment that blanks or leaves out what no download uses still serves its files. The typed
operations hold it to the whole specification.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Literal

from pydantic import Field

from dss_client._model import HeaderModel, Model
from dss_client._operation import AsyncOperation, Operation, decode_headers, decode_json
from dss_client._request import Request, encode_body, encode_path, encode_query
from dss_client.models import CollectionItem
from dss_client.types import JSONMapping, Replica

__all__ = ["AsyncQuestions", "BundleFile", "BundlePage", "Hit", "Questions"]


class BundleFile(Model, frozen=True):
    """A file of a bundle; what else is said of it is kept for the bundle's description.

    Attributes:
        name: Its name.
        uuid: Its id.
        version: Its version.
        size: Its size, in bytes.
        sha256: Its checksum.
        indexed: Whether it is metadata; a file of which nothing is said is data.
        url: A presigned URL, where that was asked for.
    """

    name: str
    uuid: str
    version: str
    size: int
    sha256: str
    indexed: bool | None = None
    url: str | None = None


class Bundle(Model, frozen=True):
    """A bundle, with the files of one page."""

    uuid: str
    version: str
    files: list[BundleFile]


class BundlePage(Model, frozen=True):
    """One page of a bundle."""

    bundle: Bundle


class Hit(Model, frozen=True):
    """What a search found."""

    bundle_fqid: str


class _Hits(Model, frozen=True):
    results: list[Hit]


class _Contents(Model, frozen=True):
    contents: list[CollectionItem]


class ContentHeaders(HeaderModel, frozen=True):
    """Headers of a file."""

    size: int = Field(validation_alias="X-DSS-SIZE")
    sha256: str = Field(validation_alias="X-DSS-SHA256")


_page = decode_json(BundlePage)
_hits = decode_json(_Hits)
_contents = decode_json(_Contents, unwrap="collection")
_facts = decode_headers(ContentHeaders)


class Questions(Operation):
    """The operations that downloads use, their answers read for what downloads need."""

    __slots__ = ()

    def bundle_pages(
        self, *, uuid: str, version: str | None, replica: Replica, presigned: bool
    ) -> Iterator[BundlePage]:
        """Yield the pages of a bundle."""
        return self._pages(_bundle_request(uuid, version, replica, presigned=presigned), _page)

    def location(self, *, uuid: str, version: str | None, replica: Replica) -> str:
        """Return a fresh URL of a content."""
        return self._where(_file_request("GET", uuid, version, replica))

    def content_headers(
        self, *, uuid: str, version: str | None, replica: Replica
    ) -> ContentHeaders:
        """Return the checksum and size of a file."""
        return self._call(_file_request("HEAD", uuid, version, replica), _facts)

    def collection_items(
        self, *, uuid: str, version: str | None, replica: Replica
    ) -> list[CollectionItem]:
        """Return what a collection lists."""
        return self._call(_collection_request(uuid, version, replica), _contents).contents

    def hits(self, *, es_query: JSONMapping, replica: Replica) -> Iterator[Hit]:
        """Yield what a search finds."""
        for page in self._pages(_search_request(es_query, replica), _hits):
            yield from page.results


class AsyncQuestions(AsyncOperation):
    """The operations that downloads use, their answers read for what downloads need."""

    __slots__ = ()

    def bundle_pages(
        self, *, uuid: str, version: str | None, replica: Replica, presigned: bool
    ) -> AsyncIterator[BundlePage]:
        """Yield the pages of a bundle."""
        return self._pages(_bundle_request(uuid, version, replica, presigned=presigned), _page)

    async def location(self, *, uuid: str, version: str | None, replica: Replica) -> str:
        """Return a fresh URL of a content."""
        return await self._where(_file_request("GET", uuid, version, replica))

    async def content_headers(
        self, *, uuid: str, version: str | None, replica: Replica
    ) -> ContentHeaders:
        """Return the checksum and size of a file."""
        return await self._call(_file_request("HEAD", uuid, version, replica), _facts)

    async def collection_items(
        self, *, uuid: str, version: str | None, replica: Replica
    ) -> list[CollectionItem]:
        """Return what a collection lists."""
        answer = await self._call(_collection_request(uuid, version, replica), _contents)
        return answer.contents

    async def hits(self, *, es_query: JSONMapping, replica: Replica) -> AsyncIterator[Hit]:
        """Yield what a search finds."""
        async for page in self._pages(_search_request(es_query, replica), _hits):
            for hit in page.results:
                yield hit


def _bundle_request(
    uuid: str, version: str | None, replica: Replica, *, presigned: bool
) -> Request:
    query = {"replica": replica, "version": version, "presignedurls": presigned or None}
    return Request(
        operation="get_bundle",
        method="GET",
        path=encode_path("/bundles/{uuid}", {"uuid": uuid}),
        query=encode_query(query),
    )


def _file_request(
    method: Literal["GET", "HEAD"], uuid: str, version: str | None, replica: Replica
) -> Request:
    return Request(
        operation="get_file" if method == "GET" else "head_file",
        method=method,
        path=encode_path("/files/{uuid}", {"uuid": uuid}),
        query=encode_query({"replica": replica, "version": version}),
        content=method == "GET",
    )


def _collection_request(uuid: str, version: str | None, replica: Replica) -> Request:
    return Request(
        operation="get_collection",
        method="GET",
        path=encode_path("/collections/{uuid}", {"uuid": uuid}),
        query=encode_query({"replica": replica, "version": version}),
        secured=True,
    )


def _search_request(es_query: JSONMapping, replica: Replica) -> Request:
    return Request(
        operation="post_search",
        method="POST",
        path="/search",
        query=encode_query({"replica": replica}),
        body=encode_body({"es_query": es_query}),
    )
