"""What the engine asks of a client: the one seam between downloads and the network."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from dss_client.client import DSSClient
    from dss_client.models import GetBundleResponse

Replica = Literal["aws", "gcp"]


class Content(Protocol):
    """The answer of storage, its content still to be read."""

    @property
    def status_code(self) -> int:
        """200, or 206 for a range."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, whatever their letter case."""
        ...

    def iter_bytes(self, chunk_size: int = ..., /) -> Iterator[bytes]:
        """Yield the content as it comes, undecoded."""
        ...


@runtime_checkable
class Source(Protocol):
    """Where bundles and contents come from."""

    def bundle_pages(
        self, *, uuid: str, version: str | None, replica: Replica
    ) -> "Iterator[GetBundleResponse]":
        """Yield the pages of a bundle; without a version, of its latest."""
        ...

    def locate(self, *, uuid: str, version: str | None, replica: Replica) -> str:
        """Return a fresh URL of a file's content, good without any credential."""
        ...

    def open(self, url: str, *, offset: int) -> AbstractContextManager[Content]:
        """Ask once for the bytes behind a URL, from `offset` on."""
        ...


class ClientSource:
    """A blocking client as a source.

    Args:
        client: The client; it stays its owner's to close.
    """

    def __init__(self, client: "DSSClient") -> None:
        self._client = client

    def bundle_pages(
        self, *, uuid: str, version: str | None, replica: Replica
    ) -> "Iterator[GetBundleResponse]":
        """Yield the pages of a bundle; without a version, of its latest."""
        return self._client.get_bundle.paginate(uuid=uuid, version=version, replica=replica)

    def locate(self, *, uuid: str, version: str | None, replica: Replica) -> str:
        """Return a fresh URL of a file's content, good without any credential."""
        return self._client.get_file.locate(uuid=uuid, version=version, replica=replica).url

    def open(self, url: str, *, offset: int) -> AbstractContextManager[Content]:
        """Ask once for the bytes behind a URL, from `offset` on."""
        transport = self._client._transport  # pyright: ignore[reportPrivateUsage] - same package
        return transport.open_storage(url, offset=offset)


def as_source(source: "Source | DSSClient") -> Source:
    """Return a source as it is, and a client as a source."""
    return source if isinstance(source, Source) else ClientSource(source)
