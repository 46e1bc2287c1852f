"""``dss download`` and ``dss download-manifest``."""

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS
from dss_client.manifest import manifest_rows, write_manifest
from dss_client.models import BundleVersion, FileVersion

from .conftest import ANSI, Run, Spawn


def first_bundle(server: LocalDSS) -> BundleVersion:
    with DSSClient(server.url) as dss:
        fqid = dss.post_search(replica="aws", es_query={}).results[0].bundle_fqid
        return dss.get_bundle(replica="aws", uuid=fqid.split(".")[0]).bundle


@pytest.fixture
def bundle(local_dss: LocalDSS) -> BundleVersion:
    return first_bundle(local_dss)


@pytest.fixture
def manifest(bundle: BundleVersion, tmp_path: Path) -> Path:
    path = tmp_path / "wanted.tsv"
    write_manifest(path, manifest_rows(bundle))
    return path


def files_below(directory: Path) -> set[str]:
    paths = (path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths} - {"bundle.json"}


def spoil(server: LocalDSS, sha256: str) -> None:
    """Change a byte of a stored content."""
    blob = next(path for path in server.root.rglob("*") if sha256 in path.name and path.is_file())
    content = bytearray(blob.read_bytes())
    content[0] ^= 1
    blob.write_bytes(content)


def test_download_makes_a_directory(
    run: Run, local_dss: LocalDSS, bundle: BundleVersion, tmp_path: Path
) -> None:
    outcome = run("download", bundle.uuid, "--download-dir", tmp_path, "--url", local_dss.url)
    directory = tmp_path / f"{bundle.uuid}.{bundle.version}"
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.endswith(f"({len(bundle.files) + 1} downloaded), in {directory}\n")
    assert files_below(directory) == {file.name for file in bundle.files}
    for file in bundle.files:
        assert hashlib.sha256((directory / file.name).read_bytes()).hexdigest() == file.sha256
    again = run("download", bundle.uuid, "--download-dir", tmp_path, "--url", local_dss.url)
    assert f"({len(bundle.files) + 1} reused)" in again.out


def test_download_goes_to_the_current_directory_by_default(
    run: Run,
    local_dss: LocalDSS,
    bundle: BundleVersion,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("download", bundle.uuid, "--url", local_dss.url).status == 0
    assert (tmp_path / f"{bundle.uuid}.{bundle.version}" / "bundle.json").is_file()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--no-data"], lambda file: file.indexed),
        (["--no-metadata"], lambda file: not file.indexed),
        (
            ["--metadata-filter", "li*s.json", "--data-filter", ""],
            lambda file: file.name == "links.json",
        ),
        (
            ["--no-metadata", "--data-filter", "*R1*", "--data-filter", "*R2*"],
            lambda file: file.name.endswith(".fastq.gz"),
        ),
    ],
)
def test_download_takes_what_is_asked_for(
    run: Run,
    local_dss: LocalDSS,
    bundle: BundleVersion,
    tmp_path: Path,
    options: list[str],
    wanted: Callable[[FileVersion], bool],
) -> None:
    words = ("download", bundle.uuid, "--download-dir", tmp_path, "--url", local_dss.url, "--json")
    document = run(*words, *options).document
    names = {file.name for file in bundle.files if wanted(file)}
    assert files_below(tmp_path / f"{bundle.uuid}.{bundle.version}") == names
    skipped = [file for file in document["files"] if file["state"] == "skipped"]
    assert len(skipped) == len(bundle.files) - len(names)


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_each_failed_file_is_named(run: Run, tmp_path: Path, as_json: list[str]) -> None:
    with LocalDSS(tmp_path / "root", sample=True) as server:
        bundle = first_bundle(server)
        bad = next(file for file in bundle.files if file.name == "links.json")
        spoil(server, bad.sha256)
        words = ("download", bundle.uuid, "--download-dir", tmp_path / "data", "--url", server.url)
        outcome = run(*words, *as_json)
    total = len(bundle.files) + 1
    failed, last = outcome.err.splitlines()
    assert outcome.status == 1
    assert failed.startswith("failed: 'links.json' of bundle ")
    assert bad.sha256 in failed
    assert last == f"Error: 1 of {total} files failed"
    if as_json:
        assert outcome.document["files_failed"] == 1
        assert outcome.document["files_done"] == total - 1
    else:
        assert outcome.out.startswith(f"{total - 1} files, ")


def test_download_manifest_in_the_bundle_layout(
    run: Run, local_dss: LocalDSS, bundle: BundleVersion, manifest: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    words = ("download-manifest", "--manifest", manifest, "--download-dir", data)
    outcome = run(*words, "--layout", "bundle", "--url", local_dss.url)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.endswith(f", listed in {data / 'wanted.tsv'}\n")
    names = {file.name for file in bundle.files}
    assert files_below(data / f"{bundle.uuid}.{bundle.version}") == names
    with (data / "wanted.tsv").open(newline="") as file:
        assert all(row["file_path"] for row in csv.DictReader(file, dialect="excel-tab"))


def test_download_manifest_without_layout_and_as_json(
    run: Run, local_dss: LocalDSS, bundle: BundleVersion, manifest: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    words = ("download-manifest", "--manifest", manifest, "--download-dir", data, "--json")
    document = run(*words, "--url", local_dss.url).document
    assert document["ok"] is True
    assert document["files_done"] == len(bundle.files)
    assert document["manifest_path"] == str(data / "wanted.tsv")
    assert {path.name for path in data.iterdir()} == {".hca", "wanted.tsv"}


def test_a_bad_manifest_is_one_line(run: Run, local_dss: LocalDSS, tmp_path: Path) -> None:
    manifest = tmp_path / "bad.tsv"
    manifest.write_text("bundle_uuid\tbundle_version\n")
    outcome = run("download-manifest", "--manifest", manifest, "--url", local_dss.url)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith(f"Error: {manifest}, line 1: lacks the columns file_name")
    assert outcome.err.count("\n") == 1


UUID = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["download", UUID, "--no-data", "--data-filter", "*"], "--no-data and --data-filter"),
        (["download", UUID, "--no-metadata", "--metadata-filter", "*"], "exclude each other"),
        (["download"], "Missing argument"),
        (["download-manifest", "--manifest", "missing.tsv"], "'missing.tsv' does not exist"),
        (["download-manifest", "--manifest", __file__, "--no-data"], "need --layout bundle"),
        (["download-manifest", "--manifest", __file__, "--layout", "tree"], "'tree'"),
    ],
)
def test_options_that_contradict_are_wrong_usage(run: Run, words: list[str], message: str) -> None:
    outcome = run(*words)
    assert outcome.status == 2
    assert message in outcome.err


def test_a_pipe_sees_no_progress(
    spawn: Spawn, local_dss: LocalDSS, bundle: BundleVersion, tmp_path: Path
) -> None:
    process = spawn("download", bundle.uuid, "--json", cwd=tmp_path, DSS_URL=local_dss.url)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert ANSI not in out
    assert json.loads(out)["ok"] is True
