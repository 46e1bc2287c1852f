"""``dss demo``: what a newcomer sees first."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dss_client.manifest import read_manifest

from .conftest import ANSI, Run, Spawn

LAST_LINE = re.compile(r"OK: ([0-9]+) bundles, ([0-9]+) files, ([0-9]+) bytes verified")


def numbers(line: str) -> tuple[int, ...]:
    match = LAST_LINE.fullmatch(line)
    assert match is not None, line
    return tuple(int(number) for number in match.groups())


def on_disk(directory: Path) -> tuple[int, ...]:
    """Count bundles, files and bytes that lie there, without what is not of the bundles."""
    bundles = [path for path in directory.iterdir() if path.is_dir() and path.name[0] != "."]
    files = [path for bundle in bundles for path in bundle.rglob("*") if path.is_file()]
    files = [path for path in files if path.name != "bundle.json"]
    return len(bundles), len(files), sum(path.stat().st_size for path in files)


def test_it_ends_with_what_is_on_disk_every_time(spawn: Spawn, tmp_path: Path) -> None:
    for _ in range(2):
        process = spawn("demo", cwd=tmp_path)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert ANSI not in out
        assert "RUNNING" in out
        assert "SUCCEEDED: s3://" in out
        assert numbers(out.splitlines()[-1]) == on_disk(tmp_path / "dss-demo")
    assert " reused; " in out
    for row in read_manifest(tmp_path / "dss-demo" / "manifest.tsv"):
        directory = tmp_path / "dss-demo" / f"{row.bundle_uuid}.{row.bundle_version}"
        content = (directory / row.file_name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row.file_sha256
        assert row.file_name.split("/")[0] in out or "... and " in out


def test_its_python_does_the_same(run: Run, tmp_path: Path) -> None:
    outcome = run("demo", "--dir", tmp_path / "demo")
    told = outcome.out.split("The same in Python\n")[1].split("\n\nOK:")[0]
    code = "\n".join(line.removeprefix("   ") for line in told.splitlines())
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("s3://")
    assert on_disk(tmp_path / "data") == numbers(outcome.out.splitlines()[-1])


def test_as_json_and_behind_a_proxy(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    directory = tmp_path / "demo"
    outcome = run("demo", "--dir", directory, "--json")
    document = outcome.document
    assert outcome.status == 0
    assert "Search for all bundles" in outcome.err
    assert (document["bundles"], document["files"], document["bytes"]) == on_disk(directory)
    assert Path(document["manifest"]).is_file()
    assert document["location"].startswith("s3://")


def test_a_directory_of_something_else_is_left_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "manifest.tsv").write_text("mine")
    outcome = run("demo", "--dir", tmp_path)
    assert outcome.status == 2
    assert f"{tmp_path} holds something else" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.tsv"]
    assert (tmp_path / "manifest.tsv").read_text() == "mine"


def test_a_changed_file_is_named_and_kept(run: Run, tmp_path: Path) -> None:
    assert run("demo", "--dir", tmp_path).status == 0
    changed = next(path for path in tmp_path.glob("*/links.json"))
    changed.unlink()
    changed.write_text("my notes")
    outcome = run("demo", "--dir", tmp_path)
    assert outcome.status == 1
    assert str(changed) in outcome.err
    assert changed.read_text() == "my notes"
    assert "OK:" not in outcome.out
