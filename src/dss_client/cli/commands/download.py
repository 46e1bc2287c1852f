"""``dss download`` and the like: bundles, manifests, collections, search results."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from attrs import evolve

from dss_client.download.options import DownloadOptions
from dss_client.versions import FQID

from .._app import CliContext, app, pass_cli_context
from ..downloads import (
    FilterOptions,
    download_options,
    file_options,
    filter_options,
    finish,
    layout_option,
    manifest_option,
    manifest_source,
    no_data_option,
    no_metadata_option,
    resumable,
    run_download,
    urls_option,
    verbose_option,
)
from ..output import emit, human_size, plain
from ..params import (
    BundleId,
    bundle_version_option,
    bundles_argument,
    collection_argument,
    file_argument,
    query_argument,
)
from ..paths import UserPath
from ..progress import shown_progress

if TYPE_CHECKING:
    from dss_client import DSSClient


@app.command()
@bundles_argument
@bundle_version_option
@download_options()
@filter_options
@verbose_option
@pass_cli_context
def download(
    cli: CliContext,
    bundles: tuple[BundleId, ...],
    version: str | None,
    options: DownloadOptions,
    filters: FilterOptions,
    verbose: bool,
) -> None:
    """Download bundles, every file verified.

    Each becomes the directory DIR/UUID.VERSION.
    """
    from dss_client.download import download_bundle, download_bundles

    if version is not None and len(bundles) > 1:
        raise click.UsageError("--version is for one bundle: name several as UUID.VERSION")
    one = bundles[0].at(version) if len(bundles) == 1 else None
    with cli.client() as client:
        if one is not None:
            report = run_download(
                lambda options: download_bundle(
                    client,
                    options,
                    bundle_uuid=one.uuid,
                    version=one.version,
                    **filters.options(),
                ),
                options,
            )
        else:
            pinned = [_pinned(client, bundle, options) for bundle in bundles]
            report = run_download(
                lambda options: download_bundles(
                    client, options, bundles=pinned, **filters.options()
                ),
                options,
            )
    place = Path(options.download_dir)
    if one is not None and report.files:
        place /= str(report.files[0].bundle)
    finish(cli, report, options, verbose=verbose, ending=f"in {place}")


def _pinned(client: "DSSClient", bundle: BundleId, options: DownloadOptions) -> FQID:
    """Return a bundle with its version; the latest if none was given."""
    if bundle.version is not None:
        return FQID(bundle.uuid, bundle.version)
    from dss_client.download.source import as_source

    pages = as_source(client).bundle_pages(uuid=bundle.uuid, version=None, replica=options.replica)
    page = next(pages)
    return FQID(page.bundle.uuid, page.bundle.version)


@app.command("download-manifest")
@manifest_option
@layout_option
@urls_option
@download_options(of_manifest=True)
@no_metadata_option
@no_data_option
@verbose_option
@pass_cli_context
def download_manifest(
    cli: CliContext,
    manifest: Path,
    layout: Literal["none", "bundle"],
    urls: str | None,
    options: DownloadOptions,
    no_metadata: bool,
    no_data: bool,
    verbose: bool,
) -> None:
    """Download the files that a manifest lists.

    Every file is verified. A copy of the manifest with the paths of the files is written to DIR.
    Manifests of the data portal have URLs: --urls file_url, or file_azul_url in newer ones.
    """
    from dss_client.download import download_manifest

    if layout == "none" and (no_metadata or no_data):
        raise click.UsageError("--no-metadata and --no-data need --layout bundle")
    if urls is not None and (no_metadata or no_data):
        raise click.UsageError("--no-metadata and --no-data cannot be used with --urls")
    source = manifest_source(manifest)
    with cli.client() as client:
        report = run_download(
            lambda options: download_manifest(
                client,
                options,
                manifest=source,
                layout=layout,
                no_metadata=no_metadata,
                no_data=no_data,
                urls=urls,
            ),
            options,
        )
    place = f"listed in {report.manifest_path}" if report.manifest_path else _place(options)
    if layout == "none":
        store = Path(options.download_dir) / ".hca"
        place = f"named by sha256 below {store} (--layout bundle: by their names), {place}"
    finish(cli, report, options, verbose=verbose, ending=place)


def _place(options: DownloadOptions) -> str:
    return f"in {Path(options.download_dir)}"


@app.command("download-file")
@file_argument
@click.option(
    "-o",
    "--output",
    "path",
    type=UserPath(file=True, directory=True),
    required=True,
    metavar="PATH",
    help="Where to put the file.",
)
@bundle_version_option
@file_options()
@pass_cli_context
def download_file(
    cli: CliContext, file: BundleId, path: Path, version: str | None, options: DownloadOptions
) -> None:
    """Download one file to a path, verified.

    The same command continues after an interrupt. A file that is there and is right stays as it is.
    """
    from dss_client.download import download_file

    asked = file.at(version)
    with cli.client() as client, resumable(), shown_progress() as progress:
        report = download_file(
            client,
            evolve(options, progress=progress),
            uuid=asked.uuid,
            path=path,
            version=asked.version,
        )
    emit(
        report.to_dict(),
        [f"{plain(str(path))}: {human_size(report.size)}, {report.state}"],
        as_json=cli.as_json,
    )


@app.command("download-collection")
@collection_argument
@bundle_version_option
@download_options()
@verbose_option
@pass_cli_context
def download_collection(
    cli: CliContext,
    collection: BundleId,
    version: str | None,
    options: DownloadOptions,
    verbose: bool,
) -> None:
    """Download what a collection lists.

    Nested collections are included. The service answers only the owner of a collection: log in, or
    set DSS_TOKEN. Bundles become directories as of dss download, single files go to
    DIR/collection-UUID.
    """
    from dss_client.download import download_collection

    asked = collection.at(version)
    with cli.client() as client:
        report = run_download(
            lambda options: download_collection(
                client, options, uuid=asked.uuid, version=asked.version
            ),
            options,
        )
    finish(cli, report, options, verbose=verbose, ending=_place(options))


@app.command("download-search")
@query_argument(required=True)
@download_options()
@filter_options
@verbose_option
@pass_cli_context
def download_search(
    cli: CliContext,
    query: Mapping[str, object],
    options: DownloadOptions,
    filters: FilterOptions,
    verbose: bool,
) -> None:
    """Download the bundles that a search finds.

    QUERY is as of dss search; {} finds every bundle. Each becomes the directory DIR/UUID.VERSION.
    """
    from dss_client.download import download_search

    with cli.client() as client:
        report = run_download(
            lambda options: download_search(client, options, es_query=query, **filters.options()),
            options,
        )
    if not report.files_total:
        click.echo(f"no bundle of replica {options.replica} matches", err=True)
    finish(cli, report, options, verbose=verbose, ending=_place(options))
