"""Commands run in this process, and in one of their own."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from dss_client.cli import main
from dss_client.local import LocalDSS, LocalSettings, load_sample

ANSI = "\x1b"


@frozen
class Outcome:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document on standard output."""
        return json.loads(self.out)


Run = Callable[..., Outcome]
Spawn = Callable[..., "subprocess.Popen[str]"]


def fill(server: LocalDSS, directory: Path, bundles: int, files: int = 1) -> list[str]:
    """Load bundles of tiny files, and return their FQIDs."""
    directory.mkdir()
    for number in range(files):
        (directory / f"{number:04}.json").write_text(json.dumps({"number": number}))
    return [server.load_bundle(directory).fqid for _ in range(bundles)]


@pytest.fixture(autouse=True)
def hang_up_ends() -> Iterator[None]:
    """Have SIGHUP end processes that tests start, even if these tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL) if hasattr(signal, "SIGHUP") else None
    yield
    if before is not None:
        signal.signal(signal.SIGHUP, before)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Return a runner of ``dss <words>`` in this process; logging is afterwards as it was."""

    def run_here(*words: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, printed.out, printed.err)

    ours, root = logging.getLogger("dss_client"), logging.getLogger()
    level, handlers = ours.level, list(root.handlers)
    yield run_here
    ours.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Return a starter of ``dss <words>`` as a process with pipes; all are ended at the end."""
    running: list[subprocess.Popen[str]] = []

    def start(*words: object, cwd: Path | None = None, **environ: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "dss_client", *(str(word) for word in words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env={**os.environ, **environ},
        )
        running.append(process)
        return process

    yield start
    for process in running:
        with process:
            process.kill()


@pytest.fixture(scope="session")
def _slow_dss() -> Iterator[LocalDSS]:
    with LocalDSS(settings=LocalSettings(checkout_polls=1, retry_after=0)) as server:
        yield server


@pytest.fixture
def slow_dss(_slow_dss: LocalDSS) -> LocalDSS:
    """An embedded DSS with the sample, whose checkout jobs run for one poll."""
    _slow_dss.reset()
    load_sample(_slow_dss)
    return _slow_dss
