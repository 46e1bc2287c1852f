"""`DSSClient` with the methods, arguments and plain answers of the reference client."""

import importlib.util
import os
import sys
import warnings
import weakref
from collections.abc import Generator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, cast
from uuid import UUID

from ..._endpoints import ENDPOINTS
from ..._sync import client
from ..._sync.transport import Transport
from ...errors import InvalidArgument
from ...types import Replica
from ...versions import InvalidUUID, InvalidVersion
from .._methods import Methods
from .._swagger_client import SwaggerClient, policies
from .._translate import translate_errors
from ..config import HCAConfig, get_config, logger

if TYPE_CHECKING:
    from ...deployment import SpecificationReport
    from ...download import ProgressCallback

__all__ = ["DSSClient", "SwaggerClient", "UploadResult", "UploadedFile"]

_UPLOAD_THREADS = 4


class UploadedFile(TypedDict):
    """One file of a new bundle."""

    name: str
    uuid: str
    version: str
    creator_uid: int


class UploadResult(TypedDict):
    """A bundle that was made from a directory."""

    bundle_uuid: str
    creator_uid: int
    replica: str
    version: str
    files: list[UploadedFile]


class _Client(client.DSSClient):
    """The client below, whose transport the operations of the facade use as well."""

    @property
    def transport(self) -> Transport:
        return self._transport


