"""The clients: all operations of the API, and what goes beyond single requests.

The transports, and with them the HTTP library, are loaded when a client is made: a program that
only names `DSSClient` does not pay for them.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

from attrs import evolve

from ._collections import AsyncCollections, Collections
from ._downloads import AsyncDownloads, Downloads
from ._events import AsyncEvents, Events
from ._options import AnyToken, Options, Timeout, TokenGiver
from ._refresh import AsyncRefresh, Refresh
from ._retry import RetryPolicy
from ._search import AsyncSearches, Searches
from ._session import AsyncSession, Session
from ._subscriptions import AsyncSubscriptions, Subscriptions
from ._uploads import AsyncUploads, Uploads
from .errors import InvalidArgument, redact_url
from .operations import DEFAULT_URL, AsyncOperations, Operations
from .versions import create_version

if TYPE_CHECKING:
    import httpx

    from ._async_transport import AsyncTransport
    from ._transport import Transport
    from .checkout import AsyncCheckoutJob, CheckoutJob

__all__ = ["AsyncDSSClient", "DSSClient"]

Replica = Literal["aws", "gcp"]

_RETIRED = (
    "The public DSS was switched off: point the client at a deployment with DSSClient(url),"
    " DSS_URL or the config file, or run one yourself with `dss serve --sample`"
)


def _base_url(url: str | None) -> str:
    """Return the API's base URL, without a slash at its end.

    A URL without a path gets the API's own, and the URL of a deployment's ``swagger.json`` is
    taken for the deployment, as the reference client is configured with one.
    """
    if url is None:
        from .settings import load_settings

        url = load_settings().url or _url_of_hca() or DEFAULT_URL
    text = url.strip().rstrip("/").removesuffix("/swagger.json").rstrip("/")
    shown = redact_url(text, presigned=True)
    refusal = f"{shown!r} is not the URL of a DSS: it must be http(s)://HOST[:PORT]/v1"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        raise InvalidArgument(refusal) from None
    if not usable:
        raise InvalidArgument(refusal)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise InvalidArgument("the URL of a DSS has no query, fragment or user: give a token apart")
    return text if parts.path else text + urlsplit(DEFAULT_URL).path


def _url_of_hca() -> str | None:
    """Return the deployment that the reference client is configured with."""
    from .auth.hca_config import read_hca_config

    return read_hca_config().swagger_url


def _options(
    url: str | None,
    token: AnyToken | None,
    timeout: Timeout | float | None,
    retries: RetryPolicy | int | None,
    *,
    custom_client: bool,
) -> Options:
    base_url = _base_url(url)
    limits: Timeout | None = Timeout()
    if timeout is not None:
        limits = Timeout.of(timeout)
    elif custom_client:
        limits = None
    return Options(
        base_url=base_url,
        timeout=limits,
        retries=RetryPolicy() if retries is None else RetryPolicy.of(retries),
        token=token,
        find_tokens=_find_tokens,
        unreachable_hint=_RETIRED if base_url == DEFAULT_URL else "",
    )


def _find_tokens(base_url: str) -> TokenGiver | None:
    from .auth.sources import find_token_source

    return find_token_source(base_url)


def _changed(
    options: Options, timeout: Timeout | float | None, retries: RetryPolicy | int | None
) -> Options:
    if timeout is not None:
        options = evolve(options, timeout=Timeout.of(timeout))
    if retries is not None:
        options = evolve(options, retries=RetryPolicy.of(retries))
    return options


def _picklable(transport: "Transport | AsyncTransport") -> Options:
    if transport.has_custom_clients:
        raise TypeError(
            "a client made with http_client= or storage_client= cannot be pickled:"
            " make it anew in the other process"
        )
    return transport.options


class DSSClient(
    Operations,
    Session,
    Refresh,
    Searches,
    Collections,
    Subscriptions,
    Downloads,
    Events,
    Uploads,
):
    """A client of one DSS deployment. Use it in a ``with`` statement, or `close` it.

    Safe to be shared by threads; clients of different deployments do not disturb each other. It
    can be pickled (as its settings) unless it was given an HTTP client.

    Args:
        url: Base URL of the deployment, such as ``http://127.0.0.1:8010/v1``. When not given:
            ``DSS_URL``, then ``url`` of the config file, then the reference client's deployment,
            then the host of the specification.
        token: Bearer token for the operations that ask for one, or a function that returns it.
            When not given: ``DSS_TOKEN``, then the service account that
            ``GOOGLE_APPLICATION_CREDENTIALS`` names, then the login of `login`, then that of the
            reference client.
        timeout: Limits of one try, in seconds; one number holds for all phases.
        retries: The retry policy, or the number of tries after the first.
        http_client: The httpx client for the API, with its own proxies, certificates or transport.
            It stays yours to close.
        storage_client: The same for storage. It must hold no credential.

    Raises:
        InvalidArgument: `url` is not the URL of a deployment.
        ConfigError: The config file cannot be used.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | Callable[[], str] | None = None,
        timeout: Timeout | float | None = None,
        retries: RetryPolicy | int | None = None,
        http_client: "httpx.Client | None" = None,
        storage_client: "httpx.Client | None" = None,
    ) -> None:
        from ._transport import Transport

        options = _options(url, token, timeout, retries, custom_client=http_client is not None)
        self._transport = Transport(options, http_client=http_client, storage_client=storage_client)

    @property
    def url(self) -> str:
        """Base URL of the deployment."""
        return self._transport.options.base_url

    def with_options(
        self,
        *,
        timeout: Timeout | float | None = None,
        retries: RetryPolicy | int | None = None,
    ) -> "DSSClient":
        """Return a client with other limits over the same connections.

        Args:
            timeout: Limits of one try, in seconds; those of this client when not given.
            retries: The retry policy, or the number of tries after the first.
        """
        sibling = DSSClient.__new__(DSSClient)
        options = _changed(self._transport.options, timeout, retries)
        sibling._transport = self._transport.with_options(options)
        return sibling

    def checkout(
        self,
        *,
        uuid: str,
        replica: Replica,
        version: str | None = None,
        destination: str | None = None,
        email: str | None = None,
    ) -> "CheckoutJob":
        """Have a bundle copied to a bucket; see `CheckoutJob.wait`.

        Args:
            uuid: Id of the bundle.
            replica: Replica the bundle is in.
            version: Its version; the latest when not given.
            destination: Name of the bucket; the service's own checkout bucket when not given.
            email: Address to be told when the copy is done.

        Raises:
            NotFound: There is no such bundle.
        """
        from .checkout import CheckoutJob

        return CheckoutJob.start(
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

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __getstate__(self) -> Mapping[str, Any]:
        return {"options": _picklable(self._transport)}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        from ._transport import Transport

        self._transport = Transport(state["options"])


class AsyncDSSClient(
    AsyncOperations,
    AsyncSession,
    AsyncRefresh,
    AsyncSearches,
    AsyncCollections,
    AsyncSubscriptions,
    AsyncDownloads,
    AsyncEvents,
    AsyncUploads,
):
    """The asynchronous client of one DSS deployment. Use it in an ``async with`` statement.

    It belongs to one event loop; clients of different deployments do not disturb each other.

    Args:
        url: Base URL of the deployment, such as ``http://127.0.0.1:8010/v1``. When not given:
            ``DSS_URL``, then ``url`` of the config file, then the reference client's deployment,
            then the host of the specification.
        token: Bearer token for the operations that ask for one, or a function that returns it, or
            an async one. When not given: ``DSS_TOKEN``, then the service account that
            ``GOOGLE_APPLICATION_CREDENTIALS`` names, then the login of `login`, then that of the
            reference client.
        timeout: Limits of one try, in seconds; one number holds for all phases.
        retries: The retry policy, or the number of tries after the first.
        http_client: The httpx client for the API, with its own proxies, certificates or transport.
            It stays yours to close.
        storage_client: The same for storage. It must hold no credential.

    Raises:
        InvalidArgument: `url` is not the URL of a deployment.
        ConfigError: The config file cannot be used.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | Callable[[], str] | Callable[[], Awaitable[str]] | None = None,
        timeout: Timeout | float | None = None,
        retries: RetryPolicy | int | None = None,
        http_client: "httpx.AsyncClient | None" = None,
        storage_client: "httpx.AsyncClient | None" = None,
    ) -> None:
        from ._async_transport import AsyncTransport

        options = _options(url, token, timeout, retries, custom_client=http_client is not None)
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
    ) -> "AsyncDSSClient":
        """Return a client with other limits over the same connections.

        Args:
            timeout: Limits of one try, in seconds; those of this client when not given.
            retries: The retry policy, or the number of tries after the first.
        """
        sibling = AsyncDSSClient.__new__(AsyncDSSClient)
        options = _changed(self._transport.options, timeout, retries)
        sibling._transport = self._transport.with_options(options)
        return sibling

    def as_blocking(self) -> DSSClient:
        """Return a blocking client with the same settings, to be closed by the caller.

        Raises:
            InvalidArgument: This one has HTTP clients that were handed in, which only it can use.
        """
        if self._transport.has_custom_clients:
            raise InvalidArgument(
                "a client made with http_client= or storage_client= cannot be made anew: use a"
                " DSSClient for this"
            )
        blocking = DSSClient.__new__(DSSClient)
        blocking.__setstate__({"options": self._transport.options})
        return blocking

    async def checkout(
        self,
        *,
        uuid: str,
        replica: Replica,
        version: str | None = None,
        destination: str | None = None,
        email: str | None = None,
    ) -> "AsyncCheckoutJob":
        """Have a bundle copied to a bucket; see `AsyncCheckoutJob.wait`.

        Args:
            uuid: Id of the bundle.
            replica: Replica the bundle is in.
            version: Its version; the latest when not given.
            destination: Name of the bucket; the service's own checkout bucket when not given.
            email: Address to be told when the copy is done.

        Raises:
            NotFound: There is no such bundle.
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

    def __getstate__(self) -> Mapping[str, Any]:
        return {"options": _picklable(self._transport)}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        from ._async_transport import AsyncTransport

        self._transport = AsyncTransport(state["options"])
