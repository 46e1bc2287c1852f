"""Downloads of bundles, manifests, collections, and what a search finds."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from ..types import JSONMapping, Replica
from .operations import AsyncOperations

if TYPE_CHECKING:
    from ..download import (
        DownloadOptions,
        DownloadReport,
        ManifestSource,
        ProgressCallback,
        Source,
    )
    from ..versions import FQID

__all__ = ["AsyncDownloads"]


class AsyncDownloads(AsyncOperations):
    """Downloads, as methods of the client."""

    async def download(
        self,
        *,
        bundle_uuid: str | UUID,
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
        verify: Literal["size", "sha256"] = "sha256",
        durable: bool = True,
        clash: Literal["error", "rename", "skip"] = "error",
        dry_run: bool = False,
        executor: Executor | None = None,
    ) -> "DownloadReport":
        """Download the files of a bundle to ``<download_dir>/<uuid>.<version>/``.

        Each file is verified, kept once in ``<download_dir>/.hca/v2/files_2_4`` under its sha256
        and linked from there; ``bundle.json`` describes the bundle. The next run continues an
        interrupted one.

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
            num_retries: Failed attempts allowed per file; each MiB that is read allows one more.
            min_delay_seconds: First wait after a failure; it doubles with each, up to 60 s.
            threads: How many files are worked on at once. When not given, 8 to 16 large ones, after
                the number of processors, and up to 128 small ones.
            progress: Called with each `ProgressEvent`.
            verify: ``sha256`` reads a file that is in the store already, unless it is known to have
                been verified; ``size`` trusts any of the right size.
            durable: Bring each content to the disk before it gets its name, so that not even a
                power cut leaves half a file.
            clash: What to do about names of a bundle that cannot both be files everywhere, such as
                ``a`` and ``A``: an ``error`` before any byte, ``rename`` the later, or ``skip`` it.
            dry_run: Say in the report what would be done and why, and do nothing.
            executor: Does the work in shards: any executor of `concurrent.futures`, such as a
                process pool, or that of a Dask client whose workers share the file system.

        Returns:
            What became of each file.

        Raises:
            DSSError: The bundle itself cannot be read.
            NameClash: Two of its names clash, and `clash` is ``error``.
            DiskFull: There is no room for it; nothing was written.
            DownloadError: Some files failed; it holds every failure, and the report.
            ValueError: Options that exclude each other.
        """
        from ..download import download_bundle

        options: DownloadOptions = {
            "replica": replica,
            "download_dir": download_dir,
            "num_retries": num_retries,
            "min_delay_seconds": min_delay_seconds,
            "threads": threads,
            "progress": progress,
            "verify": verify,
            "durable": durable,
            "clash": clash,
            "dry_run": dry_run,
            "executor": executor,
        }
        return await self._run(
            lambda source, options: download_bundle(
                source,
                bundle_uuid=str(bundle_uuid),
                version=version,
                metadata_filter=metadata_filter,
                data_filter=data_filter,
                no_metadata=no_metadata,
                no_data=no_data,
                **options,
            ),
            options,
        )

    async def download_bundles(
        self,
        *,
        bundles: "Iterable[FQID | str]",
        replica: Replica,
        download_dir: str | os.PathLike[str] = "",
        metadata_filter: Sequence[str] = ("*",),
        data_filter: Sequence[str] = ("*",),
        no_metadata: bool = False,
        no_data: bool = False,
        num_retries: int = 10,
        min_delay_seconds: float = 0.25,
        threads: int | None = None,
        progress: "ProgressCallback | None" = None,
        verify: Literal["size", "sha256"] = "sha256",
        durable: bool = True,
        clash: Literal["error", "rename", "skip"] = "error",
        dry_run: bool = False,
        executor: Executor | None = None,
    ) -> "DownloadReport":
        """Download several bundles, each to its directory, as `download` does.

        A bundle that cannot be read fails by itself; the others go on.

        Args:
            bundles: Their fully qualified ids, as `FQID` or as ``<uuid>.<version>``.
            replica: Replica to download from.
            download_dir: Where to; the current directory when not given.
            metadata_filter: Shell patterns of the names of indexed files to take; ``*`` also
                crosses ``/``.
            data_filter: The same for all other files.
            no_metadata: Take no indexed file.
            no_data: Take indexed files only.
            num_retries: Failed attempts allowed per file; each MiB that is read allows one more.
            min_delay_seconds: First wait after a failure; it doubles with each, up to 60 s.
            threads: How many files are worked on at once. When not given, 8 to 16 large ones, after
                the number of processors, and up to 128 small ones.
            progress: Called with each `ProgressEvent`.
            verify: ``sha256`` reads a file that is in the store already, unless it is known to have
                been verified; ``size`` trusts any of the right size.
            durable: Bring each content to the disk before it gets its name, so that not even a
                power cut leaves half a file.
            clash: What to do about names of a bundle that cannot both be files everywhere, such as
                ``a`` and ``A``: an ``error`` before any byte, ``rename`` the later, or ``skip`` it.
            dry_run: Say in the report what would be done and why, and do nothing.
            executor: Does the work in shards: any executor of `concurrent.futures`, such as a
                process pool, or that of a Dask client whose workers share the file system.

        Returns:
            What became of each file.

        Raises:
            DownloadError: Some files failed; it holds every failure, and the report.
            ValueError: Options that exclude each other.
        """
        from ..download import download_bundles

        options: DownloadOptions = {
            "replica": replica,
            "download_dir": download_dir,
            "num_retries": num_retries,
            "min_delay_seconds": min_delay_seconds,
            "threads": threads,
            "progress": progress,
            "verify": verify,
            "durable": durable,
            "clash": clash,
            "dry_run": dry_run,
            "executor": executor,
        }
        return await self._run(
            lambda source, options: download_bundles(
                source,
                bundles=bundles,
                metadata_filter=metadata_filter,
                data_filter=data_filter,
                no_metadata=no_metadata,
                no_data=no_data,
                **options,
            ),
            options,
        )

    async def download_manifest(
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
        verify: Literal["size", "sha256"] = "sha256",
        durable: bool = True,
        clash: Literal["error", "rename", "skip"] = "error",
        output_dir: str | os.PathLike[str] | None = None,
        dry_run: bool = False,
        executor: Executor | None = None,
    ) -> "DownloadReport":
        """Download the files that a manifest (TSV) lists.

        A copy of the manifest with a column ``file_path`` is written to `output_dir`. A million
        rows need no more memory than a thousand.

        Args:
            manifest: Path of the manifest, an open text file, or its rows as mappings.
            replica: Replica to download from.
            layout: ``none`` keeps files under their sha256 only; ``bundle`` makes a directory per
                bundle, as `download` does, with all metadata and the data files of the manifest.
            no_metadata: With ``bundle``: take no indexed file.
            no_data: With ``bundle``: take indexed files only.
            num_retries: Failed attempts allowed per file; each MiB that is read allows one more.
            min_delay_seconds: First wait after a failure; it doubles with each, up to 60 s.
            download_dir: Where to; the current directory when not given.
            threads: How many files are worked on at once. When not given, 8 to 16 large ones, after
                the number of processors, and up to 128 small ones.
            progress: Called with each `ProgressEvent`.
            verify: ``sha256`` reads a file that is in the store already, unless it is known to have
                been verified; ``size`` trusts any of the right size.
            durable: Bring each content to the disk before it gets its name, so that not even a
                power cut leaves half a file.
            clash: What to do about names of a bundle that cannot both be files everywhere, such as
                ``a`` and ``A``: an ``error`` before any byte, ``rename`` the later, or ``skip`` it.
            output_dir: Where the copy of the manifest goes; `download_dir` when not given.
            dry_run: Say in the report what would be done and why, and do nothing.
            executor: Does the work in shards: any executor of `concurrent.futures`, such as a
                process pool, or that of a Dask client whose workers share the file system.

        Returns:
            What became of each file.

        Raises:
            ManifestError: The manifest is not one; names line and column.
            DiskFull: There is no room for it; nothing was written.
            DownloadError: Some files failed; it holds every failure, and the report.
            ValueError: Options that exclude each other.
        """
        from ..download import download_manifest

        options: DownloadOptions = {
            "replica": replica,
            "download_dir": download_dir,
            "num_retries": num_retries,
            "min_delay_seconds": min_delay_seconds,
            "threads": threads,
            "progress": progress,
            "verify": verify,
            "durable": durable,
            "clash": clash,
            "output_dir": output_dir,
            "dry_run": dry_run,
            "executor": executor,
        }
        return await self._run(
            lambda source, options: download_manifest(
                source,
                manifest=manifest,
                layout=layout,
                no_metadata=no_metadata,
                no_data=no_data,
                **options,
            ),
            options,
        )

    async def download_collection(
        self,
        *,
        uuid: str | UUID,
        replica: Replica,
        version: str | None = None,
        download_dir: str | os.PathLike[str] = "",
        num_retries: int = 10,
        min_delay_seconds: float = 0.25,
        threads: int | None = None,
        progress: "ProgressCallback | None" = None,
        verify: Literal["size", "sha256"] = "sha256",
        durable: bool = True,
        clash: Literal["error", "rename", "skip"] = "error",
        dry_run: bool = False,
        executor: Executor | None = None,
    ) -> "DownloadReport":
        """Download what a collection lists, nested collections included.

        Bundles go to their directories, as `download` does; single files to
        ``<download_dir>/collection-<uuid>/<file uuid>.<version>``, and what a pointer into a JSON
        file leads to becomes a JSON file of its own beside them, ``....<pointer>-<mark>.json``. The
        service answers its owner only, so the client needs a token.

        Args:
            uuid: Id of the collection.
            replica: Replica to download from.
            version: Version of the collection; the latest when not given.
            download_dir: Where to; the current directory when not given.
            num_retries: Failed attempts allowed per file; each MiB that is read allows one more.
            min_delay_seconds: First wait after a failure; it doubles with each, up to 60 s.
            threads: How many files are worked on at once. When not given, 8 to 16 large ones, after
                the number of processors, and up to 128 small ones.
            progress: Called with each `ProgressEvent`.
            verify: ``sha256`` reads a file that is in the store already, unless it is known to have
                been verified; ``size`` trusts any of the right size.
            durable: Bring each content to the disk before it gets its name, so that not even a
                power cut leaves half a file.
            clash: What to do about names of a bundle that cannot both be files everywhere, such as
                ``a`` and ``A``: an ``error`` before any byte, ``rename`` the later, or ``skip`` it.
            dry_run: Say in the report what would be done and why, and do nothing.
            executor: Does the work in shards: any executor of `concurrent.futures`, such as a
                process pool, or that of a Dask client whose workers share the file system.

        Returns:
            What became of each file.

        Raises:
            DSSError: The collection itself cannot be read.
            DownloadError: Some files failed; it holds every failure, and the report.
            ValueError: Options that exclude each other.
        """
        from ..download import download_collection

        options: DownloadOptions = {
            "replica": replica,
            "download_dir": download_dir,
            "num_retries": num_retries,
            "min_delay_seconds": min_delay_seconds,
            "threads": threads,
            "progress": progress,
            "verify": verify,
            "durable": durable,
            "clash": clash,
            "dry_run": dry_run,
            "executor": executor,
        }
        return await self._run(
            lambda source, options: download_collection(
                source,
                uuid=str(uuid),
                version=version,
                **options,
            ),
            options,
        )

    async def download_search(
        self,
        *,
        es_query: JSONMapping,
        replica: Replica,
        download_dir: str | os.PathLike[str] = "",
        metadata_filter: Sequence[str] = ("*",),
        data_filter: Sequence[str] = ("*",),
        no_metadata: bool = False,
        no_data: bool = False,
        num_retries: int = 10,
        min_delay_seconds: float = 0.25,
        threads: int | None = None,
        progress: "ProgressCallback | None" = None,
        verify: Literal["size", "sha256"] = "sha256",
        durable: bool = True,
        clash: Literal["error", "rename", "skip"] = "error",
        dry_run: bool = False,
        executor: Executor | None = None,
    ) -> "DownloadReport":
        """Download the bundles that a search finds, each to its directory, as `download` does.

        Bundles that were deleted, which a search finds too, are skipped.

        Args:
            es_query: The query, as for `post_search`; ``{}`` finds all. Also what turns itself
                into one by ``to_dict()``.
            replica: Replica to search and to download from.
            download_dir: Where to; the current directory when not given.
            metadata_filter: Shell patterns of the names of indexed files to take; ``*`` also
                crosses ``/``.
            data_filter: The same for all other files.
            no_metadata: Take no indexed file.
            no_data: Take indexed files only.
            num_retries: Failed attempts allowed per file; each MiB that is read allows one more.
            min_delay_seconds: First wait after a failure; it doubles with each, up to 60 s.
            threads: How many files are worked on at once. When not given, 8 to 16 large ones, after
                the number of processors, and up to 128 small ones.
            progress: Called with each `ProgressEvent`.
            verify: ``sha256`` reads a file that is in the store already, unless it is known to have
                been verified; ``size`` trusts any of the right size.
            durable: Bring each content to the disk before it gets its name, so that not even a
                power cut leaves half a file.
            clash: What to do about names of a bundle that cannot both be files everywhere, such as
                ``a`` and ``A``: an ``error`` before any byte, ``rename`` the later, or ``skip`` it.
            dry_run: Say in the report what would be done and why, and do nothing.
            executor: Does the work in shards: any executor of `concurrent.futures`, such as a
                process pool, or that of a Dask client whose workers share the file system.

        Returns:
            What became of each file.

        Raises:
            DSSError: The search failed.
            DownloadError: Some files failed; it holds every failure, and the report.
            ValueError: Options that exclude each other.
        """
        from ..download import download_search

        options: DownloadOptions = {
            "replica": replica,
            "download_dir": download_dir,
            "num_retries": num_retries,
            "min_delay_seconds": min_delay_seconds,
            "threads": threads,
            "progress": progress,
            "verify": verify,
            "durable": durable,
            "clash": clash,
            "dry_run": dry_run,
            "executor": executor,
        }
        return await self._run(
            lambda source, options: download_search(
                source,
                es_query=es_query,
                metadata_filter=metadata_filter,
                data_filter=data_filter,
                no_metadata=no_metadata,
                no_data=no_data,
                **options,
            ),
            options,
        )

    def as_source(self) -> "Source":
        """Return what downloads ask of this client, for the functions of `dss_client.download`."""
        from .source import AsyncClientSource

        return AsyncClientSource(self._transport)

    async def _run(
        self,
        download: "Callable[[Source, DownloadOptions], DownloadReport]",
        options: "DownloadOptions",
    ) -> "DownloadReport":
        from .._backend.asynchronous import run_transfer

        source = self.as_source()
        return await run_transfer(lambda stop: download(source, {**options, "stop": stop}))
