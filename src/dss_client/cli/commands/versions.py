"""``dss create-version``."""

from dss_client.versions import create_version

from .._app import Session, app, pass_session
from ..output import emit


@app.command("create-version")
@pass_session
def create(session: Session) -> None:
    """Print a new DSS_VERSION: now, in UTC."""
    version = create_version()
    emit({"version": version}, [version], as_json=session.as_json)
