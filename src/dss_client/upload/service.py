"""What an upload asks of the service, through a blocking or an asynchronous client."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from dss_client.client import AsyncDSSClient, DSSClient
    from dss_client.models import BundleFileDict, FileHeaders, FileVersion

__all__ = ["AsyncClientService", "ClientService", "Service"]

Replica = Literal["aws", "gcp"]
T = TypeVar("T")

_ACCEPTED = 202


class Service(Protocol):
    """The service. Threads share it."""

    @property
    def url(self) -> str:
        """Base URL of the deployment."""
        ...

    def put_file(self, *, uuid: str, version: str, source_url: str, creator_uid: int) -> bool:
        """Store a file; tell whether it is being copied still."""
        ...

    def head_file(self, *, uuid: str, version: str, replica: Replica) -> "FileHeaders":
        """Return the metadata of a file."""
        ...

    def put_bundle(
        self,
        *,
        uuid: str,
        version: str,
        replica: Replica,
        files: "Sequence[BundleFileDict]",
        creator_uid: int,
    ) -> None:
        """Store a bundle."""
        ...

    def bundle_files(
        self, *, uuid: str, version: str, replica: Replica
    ) -> "tuple[int, list[FileVersion]]":
        """Return the creator and all files of a bundle."""
        ...


class ClientService:
    """A blocking client."""

    def __init__(self, client: "DSSClient") -> None:
        self._client = client

    @property
    def url(self) -> str:
        """Base URL of the deployment."""
        return self._client.url

    def put_file(self, *, uuid: str, version: str, source_url: str, creator_uid: int) -> bool:
        """Store a file; tell whether it is being copied still."""
        answer = self._client.put_file.raw(
            uuid=uuid, version=version, source_url=source_url, creator_uid=creator_uid
        )
        return answer.status_code == _ACCEPTED

    def head_file(self, *, uuid: str, version: str, replica: Replica) -> "FileHeaders":
        """Return the metadata of a file."""
        return self._client.head_file(uuid=uuid, version=version, replica=replica)

    def put_bundle(
        self,
        *,
        uuid: str,
        version: str,
        replica: Replica,
        files: "Sequence[BundleFileDict]",
        creator_uid: int,
    ) -> None:
        """Store a bundle."""
        self._client.put_bundle(
            uuid=uuid, version=version, replica=replica, files=files, creator_uid=creator_uid
        )

    def bundle_files(
        self, *, uuid: str, version: str, replica: Replica
    ) -> "tuple[int, list[FileVersion]]":
        """Return the creator and all files of a bundle."""
        pages = list(self._client.get_bundle.paginate(uuid=uuid, version=version, replica=replica))
        files = [file for page in pages for file in page.bundle.files]
        return pages[0].bundle.creator_uid, files


class AsyncClientService:
    """An asynchronous client. The methods are for other threads than its loop's.

    Args:
        client: The client; it stays its owner's to close.
        loop: The loop that it belongs to.
    """

    def __init__(self, client: "AsyncDSSClient", loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def _wait(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    @property
    def url(self) -> str:
        """Base URL of the deployment."""
        return self._client.url

    def put_file(self, *, uuid: str, version: str, source_url: str, creator_uid: int) -> bool:
        """Store a file; tell whether it is being copied still."""
        call = self._client.put_file.raw(
            uuid=uuid, version=version, source_url=source_url, creator_uid=creator_uid
        )
        return self._wait(call).status_code == _ACCEPTED

    def head_file(self, *, uuid: str, version: str, replica: Replica) -> "FileHeaders":
        """Return the metadata of a file."""
        return self._wait(self._client.head_file(uuid=uuid, version=version, replica=replica))

    def put_bundle(
        self,
        *,
        uuid: str,
        version: str,
        replica: Replica,
        files: "Sequence[BundleFileDict]",
        creator_uid: int,
    ) -> None:
        """Store a bundle."""
        self._wait(
            self._client.put_bundle(
                uuid=uuid, version=version, replica=replica, files=files, creator_uid=creator_uid
            )
        )

    def bundle_files(
        self, *, uuid: str, version: str, replica: Replica
    ) -> "tuple[int, list[FileVersion]]":
        """Return the creator and all files of a bundle."""

        async def collect() -> "tuple[int, list[FileVersion]]":
            pages = self._client.get_bundle.paginate(uuid=uuid, version=version, replica=replica)
            bundles = [page.bundle async for page in pages]
            return bundles[0].creator_uid, [file for bundle in bundles for file in bundle.files]

        return self._wait(collect())
