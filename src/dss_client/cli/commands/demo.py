"""``dss demo``: from search to verified files, on an embedded DSS."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dss_client import DSSClient, Replica
from dss_client.download.options import DownloadOptions
from dss_client.versions import FQID

from .._app import CliContext, app, pass_cli_context
from ..downloads import refuse_failures, run_download, summary
from ..local_extra import local_dss
from ..output import emit, plain
from ..paths import UserPath
from ..tree import tree
from ..verified import refuse_faults

if TYPE_CHECKING:
    from dss_client.download import VerifyReport
    from dss_client.manifest import ManifestRow
    from dss_client.models import SearchHit

_REPLICA: Replica = "aws"
_MANIFEST = "manifest.tsv"
_MARK = ".dss-demo"
_POLLS = 2  # times that a job says RUNNING, so that there is something to wait for
_BETWEEN_POLLS = 0.2  # seconds

_PYTHON = """\
from dss_client import DSSClient
from dss_client.local import LocalDSS
from dss_client.manifest import manifest_rows, write_manifest

with LocalDSS(sample=True) as server, DSSClient(server.url) as dss:
    rows = []
    for hit in dss.post_search.iterate(replica="aws", es_query={}):
        uuid, version = hit.bundle_fqid.split(".", 1)
        for page in dss.get_bundle.paginate(replica="aws", uuid=uuid, version=version):
            rows += manifest_rows(page.bundle)
    print(dss.checkout(replica="aws", uuid=uuid, version=version).wait())
    write_manifest("manifest.tsv", rows)
    report = dss.download_manifest(
        manifest="manifest.tsv", replica="aws", layout="bundle", download_dir="data"
    )
    print(report.files_done, "files,", report.bytes_done, "bytes")
"""


@app.command()
@click.option(
    "--dir",
    "directory",
    type=UserPath(directory=True),
    default=Path("dss-demo"),
    show_default=True,
    metavar="DIR",
    help="Where to download to; a directory that is new, empty, or of an earlier demo.",
)
@pass_cli_context
def demo(cli: CliContext, directory: Path) -> None:
    """Search, check out, download and verify sample data.

    It runs on this machine, with an embedded DSS that it starts and stops.
    """
    say = _Narrator(err=cli.as_json)
    manifest = directory / _MANIFEST
    server = local_dss(sample=True, settings={"checkout_polls": _POLLS})
    _claim(directory)
    with server, DSSClient(server.url) as client:
        say.step("Start a DSS", f"{server.url}, its storage {server.storage_url}")
        hits = _search(client, say)
        location = _check_out(client, hits[0], say)
        _write_manifest(client, hits, manifest, say)
        _download(client, manifest, say)
    verified = _verify(manifest, say)
    say.step("What is there now", *tree(directory, skip={_MARK}))
    say.step("The same in Python", *_PYTHON.splitlines())
    document = {
        "directory": str(directory),
        "manifest": str(manifest),
        "location": location,
        "bundles": verified.bundles,
        "files": verified.files,
        "bytes": verified.bytes,
    }
    ending = (
        f"OK: {verified.bundles} bundles, {verified.files} files, {verified.bytes} bytes verified"
    )
    emit(document, ["", ending], as_json=cli.as_json)


class _Narrator:
    """Says what happens, on standard error where standard output is for JSON."""

    def __init__(self, *, err: bool) -> None:
        self._err = err
        self._steps = 0

    def step(self, title: str, *lines: str) -> None:
        """Begin a step, and say what there is to say already."""
        self._steps += 1
        space = "\n" if self._steps > 1 else ""
        click.echo(space + click.style(f"{self._steps}. {title}", bold=True), err=self._err)
        for line in lines:
            self.line(line)

    def line(self, text: str) -> None:
        """Say one thing of the step."""
        click.echo(f"   {plain(text)}".rstrip(), err=self._err)


def _claim(directory: Path) -> None:
    """Make the directory, or take one that is empty or of an earlier demo.

    Raises:
        click.UsageError: It holds something else.
    """
    directory.mkdir(parents=True, exist_ok=True)
    mark = directory / _MARK
    if not mark.exists() and any(directory.iterdir()):
        raise click.UsageError(
            f"{directory} holds something else: choose a new directory with --dir"
        )
    mark.touch()


def _search(client: DSSClient, say: _Narrator) -> "list[SearchHit]":
    say.step("Search for all bundles")
    hits = list(client.post_search.iterate(replica=_REPLICA, es_query={}, output_format="raw"))
    for hit in hits:
        say.line(f"{hit.bundle_fqid}  {_title(hit)}")
    return hits


def _title(hit: "SearchHit") -> str:
    """Return the title of the project in a sample bundle's metadata."""
    metadata = hit.metadata or {}
    title: str = metadata["files"]["project_json"][0]["project_core"]["project_title"]
    return title


def _check_out(client: DSSClient, hit: "SearchHit", say: _Narrator) -> str:
    bundle = FQID.parse(hit.bundle_fqid)
    say.step("Check out the first bundle: have it copied to a bucket")
    job = client.checkout(uuid=bundle.uuid, replica=_REPLICA, version=bundle.version)
    while not (status := job.status()).is_done:
        say.line(status.state)
        time.sleep(_BETWEEN_POLLS)
    location = status.result(job.job_id)
    say.line(f"{status.state}: {location}")
    return location


def _write_manifest(
    client: DSSClient, hits: "Iterable[SearchHit]", path: Path, say: _Narrator
) -> None:
    from dss_client.manifest import manifest_rows, write_manifest

    rows: list[ManifestRow] = []
    for hit in hits:
        bundle = FQID.parse(hit.bundle_fqid)
        for page in client.get_bundle.paginate(
            uuid=bundle.uuid, replica=_REPLICA, version=bundle.version
        ):
            rows += manifest_rows(page.bundle)
    count = write_manifest(path, rows)
    say.step("Write a manifest of their files", f"{count} rows in {path}")


def _download(client: DSSClient, manifest: Path, say: _Narrator) -> None:
    from dss_client.download import download_manifest

    say.step("Download it: for each bundle a directory, with a bundle.json")
    report = run_download(
        lambda options: download_manifest(client, options, manifest=manifest, layout="bundle"),
        DownloadOptions(replica=_REPLICA, download_dir=manifest.parent),
    )
    say.line(summary(report))
    refuse_failures(report)


def _verify(manifest: Path, say: _Narrator) -> "VerifyReport":
    from dss_client.download import verify_tree

    say.step("Read every file again, and compare its size and sha256")
    verified = verify_tree(manifest.parent, manifest=manifest, layout="bundle")
    say.line(f"{verified.files} files are as the manifest says")
    refuse_faults(verified)
    return verified
