"""The plan that the jobs of an array share, kept as JSON, and the names of their files."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from shlex import quote
from typing import Any, Self, cast

from attrs import asdict, fields_dict, frozen

from dss_client._files import replacing
from dss_client.errors import DSSError, InvalidArgument
from dss_client.transfer.names import ClashPolicy
from dss_client.types import Replica

from .filestore import Verify
from .run import LAYOUTS, Layout
from .settings import DownloadOptions, Settings

__all__ = ["JobError", "JobPlan", "JobSettings", "write_whole"]

_FORMAT = 1
_PLAN = "plan.json"


class JobError(DSSError, ValueError):
    """The directory of a job array cannot be used; names the file and the remedy."""


@frozen(kw_only=True)
class JobSettings:
    """How every job downloads.

    Attributes:
        replica: Replica to download from.
        layout: ``none`` for the store alone; ``bundle`` for a directory per bundle.
        download_dir: Where to; absolute, since jobs start anywhere.
        no_metadata: With ``bundle``: take no indexed file.
        no_data: With ``bundle``: take indexed files only.
        num_retries: Failed attempts allowed per file.
        min_delay_seconds: First wait after a failure.
        threads: Files that one job works on at once; None: as for a download.
        verify: How a file in the store is checked before it is trusted.
        durable: Flush each content to the disk before it gets its name.
        clash: What to do with names of a bundle that cannot both be files.
    """

    replica: Replica
    layout: Layout = "none"
    download_dir: str
    no_metadata: bool = False
    no_data: bool = False
    num_retries: int = 10
    min_delay_seconds: float = 0.25
    threads: int | None = None
    verify: Verify = "sha256"
    durable: bool = True
    clash: ClashPolicy = "error"

    def __attrs_post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise InvalidArgument(f"layout={self.layout!r} is unknown: choose 'none' or 'bundle'")
        if self.layout == "none" and (self.no_data or self.no_metadata):
            raise InvalidArgument("no_data and no_metadata work with layout='bundle' only")
        Settings(**self.options())

    def options(self) -> DownloadOptions:
        """Return what each download of the array takes."""
        return {
            "replica": self.replica,
            "download_dir": self.download_dir,
            "num_retries": self.num_retries,
            "min_delay_seconds": self.min_delay_seconds,
            "threads": self.threads,
            "verify": self.verify,
            "durable": self.durable,
            "clash": self.clash,
        }


@frozen(kw_only=True)
class JobPlan:
    """A manifest in shards, each to be downloaded by a job of its own.

    Attributes:
        directory: Where the plan, the shards and the results are.
        manifest: The manifest that was split; its name is that of the merged one.
        columns: Its columns.
        row_column: The first column of each shard: the row's number in the manifest, from 0.
        settings: How to download.
        shards: Number of shards; they are counted from 1.
        rows: Rows of the manifest.
        bytes: Bytes of their files.
        rows_there: Rows whose files were in the store when the plan was made.
        bytes_there: Bytes of these.
        shard_rows: Rows of each shard.
        shard_bytes: Bytes of each shard.
    """

    directory: Path
    manifest: Path
    columns: tuple[str, ...]
    row_column: str
    settings: JobSettings
    shards: int
    rows: int
    bytes: int
    rows_there: int
    bytes_there: int
    shard_rows: tuple[int, ...]
    shard_bytes: tuple[int, ...]

    @classmethod
    def read(cls, directory: str | os.PathLike[str]) -> Self:
        """Read the plan of a directory.

        Raises:
            JobError: There is no plan, or it is damaged or of another version.
        """
        path = Path(directory) / _PLAN
        try:
            document: object = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise JobError(f"{path} is not there: make a plan with dss plan") from None
        except (OSError, ValueError) as error:
            raise JobError(f"{path} cannot be read: {error}; make the plan again") from error
        try:
            return cls._of(Path(directory), document)
        except (KeyError, TypeError, ValueError) as error:
            raise JobError(f"{path} is not a valid plan: {error!r}; make the plan again") from error

    @classmethod
    def _of(cls, directory: Path, document: object) -> Self:
        record = dict(cast("dict[str, Any]", document))
        if record.pop("format") != _FORMAT:
            raise ValueError(f"its format is not {_FORMAT}")
        record["settings"] = JobSettings(**record["settings"])
        record["manifest"] = Path(record["manifest"])
        for name in ("columns", "shard_rows", "shard_bytes"):
            record[name] = tuple(record[name])
        return cls(directory=directory, **record)

    def write(self) -> None:
        """Write the plan into its directory: last, when all else is there."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        write_whole(self.directory / _PLAN, text.splitlines())

    def to_dict(self) -> dict[str, object]:
        """Return the plan as plain JSON values."""
        names = [name for name in fields_dict(type(self)) if name != "directory"]
        record: dict[str, object] = {"format": _FORMAT}
        record |= {name: getattr(self, name) for name in names}
        return {
            **record,
            "manifest": str(self.manifest),
            "columns": list(self.columns),
            "settings": asdict(self.settings),
            "shard_rows": list(self.shard_rows),
            "shard_bytes": list(self.shard_bytes),
        }

    @property
    def path(self) -> Path:
        """Where the plan is."""
        return self.directory / _PLAN

    def shard_path(self, shard: int) -> Path:
        """Return where the manifest of a shard is."""
        return self.directory / f"shard-{shard:04d}.tsv"

    def output_path(self, shard: int) -> Path:
        """Return where a job writes the manifest of its shard with the paths of the files."""
        return self.directory / f"shard-{shard:04d}.downloaded.tsv"

    def result_path(self, shard: int) -> Path:
        """Return where a job writes the result of its shard."""
        return self.directory / f"result-{shard:04d}.json"

    def command(self, shard: int | str) -> str:
        """Return the command that does a shard."""
        return f"dss run {quote(str(self.directory))} --shard {shard}"

    def check(self, shard: int) -> None:
        """Refuse a number that is not a shard.

        Raises:
            InvalidArgument: There is no such shard.
        """
        if not 1 <= shard <= self.shards:
            raise InvalidArgument(
                f"shard {shard} is not in {self.path}: its shards are 1 to {self.shards}; number"
                f" the array so, as in --array=1-{self.shards}"
            )


def write_whole(path: Path, lines: Iterable[str]) -> None:
    """Write lines of text, all or nothing; what was there is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.writelines(f"{line}\n".encode() for line in lines)
