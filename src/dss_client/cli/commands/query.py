"""``dss search`` and ``dss get-bundle``."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Literal

import click

from dss_client import Replica
from dss_client._endpoints import POST_SEARCH

from .._app import CliContext, app, pass_cli_context
from ..output import echo_lines, emit, human_size, table
from ..params import (
    BundleId,
    bundle_argument,
    bundle_version_option,
    query_argument,
    replica_option,
)

if TYPE_CHECKING:
    from dss_client.models import SearchHit, SearchResult

_LEAST_PER_PAGE, _MOST_PER_PAGE = 10, 500


@app.command()
@query_argument(required=False)
@replica_option
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after N bundles.")
@click.option(
    "--output-format",
    type=click.Choice(["summary", "raw"]),
    default="summary",
    show_default=True,
    help="raw prints the whole metadata of each bundle, as one line of JSON.",
)
@click.option(
    "--table",
    "as_table",
    is_flag=True,
    help="Print a table, tab-separated with a header: bundles, and the fields that are chosen.",
)
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="PATH",
    help="A column of the table, as in queries: files.donor_organism_json.genus_species.text; may"
    " be repeated.",
)
@pass_cli_context
def search(
    cli: CliContext,
    query: Mapping[str, object],
    replica: Replica,
    limit: int | None,
    output_format: Literal["summary", "raw"],
    as_table: bool,
    fields: tuple[str, ...],
) -> None:
    """Find bundles by their metadata.

    QUERY is an Elasticsearch query as JSON, @FILE, or - for standard input; without it every bundle
    is found.
    """
    from ..results import PagedResult, merged

    as_table = as_table or bool(fields)
    if as_table and cli.as_json:
        raise click.UsageError("--table and --json exclude each other")
    if fields:
        output_format = "raw"
    per_page = None  # the raw format has pages of one size only
    if output_format == "summary":
        per_page = max(_LEAST_PER_PAGE, min(limit or _MOST_PER_PAGE, _MOST_PER_PAGE))
    with cli.client() as client:
        pages = client.post_search.paginate(
            replica=replica, es_query=query, output_format=output_format, per_page=per_page
        )
        if cli.as_json:
            click.echo(
                json.dumps(merged(PagedResult(pages, POST_SEARCH.item_path, limit)), indent=2)
            )
            return
        hits = _hits(pages, replica)
        if as_table:
            echo_lines(_table_lines(islice(hits, limit), fields))
            return
        for hit in islice(hits, limit):
            click.echo(json.dumps(hit.metadata) if output_format == "raw" else hit.bundle_fqid)


def _hits(pages: "Iterable[SearchResult]", replica: Replica) -> "Iterator[SearchHit]":
    """Yield hits, and say on standard error if there are none."""
    is_empty = True
    for page in pages:
        for hit in page.results:
            is_empty = False
            yield hit
    if is_empty:
        click.echo(f"no bundle of replica {replica} matches", err=True)


def _table_lines(hits: "Iterator[SearchHit]", fields: Sequence[str]) -> Iterator[str]:
    """Yield hits as tab-separated lines, after a header."""
    from dss_client._tables import hit_columns, hit_rows
    from dss_client.manifest import row_text

    columns = hit_columns(fields)
    yield row_text(columns)
    for row in hit_rows(((hit.bundle_fqid, hit.metadata) for hit in hits), fields):
        yield row_text([str(row[column]) for column in columns])


@app.command("get-bundle")
@bundle_argument()
@replica_option
@bundle_version_option
@pass_cli_context
def get_bundle(cli: CliContext, bundle: BundleId, replica: Replica, version: str | None) -> None:
    """Show a bundle and its files.

    Of each file: size, type, id and name. dss download-file takes the id.
    """
    bundle = bundle.at(version)
    with cli.client() as client:
        pages = list(
            client.get_bundle.paginate(
                uuid=bundle.uuid, replica=replica, version=bundle.version, per_page=_MOST_PER_PAGE
            )
        )
    dumps = [page.model_dump(mode="json", by_alias=True, exclude_unset=True) for page in pages]
    document = dumps[0]
    document["bundle"]["files"] = [file for dump in dumps for file in dump["bundle"]["files"]]
    files = [file for page in pages for file in page.bundle.files]
    found = pages[0].bundle
    size = human_size(sum(file.size for file in files))
    lines = [
        f"bundle   {found.uuid}",
        f"version  {found.version}",
        f"files    {len(files):,}, {size}",
        "",
        *table((file.size, file.content_type, file.uuid, file.name) for file in files),
    ]
    emit(document, lines, as_json=cli.as_json)
