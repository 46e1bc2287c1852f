"""``dss create-version``."""

from dss_client.cli._app import Session, app, pass_session
from dss_client.cli.output import emit
from dss_client.versions import create_version


@app.command("create-version")
@pass_session
def create(session: Session) -> None:
    """Print a new DSS_VERSION: now, in UTC."""
    version = create_version()
    emit({"version": version}, [version], as_json=session.as_json)
