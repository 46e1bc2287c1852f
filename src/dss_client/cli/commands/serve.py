"""``dss serve`` and ``dss load``: a DSS on this machine."""

import json
import signal
import sys
import threading
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dss_client import Replica
from dss_client._environment import is_loopback
from dss_client._files import write_file

from .._app import CliContext, app, pass_cli_context
from ..local_extra import local_dss
from ..output import emit
from ..params import RootPath, replica_option
from ..paths import UserPath, expanded

if TYPE_CHECKING:
    from dss_client.local import LocalDSS

_PORT = click.IntRange(0, 65535)
_OWNER = "owner@example.org"  # of the token in a --token-file; may delete bundles, too
_TOKEN_LIFE = 365 * 86_400.0  # seconds; its key is gone when the service stops
_PATIENCE = 3.0  # seconds that the start waits for the number of bundles
_TICK = 0.5  # seconds; a wait without end would not notice signals on Windows


def _source_buckets(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, Path]:
    """Read ``BUCKET=DIR``, each a directory that stands for a bucket."""
    sources: dict[str, Path] = {}
    for value in values:
        bucket, _, directory = value.partition("=")
        path = expanded(directory)
        if not (bucket and directory and path.is_dir()):
            raise click.BadParameter(f"{value!r} is not BUCKET=DIR with a directory that exists")
        sources[bucket] = path
    return sources


@app.command()
@click.option(
    "--root",
    type=RootPath(),
    metavar="DIR|URL",
    help="Directory that holds the data, or a URL such as s3://bucket/prefix; with --sample a"
    " temporary directory when not given.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=_PORT, default=8010, show_default=True, help="Port of the API; 0: any free one."
)
@click.option(
    "--storage-port",
    type=_PORT,
    default=8011,
    show_default=True,
    help="Port of the storage that its URLs point to; 0: any free one.",
)
@click.option("--sample", is_flag=True, help="Add three small bundles to try things with.")
@click.option(
    "--faults",
    type=UserPath(exists=True, file=True),
    metavar="FILE",
    help="Make requests go wrong as this JSON file says; SIGHUP reads it again.",
)
@click.option(
    "--token-file",
    type=UserPath(file=True),
    metavar="FILE",
    help="Write a token for all operations there, good while this runs; for DSS_TOKEN.",
)
@click.option(
    "--source",
    "sources",
    multiple=True,
    callback=_source_buckets,
    metavar="BUCKET=DIR",
    help="Directory that stands for a bucket when files are put from s3:// or gs:// URLs.",
)
@click.option(
    "--replication",
    type=click.Choice(["none", "at once", "delayed"]),
    default="none",
    show_default=True,
    help="Whether what is stored in one replica comes to the other.",
)
@click.option("--read-only", is_flag=True, help="Refuse every request that would change something.")
@click.option(
    "--compat",
    type=click.Choice(["original"]),
    help="Answer as the deployed service did, with its faults.",
)
@click.option(
    "--url-scheme",
    type=click.Choice(["http", "https"]),
    help="Scheme of the service's own URLs in answers; http unless --compat is given.",
)
@pass_cli_context
def serve(
    cli: CliContext,
    root: Path | str | None,
    host: str,
    port: int,
    storage_port: int,
    sample: bool,
    faults: Path | None,
    token_file: Path | None,
    sources: dict[str, Path],
    replication: str,
    read_only: bool,
    compat: str | None,
    url_scheme: str | None,
) -> None:
    """Run a DSS over a directory or a bucket.

    The root is one of this service, with aws/main or gcp/main below it, or a raw bucket of the
    original, with bundles/, files/ and blobs/: that is served as one replica, and only read.

    Prints one line with both URLs, and the number of bundles, when it is ready.
    """
    if root is None and not sample:
        raise click.UsageError("name the data with --root DIR (or URL), or use --sample")
    if not is_loopback(host):
        click.echo(
            f"Warning: there are no accounts: everyone who reaches {host} can read everything.",
            err=True,
        )
    settings = {
        "admins": frozenset({_OWNER}),
        "sources": sources,
        "replication": replication,
        "read_only": read_only,
        "compat": compat,
        "url_scheme": url_scheme,
    }
    server = local_dss(
        root,
        create=sample or token_file is not None,  # without them, nothing could be put there
        sample=sample,
        host=host,
        port=port,
        storage_port=storage_port,
        faults=faults,
        settings=settings,
    )
    with _stop_signal() as stop, _faults_signal(faults) as reload, ExitStack() as running:
        running.callback(server.stop)
        _start(server)
        if token_file is not None:
            running.callback(token_file.unlink, missing_ok=True)
            _write_token(token_file, server.mint_token(email=_OWNER, expires_in=_TOKEN_LIFE))
        _say_what_it_is(root, server)
        counts = _counted(server)
        document = {"url": server.url, "storage_url": server.storage_url, "bundles": counts}
        urls = f"{server.url} (storage {server.storage_url})"
        line = f"DSS ready: {urls}; {_in_words(counts)}; Ctrl-C stops it"
        click.echo(json.dumps(document) if cli.as_json else line)
        while not stop.wait(_TICK):
            if reload.is_set():
                reload.clear()
                _reload(server, faults)


