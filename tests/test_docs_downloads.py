"""What the page on downloads shows works: its examples and commands are run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS
from dss_client.manifest import manifest_rows, write_manifest

PAGE = (Path(__file__).parent.parent / "docs" / "downloads.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES = [text for language, text in BLOCKS if language == "python"]
COMMANDS = [text for language, text in BLOCKS if language == "sh" and "sbatch" not in text]


@pytest.fixture
def folder(local_dss: LocalDSS, tmp_path: Path) -> Path:
    """Return a directory with a manifest of the sample."""
    with DSSClient(local_dss.url) as dss:
        answers = [
            dss.get_bundle(uuid=each.uuid, version=each.version, replica="aws").bundle
            for each in dss.get_bundles_all(replica="aws").bundles
        ]
    rows = [row for answer in answers for row in manifest_rows(answer)]
    write_manifest(tmp_path / "manifest.tsv", rows)
    return tmp_path


def run(arguments: list[str], folder: Path, url: str) -> str:
    scripts = str(Path(sys.executable).parent)
    done = subprocess.run(
        arguments,
        cwd=folder,
        env={**os.environ, "DSS_URL": url, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_below(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(local_dss: LocalDSS, folder: Path, number: int) -> None:
    script = folder / "example.py"
    script.write_text(EXAMPLES[number], encoding="utf-8")
    run([sys.executable, script.name], folder, local_dss.url)
    assert files_below(folder / "data") > 50


@pytest.mark.skipif(shutil.which("bash") is None, reason="the commands are for a shell")
def test_the_commands_run(local_dss: LocalDSS, folder: Path) -> None:
    looked_after, job_array = COMMANDS
    printed = run(["bash", "-ec", job_array], folder, local_dss.url)
    assert "60" in printed
    assert (folder / "data" / "manifest.tsv").is_file()
    run(["bash", "-ec", looked_after], folder, local_dss.url)
    assert files_below(folder / "data") > 50


def test_every_kind_is_there() -> None:
    assert len(EXAMPLES) == 4
    assert len(COMMANDS) == 2
