"""The outer side of a contender's process: a fresh one for each measurement."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from attrs import frozen

from .measure import Job
from .rows import Contender

_PROJECT = Path(__file__).parent.parent
_PATIENCE = 1800.0  # seconds that one run may take


class ContenderFailed(Exception):
    """A contender raised an error, died, took too long, or left something wrong behind."""


@frozen
class Measured:
    """What one run took.

    Attributes:
        wall: Seconds of the call.
        cpu: Seconds of processor, its children's included.
        rss: The most memory it had, in bytes.
        calls: How many calls of the API.
    """

    wall: float
    cpu: float
    rss: int
    calls: int = 0


@frozen
class Programs:
    """How to start contenders.

    Attributes:
        hca: Interpreter of the reference client's environment.
        authority: Certificate to be trusted, or None.
    """

    hca: Path | None
    authority: Path | None = None

    def run(self, contender: Contender, job: Job, scratch: Path) -> Measured:
        """Run a contender once.

        Args:
            contender: Which.
            job: What it is to do.
            scratch: An empty folder: its current directory, and its home.

        Raises:
            ContenderFailed: It did.
        """
        (scratch / "config.json").write_text(json.dumps(_hca_config(job["url"])))
        errors = scratch / "errors"
        with errors.open("wb") as file, self._started(contender, scratch, file) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                for line in (json.dumps(job), "go"):
                    process.stdin.write(line + "\n")
                    process.stdin.flush()
                    answer: dict[str, Any] = json.loads(process.stdout.readline())
                    if "error" in answer:
                        raise ContenderFailed(answer["error"])
            except (OSError, ValueError):
                said = errors.read_text(errors="replace").splitlines()
                raise ContenderFailed(
                    f"its process ended: {said[-1] if said else 'it said nothing'}"
                ) from None
        return Measured(**answer)

    @contextmanager
    def _started(
        self, contender: Contender, scratch: Path, errors: IO[bytes]
    ) -> Iterator["subprocess.Popen[str]"]:
        python = self.hca if contender.module == "peer" else sys.executable
        assert python is not None
        process = subprocess.Popen(
            [python, "-P", "-W", "ignore", "-m", f"benchmarks.{contender.module}"],
            cwd=scratch,
            env=self._environ(scratch),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # so that its own children can be ended with it
        )
        limit = threading.Timer(_PATIENCE, _end_group, [process])
        limit.daemon = True
        limit.start()
        try:
            yield process
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)
        finally:
            limit.cancel()
            _end_group(process)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None and not pipe.closed:
                    pipe.close()

    def _environ(self, scratch: Path) -> dict[str, str]:
        environ = {
            "HCA_CONFIG_FILE": str(scratch / "config.json"),
            "HOME": str(scratch),
            "LC_ALL": "C.UTF-8",
            "NO_PROXY": "*",
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(_PROJECT),
            "XDG_CONFIG_HOME": str(scratch),
        }
        if self.authority is not None:
            for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
                environ[name] = str(self.authority)
        return environ


def _end_group(process: "subprocess.Popen[str]") -> None:
    """End a process and its children; it is not yet waited for, so its number is still its own."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)


def _hca_config(url: str) -> dict[str, Any]:
    return {"log_level": "WARNING", "DSSClient": {"swagger_url": f"{url}/swagger.json"}}
