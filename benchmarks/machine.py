"""What the figures were taken on, and with."""

import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .nginx import Unusable

_PROJECT = Path(__file__).parent.parent
_HCA_PACKAGES = ("hca", "requests", "urllib3")


def check_curl() -> str:
    """Return the version of curl.

    Raises:
        Unusable: It is missing.
    """
    if shutil.which("curl") is None:
        raise Unusable("curl is not installed: apt-get install curl")
    return _output("curl", "--version").split()[1]


def check_hca(python: Path | None) -> str:
    """Return the versions of the reference client and of what it stands on.

    Raises:
        Unusable: There is no such tool.
    """
    remedy = (
        "name the interpreter of an environment that has it with --hca or DSS_PEER_PYTHON"
        " (python3.11 -m venv hca && hca/bin/python -m pip install --group peer)"
    )
    if python is None:
        raise Unusable(f"the reference client hca is missing: {remedy}")
    ask = f"""
import importlib.metadata, platform
print("Python", platform.python_version(), end="")
for name in {_HCA_PACKAGES}: print(",", name, importlib.metadata.version(name), end="")
"""
    try:
        return _output(str(python), "-I", "-c", ask)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unusable(f"{python} has no reference client hca: {remedy}") from error


def check_tls() -> None:
    """Raise an error when no certificate can be made.

    Raises:
        Unusable: It cannot.
    """
    try:
        version("cryptography")
    except PackageNotFoundError as error:
        raise Unusable("TLS needs cryptography: pip install cryptography") from error


def filesystem(folder: Path) -> str:
    """Return the kind of file system that a folder is on."""
    return _output("stat", "--file-system", "--format=%T", str(folder))


def available_memory() -> int:
    """Return how many bytes of memory can still be had."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return sys.maxsize


def describe_machine() -> dict[str, str]:
    """Return what there is to be said of the machine."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": f"{os.cpu_count()} x {names[0] if names else platform.machine()}",
        "memory": f"{pages * page / (1 << 30):.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def describe_ours() -> str:
    """Return the versions of this project and of what it stands on, with the commit."""
    commit = ""
    if shutil.which("git") and (_PROJECT / ".git").exists():
        short = _output("git", "-C", str(_PROJECT), "rev-parse", "--short", "HEAD")
        changed = _output("git", "-C", str(_PROJECT), "status", "--porcelain", "--", "src")
        commit = f" (commit {short}{', changed since' if changed else ''})"
    parts = [f"dss-client {version('dss-client')}{commit}"]
    parts += [f"{name} {version(name)}" for name in ("httpx", "httpcore", "pydantic")]
    return f"Python {sys.version.split()[0]}, " + ", ".join(parts)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
