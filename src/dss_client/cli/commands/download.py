"""``dss download`` and the like: bundles, manifests, collections, search results."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from dss_client.versions import FQID

from .._app import Session, app, pass_session
from ..downloads import (
    Filters,
    How,
    Now,
    filter_options,
    finish,
    layout_option,
    no_data_option,
    no_metadata_option,
    now_options,
    transfer_options,
)
from ..params import (
    BundleId,
    bundle_version_option,
    bundles_argument,
    collection_argument,
    query_argument,
)

if TYPE_CHECKING:
    from dss_client import DSSClient


@app.command()
@bundles_argument
@bundle_version_option
@transfer_options
@filter_options
@now_options
@pass_session
def download(
    session: Session,
    bundles: tuple[BundleId, ...],
    version: str | None,
    how: How,
    filters: Filters,
    now: Now,
) -> None:
    """Download bundles, every file verified.

    Each becomes the directory DIR/UUID.VERSION.
    """
    from dss_client.download import download_bundle, download_bundles

    if version is not None and len(bundles) > 1:
        raise click.UsageError("--version is for one bundle: name several as UUID.VERSION")
    one = bundles[0].at(version) if len(bundles) == 1 else None
    with session.client() as client:
        if one is not None:
            report = now.run(
                how,
                lambda options: download_bundle(
                    client,
                    bundle_uuid=one.uuid,
                    version=one.version,
                    **filters.options(),
                    **options,
                ),
            )
        else:
            pinned = [_pinned(client, bundle, how) for bundle in bundles]
            report = now.run(
                how,
                lambda options: download_bundles(
                    client, bundles=pinned, **filters.options(), **options
                ),
            )
    place = how.download_dir if one is None else how.download_dir / str(report.entries[0].bundle)
    finish(session, now, report, f"in {place}")


def _pinned(client: "DSSClient", bundle: BundleId, how: How) -> FQID:
    """Return a bundle with its version; the latest if none was given."""
    if bundle.version is not None:
        return FQID(bundle.uuid, bundle.version)
    from dss_client.download.source import as_source

    pages = as_source(client).bundle_pages(uuid=bundle.uuid, version=None, replica=how.replica)
    page = next(pages)
    return FQID(page.bundle.uuid, page.bundle.version)


@app.command("download-manifest")
@click.option(
    "--manifest",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    metavar="TSV",
    help="The manifest: a tab-separated list of files.",
)
@layout_option
@transfer_options
@no_metadata_option
@no_data_option
@now_options
@pass_session
def download_manifest(
    session: Session,
    manifest: Path,
    layout: Literal["none", "bundle"],
    how: How,
    no_metadata: bool,
    no_data: bool,
    now: Now,
) -> None:
    """Download the files that a manifest lists.

    Every file is verified. A copy of the manifest with the paths of the files is written to DIR.
    """
    from dss_client.download import download_manifest

    if layout == "none" and (no_metadata or no_data):
        raise click.UsageError("--no-metadata and --no-data need --layout bundle")
    with session.client() as client:
        report = now.run(
            how,
            lambda options: download_manifest(
                client,
                manifest=manifest,
                layout=layout,
                no_metadata=no_metadata,
                no_data=no_data,
                **options,
            ),
        )
    finish(session, now, report, f"listed in {report.manifest_path}")


@app.command("download-collection")
@collection_argument
@bundle_version_option
@transfer_options
@now_options
@pass_session
def download_collection(
    session: Session, collection: BundleId, version: str | None, how: How, now: Now
) -> None:
    """Download the files and bundles that a collection lists.

    Nested collections are included. The service answers only the owner of a collection: log in, or
    set DSS_TOKEN. Bundles become directories as of dss download, single files go to
    DIR/collection-UUID.
    """
    from dss_client.download import download_collection

    asked = collection.at(version)
    with session.client() as client:
        report = now.run(
            how,
            lambda options: download_collection(
                client, uuid=asked.uuid, version=asked.version, **options
            ),
        )
    finish(session, now, report, f"in {how.download_dir}")


@app.command("download-search")
@query_argument(required=True)
@transfer_options
@filter_options
@now_options
@pass_session
def download_search(
    session: Session, query: Mapping[str, object], how: How, filters: Filters, now: Now
) -> None:
    """Download the bundles that a search finds.

    QUERY is as of dss search; {} finds every bundle. Each becomes the directory DIR/UUID.VERSION.
    """
    from dss_client.download import download_search

    with session.client() as client:
        report = now.run(
            how,
            lambda options: download_search(client, es_query=query, **filters.options(), **options),
        )
    finish(session, now, report, f"in {how.download_dir}")
