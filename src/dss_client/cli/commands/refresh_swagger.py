"""``dss refresh-swagger``: how the deployment's API differs from this client's."""

import click

from .._app import CliContext, app, pass_cli_context
from ..output import emit

_BREAKING = 1


@app.command("refresh-swagger")
@click.pass_context
@pass_cli_context
def refresh(cli: CliContext, context: click.Context) -> None:
    """Compare the deployment's API with this client's.

    A copy of its specification is kept. The exit status is 1 if a difference breaks calls of this
    client.
    """
    with cli.client() as dss:
        report = dss.refresh_swagger()
    kept = f"kept in {report.path}" if report.path else "not kept: there is no home directory"
    lines = [*str(report).splitlines(), kept]
    emit(report.to_dict(), lines, as_json=cli.as_json)
    if not report.ok:
        context.exit(_BREAKING)
