"""Each example runs as it stands against an embedded DSS, and prints what it says."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.sample import BUNDLES, sample_files

ROOT = Path(__file__).parent.parent / "examples"
BUNDLE = BUNDLES[0]
FILES = sample_files(BUNDLE)
METADATA = {name for name in FILES if name.endswith(".json")}
FQID = f"{BUNDLE.uuid}.{BUNDLE.version}"
VERSION = r"\d{4}-\d\d-\d\dT\d{6}\.\d{6}Z"
READ = len(FILES[BUNDLE.read_names[0]])
LISTING = "".join(rf"{re.escape(name)} {len(FILES[name])}\n" for name in sorted(FILES))

OURS = {
    "ask_for_a_checkout": "(RUNNING|SUCCEEDED)\n",
    "check_a_bundle_out": rf"s3://\S+/bundles/{re.escape(FQID)}\n",
    "compare_specification": "the same\n",
    "download_a_bundle": rf"{len(FILES) + 1} files, \d+ bytes\n",
    "download_data": f"{len(BUNDLE.read_names) + 1} files: the data, and bundle.json\n",
    "download_listed": "2 files; see data/manifest.tsv\n",
    "download_metadata": f"{len(METADATA) + 1} files: the metadata, and bundle.json\n",
    "log_in": "logged in with a stored login\n",
    "log_out": "removed from 0 places\n",
    "look_up_a_file": rf"{BUNDLE.version} application/gzip\n[0-9a-f]{{64}} {READ}\n",
    "new_version": rf"{VERSION}\nTrue\n",
    "read_a_file": rf"https://schema\S+\n{READ} of {READ}\n",
    "save_a_bundle": f"saved {len(FILES)} files\n",
    "search": rf"{re.escape(FQID)}\n",
    "search_first_page": rf"{len(BUNDLES)} in all\n(\S+Z\n){{{len(BUNDLES)}}}",
    "show_a_bundle": LISTING,
    "subscribe": "https://receiver.example/ event_type=='CREATE'\nTrue\n\\[\\]\n",
}


@pytest.fixture(scope="module")
def service() -> Iterator[LocalDSS]:
    """A service whose subscriptions may be those of any example before."""
    with LocalDSS(sample=True, settings=LocalSettings(retry_after=0)) as running:
        yield running


def environment(service: LocalDSS, home: Path, *, hca: bool) -> dict[str, str]:
    """Return an environment that tells an example of the service, in the way of its kind."""
    home.mkdir()
    named = {
        "DSS_CONFIG_FILE": str(home / "config.toml"),
        "XDG_CONFIG_HOME": str(home),
        "XDG_CACHE_HOME": str(home),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "ACCESS_TOKEN": service.mint_token(),
    }
    (home / "config.toml").touch()
    if not hca:
        return {**os.environ, **named, "DSS_URL": service.url, "DSS_TOKEN": service.mint_token()}
    url = f"{service.url}/swagger.json"
    token = {"access_token": service.mint_token(), "token_type": "Bearer", "expires_at": "-1"}
    document = {"DSSClient": {"swagger_url": url}, "oauth2_token": token}
    (home / "hca").mkdir()
    (home / "hca" / "config.json").write_text(json.dumps(document), encoding="utf-8")
    return {**os.environ, **named, "SWAGGER_URL": url}


def run(path: Path, folder: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", sorted(OURS))
def test_an_example_in_our_own_style_runs(service: LocalDSS, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    environ = environment(service, tmp_path / "home", hca=False)
    if name == "log_in":
        del environ["DSS_TOKEN"]
    printed = run(ROOT / f"{name}.py", folder, environ)
    assert re.fullmatch(OURS[name], printed), printed


def test_every_example_is_run() -> None:
    assert {path.stem for path in ROOT.glob("*.py")} == OURS.keys()
