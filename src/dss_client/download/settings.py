"""How a download is done."""

import os
import threading
from concurrent.futures import Executor
from pathlib import Path
from typing import Required, TypedDict

from attrs import field, frozen

from dss_client.errors import InvalidArgument
from dss_client.transfer.names import ClashPolicy
from dss_client.transfer.progress import Progress, ProgressCallback
from dss_client.types import Replica

from .engine import Engine
from .filestore import Verify
from .lanes import Limits
from .source import HasSource, Source, as_source
from .want import BundleRule

__all__ = ["DownloadOptions", "Settings"]

THREADS = max(8, min(16, 2 * (os.cpu_count() or 1)))
CONNECTIONS = 128


class DownloadOptions(TypedDict, total=False):
    """The keywords of `Settings`."""

    replica: Required[Replica]
    download_dir: str | os.PathLike[str]
    num_retries: int
    min_delay_seconds: float
    threads: int | None
    verify: Verify
    durable: bool
    clash: ClashPolicy
    output_dir: str | os.PathLike[str] | None
    dry_run: bool
    progress: ProgressCallback | None
    executor: Executor | None
    stop: threading.Event


@frozen(kw_only=True)
class Settings:
    """How a download is done.

    Attributes:
        replica: Replica to download from.
        download_dir: Where to; the current directory when empty.
        num_retries: Failed attempts allowed per file; each MiB read gives one back.
        min_delay_seconds: First wait after a failure; it doubles with each, up to 60 s.
        threads: Large files to work on at once, and connections for small ones. None: twice the
            processors but 8 to 16, and 128.
        verify: How a file in the store is checked before it is trusted.
        durable: Flush each content to the disk before it gets its name.
        clash: What to do with names of a bundle that cannot both be files.
        output_dir: Where the manifest with the paths goes; `download_dir` when None.
        dry_run: Report what would be done, and do nothing.
        progress: Called with each `ProgressEvent`.
        executor: Does the work in shards: threads, processes, or other machines.
        stop: Set by another thread to end the download soon; it ends with `Stopped` then.
    """

    replica: Replica
    download_dir: str | os.PathLike[str] = ""
    num_retries: int = 10
    min_delay_seconds: float = 0.25
    threads: int | None = None
    verify: Verify = "sha256"
    durable: bool = True
    clash: ClashPolicy = "error"
    output_dir: str | os.PathLike[str] | None = None
    dry_run: bool = False
    progress: ProgressCallback | None = field(default=None, eq=False)
    executor: Executor | None = field(default=None, eq=False, repr=False)
    stop: threading.Event | None = field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        for name, value, least in (
            ("num_retries", self.num_retries, 0),
            ("min_delay_seconds", self.min_delay_seconds, 0),
            ("threads", 1 if self.threads is None else self.threads, 1),
        ):
            if value < least:
                raise InvalidArgument(f"{name}={value} is too small: the least is {least}")
        for name, text, choices in (
            ("verify", self.verify, ("size", "sha256")),
            ("clash", self.clash, ("error", "rename", "skip")),
        ):
            if text not in choices:
                known = " or ".join(map(repr, choices))
                raise InvalidArgument(f"{name}={text!r} is unknown: choose {known}")

    @property
    def limits(self) -> Limits:
        """How much is done at once."""
        return Limits(
            threads=self.threads or THREADS,
            connections=self.threads or CONNECTIONS,
            num_retries=self.num_retries,
            min_delay_seconds=self.min_delay_seconds,
        )

    @property
    def output_path(self) -> Path:
        """Where the manifest with the paths goes."""
        return Path(self.download_dir if self.output_dir is None else self.output_dir)

    @property
    def rule(self) -> BundleRule:
        """How bundles are planned."""
        return BundleRule(
            replica=self.replica,
            download_dir=Path(self.download_dir),
            clash=self.clash,
            ask_urls=not self.dry_run,
        )

    def engine(self, source: Source | HasSource) -> Engine:
        """Return an engine for one download."""
        return Engine(
            as_source(source),
            rule=self.rule,
            limits=self.limits,
            progress=Progress(self.progress),
            verify=self.verify,
            durable=self.durable,
            dry_run=self.dry_run,
            stop=self.stop,
        )
