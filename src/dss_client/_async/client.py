"""The client: all operations of the API, and what goes beyond single requests.

The transport, and with it the HTTP library, is loaded when a client is made: a program that only
names the class does not pay for it.
"""

from copy import copy
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from .._options import AsyncToken, Timeout
from .._retry import RetryPolicy
from ..types import Replica
from ..versions import create_version
from .auth import AsyncAuth
from .collections import AsyncCollections
from .deployment import AsyncDeployment
from .downloads import AsyncDownloads
from .events import AsyncEvents
from .search import AsyncSearches
from .subscriptions import AsyncSubscriptions
from .uploads import AsyncUploads

if TYPE_CHECKING:
    from .._environment import CertificateFiles, FilePath
    from .._http import AsyncClient
    from .checkout import AsyncCheckoutJob

__all__ = ["AsyncDSSClient"]


class AsyncDSSClient(
    AsyncAuth,
    AsyncDeployment,
    AsyncSearches,
    AsyncCollections,
    AsyncSubscriptions,
    AsyncDownloads,
    AsyncEvents,
    AsyncUploads,
):
    """An asynchronous client of one DSS deployment. Use it in an ``async with`` statement.

    It belongs to one event loop; clients of different deployments do not disturb each other.
    It can be pickled, as its settings, unless an HTTP client was given to it.

    Args:
        url: Base URL of the deployment, such as ``http://127.0.0.1:8010/v1``. When not given:
            ``DSS_URL``, then ``url`` of the config file, then the reference client's deployment,
            then the host of the specification.
        token: Bearer token for the operations that ask for one, or a function
            that returns it, plain or awaited. When not given: ``DSS_TOKEN``, then the service
            account that ``GOOGLE_APPLICATION_CREDENTIALS`` names, then the login of `login`, then
            that of the reference client.
        timeout: Limits of one attempt, in seconds; one number holds for all phases.
        retries: The retry policy, or the number of retries.
        proxy: URL of the proxy for the API and for storage, such as ``http://proxy.example:3128``.
            It leads to all hosts, this machine included; the environment's proxies and
            ``NO_PROXY`` are not used then.
        ca_file: PEM file of the certificate authorities to trust, for the API and for storage,
            instead of the usual ones and of those that the environment names.
        client_certificate: PEM file of the certificate, with its key, for servers that ask their
            clients for one; or a pair of files, the certificate's and the key's. The key must not
            be encrypted.
        http_client: The httpx client for the API, with its own proxies, certificates or transport,
            instead of those given here. It stays yours to close.
        storage_client: The same for storage. It must hold no credential.

    Raises:
        InvalidArgument: `url` is not the URL of a deployment, or `proxy` not one of a proxy.
        ConfigError: The config file cannot be used.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: AsyncToken | None = None,
        timeout: Timeout | float | None = None,
        retries: RetryPolicy | int | None = None,
        proxy: str | None = None,
        ca_file: "FilePath | None" = None,
        client_certificate: "CertificateFiles | None" = None,
        http_client: "AsyncClient | None" = None,
        storage_client: "AsyncClient | None" = None,
    ) -> None:
        from .._configure import options_of
        from .transport import AsyncTransport

        options = options_of(
            url,
            token,
            timeout,
            retries,
            proxy=proxy,
            ca_file=ca_file,
            client_certificate=client_certificate,
            custom_client=http_client is not None,
        )
        self._transport = AsyncTransport(
            options, http_client=http_client, storage_client=storage_client
        )

    @property
    def url(self) -> str:
        """Base URL of the deployment."""
        return self._transport.options.base_url

    def with_options(
        self,
        *,
        timeout: Timeout | float | None = None,
        retries: RetryPolicy | int | None = None,
    ) -> Self:
        """Return a client with other limits over the same connections.

        Args:
            timeout: Limits of one attempt, in seconds; those of this client when not given.
            retries: The retry policy, or the number of retries.
        """
        from .._configure import changed_options

        sibling = type(self).__new__(type(self))
        sibling.__dict__.update(self.__dict__)
        options = changed_options(self._transport.options, timeout, retries)
        sibling._transport = self._transport.with_options(options)
        return sibling

    async def checkout(
        self,
        *,
        uuid: str | UUID,
        replica: Replica,
        version: str | None = None,
        destination: str | None = None,
        email: str | None = None,
    ) -> "AsyncCheckoutJob":
        """Start a checkout, which copies a bundle to a bucket; see `AsyncCheckoutJob.wait`.

        Args:
            uuid: Id of the bundle.
            replica: Replica the bundle is in.
            version: Its version; the latest when not given.
            destination: Name of the bucket; the service's own checkout bucket when not given.
            email: Address to mail to when the copy is done.

        Raises:
            NotFound: The bundle does not exist.
        """
        from .checkout import AsyncCheckoutJob

        return await AsyncCheckoutJob.start(
            self,
            uuid=uuid,
            replica=replica,
            version=version,
            destination=destination,
            email=email,
        )

    def create_version(self) -> str:
        """Return a new DSS_VERSION of now; see `dss_client.create_version`."""
        return create_version()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_transport": copy(self._transport)}
