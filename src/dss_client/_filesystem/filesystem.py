"""The file system: the face of it that fsspec knows."""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any
from weakref import finalize

from fsspec.asyn import (
    AbstractAsyncStreamedFile,
    AsyncFileSystem,
    get_loop,
    iothread,
    reset_lock,
    sync,
)
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.spec import AbstractBufferedFile

from dss_client._configure import options_of
from dss_client._environment import CertificateFiles, FilePath
from dss_client._files import replacing
from dss_client._options import AsyncToken, Timeout
from dss_client._retry import RetryPolicy
from dss_client.errors import InvalidArgument
from dss_client.models import FileVersion
from dss_client.types import Replica

from .errors import PathIsDirectory, PathNotFound, ReadOnlyFileSystem
from .listing import Info, Listing, directory_info
from .reader import Reader

__all__ = ["DSSFileSystem"]


class DSSFileSystem(AsyncFileSystem):
    """The bundles of a DSS deployment as directories: ``dss://UUID.VERSION/name``. Read-only.

    Without a version a path means the latest version of the bundle at its first use; it stays that
    one until `invalidate_cache`. Contents that are read whole are verified by their sha256.

    `ls` of ``dss://`` lists all bundles of the deployment, which takes one request for each 500.

    Args:
        endpoint_url: Base URL of the deployment, such as ``http://127.0.0.1:8010/v1``. When not
            given, it is found as `DSSClient` does it: ``DSS_URL``, then the config file.
        replica: Replica to read from: ``aws`` or ``gcp``.
        unflatten: What stands for ``/`` in the names of files, such as ``!`` for zarr stores of the
            HCA's matrix service: ``x.zarr!.zattrs`` is ``x.zarr/.zattrs`` then.
        token: Bearer token, or a function that returns it, as for `DSSClient`.
        timeout: Limits of one attempt, in seconds; one number holds for all phases.
        retries: The retry policy, or the number of retries.
        proxy: URL of the proxy for the API and for storage.
        ca_file: PEM file of the certificate authorities to trust.
        client_certificate: PEM file of the client's certificate with its key, or a pair of files.
        **options: Options of fsspec, such as ``asynchronous``, ``loop``, ``batch_size`` and
            ``skip_instance_cache``.

    Raises:
        InvalidArgument: `endpoint_url` is not the URL of a deployment.
        ConfigError: The config file cannot be used.
    """

    protocol = "dss"

    def __init__(
        self,
        endpoint_url: str | None = None,
        *,
        replica: Replica = "aws",
        unflatten: str | None = None,
        token: AsyncToken | None = None,
        timeout: Timeout | float | None = None,
        retries: RetryPolicy | int | None = None,
        proxy: str | None = None,
        ca_file: FilePath | None = None,
        client_certificate: CertificateFiles | None = None,
        **options: Any,
    ) -> None:
        for name in options.keys() & {"url", "endpoint", "base_url"}:
            raise InvalidArgument(f"{name}= is no setting of dss://: use endpoint_url=")
        super().__init__(**options)
        settings = options_of(
            endpoint_url,
            token,
            timeout,
            retries,
            proxy=proxy,
            ca_file=ca_file,
            client_certificate=client_certificate,
            custom_client=False,
        )
        self._reader = Reader(settings, replica, unflatten)
        end = finalize(self, self._reader.close_soon)
        end.atexit = False  # the loops have ended by then

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop of blocking calls; in a forked process another one."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            if iothread[0] is not None and not iothread[0].is_alive():
                reset_lock()  # earlier versions of fsspec keep the parent's loop
            self._loop = None if self.asynchronous else get_loop()
        return self._loop

    async def _ls(self, path: str, detail: bool = True, **_options: Any) -> list[Info] | list[str]:
        path = self._strip_protocol(path)
        if path:
            root, name, listing = await self._find_path(path)
            entries = listing.entries(root, name)
        else:
            entries = await self._reader.bundles()
        return entries if detail else [entry["name"] for entry in entries]

    async def _info(self, path: str, **_options: Any) -> Info:
        path = self._strip_protocol(path)
        if not path:
            return directory_info("")
        root, name, listing = await self._find_path(path)
        return listing.info(root, name)

    async def _isfile(self, path: str) -> bool:
        # Unlike the one of fsspec, it does not take a service that fails for a file that is absent.
        try:
            info = await self._info(path)
        except FileNotFoundError:
            return False
        return bool(info["type"] == "file")

    async def _find_path(self, path: str) -> tuple[str, str, Listing]:
        root, _, name = path.partition("/")
        listing = await self._reader.listing(root)
        if name not in listing.files and name not in listing.folders:
            raise PathNotFound(f"bundle {listing.bundle} has no file {name!r}{listing.hint(name)}")
        return root, name, listing

    async def _file(self, path: str) -> tuple[Listing, str, FileVersion]:
        """Return the bundle of a file, its name there, and the file."""
        path = self._strip_protocol(path)
        if not path:
            raise PathIsDirectory(path)
        _, name, listing = await self._find_path(path)
        if name not in listing.files:
            raise PathIsDirectory(path)
        return listing, name, listing.files[name]

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_options: Any
    ) -> bytes:
        listing, _, file = await self._file(path)
        first, stop, _step = slice(start, end).indices(file.size)
        blocks = self._reader.blocks(listing, file, first, stop)
        content = b"".join([block async for block in blocks])
        if len(content) == file.size:
            _verify(file, hashlib.sha256(content).hexdigest())
        return content

    async def _get_file(
        self, rpath: str, lpath: str, callback: Callback = DEFAULT_CALLBACK, **_options: Any
    ) -> None:
        target = Path(lpath)
        if await self._isdir(rpath):
            target.mkdir(parents=True, exist_ok=True)
            return
        listing, _, file = await self._file(rpath)
        callback.set_size(file.size)
        digest = hashlib.sha256()
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target, durable=False) as local:
            async for block in self._reader.blocks(listing, file, 0, file.size):
                await asyncio.to_thread(local.write, block)
                await asyncio.to_thread(digest.update, block)
                callback.relative_update(len(block))
            _verify(file, digest.hexdigest())

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> AbstractBufferedFile:
        _refuse_writing(mode)
        listing, name, file = sync(self.loop, self._file, path)
        options.pop("size", None)  # a file that was pickled says it, too
        return AbstractBufferedFile(
            self,
            f"{listing.bundle}/{name}",
            mode,
            block_size,
            autocommit,
            cache_options=cache_options,
            size=file.size,
            **options,
        )

    async def open_async(self, path: str, mode: str = "rb", **options: Any) -> "_AsyncFile":
        """Open a file for reading in coroutines, with ``await file.read(...)``.

        Raises:
            PathNotFound, PathIsDirectory: There is no such file.
            ReadOnlyFileSystem: The mode is not ``rb``.
        """
        _refuse_writing(mode)
        listing, name, file = await self._file(path)
        return _AsyncFile(self, f"{listing.bundle}/{name}", mode, size=file.size, **options)

    def ukey(self, path: str) -> str:
        """Return the sha256 of a file, which is that of its content; for a directory, a hash."""
        sha256: str = self.info(path).get("sha256") or super().ukey(path)
        return sha256

    def checksum(self, path: str) -> int:
        """Return `ukey` as a number."""
        return int(self.ukey(path), 16)

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget what is known of bundles, so that the next use asks which versions are latest."""
        self._reader.forget()
        super().invalidate_cache(path)

    async def aclose(self) -> None:
        """Close the connections of the event loop that runs; a further use opens new ones."""
        await self._reader.aclose()

    # What writes, all of it refused: fsspec would fail without a word why, or do nothing.

    async def _refuse(self, *_arguments: Any, **_options: Any) -> None:
        raise ReadOnlyFileSystem

    _pipe_file = _put_file = _cp_file = _rm_file = _mkdir = _makedirs = _refuse

    def _refuse_at_once(self, *_arguments: Any, **_options: Any) -> None:
        raise ReadOnlyFileSystem

    rmdir = _refuse_at_once
    touch = _refuse_at_once


class _AsyncFile(AbstractAsyncStreamedFile):
    """A file that is read in coroutines."""

    async def _fetch_range(self, start: int, end: int) -> bytes:
        content: bytes = await self.fs._cat_file(self.path, start, end)
        return content


def _refuse_writing(mode: str) -> None:
    if mode != "rb":
        raise ReadOnlyFileSystem


def _verify(file: FileVersion, sha256: str) -> None:
    if sha256 != file.sha256:
        from dss_client.download.errors import ChecksumMismatch  # with the engine, which is large

        raise ChecksumMismatch(file.name, file.sha256, sha256)
