"""``dss verify``: check what was downloaded."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from attrs import evolve

from dss_client.download.options import DownloadOptions
from dss_client.types import Replica

from .._app import CliContext, app, pass_cli_context
from ..downloads import resumable
from ..output import counted, emit, human_size, plain
from ..params import replica_option
from ..paths import UserPath
from ..progress import shown_progress
from ..verified import refuse_faults

if TYPE_CHECKING:
    from dss_client.download import VerifyReport

_SHOWN = 20


@app.command()
@click.argument("directory", metavar="DIR", type=UserPath(directory=True))
@click.option(
    "--manifest",
    type=UserPath(exists=True, file=True),
    metavar="TSV",
    help="Check only what this manifest lists.",
)
@click.option(
    "--layout",
    type=click.Choice(["none", "bundle"]),
    help="How the manifest was downloaded; if not given, found from its files.",
)
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Allow files of a bundle to be missing, as after a download with filters.",
)
@click.option("--repair", is_flag=True, help="Fetch anew what is wrong or missing, and replace it.")
@click.option(
    "--urls",
    metavar="COLUMN",
    help="With --repair: fetch from the URLs in this column of the manifest, without any DSS.",
)
@replica_option
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Files to read at once.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Name every file with a fault, and every extra one."
)
@pass_cli_context
def verify(
    cli: CliContext,
    directory: Path,
    manifest: Path | None,
    layout: Literal["none", "bundle"] | None,
    allow_missing: bool,
    repair: bool,
    urls: str | None,
    replica: Replica,
    threads: int | None,
    verbose: bool,
) -> None:
    """Check everything that was downloaded to DIR.

    Reads each content in the store and each file of a bundle again, and compares size and checksum.
    Names each fault, with its remedy. A damaged content no longer counts as verified, so the next
    download replaces it; --repair does so at once, from the deployment or from --urls.
    """
    from dss_client.download import repair_tree, verify_tree

    if layout is not None and manifest is None:
        raise click.UsageError("--layout says how a manifest was downloaded: it needs --manifest")
    if urls is not None and not (repair and manifest):
        raise click.UsageError("--urls says where to repair from: it needs --repair and --manifest")
    with shown_progress() as progress:
        report = verify_tree(
            directory,
            manifest=manifest,
            layout=layout,
            allow_missing=allow_missing,
            threads=threads,
            progress=progress,
        )
    if repair and not report.ok:
        options = DownloadOptions(replica=replica, download_dir=directory)
        with cli.client() as client, resumable(), shown_progress() as progress:
            report = repair_tree(
                client,
                evolve(options, progress=progress),
                report,
                manifest=manifest,
                layout=layout,
                urls=urls,
                allow_missing=allow_missing,
            )
    emit(report.to_dict(), _lines(report, verbose=verbose), as_json=cli.as_json)
    refuse_faults(report, verbose=verbose, hint="" if repair else " (--repair fetches them anew)")


def _lines(report: "VerifyReport", *, verbose: bool) -> Iterator[str]:
    yield from (f"repaired: {plain(str(fault.path))}" for fault in report.repaired)
    shown = report.extra if verbose else report.extra[:_SHOWN]
    yield from (f"extra: {plain(str(path))}" for path in shown)
    if len(shown) < len(report.extra):
        yield f"extra: and {len(report.extra) - len(shown):,} more (-v names all)"
    if report.absent:
        files = "file is" if len(report.absent) == 1 else "files are"
        yield f"{len(report.absent):,} {files} not there, which was allowed"
    yield (
        f"good: {counted(report.bundles, 'bundle')} with {counted(report.files, 'file')},"
        f" {human_size(report.bytes)}; in the store {counted(report.contents, 'content')},"
        f" {human_size(report.content_bytes)}"
    )
