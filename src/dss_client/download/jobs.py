"""A manifest downloaded by an array of jobs, as the schedulers of clusters run them.

`plan_jobs` splits it into shards, `run_job` downloads one, `merge_jobs` puts the results together.
The jobs share only the file system; each can be run again at any time.
"""

import os
import threading
from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import TypedDict, Unpack

from attrs import evolve

from dss_client.errors import InvalidArgument
from dss_client.manifest import USED, ManifestReader, ManifestSource
from dss_client.transfer.names import ClashPolicy
from dss_client.transfer.progress import ProgressCallback
from dss_client.types import Replica

from .filestore import FileStore, Verify
from .job_merge import merge_manifests
from .job_plan import JobError, JobPlan, JobSettings, write_whole
from .job_report import MergeReport, MissingShards, ShardResult, ShardState
from .job_split import Splitter
from .lines import head_of, report_lines
from .report import DownloadError, DownloadReport
from .run import Layout, download_manifest
from .source import HasSource, Source

__all__ = [
    "JobOptions",
    "MergeReport",
    "MissingShards",
    "ShardResult",
    "merge_jobs",
    "plan_jobs",
    "run_job",
    "shard_of_environment",
]

_ROW = "row_number"
# The variables in which schedulers tell a job its number, and what their first number is.
_VARIABLES = {
    "SLURM_ARRAY_TASK_ID": 1,
    "SGE_TASK_ID": 1,
    "PBS_ARRAY_INDEX": 1,
    "PBS_ARRAYID": 1,
    "LSB_JOBINDEX": 1,
    "AWS_BATCH_JOB_ARRAY_INDEX": 0,
    "BATCH_TASK_INDEX": 0,
    "JOB_COMPLETION_INDEX": 0,
}


class JobOptions(TypedDict, total=False):
    """The keywords of `JobSettings`, but `replica` and `download_dir`."""

    layout: Layout
    no_metadata: bool
    no_data: bool
    num_retries: int
    min_delay_seconds: float
    threads: int | None
    verify: Verify
    durable: bool
    clash: ClashPolicy


def plan_jobs(
    manifest: ManifestSource,
    *,
    shards: int,
    out: str | os.PathLike[str],
    replica: Replica,
    download_dir: str | os.PathLike[str] = "",
    **options: Unpack[JobOptions],
) -> JobPlan:
    """Split a manifest into shards, for an array of jobs.

    The files of a bundle are in one shard; only with the layout ``none`` a bundle that is more than
    an even share is cut. Shards are as even as bytes and numbers of files can make them. Nothing is
    downloaded, and no service is asked.

    Args:
        manifest: Path of the manifest, an open text file, or its rows as mappings.
        shards: Number of shards.
        out: A new directory for the plan, the shards and the results.
        replica: Replica to download from.
        download_dir: Where all jobs download to; the current directory when not given.
        **options: How to download; see `JobSettings`.

    Raises:
        ManifestError: The manifest is not valid.
        ValueError: `out` holds a plan already, or the options are wrong.
        OSError: The shards cannot be written.
    """
    if shards < 1:
        raise InvalidArgument(f"shards={shards} is too small: the least is 1")
    settings = JobSettings(
        replica=replica, download_dir=str(Path(download_dir).absolute()), **options
    )
    directory = Path(out)
    if (directory / "plan.json").exists() or any(directory.glob("result-*.json")):
        raise InvalidArgument(f"{directory} holds a plan already: choose another directory")
    with (
        ManifestReader(
            manifest, allow_unnamed=settings.layout == "bundle", needed=USED[settings.layout]
        ) as reader,
        Splitter(FileStore(settings.download_dir, verify=settings.verify)) as splitter,
    ):
        splitter.enter(reader)
        row_column = _ROW
        while row_column in reader.columns:
            row_column += "_"
        plan = JobPlan(
            directory=directory,
            manifest=(reader.path or Path("manifest.tsv")).absolute(),
            columns=reader.columns,
            row_column=row_column,
            settings=settings,
            shards=shards,
            rows=splitter.totals.rows,
            bytes=splitter.totals.bytes,
            rows_there=splitter.there.rows,
            bytes_there=splitter.there.bytes,
            shard_rows=(),
            shard_bytes=(),
        )
        splitter.assign(shards, whole=settings.layout == "bundle")
        columns = (row_column, *plan.columns)
        totals = [
            splitter.write(shard, plan.shard_path(shard), columns) for shard in range(1, shards + 1)
        ]
    plan = evolve(
        plan,
        shard_rows=tuple(each.rows for each in totals),
        shard_bytes=tuple(each.bytes for each in totals),
    )
    plan.write()
    return plan


