"""``dss upload``: a directory becomes a bundle."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dss_client import Replica

from .._app import CliContext, app, pass_cli_context
from ..downloads import resumable
from ..output import counted, emit, human_size, plain, table
from ..params import replica_option
from ..paths import UserPath
from ..progress import shown_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dss_client.upload import UploadReport


@app.command()
@click.argument("src_dir", type=UserPath(exists=True, directory=True))
@replica_option
@click.option(
    "--staging-bucket",
    required=True,
    metavar="BUCKET",
    help="Bucket in the replica's cloud that the files are sent to, for the service to copy.",
)
@click.option(
    "--staging-dir",
    type=UserPath(exists=True, directory=True),
    metavar="DIR",
    help="Directory that stands for the bucket, as of dss serve --source BUCKET=DIR.",
)
@click.option("--bundle-uuid", metavar="UUID", help="Id of the bundle; a new one when not given.")
@click.option(
    "--version",
    metavar="VERSION",
    help="Version of the bundle and all files; now when not given.",
)
@click.option(
    "--creator-uid",
    type=int,
    default=0,
    show_default=True,
    metavar="N",
    help="Numeric id of the user who puts the bundle.",
)
@click.option(
    "--indexed",
    multiple=True,
    default=("*.json",),
    show_default=True,
    metavar="PATTERN",
    help="Index the files whose names match; may be repeated.",
)
@click.option(
    "--timeout-seconds",
    type=click.FloatRange(min=0),
    default=1200.0,
    show_default=True,
    metavar="S",
    help="Seconds to wait until the service has copied large files.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    metavar="N",
    help="Files, and parts of files, that are sent at once.",
)
@click.option("--no-progress", is_flag=True, help="Show no progress.")
@click.option("--fresh", is_flag=True, help="Send everything again, even what was sent before.")
@click.option("-v", "--verbose", is_flag=True, help="Print a line for each file.")
@pass_cli_context
def upload(
    cli: CliContext,
    src_dir: Path,
    replica: Replica,
    staging_bucket: str,
    staging_dir: Path | None,
    bundle_uuid: str | None,
    version: str | None,
    creator_uid: int,
    indexed: tuple[str, ...],
    timeout_seconds: float,
    threads: int,
    no_progress: bool,
    fresh: bool,
    verbose: bool,
) -> None:
    """Make a bundle from the files below SRC_DIR.

    Their names in the bundle are their paths relative to it. The same command continues an upload
    that was interrupted. The service needs a token: log in, or set DSS_TOKEN. The credentials of
    the bucket are those that its cloud's own tools use.
    """
    from dss_client.upload import DirectoryStaging

    with (
        cli.client() as client,
        resumable(),
        nullcontext(None) if no_progress else shown_progress() as progress,
    ):
        report = client.upload(
            src_dir=src_dir,
            replica=replica,
            staging_bucket=staging_bucket,
            timeout_seconds=timeout_seconds,
            bundle_uuid=bundle_uuid,
            version=version,
            creator_uid=creator_uid,
            indexed=indexed,
            threads=threads,
            progress=progress,
            staging=None if staging_dir is None else DirectoryStaging(staging_dir),
            fresh=fresh,
        )
    emit(report.to_dict(), _lines(report, verbose=verbose), as_json=cli.as_json)


def _lines(report: "UploadReport", *, verbose: bool) -> "Iterator[str]":
    if verbose:
        rows = [(file.state, human_size(file.size), plain(file.name)) for file in report.files]
        yield from table(rows)
    states = ", ".join(
        f"{report.count(state):,} {state}"
        for state in ("uploaded", "reused")
        if report.count(state)
    )
    size = human_size(report.bytes_total)
    yield f"{counted(len(report.files), 'file')}, {size} ({states}), in bundle {report.bundle}"
