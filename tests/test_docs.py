"""What README, docs and examples show works: each of their blocks is run as it stands.

Python runs in this process, but for what starts processes; the shell's in one of its own.
"""

import gc
import json
import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from dss_client import DSSClient
from dss_client._filesystem import DSSFileSystem
from dss_client.cli import main
from dss_client.local import LocalDSS, LocalSettings, load_sample
from dss_client.local.sample import BUNDLES, sample_files
from dss_client.manifest import manifest_rows, read_manifest, write_manifest
from tests.s3_service import ENVIRON, s3_service

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
BUNDLE, SAMPLE = BUNDLES[0], len(BUNDLES)
FILES = sample_files(BUNDLE)
METADATA = {name for name in FILES if name.endswith(".json")}
READ = len(FILES[BUNDLE.read_names[0]])
UUID = "[0-9a-f-]{36}"
VERSION = r"\d{4}-\d\d-\d\dT\d{6}\.\d{6}Z"
FQID = rf"{UUID}\.{VERSION}"
FIRST = rf"{BUNDLE.uuid}\.{BUNDLE.version}"
LISTING = "".join(rf"{re.escape(name)} {len(FILES[name])}\n" for name in sorted(FILES))
STORED = r"\.hca/v2/files_2_4/[0-9a-f]{2}/[0-9a-f]{4}/[0-9a-f]{64}"

# What each block of a page prints. None: it installs something, waits for a person or a cluster,
# writes into this repository, is a file that the next block runs, or is run by test_readers.
PAGES: dict[str, list[str | None]] = {
    "README.md": [
        None,
        None,
        None,
        None,
        None,
        r"(<DownloadReport: .+ in place>\n){2}",
        rf"{SAMPLE}\n",
        rf"({FQID}\n){{2}}\d+ files, .+, in data\ngood: {SAMPLE} bundles .+\n",
    ],
    "docs/how-to/authentication.md": [
        None,
        r"stored login\nTrue\n",
        r"Credential\(origin='token function', .*\)\n",
        None,
    ],
    "docs/how-to/collections.md": [r"2\n"],
    "docs/reference/command-line.md": [r"(?s)\{.+\}\n", r"(?s).+complete.+"],
    "docs/how-to/deployments.md": [r"True True\n", None],
    "docs/how-to/download.md": [
        r"\d+ files, \d+ bytes downloaded\n",
        r"b'.+'\n",
        r"s3://\S+\n",
        "",
        "",
        "",
        r"(?s).+",
    ],
    "docs/how-to/events.md": [
        rf"(\S+Z {FQID} .*project_json.*\n){{{SAMPLE}}}",
        rf"({FQID}\n){{{SAMPLE}}}",
        r"\d+ 20\S+Z\n",
    ],
    "docs/reference/faults.md": [r"\(FaultCount\(.*\),\)\n"],
    "docs/how-to/files-by-url.md": [None, rf"({FIRST}/\S+\.json \d+\n)+b'{{'\n{{\n\n", None],
    "docs/how-to/archived-bucket.md": [rf"(?s).*ready.*\n({FQID}\n){{3}}"],
    "docs/how-to/install.md": [None, None, None, None],
    "docs/how-to/network.md": [""],
    "docs/how-to/portal-manifests.md": [r"(?s).+good: 3 bundles.+", ""],
    "docs/how-to/test-a-pipeline.md": [
        None,
        r"(?s).*3 passed.*",
        None,
        rf"(?s)({FQID}\n)DSS ready.*\n\1",
    ],
    "docs/how-to/migrate-from-hca.md": [*2 * (rf"({UUID} \d+\n){{{SAMPLE}}}404 not_found\n",)],
    "docs/how-to/search.md": [
        rf"True\n({FQID} \d+\n)+0 deleted meanwhile\n",
        r"(?s).*Homo sapiens.*<DownloadReport: .+>\n",
        "",
    ],
    "docs/how-to/subscriptions.md": [
        r"jmespath https://receiver\.example/\n",
        r"\(401, 'the header authorization was not sent'\)\n",
        r"jmespath\n0a6f2b1c\S+ 2019\S+\n{'project'.*\n{'other'.*\nNone\n",
    ],
    "docs/how-to/upload.md": [
        None,
        r"(?s)uploaded cell\.json.*",
        rf"(?s).*{FQID}.*",
        r"(?s)\{.*cell\.json.*uploaded.*\}\n",
    ],
    "docs/how-to/workflows.md": [
        None,
        rf"18 files, .*\nsample,fastq_1,fastq_2\n({FQID}(,/\S+R[12]\S*\.gz){{2}}\n){{{SAMPLE}}}",
        r"(?s).*\b60\b.*",
        None,
        "",
        r"(?s).*",
    ],
}


