"""What an upload asks of the service."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from dss_client.types import Replica

if TYPE_CHECKING:
    from dss_client.models import BundleFileDict, FileHeaders, FileVersion

__all__ = ["Service"]


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
