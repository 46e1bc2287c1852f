"""What a download asks of the client. It asks from threads of its own."""

import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from attrs import field, frozen

from .._backend.asynchronous import Bridge
from .._endpoints import GET_BUNDLE, GET_COLLECTION, GET_FILE, HEAD_FILE, POST_SEARCH
from .._environment import Network, UnusableSetting, proxy_for
from .._http import tls_context
from .._options import Timeout
from .._response import no_downgrade
from ..download.responses import (
    BundlePage,
    decode_contents,
    decode_facts,
    decode_hits,
    decode_page,
)
from ..download.source import ContentStream, DirectAccess, FileFacts, Source
from ..errors import InvalidArgument
from ..models import CollectionItem
from ..types import JSONMapping, Replica
from .operation import AsyncOperation
from .transport import AsyncStorageResponse, AsyncTransport

__all__ = ["AsyncClientSource"]


class AsyncClientSource(AsyncOperation):
    """A client as the source of a download.

    Args:
        transport: The transport of the client, which closes it.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        super().__init__(transport)
        self._bridge = Bridge()
        self._direct = _PlainConnections(
            transport.options.timeout or Timeout(), transport.options.network
        )

    def bundle_pages(
        self, *, uuid: str, version: str | None, replica: Replica, presigned: bool = False
    ) -> Iterator[BundlePage]:
        """Yield the pages of a bundle; without a version, of its latest."""
        request = GET_BUNDLE.request(
            uuid=uuid, version=version, replica=replica, presignedurls=presigned or None
        )
        return self._bridge.each(self._pages(request, decode_page))

    def locate(self, *, uuid: str, version: str | None, replica: Replica) -> str:
        """Return a fresh URL of a file's content, good without any credential."""
        request = GET_FILE.request(uuid=uuid, version=version, replica=replica)
        return self._bridge.call(self._location, request)

    def follow(self, url: str) -> str:
        """Return where a URL of a manifest leads to, once that is ready.

        No credential is sent there.
        """
        return self._bridge.call(self._transport.follow, url)

    def file_facts(self, *, uuid: str, version: str | None, replica: Replica) -> FileFacts:
        """Return the checksum and size of a file; without a version, of its latest."""
        request = HEAD_FILE.request(uuid=uuid, version=version, replica=replica)
        head = self._bridge.call(self._call, request, decode_facts)
        return FileFacts(head.sha256, head.size, head.version)

    def collection_items(
        self, *, uuid: str, version: str | None, replica: Replica
    ) -> list[CollectionItem]:
        """Return what a collection lists; without a version, its latest."""
        request = GET_COLLECTION.request(uuid=uuid, version=version, replica=replica)
        return self._bridge.call(self._call, request, decode_contents).contents

    def bundles_found(self, *, es_query: JSONMapping, replica: Replica) -> Iterator[str]:
        """Yield the fully qualified ids of the bundles that a search finds."""
        request = POST_SEARCH.request(replica=replica, es_query=es_query)
        for page in self._bridge.each(self._pages(request, decode_hits)):
            yield from (hit.bundle_fqid for hit in page.results)

    def allows(self, url: str) -> bool:
        """Tell whether a URL is safe to follow: http(s), and not http after https."""
        return no_downgrade(self._transport.options.base_url, url)

    @property
    def direct(self) -> "DirectAccess | None":
        """How plain connections are made; None where contents must come through `open`."""
        return None if self._transport.has_custom_storage else self._direct

    @contextmanager
    def open(
        self, url: str, *, first: int = 0, last: int | None = None
    ) -> Generator[ContentStream]:
        """Ask once for the bytes behind a URL, from `first` to `last` (included)."""
        opened = self._transport.open_storage(url, first=first, last=last)
        response = self._bridge.call(opened.__aenter__)
        try:
            yield _AsyncContent(response, self._bridge)
        finally:
            self._bridge.call(opened.__aexit__, None, None, None)

    def detached(self) -> Source:
        """Return a blocking source with connections of its own, for another thread or process.

        Raises:
            InvalidArgument: The client has HTTP clients that were given to it.
        """
        from .._sync.source import ClientSource
        from .._sync.transport import Transport

        if self._transport.has_custom_clients:
            raise InvalidArgument(
                "executor= cannot be used with http_client= or storage_client=, which cannot be"
                " made anew in another process; nor can processes="
            )
        return ClientSource(Transport(self._transport.options))

    def close(self) -> None:
        """Close a source that was detached."""
        self._bridge.call(self._transport.aclose)


@frozen
class _PlainConnections:
    """Connections to storage without a proxy."""

    timeout: Timeout
    network: Network
    _known: dict[tuple[str, str, int], bool] = field(factory=dict[tuple[str, str, int], bool])

    def tls(self) -> ssl.SSLContext:
        """Return what connections trust."""
        return tls_context(self.network)

    def leads_to(self, scheme: str, host: str, port: int) -> bool:
        """Tell whether a host is reached without a proxy."""
        origin = scheme, host, port
        if origin not in self._known:
            try:
                self._known[origin] = proxy_for(*origin, self.network) is None
            except UnusableSetting:
                self._known[origin] = False  # the other way says what is wrong
        return self._known[origin]


class _AsyncContent:
    """Content that comes to the client, read by another thread."""

    def __init__(self, response: AsyncStorageResponse, bridge: Bridge) -> None:
        self._response = response
        self._bridge = bridge
        self.status_code = response.status_code
        self.headers = response.headers

    def readinto(self, buffer: memoryview, /) -> int:
        """Read into a buffer; return the number of bytes, 0 at the end."""
        return self._bridge.call(self._response.readinto, buffer)