def _start(server: "LocalDSS") -> None:
    from dss_client.local import CannotListen

    try:
        server.start()
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error
    except CannotListen as error:
        raise click.ClickException(
            f"{error}; --host, --port and --storage-port choose another place"
        ) from error


def _say_what_it_is(root: Path | str | None, server: "LocalDSS") -> None:
    """Say what would surprise someone who meant another place."""
    if server.archive is not None:
        note = f"{root} is the bucket of one replica: it is served as {server.archive}, read-only"
    elif server.is_new and root is not None:
        note = f"there was no data in {root}: it is a new root"
    else:
        return
    click.echo(f"Note: {note}.", err=True)


def _counted(server: "LocalDSS") -> "dict[Replica, int] | None":
    """Count the bundles; None if that takes long: then they are told when they are known."""
    future: Future[dict[Replica, int]] = Future()

    def count() -> None:
        try:
            future.set_result(server.bundle_counts())
        except Exception as error:  # noqa: BLE001 - it is raised where the result is awaited
            future.set_exception(error)

    # Not of a pool, whose threads Python waits for when it ends.
    threading.Thread(target=count, name="dss-count", daemon=True).start()
    try:
        return future.result(_PATIENCE)
    except TimeoutError:
        future.add_done_callback(_tell_later)
        return None


def _tell_later(counted: "Future[dict[Replica, int]]") -> None:
    error = counted.exception()
    text = f"Error: {error}" if error else f"Counted: {_in_words(counted.result())}"
    click.echo(text, err=True)


def _in_words(counts: "dict[Replica, int] | None") -> str:
    if counts is None:
        return "many bundles, still counting"
    filled = [f"{count:,} in {replica}" for replica, count in counts.items() if count]
    return f"bundles: {', '.join(filled)}" if filled else "no bundles"


def _write_token(path: Path, token: str) -> None:
    """Write a token so that only its owner can read it."""
    path.unlink(missing_ok=True)  # so that a link is replaced: the file is removed in the end
    write_file(path, token, mode=0o600)


def _reload(server: "LocalDSS", faults: Path | None) -> None:
    """Take the scenario as it is now; say why when it cannot be taken, and keep the old one."""
    try:
        server.faults = faults
    except (OSError, ValueError) as error:
        click.echo(f"Error: the faults stay as they were: {error}", err=True)
    else:
        click.echo(f"Faults: {len(server.faults.counts)} rules from {faults}", err=True)


def _stop_signal() -> AbstractContextManager[threading.Event]:
    return _on_signals(signal.SIGINT, signal.SIGTERM)


def _faults_signal(faults: Path | None) -> AbstractContextManager[threading.Event]:
    """Listen to SIGHUP where there are faults to read again; else it ends the process."""
    if faults is None or sys.platform == "win32":
        return _on_signals()
    return _on_signals(signal.SIGHUP)


@contextmanager
def _on_signals(*numbers: signal.Signals) -> Generator[threading.Event]:
    """Yield an event that the signals set; afterwards they do what they did before."""
    noticed = threading.Event()

    def handle(_number: int, _frame: object) -> None:
        noticed.set()

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield noticed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@app.command()
@click.argument("src", type=UserPath(exists=True, directory=True))
@click.option(
    "--root",
    type=RootPath(),
    required=True,
    metavar="DIR|URL",
    help="Directory or URL that holds the data of the DSS.",
)
@click.option("--uuid", metavar="UUID", help="Id of the bundle; a new one when not given.")
@click.option("--version", metavar="VERSION", help="Version of the bundle; now when not given.")
@replica_option
@pass_cli_context
def load(
    cli: CliContext,
    src: Path,
    root: Path | str,
    uuid: str | None,
    version: str | None,
    replica: Replica,
) -> None:
    """Make a bundle from a directory.

    SRC is the directory; files named *.json are the metadata. Prints the bundle's id and version.
    """
    bundle = local_dss(root, create=True).load_bundle(src, uuid, version, replica)
    document = {"uuid": bundle.uuid, "version": bundle.version, "files": bundle.files}
    emit(document, [bundle.fqid], as_json=cli.as_json)
