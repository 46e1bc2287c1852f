"""The commands of the page on the command line run."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dss_client.local import LocalDSS

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
]


def test_there_are_some() -> None:
    assert len(COMMANDS) == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_it_runs(
    command: str, local_dss: LocalDSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSS_URL", local_dss.url)
    line = command.replace("dss ", f"{sys.executable} -m dss_client ", 1)
    done = subprocess.run(
        line, shell=True, cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    if "--output" in command:
        assert json.loads((tmp_path / "bundles.json").read_text())["bundles"]
    else:
        assert done.stdout
