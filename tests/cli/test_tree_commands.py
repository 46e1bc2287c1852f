"""``dss verify`` and ``dss gc``: what is in a download directory."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS

from ..download.directory import stored
from ..download.sample import ROWS, write_sample
from .conftest import Run


@pytest.fixture
def manifest(local_dss: LocalDSS, tmp_path: Path) -> Path:
    return write_sample(tmp_path / "wanted.tsv", local_dss.url)


@pytest.fixture
def data(local_dss: LocalDSS, tmp_path: Path) -> Path:
    """The sample bundles."""
    with DSSClient(local_dss.url) as dss:
        dss.download_search(
            es_query={}, replica="aws", download_dir=tmp_path / "data", durable=False
        )
    return tmp_path / "data"


def test_what_is_good(run: Run, data: Path, manifest: Path) -> None:
    outcome = run("verify", data)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == (
        f"good: 3 bundles with {ROWS} files, 360.2 kB; in the store 60 contents, 393.6 kB\n"
    )
    outcome = run("verify", data, "--manifest", manifest, "--layout", "bundle", "--json")
    assert outcome.document["files"] == ROWS
    assert outcome.document["ok"] is True


def test_what_is_not(run: Run, data: Path) -> None:
    first, second, *_ = sorted(data.glob("*/*_0.json"))
    first.unlink()
    second.unlink()
    second.write_text("other")
    outcome = run("verify", data, "--threads", 2)
    assert outcome.status == 1
    assert f"failed: {first}: expected " in outcome.err
    assert f"failed: {second}: expected " in outcome.err
    ending = "not as they should be (--repair fetches them anew)\n"
    assert outcome.err.endswith(f"Error: 2 files are {ending}")
    assert len(run("verify", data, "--json").document["faults"]) == 2
    second.unlink()
    (line, _) = run("verify", data).err.splitlines()
    assert line.startswith("failed: 2 files: expected ")
    assert f"({first}, {second})" in line
    named, also_named, _ = run("verify", data, "-v").err.splitlines()
    assert f"failed: {first}: " in named
    assert f"failed: {second}: " in also_named
    second.write_text("other")
    allowed = run("verify", data, "--allow-missing")
    assert allowed.err.endswith(f"Error: 1 file is {ending}")
    assert "1 file is not there, which was allowed\n" in allowed.out


def test_what_is_not_good_is_repaired(run: Run, data: Path, local_dss: LocalDSS) -> None:
    path = min(data.glob("*/*_0.json"))
    content = path.read_bytes()
    off = ("verify", data, "--repair", "--url", "http://127.0.0.1:9/v1", "--retries", 0)
    path.unlink()
    path.write_text("other")
    assert run(*off).status == 0  # the store has it
    assert path.read_bytes() == content
    stored(data, hashlib.sha256(content).hexdigest()).unlink()
    path.unlink()
    lost = run(*off)
    assert (lost.status, path.exists()) == (1, False)
    assert lost.err.endswith("Error: 1 file is not as they should be\n")
    outcome = run("verify", data, "--repair", "--url", local_dss.url)
    assert (outcome.status, outcome.err) == (0, "")
    assert f"repaired: {path}\n" in outcome.out
    assert run("verify", data, "--repair").status == 0


def test_extra_files_are_named(run: Run, data: Path) -> None:
    folder = next(path for path in data.iterdir() if path.name != ".hca")
    for number in range(22):
        (folder / f"extra_{number:02}").touch()
    *named, more, _ = run("verify", data).out.splitlines()
    assert named == [f"extra: {folder / f'extra_{number:02}'}" for number in range(20)]
    assert more == "extra: and 2 more (-v names all)"
    outcome = run("verify", data, "-v")
    assert (outcome.status, outcome.out.count("extra: ")) == (0, 22)


def test_what_nothing_needs_is_removed_when_told_to(run: Run, data: Path, manifest: Path) -> None:
    shutil.rmtree(next(path for path in data.iterdir() if path.name != ".hca"))
    recent = run("gc", data, "--yes")
    assert (recent.status, recent.err) == (0, "")
    assert recent.out.endswith("removed, 0 bytes\n")
    now = ("--older-than", 0)
    assert run("gc", data, *now, "--keep", manifest, "--json").document["items"]
    seen = run("gc", data, *now)
    assert "name their manifests with --keep" in seen.out
    assert "nothing was removed: --yes removes this, " in seen.out
    listed = [line for line in run("gc", data, *now, "-v").out.splitlines() if ".hca" in line]
    assert {line.split()[0] for line in listed} == {"content"}
    done = run("gc", data, *now, "--yes", "--json")
    assert done.status == 0
    assert all(item["removed"] for item in done.document["items"])
    assert run("gc", data, *now, "--yes").out.endswith("removed, 0 bytes\n")
    assert run("verify", data).status == 0


def test_what_cannot_be_removed_is_named(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(next(path for path in data.iterdir() if path.name != ".hca"))

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", os.fspath(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    outcome = run("gc", data, "--yes", "--older-than", 0)
    assert outcome.status == 1
    assert ": Permission denied\n" in outcome.err
    assert outcome.err.endswith("Error: some files could not be removed\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gc", ".", "--yes", "--dry-run"], "--yes and --dry-run exclude each other"),
        (["gc", "."], "holds no store (.hca)"),
        (["verify", "."], "holds neither a store (.hca) nor the directory of a bundle"),
        (["verify", "missing"], "is not a directory"),
        (["verify", ".", "--layout", "none"], "it needs --manifest"),
        (["verify", ".", "--urls", "x"], "it needs --repair and --manifest"),
    ],
)
def test_wrong_usage(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run(*words)
    assert outcome.status == 2
    assert message in outcome.err