def pages_of_the_site() -> list[Path]:
    """Return the pages that are written by hand."""
    made = {"_build", "generated"}
    return [path for path in ROOT.glob("docs/**/*.md") if not made & set(path.parts)]


BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = {
    path.relative_to(ROOT).as_posix(): BLOCK.findall(path.read_text(encoding="utf-8"))
    for path in [ROOT / "README.md", *pages_of_the_site()]
}

OURS = {
    "ask_for_a_checkout": "(RUNNING|SUCCEEDED)\n",
    "check_a_bundle_out": rf"s3://\S+/bundles/{FIRST}\n",
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
    "search": rf"{FIRST}\n",
    "search_first_page": rf"{SAMPLE} in all\n(\S+Z\n){{{SAMPLE}}}",
    "show_a_bundle": LISTING,
    "subscribe": "https://receiver.example/ event_type=='CREATE'\nTrue\n\\[\\]\n",
}
HCA = {
    "create_version": rf"{VERSION}\n",
    "delete_subscription": r"\['timeDeleted'\]\n",
    "download": "downloaded\n",
    "download_manifest": "".join(rf"{re.escape(name)} {STORED}\n" for name in sorted(FILES)),
    "download_no_data": "metadata downloaded\n",
    "download_no_metadata": "data downloaded\n",
    "get_bundle": LISTING,
    "get_bundle_save": f"saved {len(FILES)} files\n",
    "get_bundles_checkout": "(RUNNING|SUCCEEDED)\n",
    "get_file": r"\{'biomaterial_core': .*\}\n",
    "get_file_stream": rf"1f8b\n{READ - 2}\n",
    "get_subscription": "https://receiver.example/\n",
    "get_subscriptions": r"(https://receiver.example/ aws\n)*\d\n",
    "head_file": rf"200 {BUNDLE.version}\n[0-9a-f]{{64}} {READ}\n",
    "login": "Storing access credentials\n",
    "logout": "logged out\n",
    "post_bundles_checkout": "True\n",
    "post_search": rf"{FIRST}\n",
    "post_search_page": rf"{SAMPLE}\n(/bundles/\S+\n){{{SAMPLE}}}",
    "put_subscription": r"\[.*'uuid'.*\]\n",
    "refresh_swagger": r"http://\S+/swagger.json: the same API as this client's\n",
}
_BUNDLE = f"{BUNDLE.uuid}.{BUNDLE.version}"
LEFT = {
    "download": {f"data/{_BUNDLE}/{name}" for name in [*FILES, "bundle.json"]},
    "download_manifest": {"manifest.tsv", *(f"{_BUNDLE}/{n}" for n in [*FILES, "bundle.json"])},
    "download_no_data": {f"{_BUNDLE}/{name}" for name in [*METADATA, "bundle.json"]},
    "download_no_metadata": {f"{_BUNDLE}/{name}" for name in [*BUNDLE.read_names, "bundle.json"]},
    "get_bundle_save": {"bundle.json"},
}
"""Files that an example for scripts of hca makes, beside the store."""


@pytest.fixture(scope="module")
def running() -> Iterator[LocalDSS]:
    with LocalDSS(settings=LocalSettings(retry_after=0)) as server:
        yield server


