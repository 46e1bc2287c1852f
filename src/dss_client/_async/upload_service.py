"""What an upload asks of the client. It asks from threads of its own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._backend.asynchronous import Bridge
from ..types import Replica
from .operations import AsyncOperations

if TYPE_CHECKING:
    from ..models import BundleFileDict, FileHeaders, FileVersion

__all__ = ["AsyncClientService"]

_ACCEPTED = 202


class AsyncClientService:
    """A client as the service of an upload.

    Args:
        client: The client.
        url: Base URL of its deployment.
    """

    def __init__(self, client: AsyncOperations, url: str) -> None:
        self._client = client
        self.url: str = url
        self._bridge = Bridge()

    def put_file(self, *, uuid: str, version: str, source_url: str, creator_uid: int) -> bool:
        """Store a file; tell whether it is being copied still."""
        answer = self._bridge.call(
            self._client.put_file.raw,
            uuid=uuid,
            version=version,
            source_url=source_url,
            creator_uid=creator_uid,
        )
        return answer.status_code == _ACCEPTED

    def head_file(self, *, uuid: str, version: str, replica: Replica) -> "FileHeaders":
        """Return the metadata of a file."""
        return self._bridge.call(
            self._client.head_file, uuid=uuid, version=version, replica=replica
        )

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
        self._bridge.call(
            self._client.put_bundle,
            uuid=uuid,
            version=version,
            replica=replica,
            files=files,
            creator_uid=creator_uid,
        )

    def bundle_files(
        self, *, uuid: str, version: str, replica: Replica
    ) -> "tuple[int, list[FileVersion]]":
        """Return the creator and all files of a bundle."""
        pages = self._client.get_bundle.paginate(uuid=uuid, version=version, replica=replica)
        bundles = [page.bundle for page in self._bridge.each(pages)]
        return bundles[0].creator_uid, [file for bundle in bundles for file in bundle.files]
