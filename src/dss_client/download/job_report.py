"""The results of the jobs of an array."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from dss_client.errors import DSSError

from .job_plan import JobPlan

__all__ = ["MergeReport", "MissingShards", "ShardResult", "ShardState"]

_NAMED = 20
_SUMS = (
    "files_total",
    "files_done",
    "files_failed",
    "files_skipped",
    "bytes_total",
    "bytes_done",
    "bytes_downloaded",
)


ShardState = Literal["done", "failed", "missing"]


class MissingShards(DSSError):
    """Some jobs of an array have left no result.

    Attributes:
        shards: Their numbers.
    """

    def __init__(self, plan: JobPlan, shards: tuple[int, ...]) -> None:
        listed = ", ".join(map(str, shards[:_NAMED])) + (", ..." if len(shards) > _NAMED else "")
        super().__init__(
            f"{len(shards)} of the {plan.shards} shards in {plan.directory} have no result: "
            f"{listed}. Run each with {plan.command('NUMBER')}, or merge what is there"
            " (partial=True, --partial)"
        )
        self.shards = shards


@frozen(kw_only=True)
class ShardResult:
    """The result of one shard.

    Attributes:
        number: Which, from 1.
        state: ``done``; ``failed``, some of its files; ``missing``, it has left no result.
        totals: Numbers of files and bytes, as in `DownloadReport.to_dict`.
        command: The command that runs it.
    """

    number: int
    state: ShardState
    totals: Mapping[str, Any]
    command: str


@frozen(kw_only=True)
class MergeReport:
    """The results of all shards.

    Attributes:
        shards: The result of each.
        manifest_path: The manifest with the paths of the files, in its original order.
        rows: Its rows.
    """

    shards: tuple[ShardResult, ...]
    manifest_path: Path
    rows: int

    @property
    def ok(self) -> bool:
        """Whether every shard is done, and no file failed."""
        return all(shard.state == "done" for shard in self.shards)

    def in_state(self, state: ShardState) -> tuple[ShardResult, ...]:
        """Return the shards in a state."""
        return tuple(shard for shard in self.shards if shard.state == state)

    def total(self, name: str) -> int:
        """Return the sum of one of the totals, such as ``files_done``, over all shards."""
        return sum(int(shard.totals.get(name, 0)) for shard in self.shards)

    def to_dict(self) -> dict[str, object]:
        """Return totals and shards as plain JSON values."""
        return {
            "ok": self.ok,
            "rows": self.rows,
            **{name: self.total(name) for name in _SUMS},
            "manifest_path": str(self.manifest_path),
            "shards": [
                {
                    "shard": shard.number,
                    "state": shard.state,
                    **{name: shard.totals[name] for name in _SUMS if name in shard.totals},
                    "command": shard.command,
                }
                for shard in self.shards
            ],
        }
