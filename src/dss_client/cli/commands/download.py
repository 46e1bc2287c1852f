"""``dss download`` and ``dss download-manifest``."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from dss_client import Replica

from .._app import Session, app, pass_session
from ..output import emit, human_size, one_line
from ..params import (
    BundleId,
    bundle_argument,
    bundle_version_option,
    replica_option,
)
from ..progress import progress_bar

if TYPE_CHECKING:
    from dss_client.download import DownloadReport, ProgressCallback

_EVERYTHING = ("*",)

_directory_option = click.option(
    "--download-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where to; the current directory when not given.",
)
_no_data_option = click.option("--no-data", is_flag=True, help="Take metadata files only.")
_no_metadata_option = click.option("--no-metadata", is_flag=True, help="Take data files only.")


@app.command()
@bundle_argument()
@replica_option
@bundle_version_option
@_directory_option
@click.option(
    "--metadata-filter",
    multiple=True,
    metavar="PATTERN",
    help="Take the metadata files whose names match; may be repeated.",
)
@click.option(
    "--data-filter",
    multiple=True,
    metavar="PATTERN",
    help="Take the data files whose names match; may be repeated.",
)
@_no_metadata_option
@_no_data_option
@pass_session
def download(
    session: Session,
    bundle: BundleId,
    replica: Replica,
    version: str | None,
    download_dir: Path,
    metadata_filter: tuple[str, ...],
    data_filter: tuple[str, ...],
    no_metadata: bool,
    no_data: bool,
) -> None:
    """Download a bundle, every file verified.

    It becomes the directory DIR/UUID.VERSION.
    """
    if no_metadata and metadata_filter:
        raise click.UsageError("--no-metadata and --metadata-filter exclude each other")
    if no_data and data_filter:
        raise click.UsageError("--no-data and --data-filter exclude each other")
    bundle = bundle.at(version)
    with session.client() as client:
        report = run_download(
            lambda progress: client.download(
                bundle_uuid=bundle.uuid,
                replica=replica,
                version=bundle.version,
                download_dir=download_dir,
                metadata_filter=metadata_filter or _EVERYTHING,
                data_filter=data_filter or _EVERYTHING,
                no_metadata=no_metadata,
                no_data=no_data,
                progress=progress,
            )
        )
    _finish(session, report, "in", download_dir / str(report.entries[0].bundle))


@app.command("download-manifest")
@click.option(
    "--manifest",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    metavar="TSV",
    help="The manifest: a tab-separated list of files.",
)
@replica_option
@click.option(
    "--layout",
    type=click.Choice(["none", "bundle"]),
    default="none",
    show_default=True,
    help="bundle makes a directory for each bundle; none keeps files by their sha256 only.",
)
@_directory_option
@_no_metadata_option
@_no_data_option
@pass_session
def download_manifest(
    session: Session,
    manifest: Path,
    replica: Replica,
    layout: Literal["none", "bundle"],
    download_dir: Path,
    no_metadata: bool,
    no_data: bool,
) -> None:
    """Download what a manifest lists.

    Every file is verified. A copy of the manifest with the places of the files is written to DIR.
    """
    if layout == "none" and (no_metadata or no_data):
        raise click.UsageError("--no-metadata and --no-data need --layout bundle")
    with session.client() as client:
        report = run_download(
            lambda progress: client.download_manifest(
                manifest=manifest,
                replica=replica,
                layout=layout,
                download_dir=download_dir,
                no_metadata=no_metadata,
                no_data=no_data,
                progress=progress,
            )
        )
    _finish(session, report, "listed in", report.manifest_path)


def run_download(
    download: "Callable[[ProgressCallback | None], DownloadReport]",
) -> "DownloadReport":
    """Run a download under a progress bar, and return its report even if files failed."""
    from dss_client.download import DownloadError

    with progress_bar() as progress:
        try:
            return download(progress)
        except DownloadError as error:
            return error.report


def refuse_failures(report: "DownloadReport") -> None:
    """Name each file that failed on standard error.

    Raises:
        click.ClickException: There is one at least.
    """
    for error in report.errors:
        click.echo(f"failed: {one_line(str(error))}", err=True)
    if not report.ok:
        raise click.ClickException(f"{len(report.failed)} of {report.files_total} files failed")


def summary(report: "DownloadReport") -> str:
    """Return one line that says what became of a download."""
    counts = {state: len(report.in_state(state)) for state in ("downloaded", "reused", "skipped")}
    states = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    size = human_size(report.bytes_done)
    return f"{report.files_done} files, {size}" + (f" ({states})" if states else "")


def _finish(session: Session, report: "DownloadReport", word: str, place: Path | None) -> None:
    emit(report.to_dict(), [f"{summary(report)}, {word} {place}"], as_json=session.as_json)
    refuse_failures(report)
