"""What an upload asks of the client. It asks from threads of its own."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._backend.asynchronous import Bridge
from .._call import authorization_header
from ..auth.credential import describe
from ..types import Replica
from ..upload.errors import UploadError
from .operations import AsyncOperations
from .transport import AsyncTransport

if TYPE_CHECKING:
    from ..models import BundleFileDict, FileHeaders, FileVersion

__all__ = ["AsyncClientService", "need_token"]

_ACCEPTED = 202


async def need_token(transport: AsyncTransport, src_dir: str) -> None:
    """Refuse to upload a directory without a token that the service may accept.

    Raises:
        UploadError: There is none, or it has expired, as it says itself.
        LoginError: There is a credential that cannot be used.
        InvalidArgument: The token is not one that a header can carry.
    """
    url = transport.options.base_url
    token = await transport.token()
    remedy = "run dss login, pass token=... to the client or set DSS_TOKEN"
    if token is None:
        raise UploadError(src_dir, f"an upload to {url} needs a token: {remedy}")
    authorization_header(token)
    ends = describe(token, "token argument").expires_at
    has_ended = ends is not None and ends <= time.time()
    if has_ended and await transport.another_token(token) is None:
        raise UploadError(src_dir, f"the token for {url} has expired: {remedy}")


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
