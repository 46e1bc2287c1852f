"""What the page on the embedded DSS shows works: its commands and its test file are run."""

import os
import re
import shutil
import socket
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from dss_client.local import LocalDSS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "local-dss.md").read_text(encoding="utf-8")
FIDELITY = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [text for language, text in BLOCKS if language == "sh"]
FQID = r"[0-9a-f-]{36}\.\d{4}-\d\d-\d\dT\d{6}\.\d{6}Z\n"
EXPECTED = [
    r"OK: 3 bundles",
    rf"ready.*\n({FQID})+17 files",
    r"3 passed",
    rf"({FQID})DSS ready.*\n\1$",
    rf"ready.*\n({FQID}){{3}}$",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a directory with what the page takes for granted."""
    for language, text in BLOCKS:
        if language == "python":
            name = text.partition("\n")[0].removeprefix("# ")
            (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # and not the one of this project
    root = tmp_path / "elsewhere"
    LocalDSS(root, sample=True).start().stop()
    (root / "aws" / "main").rename(tmp_path / "bucket")
    shutil.rmtree(root)
    return tmp_path


def free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in (one, other)]


def test_every_use_is_there() -> None:
    assert len(COMMANDS) == len(EXPECTED)


@pytest.mark.skipif(shutil.which("bash") is None, reason="the commands are for a shell")
@pytest.mark.parametrize("number", range(len(EXPECTED)))
def test_commands_run(number: int, folder: Path) -> None:
    api, storage = free_ports()
    script = COMMANDS[number].replace(":8010", f":{api}")
    script = script.replace("dss serve", f"dss serve --port {api} --storage-port {storage}")
    script = script.replace("kill $!", "kill $!; wait $! || true")
    programs = Path(sys.executable).parent
    installed = {each.value for each in entry_points(group="pytest11")}
    plugin = "" if "dss_client.testing" in installed else "-p dss_client.testing"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTEST_ADDOPTS": plugin,  # where the installed package does not name it yet
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(EXPECTED[number], done.stdout, re.DOTALL), done.stdout


def test_what_proves_the_fidelity_is_there() -> None:
    named = set(re.findall(r"`(?:tests/)?([\w/]*test_\w+\.py)`", FIDELITY))
    here = {path.relative_to(ROOT / "tests").as_posix() for path in ROOT.glob("tests/**/test_*.py")}
    assert len(named) > 20
    assert {name if name in here else f"local/{name}" for name in named} <= here
