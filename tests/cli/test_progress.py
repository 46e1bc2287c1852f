"""Bars on a terminal: seen through a pseudo-terminal."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS

from .conftest import Run

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

import pty

COLOUR = "\x1b[3"


def download_on_terminal(server: LocalDSS, directory: Path, **environ: str) -> tuple[str, str]:
    """Return standard output of a download, and what a terminal on standard error shows."""
    with DSSClient(server.url) as dss:
        fqid = dss.post_search(replica="aws", es_query={}).results[0].bundle_fqid
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    screen, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "dss_client", "download", fqid, "--url", server.url],
        cwd=directory,
        env={**kept, "TERM": "xterm", "COLUMNS": "100", **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        shown = b""
        try:
            while piece := os.read(screen, 4096):
                shown += piece
        except OSError:  # Linux ends a pseudo-terminal so
            pass
        finally:
            os.close(screen)
        assert process.stdout is not None
        out = process.stdout.read().decode()
    assert process.returncode == 0
    return out, shown.decode()


def test_a_terminal_sees_the_progress(local_dss: LocalDSS, tmp_path: Path) -> None:
    out, shown = download_on_terminal(local_dss, tmp_path)
    total = out.split()[0]
    assert f"{total} of {total} files" in shown
    assert COLOUR in shown
    assert "\x1b" not in out


def test_a_batch_job_sees_lines(
    run: Run, local_dss: LocalDSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dss_client.progress._FIRST", 0.0)
    outcome = run("download-search", "{}", "--download-dir", tmp_path, "--url", local_dss.url)
    first, *_, last = outcome.err.splitlines()
    total = outcome.out.split()[0]
    assert re.match(r"\d+ of \d+ files, .* of .*/s", first)
    assert last.startswith(f"{total} of {total} files, ")
    assert "\r" not in outcome.err


def test_no_color_is_respected(local_dss: LocalDSS, tmp_path: Path) -> None:
    _, shown = download_on_terminal(local_dss, tmp_path, NO_COLOR="1")
    assert " files" in shown
    assert COLOUR not in shown
