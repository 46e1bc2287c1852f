"""``dss plan``, ``dss run`` and ``dss merge``: a manifest downloaded by an array of jobs."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from .._app import CliContext, app, pass_cli_context
from ..downloads import (
    RunOptions,
    TransferOptions,
    emit_report,
    layout_option,
    no_data_option,
    no_metadata_option,
    refuse_failures,
    run_download,
    run_options,
    transfer_options,
)
from ..output import emit, human_size, one_line

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from dss_client.download import (
        DownloadReport,
        JobPlan,
        MergeReport,
        ProgressCallback,
    )

_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_directory_argument = click.argument("directory", metavar="DIR", type=_DIRECTORY)


@app.command()
@click.argument(
    "manifest", metavar="TSV", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--shards", type=click.IntRange(min=1), required=True, metavar="N", help="Number of jobs."
)
@click.option(
    "--out",
    type=_DIRECTORY,
    required=True,
    metavar="DIR",
    help="A new directory for the plan, the shards and the results.",
)
@layout_option
@transfer_options
@no_metadata_option
@no_data_option
@pass_cli_context
def plan(
    cli: CliContext,
    manifest: Path,
    shards: int,
    out: Path,
    layout: Literal["none", "bundle"],
    transfer: TransferOptions,
    no_metadata: bool,
    no_data: bool,
) -> None:
    """Split a manifest into shards, for an array of jobs.

    Each job runs `dss run DIR`; at the end, `dss merge DIR` joins the results. DIR and the download
    directory must be on a file system that all jobs share.
    """
    from dss_client.download import plan_jobs

    if layout == "none" and (no_metadata or no_data):
        raise click.UsageError("--no-metadata and --no-data need --layout bundle")
    planned = plan_jobs(
        manifest,
        shards=shards,
        out=out,
        replica=transfer.replica,
        download_dir=transfer.download_dir,
        layout=layout,
        no_metadata=no_metadata,
        no_data=no_data,
        num_retries=transfer.num_retries,
        verify=transfer.verify,
        durable=transfer.durable,
        clash=transfer.clash,
        threads=transfer.threads,
    )
    emit(planned.to_dict(), _plan_lines(planned), as_json=cli.as_json)


def _plan_lines(plan: "JobPlan") -> Iterator[str]:
    to_do = plan.bytes - plan.bytes_there
    yield f"{plan.rows:,} rows, {human_size(plan.bytes)}"
    yield (
        f"in the store already: {plan.rows_there:,} rows, {human_size(plan.bytes_there)};"
        f" to be downloaded: {plan.rows - plan.rows_there:,} rows, {human_size(to_do)}"
    )
    largest, least = max(plan.shard_bytes), min(plan.shard_bytes)
    yield f"{plan.shards:,} shards of {human_size(least)} to {human_size(largest)}"
    yield f"each job: {plan.command(f'1 to {plan.shards}')}, or without --shard in a job array"
    yield f"at the end: dss merge {plan.directory}"


@app.command()
@_directory_argument
@click.option(
    "--shard",
    type=int,
    metavar="I",
    help="Which shard, from 1. When not given, as the job array of Slurm, Grid Engine, PBS, LSF,"
    " AWS Batch, Google Batch or Kubernetes says.",
)
@click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="Files to work on at once."
)
@run_options
@pass_cli_context
def run(
    cli: CliContext, directory: Path, shard: int | None, threads: int | None, run: RunOptions
) -> None:
    """Download one shard of a plan.

    It can be run again at any time: nothing is downloaded twice.
    """
    from dss_client.download import run_job, shard_of_environment

    number = shard_of_environment() if shard is None else shard
    if number is None:
        raise click.UsageError("give --shard, or run it in a job array")

    def start(progress: "ProgressCallback | None", executor: "Executor | None") -> "DownloadReport":
        return run_job(
            client,
            directory,
            number,
            threads=threads,
            progress=progress,
            executor=executor,
            dry_run=run.dry_run,
        )

    with cli.client() as client:
        report = run_download(start, processes=run.processes, quiet=run.dry_run)
    emit_report(cli, run, report, f"shard {number} of {directory}", {"shard": number})
    refuse_failures(report)


@app.command()
@_directory_argument
@click.option("--partial", is_flag=True, help="Merge even if shards are missing.")
@pass_cli_context
def merge(cli: CliContext, directory: Path, partial: bool) -> None:
    """Join the results of all shards.

    Writes the manifest with the paths of the files to the download directory.
    """
    from dss_client.download import merge_jobs

    report = merge_jobs(directory, partial=partial)
    emit(report.to_dict(), _merge_lines(report), as_json=cli.as_json)
    for state in ("failed", "missing"):
        for shard in report.in_state(state):
            click.echo(one_line(f"{state}: shard {shard.number}; run {shard.command}"), err=True)
    if not report.ok:
        bad = len(report.shards) - len(report.in_state("done"))
        raise click.ClickException(f"{bad} of {len(report.shards)} shards are not done")


def _merge_lines(report: "MergeReport") -> Iterator[str]:
    states = [
        f"{report.total(f'files_{state}'):,} {state}"
        for state in ("failed", "skipped")
        if report.total(f"files_{state}")
    ]
    details = f" ({', '.join(states)})" if states else ""
    size = human_size(report.total("bytes_done"))
    yield (
        f"{len(report.in_state('done')):,} of {len(report.shards):,} shards done:"
        f" {report.total('files_done'):,} files, {size}{details}, listed in {report.manifest_path}"
    )
