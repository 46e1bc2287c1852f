"""The clients: all operations of the API, and what goes beyond single requests.

The transports, and with them the HTTP library, are loaded when a client is made: a program that
only names `DSSClient` does not pay for them.
"""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

from attrs import evolve

from ._options import AnyToken, Options, Timeout
from ._retry import RetryPolicy
from .errors import InvalidArgument, redact_url
from .operations import DEFAULT_URL, AsyncOperations, Operations
from .versions import create_version

if TYPE_CHECKING:
    import httpx

    from ._async_transport import AsyncTransport
    from ._transport import Transport
    from .checkout import AsyncCheckoutJob, CheckoutJob
    from .download import DownloadReport, ManifestSource, ProgressCallback

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

        url = load_settings().url or DEFAULT_URL
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
        token=token if token is not None else os.environ.get("DSS_TOKEN") or None,
        unreachable_hint=_RETIRED if base_url == DEFAULT_URL else "",
    )


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


class DSSClient(Operations):
    """A client of one DSS deployment. Use it in a ``with`` statement, or `close` it.

    Safe to be shared by threads; clients of different deployments do not disturb each other. It
    can be pickled (as its settings) unless it was given an HTTP client.

    Args:
        url: Base URL of the deployment, such as ``http://127.0.0.1:8010/v1``. When not given:
            ``DSS_URL``, then ``url`` of the config file, then the host of the specification.
        token: Bearer token for the operations that ask for one, or a function that returns it.
            When not given: ``DSS_TOKEN``.
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

    def download(
        self,
        *,
        bundle_uuid: str,
        replica: Replica,
        version: str | None = None,
        download_dir: str | os.PathLike[str] = "",
        metadata_filter: Sequence[str] = ("*",),
        data_filter: Sequence[str] = ("*",),
        no_metadata: bool = False,
        no_data: bool = False,
        num_retries: int = 10,
        min_delay_seconds: float = 0.25,
        threads: int | None = None,
        progress: "ProgressCallback | None" = None,
    ) -> "DownloadReport":
        """Download the files of a bundle to ``<download_dir>/<uuid>.<version>/``.

        Each file is verified, kept once in ``<download_dir>/.hca/v2/files_2_4`` under its sha256
        and linked from there; ``bundle.json`` describes the bundle (behaviour reference, section
        14.10).

        Args:
            bundle_uuid: Id of the bundle.
            replica: Replica to download from.
            version: Version of the bundle; the latest when not given.
            download_dir: Where to; the current directory when not given.
            metadata_filter: Shell patterns of the names of indexed files to take; ``*`` also
                crosses ``/``.
            data_filter: The same for all other files.
            no_metadata: Take no indexed file.
            no_data: Take indexed files only.
            num_retries: Failures of one file to put up with; each MiB read makes good for one.
            min_delay_seconds: First wait after a failure; it doubles with each.
            threads: How many files are worked on at once; twice the processors, at most 16, when
                not given.
            progress: Called with each `ProgressEvent`.

        Returns:
            What became of each file.

        Raises:
            DownloadError: Some files failed; it holds every failure, and the report.
            ValueError: Options that exclude each other.
        """
        from .download import download_bundle

        return download_bundle(
            self,
            bundle_uuid=bundle_uuid,
            replica=replica,
            version=version,
            download_dir=download_dir,
            metadata_filter=metadata_filter,
            data_filter=data_filter,
            no_metadata=no_metadata,
            no_data=no_data,
            num_retries=num_retries,
            min_delay_seconds=min_delay_seconds,
            threads=threads,
            progress=progress,
        )

    def download_manifest(
        self,
        *,
        manifest: "ManifestSource",
        replica: Replica,
        layout: Literal["none", "bundle"] = "none",
        no_metadata: bool = False,
        no_data: bool = False,
        num_retries: int = 10,
        min_delay_seconds: float = 0.25,
        download_dir: str | os.PathLike[str] = "",
        threads: int | None = None,
        progress: "ProgressCallback | None" = None,
    ) -> "DownloadReport":
        """Download the files that a manifest (TSV) lists.

        A copy of the manifest with a column ``file_path`` is written to `download_dir` (behaviour
        reference, section 14.11; wart C3).

        Args:
            manifest: Path of the manifest, an open text file, or its rows as mappings.
            replica: Replica to download from.
            layout: ``none`` keeps files under their sha256 only; ``bundle`` makes a directory per
                bundle, as `download` does, with all metadata and the data files of the manifest.
            no_metadata: With ``bundle``: take no indexed file.
            no_data: With ``bundle``: take indexed files only.
            num_retries: Failures of one file to put up with; each MiB read makes good for one.
            min_delay_seconds: First wait after a failure; it doubles with each.
            download_dir: Where to; the current directory when not given.
            threads: How many files are worked on at once; twice the processors, at most 16, when
                not given.
            progress: Called with each `ProgressEvent`.

        Returns:
            What became of each file.

        Raises:
            ManifestError: The manifest is not one; names line and column.
            DownloadError: Some files failed; it holds every failure, and the report.
            ValueError: Options that exclude each other.
        """
        from .download import download_manifest

        return download_manifest(
            self,
            manifest=manifest,
            replica=replica,
            layout=layout,
            no_metadata=no_metadata,
            no_data=no_data,
            num_retries=num_retries,
            min_delay_seconds=min_delay_seconds,
            download_dir=download_dir,
            threads=threads,
            progress=progress,
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


class AsyncDSSClient(AsyncOperations):
    """The asynchronous client of one DSS deployment. Use it in an ``async with`` statement.

    It belongs to one event loop; clients of different deployments do not disturb each other.

    Args:
        url: Base URL of the deployment, such as ``http://127.0.0.1:8010/v1``. When not given:
            ``DSS_URL``, then ``url`` of the config file, then the host of the specification.
        token: Bearer token for the operations that ask for one, or a function that returns it, or
            an async one. When not given: ``DSS_TOKEN``.
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
