"""``dss gc``: remove what a download directory no longer needs."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .._app import CliContext, app, pass_cli_context
from ..output import emit, human_size, one_line, plain, table

if TYPE_CHECKING:
    from dss_client.download import GarbageReport
    from dss_client.download.garbage_report import GarbageKind

_KINDS: tuple[tuple["GarbageKind", str], ...] = (
    ("content", "contents that nothing refers to"),
    ("partial", "partial files of downloads that have ended"),
    ("temporary", "temporary files"),
    ("directory", "empty directories"),
)
_HINT = (
    "With the layout none, and where files of bundles are copies or reflinks, no link stands for a"
    " content, but only a bundle.json or a manifest: name manifests that lie elsewhere with --keep."
)


@app.command()
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--keep",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    metavar="TSV",
    help="Keep what this manifest lists, with a path if it has that column; may be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed (the default).")
@click.option("--yes", is_flag=True, help="Remove it.")
@click.option("-v", "--verbose", is_flag=True, help="Name each file.")
@pass_cli_context
def gc(
    cli: CliContext,
    directory: Path,
    keep: tuple[Path, ...],
    dry_run: bool,
    yes: bool,
    verbose: bool,
) -> None:
    """Remove what the store of DIR no longer needs.

    A content stays if a file of a bundle is a hard link to it, or if a bundle.json below DIR or a
    manifest lists it: a manifest in DIR itself with the column file_path, or one of --keep. Partial
    files of downloads that have ended are removed too, so such a download starts again. Do not
    download to DIR at the same time.
    """
    from dss_client.download import collect_garbage

    if yes and dry_run:
        raise click.UsageError("--yes and --dry-run exclude each other")
    report = collect_garbage(directory, keep=keep, dry_run=not yes)
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
        rows.append((words, len(items), size if kind != "directory" else ""))
    yield from table(rows)
    yield f"{report.linked:,} contents stay since they are linked, {report.listed:,} as listed"
    if not report.dry_run:
        yield f"removed, {human_size(report.bytes)}"
    elif report.items:
        if report.of_kind("content"):
            yield _HINT
        yield f"nothing was removed: --yes removes this, {human_size(report.bytes)}"
