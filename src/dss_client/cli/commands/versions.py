"""``dss create-version``."""

from dss_client.versions import create_version

from .._app import CliContext, app, pass_cli_context
from ..output import emit


@app.command("create-version")
@pass_cli_context
def create(cli: CliContext) -> None:
    """Print a new DSS_VERSION: now, in UTC."""
    version = create_version()
    emit({"version": version}, [version], as_json=cli.as_json)
