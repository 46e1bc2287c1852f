"""``dss export-manifest``."""

from pathlib import Path
from typing import get_args

import click

from dss_client import Replica

from .._app import CliContext, app, pass_cli_context
from ..downloads import manifest_option, manifest_source, urls_option
from ..output import echo_lines
from ..params import replica_option


@app.command("export-manifest")
@manifest_option
@click.option(
    "--to",
    type=click.Choice(["aria2", "curl", "sha256sum"]),
    required=True,
    help="Which program it is for.",
)
@urls_option
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

    (kind,) = (each for each in get_args(ExportFormat) if each == to)
    url = ""
    if urls is None and to != "sha256sum":
        with cli.client() as client:
            url = client.url
    echo_lines(
        export_manifest(manifest_source(manifest), to=kind, url=url, replica=replica, urls=urls)
    )
