"""``dss export-manifest``."""

import sys
from pathlib import Path
from typing import get_args

import click

from dss_client import Replica

from .._app import CliContext, app, pass_cli_context
from ..output import echo_lines
from ..params import replica_option
from ..paths import UserPath


@app.command("export-manifest")
@click.option(
    "--manifest",
    type=UserPath(exists=True, file=True, dash=True),
    required=True,
    metavar="TSV",
    help="The manifest; - reads standard input.",
)
@click.option(
    "--to",
    type=click.Choice(["aria2", "curl", "sha256sum"]),
    required=True,
    help="Which program it is for.",
)
@click.option(
    "--urls", metavar="COLUMN", help="Take the URLs in this column, instead of those of the API."
)
@replica_option
@pass_cli_context
def export_manifest(
    cli: CliContext, manifest: Path, to: str, urls: str | None, replica: Replica
) -> None:
    """Print a manifest as the input of curl or aria2.

    aria2 checks the files by their sha256; for curl, print the checksums, too.

    \b
    dss export-manifest --manifest M.tsv --to aria2 > list && aria2c -i list
    dss export-manifest --manifest M.tsv --to curl > list && curl --config list
    dss export-manifest --manifest M.tsv --to sha256sum | sha256sum -c
    """  # noqa: D301 - click reads the character \b
    from dss_client.download.export import ExportFormat, export_manifest
    from dss_client.manifest import manifest_text

    source = (
        manifest_text(sys.stdin.buffer, "standard input") if manifest == Path("-") else manifest
    )
    (kind,) = (each for each in get_args(ExportFormat) if each == to)
    url = ""
    if urls is None and to != "sha256sum":
        with cli.client() as client:
            url = client.url
    echo_lines(export_manifest(source, to=kind, url=url, replica=replica, urls=urls))