@pytest.fixture
def service(running: LocalDSS) -> LocalDSS:
    """A service with the sample, and nothing that other examples have written."""
    running.reset()
    load_sample(running)
    return running


@pytest.fixture(scope="module")
def granted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with what the pages take for granted."""
    folder = tmp_path_factory.mktemp("granted")
    with LocalDSS(folder / "root", sample=True) as server, DSSClient(server.url) as dss:
        bundles = [
            dss.get_bundle(uuid=each.uuid, version=each.version, replica="aws").bundle
            for each in dss.get_bundles_all.iterate(replica="aws")
        ]
    write_manifest(
        folder / "manifest.tsv", [row for each in bundles for row in manifest_rows(each)]
    )
    (folder / "root" / "aws" / "main").rename(folder / "bucket")
    shutil.rmtree(folder / "root")
    (folder / "my-directory").mkdir()
    (folder / "my-directory" / "cell.json").write_text("{}")
    (folder / "other.json").write_text("[]")
    (folder / "pytest.ini").write_text("[pytest]\n")  # and not the one of this project
    for language, text in BLOCKS["docs/how-to/test-a-pipeline.md"]:
        if language == "python":
            name = text.partition("\n")[0].removeprefix("# ")
            (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def folder(granted: Path, running: LocalDSS, tmp_path: Path) -> Path:
    here = Path(shutil.copytree(granted, tmp_path / "here"))
    rows = read_manifest(here / "manifest.tsv")
    write_manifest(
        here / "portal.tsv",
        (
            row.model_copy(update={"file_url": f"{running.url}/files/{row.file_uuid}?replica=aws"})
            for row in rows
        ),
    )
    return here


def environment(service: LocalDSS, home: Path, *, hca: bool) -> dict[str, str]:
    """Return what tells an example of the service, in the way of its kind."""
    home.mkdir()
    (home / "config.toml").touch()
    named = {
        "DSS_CONFIG_FILE": str(home / "config.toml"),
        "DSS_STATE_DIR": str(home / "state"),
        "XDG_CONFIG_HOME": str(home),
        "XDG_CACHE_HOME": str(home),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "PYTEST_ADDOPTS": "-p no:hypothesispytest -p no:zarr",  # seconds of imports, for nothing
        "ACCESS_TOKEN": service.mint_token(),
    }
    if not hca:
        return {**named, "DSS_URL": service.url, "DSS_TOKEN": service.mint_token()}
    url = f"{service.url}/swagger.json"
    token = {"access_token": service.mint_token(), "token_type": "Bearer", "expires_at": "-1"}
    document = {"DSSClient": {"swagger_url": url}, "oauth2_token": token}
    (home / "hca").mkdir()
    (home / "hca" / "config.json").write_text(json.dumps(document), encoding="utf-8")
    return {**named, "SWAGGER_URL": url}


Run = Callable[[str, str, Path, dict[str, str]], str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a block of Python or of a shell, and returns what it prints."""

    def run(language: str, text: str, folder: Path, environ: dict[str, str]) -> str:
        script = folder / f"block.{language}"
        script.write_text(text, encoding="utf-8")
        with monkeypatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            if "login(" in text:
                patch.delenv("DSS_TOKEN", raising=False)
            patch.chdir(folder)
            if language == "sh":
                return started("bash", "-euo", "pipefail", str(script))
            if "executor=" in text or "processes=" in text:  # it starts processes that import it
                return started(sys.executable, str(script))
            patch.setattr(sys, "argv", [str(script)])
            capfd.readouterr()
            runpy.run_path(str(script), run_name="__main__")
            DSSFileSystem.clear_instance_cache()  # of a service that is reset
            gc.collect()  # what scripts of hca leave open
            return capfd.readouterr().out

    return run


