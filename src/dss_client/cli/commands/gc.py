"""``dss gc``: remove what a download directory no longer needs."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .._app import CliContext, app, pass_cli_context
from ..output import emit, human_size, one_line, plain, table
from ..paths import UserPath

if TYPE_CHECKING:
    from dss_client.download import GarbageReport
    from dss_client.download.tree_report import GarbageKind

_KINDS: tuple[tuple["GarbageKind", str], ...] = (
    ("content", "contents that nothing refers to"),
    ("partial", "partial files of downloads that did not end"),
    ("temporary", "temporary files"),
)
_HINT = "Contents of downloads with the layout none stay if you name their manifests with --keep."


@app.command()
@click.argument("directory", metavar="DIR", type=UserPath(directory=True))
@click.option(
    "--keep",
    type=UserPath(exists=True, file=True),
    multiple=True,
    metavar="TSV",
    help="Keep what this manifest lists; may be repeated.",
)
@click.option(
    "--older-than",
    type=click.FloatRange(min=0, max=36_500),
    default=7,
    show_default=True,
    metavar="DAYS",
    help="Remove only what was written so many days ago.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed (the default).")
@click.option("--yes", is_flag=True, help="Remove it.")
@click.option("-v", "--verbose", is_flag=True, help="Name each file.")
@pass_cli_context
def gc(
    cli: CliContext,
    directory: Path,
    keep: tuple[Path, ...],
    older_than: float,
    dry_run: bool,
    yes: bool,
    verbose: bool,
) -> None:
    """Remove what the store of DIR no longer needs.

    A content stays if a file is a hard link to it, if the bundle.json of a bundle in DIR or a
    manifest of --keep lists it, or if it was downloaded in the last days. Partial files of
    downloads that did not end are removed, too, so that such a download starts again. With
    --older-than 0, do not download to DIR at the same time.
    """
    from dss_client.download import collect_garbage

    if yes and dry_run:
        raise click.UsageError("--yes and --dry-run exclude each other")
    report = collect_garbage(
        directory, keep=keep, older_than=timedelta(days=older_than), dry_run=not yes
    )
    emit(report.to_dict(), _lines(report, verbose=verbose), as_json=cli.as_json)
    for item in report.items:
        if item.error:
            click.echo(f"failed: {one_line(f'{item.path}: {item.error}')}", err=True)
    if not report.ok:
        raise click.ClickException("some files could not be removed")


def _lines(report: "GarbageReport", *, verbose: bool) -> Iterator[str]:
    if verbose:
        yield from (f"{item.kind:<9}  {plain(str(item.path))}" for item in report.items)
    rows: list[tuple[str, int, str]] = []
    for kind, words in _KINDS:
        items = report.of_kind(kind)
        size = human_size(sum(item.size for item in items))
        rows.append((words, len(items), size))
    yield from table(rows)
    yield (
        f"{report.linked:,} contents stay since they are linked, {report.listed:,} as listed,"
        f" {report.recent:,} as recent"
    )
    if not report.dry_run:
        yield f"removed, {human_size(report.bytes)}"
    elif report.items:
        if report.of_kind("content"):
            yield _HINT
        yield f"nothing was removed: --yes removes this, {human_size(report.bytes)}"