def run_job(
    source: Source | HasSource,
    out: str | os.PathLike[str],
    shard: int,
    *,
    threads: int | None = None,
    progress: ProgressCallback | None = None,
    executor: Executor | None = None,
    dry_run: bool = False,
    stop: threading.Event | None = None,
) -> DownloadReport:
    """Download one shard of a plan.

    Its result is written to ``result-<shard>.json``, and the shard's manifest with the paths of its
    files to ``shard-<shard>.downloaded.tsv``, both in `out`. It can be run again, also while others
    run: nothing is downloaded twice.

    Args:
        source: A client, or anything that can list bundles and open contents.
        out: The directory of the plan.
        shard: Which shard, from 1.
        threads: Files that are worked on at once; as the plan says when None.
        progress: Called with each `ProgressEvent`.
        executor: Does the work in smaller shards, as for a download.
        dry_run: Only report what would be done.
        stop: Set by another thread to end soon.

    Raises:
        JobError: There is no plan, or its shard is gone.
        InvalidArgument: The plan has no such shard.
        DownloadError: Some files failed; the others are in place, and the result is written.
    """
    plan = JobPlan.read(out)
    plan.check(shard)
    path = plan.shard_path(shard)
    if not path.is_file():
        raise JobError(f"{path} is not there: make the plan again")
    options = plan.settings.options()
    options["output_dir"] = plan.directory
    options["progress"] = progress
    options["executor"] = executor
    options["dry_run"] = dry_run
    if threads is not None:
        options["threads"] = threads
    if stop is not None:
        options["stop"] = stop
    failure: DownloadError | None = None
    try:
        report = download_manifest(
            source,
            manifest=path,
            layout=plan.settings.layout,
            no_metadata=plan.settings.no_metadata,
            no_data=plan.settings.no_data,
            **options,
        )
    except DownloadError as error:
        failure, report = error, error.report
    if not dry_run:
        write_whole(plan.result_path(shard), report_lines(report, {"shard": shard}))
    if failure is not None:
        raise failure
    return report


def merge_jobs(out: str | os.PathLike[str], *, partial: bool = False) -> MergeReport:
    """Join the results of all shards.

    Writes the manifest with the paths of the files, its rows in their original order, to the
    download directory.

    Args:
        out: The directory of the plan.
        partial: Merge even if shards are missing; their rows get no path.

    Raises:
        JobError: There is no plan, or what a job wrote is damaged.
        MissingShards: Some shards have left no result.
    """
    plan = JobPlan.read(out)
    results = tuple(_result(plan, shard) for shard in range(1, plan.shards + 1))
    missing = {each.number for each in results if each.state == "missing"}
    if missing and not partial:
        raise MissingShards(plan, tuple(sorted(missing)))
    return MergeReport(shards=results, manifest_path=merge_manifests(plan, missing), rows=plan.rows)


def _result(plan: JobPlan, shard: int) -> ShardResult:
    """Read the totals of a shard."""
    command = plan.command(shard)
    path = plan.result_path(shard)
    try:
        with path.open(encoding="utf-8") as file:
            totals = head_of(file.readline())
    except FileNotFoundError:
        return ShardResult(number=shard, state="missing", totals={}, command=command)
    except (OSError, ValueError) as error:
        raise JobError(f"{path} cannot be read: {error}; run {command}") from error
    state: ShardState = "done" if totals.get("ok") is True else "failed"
    return ShardResult(number=shard, state=state, totals=totals, command=command)


def shard_of_environment(environ: Mapping[str, str] = os.environ) -> int | None:
    """Return the shard, from 1, that the scheduler gives a job; None outside of an array.

    Slurm, Grid Engine, PBS, Torque and LSF count as the array was numbered: number it from 1. AWS
    Batch, Google Batch and Kubernetes count from 0.
    """
    for name, first in _VARIABLES.items():
        number = environ.get(name, "")
        # Outside of an array Grid Engine says "undefined", and LSF 0.
        if number.isdecimal() and not (name == "LSB_JOBINDEX" and int(number) == 0):
            return int(number) + 1 - first
    return None