def started(*command: str) -> str:
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        env={**os.environ, "PATH": scripts},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def bucket() -> Iterator[tuple[LocalDSS, dict[str, str]]]:
    """Run a service that copies from S3; yield it, and what a program needs to know of S3."""
    with pytest.MonkeyPatch.context() as patch, s3_service() as endpoint:
        for name, text in ENVIRON.items():
            patch.setenv(name, text)
        httpx.put(f"{endpoint}/my-bucket").raise_for_status()
        with LocalDSS(settings=LocalSettings(s3_endpoint=endpoint)) as server:
            yield server, {"AWS_ENDPOINT_URL": endpoint}


def on_free_ports(script: str) -> str:
    """Return a script whose service has ports of its own, and is gone at its end."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        api, storage = (each.getsockname()[1] for each in (one, other))
    script = script.replace(":8010", f":{api}")
    script = script.replace("dss serve", f"dss serve --port {api} --storage-port {storage}")
    return script.replace("kill $!", "kill $!; wait $! || true")


def test_every_block_has_its_row() -> None:
    counted = {page: len(blocks) for page, blocks in BLOCKS.items() if blocks}
    assert {page: len(rows) for page, rows in PAGES.items()} == counted


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("page", "number"),
    [
        (page, number)
        for page, rows in PAGES.items()
        for number, row in enumerate(rows)
        if row is not None
    ],
)
def test_a_block_runs(
    page: str, number: int, service: LocalDSS, folder: Path, run: Run, tmp_path: Path
) -> None:
    language, text = BLOCKS[page][number]
    environ = environment(service, tmp_path / "home", hca=False)
    if page == "docs/reference/faults.md":
        text = f"from pathlib import Path\nfrom dss_client.local import LocalDSS\n{text}"
    if "dss serve" in text:
        text = on_free_ports(text)
    if "dss verify" in text and "dss download" not in text:
        text = f"dss download-search '{{}}' --download-dir data >&2\n{text}"
    expected = PAGES[page][number] or ""
    if page == "docs/how-to/upload.md":
        with bucket() as (server, more):
            environ = {**environ, **more, "DSS_URL": server.url, "DSS_TOKEN": server.mint_token()}
            printed = run(language, text, folder, environ)
    else:
        printed = run(language, text, folder, environ)
    assert re.fullmatch(expected, printed), printed
    if re.search(r"(manifest|portal)\.tsv", text) and "export-manifest" not in text:
        assert sum(path.is_file() for path in (folder / "data").rglob("*")) > 50
    if (folder / "cursor.txt").exists():
        assert run(language, text, folder, environ) == ""


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", sorted(OURS))
def test_an_example_runs(service: LocalDSS, tmp_path: Path, run: Run, name: str) -> None:
    (tmp_path / "here").mkdir()
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    environ = environment(service, tmp_path / "home", hca=False)
    printed = run("python", text, tmp_path / "here", environ)
    assert re.fullmatch(OURS[name], printed), printed


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", sorted(HCA))
def test_an_example_for_scripts_of_hca_runs(
    service: LocalDSS, tmp_path: Path, run: Run, name: str
) -> None:
    (tmp_path / "here").mkdir()
    text = (EXAMPLES / "hca" / f"{name}.py").read_text(encoding="utf-8")
    environ = environment(service, tmp_path / "home", hca=True)
    printed = run("python", text, tmp_path / "here", environ)
    assert re.fullmatch(HCA[name], printed), printed
    assert left_in(tmp_path / "here") - {"block.python"} == LEFT.get(name, set())


def left_in(folder: Path) -> set[str]:
    """Return the files that an example made, beside the store."""
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {each for each in made if "/.hca/" not in f"/{each}"}


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == OURS.keys()
    assert {path.stem for path in EXAMPLES.glob("hca/*.py")} == HCA.keys()


def commands() -> set[str]:
    """Return the commands that the pages name."""
    return {
        words
        for page in BLOCKS
        for words in re.findall(
            r"(?:^|`|\$ )dss ((?:api )?[a-z][a-z-]+)\b",
            (ROOT / page).read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    }


def test_every_command_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    named = commands()
    assert len(named) > 20
    for words in named:
        with pytest.raises(SystemExit) as caught:
            main([*words.split(), "--help"])
        assert caught.value.code == 0, words
