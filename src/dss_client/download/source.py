"""What the engine asks of a client: the one seam between downloads and the network."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from attrs import frozen

from dss_client.types import JSONMapping, Replica

if TYPE_CHECKING:
    import ssl

    from dss_client._options import Timeout
    from dss_client.models import CollectionItem

    from .responses import BundlePage


@frozen
class FileFacts:
    """What is to be known of a file before it is downloaded.

    Attributes:
        sha256: Its checksum.
        size: Its size, in bytes.
        version: Its version; empty where the service does not say.
    """

    sha256: str
    size: int
    version: str = ""


class ContentStream(Protocol):
    """The answer of storage, its content still to be read."""

    @property
    def status_code(self) -> int:
        """200, or 206 for a range."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, names in lower case."""
        ...

    def readinto(self, buffer: memoryview, /) -> int:
        """Read into a buffer, undecoded; return the number of bytes, 0 at the end."""
        ...


class DirectAccess(Protocol):
    """How contents are fetched over plain connections to storage."""

    @property
    def timeout(self) -> "Timeout":
        """Limits of a connection, and between two pieces of an answer."""
        ...

    def tls(self) -> "ssl.SSLContext":
        """Return what connections trust."""
        ...

    def leads_to(self, scheme: str, host: str, port: int) -> bool:
        """Tell whether a host is reached without a proxy."""
        ...


@runtime_checkable
class Source(Protocol):
    """Where bundles and contents come from."""

    def bundle_pages(
        self, *, uuid: str, version: str | None, replica: Replica, presigned: bool = False
    ) -> "Iterator[BundlePage]":
        """Yield the pages of a bundle; without a version, of its latest.

        Args:
            uuid: Id of the bundle.
            version: Its version, or None.
            replica: Replica it is in.
            presigned: Ask for a URL of each content, good without any credential.
        """
        ...

    def locate(self, *, uuid: str, version: str | None, replica: Replica) -> str:
        """Return a fresh URL of a file's content, good without any credential."""
        ...

    def follow(self, url: str) -> str:
        """Return where a URL of a manifest leads to, once that is ready.

        No credential is sent there.
        """
        ...

    def file_facts(self, *, uuid: str, version: str | None, replica: Replica) -> FileFacts:
        """Return the checksum and size of a file; without a version, of its latest."""
        ...

    def collection_items(
        self, *, uuid: str, version: str | None, replica: Replica
    ) -> "list[CollectionItem]":
        """Return what a collection lists; without a version, its latest."""
        ...

    def bundles_found(self, *, es_query: JSONMapping, replica: Replica) -> Iterator[str]:
        """Yield the fully qualified ids of the bundles that a search finds."""
        ...

    def allows(self, url: str) -> bool:
        """Tell whether a URL that came with a bundle may be followed."""
        ...

    def open(
        self, url: str, *, first: int = 0, last: int | None = None
    ) -> AbstractContextManager[ContentStream]:
        """Ask once for the bytes behind a URL, from `first` to `last` (included)."""
        ...

    @property
    def direct(self) -> DirectAccess | None:
        """How plain connections are made; None where contents must come through `open`."""
        ...

    def detached(self) -> "Source":
        """Return a source with connections of its own, for another thread or process.

        Raises:
            InvalidArgument: It has HTTP clients that only it can use.
        """
        ...

    def close(self) -> None:
        """Close a source that was detached."""
        ...


@runtime_checkable
class HasSource(Protocol):
    """A client."""

    def as_source(self) -> Source:
        """Return what downloads ask of it."""
        ...


def as_source(source: Source | HasSource) -> Source:
    """Return a source as it is, and a client as a source."""
    return source.as_source() if isinstance(source, HasSource) else source
