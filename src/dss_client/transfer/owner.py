"""The identity of a process, by which others tell whether it is still at work."""

import os
import platform
import zlib
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path

__all__ = ["is_alive", "is_here", "may_run", "owner", "tag"]


@cache
def _machine() -> str:
    """Return the scope of process ids: this boot of this machine, this container."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return "/".join(parts)


def owner() -> str:
    """Return the identity of this process, so that others can tell whether it is alive."""
    return f"{_machine()}#{os.getpid()}#{_own_start(os.getpid())}"


def is_here(machine: str) -> bool:
    """Tell whether an `owner`, or the machine of a `tag`, is of this boot of this machine."""
    return machine == _machine_tag() or machine.partition("#")[0] == _machine()


def is_alive(name: str) -> bool:
    """Tell whether an owner may still be at work."""
    machine, _, rest = name.partition("#")
    pid, _, started = rest.partition("#")
    return machine != _machine() or not pid.isdecimal() or _runs(pid, started)


def tag() -> str:
    """Return the identity of this process, for file names."""
    return f"{_machine_tag()}-{os.getpid()}-{_own_start(os.getpid())}"


@lru_cache(maxsize=1)
def _own_start(pid: int) -> str:
    """Return when this process, which a fork makes another one, was started."""
    return _started(pid)


def may_run(machine: str, pid: str, started: str) -> bool:
    """Tell whether the process that a `tag` names may still be at work."""
    return machine != _machine_tag() or _runs(pid, started)


@cache
def _machine_tag() -> str:
    return f"{zlib.crc32(_machine().encode()):08x}"


def _runs(pid: str, started: str) -> bool:
    if os.name != "posix":
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    if _facts(int(pid))[:1] in (["Z"], ["X"]):
        return False  # it has ended, and only its parent has not taken note
    return not started or started == _started(int(pid))


def _started(pid: int) -> str:
    """Return when a process was started, in the system's own ticks; empty where it is not told."""
    facts = _facts(pid)
    return facts[19] if facts else ""


def _facts(pid: int) -> list[str]:
    """Return what the system tells of a process, from its state on; empty where it tells none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