class DSSClient(SwaggerClient, Methods):
    """The Data Storage System as scripts for `hca` know it, over `dss_client.DSSClient`.

    Answers are plain JSON. Unknown arguments are a `TypeError`, and a refusal of the service is
    raised as `SwaggerAPIException`, also after retries. Clients of different deployments
    do not disturb each other.

    Args:
        config: The configuration; `get_config` when not given. A deployment or a token that the
            program sets in it is used.
        swagger_url: URL of the deployment's specification, next to its API. When not given:
            that of the section of `config` that has the name of a subclass; that of the section
            ``DSSClient`` if the program set it; then whatever `dss_client.DSSClient` takes, such as
            ``DSS_URL`` or the files of the configuration.
        **session_kwargs: Arguments of `dss_client.DSSClient`, such as ``token`` or ``retries``.

    Attributes:
        UPLOAD_BACKOFF_FACTOR: How waits grow in `hca` while a file is copied; not used here.
        config: The configuration.
        swagger_url: URL of the deployment's specification.
        threads: How many files downloads and uploads work on at once. None: they choose.
    """

    UPLOAD_BACKOFF_FACTOR: float = 1.618

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        swagger_url: str | None = None,
        **session_kwargs: Any,
    ) -> None:
        self.config: Mapping[str, Any] = get_config() if config is None else config
        self._session_kwargs = session_kwargs
        self._url = swagger_url or self._configured_url()
        self._connect()
        self.swagger_url: str = swagger_url or f"{self._client.url}/swagger.json"
        self.threads: int | None = None
        if self.scheme != "https" and self.host.startswith("https:"):
            self.host = self.host.replace("https", self.scheme, 1)

    def _connect(self) -> None:
        """Make the client below: at first, and whenever what it is made of has changed."""
        token = self._configured_token()
        arguments: dict[str, Any] = {"token": token} | policies(self) | self._session_kwargs
        self._client = _Client(self._url, **arguments)
        self._url = self._client.url  # where it came from may change meanwhile
        self._close = weakref.finalize(self, self._client.close)

    def _reconnect(self) -> None:
        close = self._close
        self._connect()
        close()

    if not TYPE_CHECKING:  # so that a checker still refuses what there is not

        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if name == "scheme":
                warnings.warn(
                    "scheme of a client that is made already has no effect: set host", stacklevel=2
                )
            elif name in {"retry_policy", "timeout_policy"} and "_close" in self.__dict__:
                self._reconnect()

    def __getstate__(self) -> dict[str, Any]:
        if self._session_kwargs.keys() & {"http_client", "storage_client"}:
            raise TypeError(
                "a client made with http_client= or storage_client= cannot be copied or pickled:"
                " make another one"
            )
        made = {"_client", "_transport", "_close"}
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in made and name not in ENDPOINTS
        }

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._connect()

    def _configured_url(self) -> str | None:
        """Return the URL of this class's own section, else the one that the program set."""
        for kind in type(self).__mro__:
            url = _section(self.config, kind.__name__).get("swagger_url")
            if url is None or (
                kind.__name__ == "DSSClient"
                and isinstance(self.config, HCAConfig)
                and not self.config.was_set("DSSClient", "swagger_url")
            ):
                continue
            if not isinstance(url, str):
                raise InvalidArgument(
                    f"{url!r} is not a valid URL of a specification: expected a text"
                )
            return url
        return None

    def _configured_token(self) -> str | None:
        """Return the token that the program set; those in files are found by the client."""
        config = self.config
        if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
            return None
        if isinstance(config, HCAConfig) and not config.was_set("oauth2_token", "access_token"):
            return None
        token = _section(config, "oauth2_token").get("access_token")
        return token if isinstance(token, str) else None

    @property
    def transport(self) -> Transport:
        """What the operations are sent with."""
        return self._client.transport

    @property
    def host(self) -> str:
        """Base URL of the deployment's API. It can be set."""
        return self._client.url

    @host.setter
    def host(self, url: str) -> None:
        before = self._url
        self._url = url
        try:
            self._reconnect()
        except InvalidArgument:
            self._url = before
            raise

    def create_version(self) -> None:
        """Print a new DSS_VERSION of now; `dss_client.create_version` returns one."""
        print(self._client.create_version())

    def upload(
        self,
        src_dir: str | os.PathLike[str],
        replica: Replica,
        staging_bucket: str,
        timeout_seconds: int = 1200,
        no_progress: bool = False,
        bundle_uuid: str | UUID | None = None,
    ) -> UploadResult:
        """Upload a directory as a bundle; see `dss_client.DSSClient.upload`.

        Args:
            src_dir: The directory.
            replica: Replica to put the bundle in.
            staging_bucket: Name of a bucket there that the service can read.
            timeout_seconds: How long to wait until the service has copied files over 64 MiB.
            no_progress: Show no progress bar; none is shown either where standard error is no
                terminal.
            bundle_uuid: Id of the bundle; a new one when not given.

        Returns:
            The bundle and its files.

        Raises:
            UploadFailed: A `RuntimeError`: there is nothing to upload, or a file cannot be.
            SwaggerAPIException: The bundle was refused.
        """
        with _uploading(), _bar(no_progress) as progress:
            report = self._client.upload(
                src_dir=src_dir,
                replica=replica,
                staging_bucket=staging_bucket,
                timeout_seconds=timeout_seconds,
                bundle_uuid=None if bundle_uuid is None else str(bundle_uuid),
                creator_uid=int(self.config.get("creator_uid", 0)),
                progress=progress,
                threads=self.threads or _UPLOAD_THREADS,
            )
        return {
            "bundle_uuid": report.bundle_uuid,
            "creator_uid": report.creator_uid,
            "replica": report.replica,
            "version": report.version,
            "files": [
                {
                    "name": file.name,
                    "version": file.version,
                    "uuid": file.uuid,
                    "creator_uid": report.creator_uid,
                }
                for file in report.files
            ],
        }

    def download(
        self,
        bundle_uuid: str | UUID,
        replica: Replica,
        version: str = "",
        download_dir: str | os.PathLike[str] = "",
        metadata_filter: Sequence[str] = ("*",),
        data_filter: Sequence[str] = ("*",),
        no_metadata: bool = False,
        no_data: bool = False,
        num_retries: int = 10,
        min_delay_seconds: float = 0.25,
    ) -> None:
        """Download a bundle to ``<download_dir>/<uuid>.<version>/``.

        Args:
            bundle_uuid: Id of the bundle.
            replica: Replica to download from.
            version: Version of the bundle; the latest when empty.
            download_dir: Where to; the current directory when empty.
            metadata_filter: Shell patterns of the names of indexed files to take.
            data_filter: The same for all other files.
            no_metadata: Take no indexed file.
            no_data: Take indexed files only.
            num_retries: Failed attempts allowed per file; each MiB read gives one back.
            min_delay_seconds: First wait after a failure; it doubles with each, up to 60 s.

        Raises:
            DownloadFailed: A `RuntimeError`: some files failed; it holds the report.
            SwaggerAPIException: The bundle itself cannot be read; 404 also where its id or version
                is malformed.
            ValueError: Options that exclude each other, or names that clash.
        """
        with _downloading():
            self._client.download(
                bundle_uuid=str(bundle_uuid),
                replica=replica,
                version=version or None,
                download_dir=download_dir,
                metadata_filter=metadata_filter,
                data_filter=data_filter,
                no_metadata=no_metadata,
                no_data=no_data,
                num_retries=num_retries,
                min_delay_seconds=min_delay_seconds,
                threads=self.threads,
            )

    def download_manifest(
        self,
        manifest: str | os.PathLike[str],
        replica: Replica,
        layout: Literal["none", "bundle"] = "none",
        no_metadata: bool = False,
        no_data: bool = False,
        num_retries: int = 10,
        min_delay_seconds: float = 0.25,
        download_dir: str | os.PathLike[str] = "",
    ) -> None:
        """Download the files that a manifest (TSV) lists.

        A copy of the manifest with a column ``file_path`` is written to the current directory under
        the manifest's own name, as scripts expect it, if nothing fails; it replaces the manifest if
        that is there.
        `dss_client.DSSClient.download_manifest` does neither.

        Args:
            manifest: Path of the manifest.
            replica: Replica to download from.
            layout: ``none`` keeps files under their sha256 only; ``bundle`` makes a directory per
                bundle, as `download` does.
            no_metadata: With ``bundle``: take no indexed file.
            no_data: With ``bundle``: take indexed files only.
            num_retries: Failed attempts allowed per file; each MiB read gives one back.
            min_delay_seconds: First wait after a failure; it doubles with each, up to 60 s.
            download_dir: Where to; the current directory when empty.

        Raises:
            DownloadFailed: A `RuntimeError`: some files failed; it holds the report.
            ValueError: Options exclude each other, or the manifest is not valid.
        """
        from ...download import DownloadOptions, download_manifest

        place = Path(Path(manifest).name)
        if place.is_dir():
            raise InvalidArgument(
                f"{place} is a directory: the copy of the manifest would be there"
            )
        with TemporaryDirectory(prefix=".", suffix=".part", dir=".") as private, _downloading():
            download_manifest(
                self._client,
                DownloadOptions(
                    replica=replica,
                    download_dir=download_dir,
                    output_dir=private,
                    num_retries=num_retries,
                    min_delay_seconds=min_delay_seconds,
                    threads=self.threads,
                ),
                manifest=manifest,
                layout=layout,
                no_metadata=no_metadata,
                no_data=no_data,
                check_rows=False,
            )
            if place.exists():
                logger.warning("Overwriting manifest %s", place)
            Path(private, place).replace(place)

    def download_collection(
        self,
        uuid: str | UUID,
        replica: Replica,
        version: str | None = None,
        download_dir: str | os.PathLike[str] = "",
    ) -> None:
        """Download what a collection lists, nested collections included.

        Args:
            uuid: Id of the collection.
            replica: Replica to download from.
            version: Version of the collection; the latest when not given.
            download_dir: Where to; the current directory when empty.

        Raises:
            DownloadFailed: A `RuntimeError`: some files failed; it holds the report.
            SwaggerAPIException: The collection itself cannot be read; 404 also where its id or
                version is malformed.
        """
        with _downloading():
            self._client.download_collection(
                uuid=str(uuid),
                replica=replica,
                version=version or None,
                download_dir=download_dir,
                threads=self.threads,
            )

    def login(self, access_token: str = "", remote: bool = False) -> None:
        """Log in, and keep the login for later programs; see `dss_client.DSSClient.login`.

        Args:
            access_token: A token that you have already.
            remote: Print the URL and ask for the code, on a machine without a browser.

        Raises:
            LoginError: The login was refused, or took too long.
        """
        with translate_errors():
            self._client.login(access_token, remote)
        if self._configured_token() is not None:
            self._forget_token()
        print("Storing access credentials")

    def logout(self) -> None:
        """Remove the stored login, and what the configuration in memory says of one.

        The files of the configuration are not written: a token in them stays in use,
        and a warning says so.
        """
        self._client.logout()
        self._forget_token()
        credential = self._client.credential()
        if credential is not None:
            logger.warning("there still is a token for %s: %s", self.host, credential.origin)

    def _forget_token(self) -> None:
        if isinstance(self.config, MutableMapping):
            for name in ("application_secrets", "oauth2_token"):
                self.config.pop(name, None)
        self._reconnect()

    def clear_cache(self) -> None:
        """Remove the copy of the deployment's specification; all settings stay."""
        self._client.clear_cache()

    def refresh_swagger(self) -> "SpecificationReport":
        """Fetch the deployment's specification, and tell how it differs from this client's.

        Raises:
            SwaggerAPIException: It cannot be fetched.
        """
        with translate_errors():
            return self._client.refresh_swagger()

    def close(self) -> None:
        """Close the connections; they close by themselves when the client is no longer used."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name)
    return cast("Mapping[str, Any]", section) if isinstance(section, Mapping) else {}


@contextmanager
def _downloading() -> Generator[None]:
    from ...download import DownloadError
    from ..util.exceptions import DownloadFailed, SwaggerAPIException

    try:
        with translate_errors():
            yield
    except (InvalidUUID, InvalidVersion) as error:
        raise SwaggerAPIException.not_found(error) from error
    except DownloadError as error:
        for failed in error.report.failed:
            logger.warning("Download task failed: %s", failed.error)
        raise DownloadFailed(error.report) from error


@contextmanager
def _uploading() -> Generator[None]:
    from ...upload import UploadError
    from ..util.exceptions import UploadFailed

    try:
        with translate_errors():
            yield
    except UploadError as error:
        raise UploadFailed(error.name, error.reason, cause=error.cause) from error


def _bar(no_progress: bool) -> "AbstractContextManager[ProgressCallback | None]":
    """Return what draws a progress bar, where there is somebody to look at it."""
    if no_progress or not sys.stderr.isatty() or importlib.util.find_spec("tqdm") is None:
        return nullcontext()
    from ...progress import tqdm_progress

    return tqdm_progress()
