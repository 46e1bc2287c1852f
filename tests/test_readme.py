"""The README's Python examples run as they stand, and its commands exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dss_client.local import LocalDSS

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = sorted(set(re.findall(r"^dss ([a-z-]+)", README, re.MULTILINE)))


def run(arguments: list[str], directory: Path, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(number: int, tmp_path: Path) -> None:
    with LocalDSS(sample=True) as local:
        printed = run(["-c", EXAMPLES[number]], tmp_path, DSS_URL=local.url)
    assert printed.strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_exists(command: str, tmp_path: Path) -> None:
    assert "Usage: dss" in run(["-m", "dss_client", command, "--help"], tmp_path)
