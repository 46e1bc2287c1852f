"""``dss reindex``: rebuild the search index of an embedded DSS."""

from pathlib import Path

import click

from .._app import CliContext, app, pass_cli_context
from ..local_extra import local_dss
from ..output import emit
from ..paths import UserPath


@app.command()
@click.option(
    "--root",
    type=UserPath(exists=True, directory=True),
    required=True,
    metavar="DIR",
    help="Directory that holds the data of the DSS.",
)
@pass_cli_context
def reindex(cli: CliContext, root: Path) -> None:
    """Rebuild the search index from the bundles.

    Needed only after bundles were changed in place; new and removed ones are noticed. Prints the
    number of bundle versions in each replica.
    """
    try:
        counts = local_dss(root).reindex()
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error
    lines = [f"{replica}: {count:,} bundle versions" for replica, count in counts.items()]
    emit(dict(counts), lines, as_json=cli.as_json)
