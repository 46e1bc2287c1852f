"""``dss serve --faults``: a scenario from a file, read again on SIGHUP."""

import json
import signal
import sys
from pathlib import Path

import httpx
import pytest

from .conftest import Run, Spawn

SERVE = ("serve", "--sample", "--port", "0", "--storage-port", "0", "--json")


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_faults_are_read_and_read_again(spawn: Spawn, tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text('[{"status": 503}]')
    process = spawn(*SERVE, "--faults", path)
    assert process.stdout is not None
    assert process.stderr is not None
    url = json.loads(process.stdout.readline())["url"]
    assert httpx.get(url).status_code == 503

    path.write_text('[{"statsu": 500}]')
    process.send_signal(signal.SIGHUP)
    line = process.stderr.readline()
    assert line.startswith("Error: the faults stay as they were: ")
    assert "rules[0].statsu: no such field; did you mean 'status'?" in line
    assert httpx.get(url).status_code == 503

    path.write_text('[{"status": 418}, {"delay": 1}]')
    process.send_signal(signal.SIGHUP)
    assert process.stderr.readline() == f"Faults: 2 rules from {path}\n"
    assert httpx.get(url).status_code == 418

    path.unlink()
    process.send_signal(signal.SIGHUP)
    assert "the faults stay as they were" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0


@pytest.mark.skipif(
    sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN,
    reason="needs a hang-up that is not ignored",
)
def test_without_faults_a_hangup_ends_it(spawn: Spawn) -> None:
    process = spawn(*SERVE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=30) == 129


def test_a_bad_scenario_is_one_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text('[{"on": "get_bundel", "status": 503}]')
    outcome = run(*SERVE, "--faults", path)
    assert outcome.status == 1
    assert outcome.err == (
        f"Error: {path}: rules[0].on: there is no operation 'get_bundel';"
        " did you mean 'get_bundle'?\n"
    )
    path.write_text("nonsense")
    assert "Invalid JSON: expected ident at line 1 column 2" in run(*SERVE, "--faults", path).err


def test_a_missing_file_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    outcome = run(*SERVE, "--faults", tmp_path / "missing.json")
    assert outcome.status == 2
    assert "missing.json" in outcome.err
