"""The inner side of a contender's process: prepares, waits for the word, and measures one call.

Two lines of JSON come in, the job and then the word to start; two go out, that all is ready and
then the figures or an error. What a contender prints goes to its standard error. The reference
client's interpreter imports this: the standard library alone.
"""

import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypedDict


class Job(TypedDict):
    """What a contender is to do.

    Attributes:
        url: Base URL of the API.
        manifest: Path of the manifest.
        layout: Layout of the download.
        download_dir: Where to.
        urls: Path of the list of URLs, for those who know no API.
        processes: How many processes to use.
        connections: How many connections to use, for those who can be told.
    """

    url: str
    manifest: str
    layout: str
    download_dir: str
    urls: str
    processes: int
    connections: int


Call = Callable[[], object]


def serve(prepare: Callable[[Job], Call]) -> None:
    """Answer one job.

    Args:
        prepare: Does all that comes before the clock, and returns what is measured.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        call = prepare(json.loads(sys.stdin.readline()))
        _say(answers.fileno(), {"ready": True})
        sys.stdin.readline()
        _say(answers.fileno(), _measured(call))
    except Exception as error:  # noqa: BLE001 - whatever it raises is the answer
        text = " ".join(str(error).split())
        _say(answers.fileno(), {"error": f"{type(error).__name__}: {text}"})


def _measured(call: Call) -> dict[str, float]:
    cpu = _cpu()
    started = time.perf_counter()
    call()
    wall = time.perf_counter() - started
    return {"wall": wall, "cpu": _cpu() - cpu, "rss": _peak_rss()}


def _say(descriptor: int, answer: Mapping[str, object]) -> None:
    os.write(descriptor, json.dumps(answer).encode() + b"\n")


def _cpu() -> float:
    """Return the seconds that this process and its children used, the living ones included."""
    seconds = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        seconds += used.ru_utime + used.ru_stime
    for child in multiprocessing.active_children():
        # After the name, which may hold anything: state is the first, utime the twelfth.
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def _peak_rss() -> int:
    """Return the bytes that this process and its living children had at most, each for itself.

    From VmHWM, since ru_maxrss also tells of the process that this one was started by.
    """
    pids = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                total += int(line.split()[1]) * 1024
    return total
