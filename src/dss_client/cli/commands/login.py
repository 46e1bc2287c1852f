"""``dss login``, ``logout``, ``whoami`` and ``config``: the account and the deployment."""

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from .._app import App, CliContext, app, pass_cli_context
from ..output import emit, table

if TYPE_CHECKING:
    from dss_client.auth import Credential

_NOBODY = 1


@app.command()
@click.option(
    "--access-token",
    metavar="TOKEN",
    help="Store this token; - reads it from standard input, which no process list shows.",
)
@click.option(
    "--remote",
    is_flag=True,
    help="Print the URL and ask for the code, on a machine without a browser.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="What the browser gets.",
)
@pass_cli_context
def login(cli: CliContext, access_token: str | None, remote: bool, timeout: float) -> None:
    """Log in to the deployment, for later commands, too."""
    if access_token == "-":  # noqa: S105 - that is where it is, not what it is
        access_token = sys.stdin.read().strip()
        if not access_token:
            raise click.UsageError("standard input holds no token")
    elif access_token is not None and not access_token.strip():
        raise click.UsageError("the token is empty: is its variable set?")
    with cli.client() as dss:
        place = dss.login(access_token or "", remote, timeout=timeout)
        document = {"deployment": dss.url, "stored_in": place}
        if access_token:
            _warn_of(access_token)
        lines = [f"Logged in to {dss.url}; the login is kept in {_where(place)}."]
    emit(document, lines, as_json=cli.as_json)


def _warn_of(token: str) -> None:
    """Say of a token that is stored if the service will hardly accept it."""
    from dss_client.auth.credential import describe, is_jwt

    if not is_jwt(token):
        click.echo(
            "Warning: the token is not a JWT, as those of a DSS are; it is kept all the same, since"
            " a service may accept others.",
            err=True,
        )
    elif _is_over(describe(token, "stored login")):
        click.echo("Warning: the token has expired; it is kept all the same.", err=True)


@app.command()
@pass_cli_context
def logout(cli: CliContext) -> None:
    """Remove the stored login of the deployment."""
    with cli.client() as dss:
        places = dss.logout()
        removed = " and ".join(map(_where, places))
        line = f"Logged out of {dss.url}: removed from {removed}."
        if not places:
            line = f"Nobody was logged in to {dss.url}."
        document = {"deployment": dss.url, "removed_from": places}
    emit(document, [line], as_json=cli.as_json)


@app.command()
@click.pass_context
@pass_cli_context
def whoami(cli: CliContext, context: click.Context) -> None:
    """Show the account that commands use.

    It is as the token says; the token itself is not shown. The exit status is 1 if there is no
    token.
    """
    with cli.client() as dss:
        found = dss.credential()
        url = dss.url
    document: dict[str, object] = {"deployment": url, "credential": None}
    lines = [f"There is no token for {url}: run dss login, or set DSS_TOKEN."]
    if found is not None:
        document["credential"] = found.to_dict()
        lines = table(_rows(url, found))
    emit(document, lines, as_json=cli.as_json)
    if found is None:
        context.exit(_NOBODY)


def _rows(url: str, found: "Credential") -> list[tuple[str, str]]:
    ends = "not known"
    if found.expires_at is not None:
        moment = datetime.fromtimestamp(found.expires_at, UTC)
        over = " (over)" if _is_over(found) else ""
        ends = f"{moment:%Y-%m-%d %H:%M:%S} UTC{over}"
    return [
        ("deployment", url),
        ("token from", found.origin),
        ("email", found.email or "not known"),
        ("group", found.group or "not known"),
        ("valid until", ends),
    ]


def _is_over(found: "Credential") -> bool:
    return found.expires_at is not None and found.expires_at <= time.time()


def _where(place: str) -> str:
    return "the keyring" if place == "keyring" else place


@app.group(cls=App, invoke_without_command=True)
@click.pass_context
def config(context: click.Context) -> None:
    """Show or change the defaults of commands.

    Without a subcommand it shows them.
    """
    if context.invoked_subcommand is None:
        with show.make_context("show", [], parent=context) as inner:
            show.invoke(inner)


@config.command("show")
@pass_cli_context
def show(cli: CliContext) -> None:
    """Show the deployment, what sets it, and the config file."""
    from dss_client._configure import deployment
    from dss_client.settings import NoHome, config_path

    with cli.client() as dss:
        url = dss.url
        source = "--url" if cli.url else deployment()[1]
    try:
        path = config_path()
        exists, place = path.exists(), str(path)
        shown = place if exists else f"{place} (not there)"
    except NoHome:
        exists, place, shown = False, None, "none: there is no home directory"
    document = {"url": url, "url_from": source, "config_file": place, "exists": exists}
    rows = [("url", f"{url} (from {source})"), ("config file", shown)]
    emit(document, table(rows), as_json=cli.as_json)


@config.command("set")
@click.argument("key", type=click.Choice(["url"]))
@click.argument("value")
@pass_cli_context
def set_(cli: CliContext, key: str, value: str) -> None:
    """Write a key of the config file; all else in it stays as it is."""
    from dss_client import DSSClient
    from dss_client.settings import save_url

    with DSSClient(value) as dss:  # refuses a URL that is not valid
        url = dss.url
    path = save_url(url)
    emit(
        {"config_file": str(path), key: url},
        [f"{key} = {url}, in {path}."],
        as_json=cli.as_json,
    )
