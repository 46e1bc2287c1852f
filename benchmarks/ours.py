"""This project's client as a contender, through its public API."""

import importlib
import os
import time
from concurrent.futures import ProcessPoolExecutor, wait
from typing import Any

from benchmarks.measure import Call, Job, serve

_USED = (
    "httpx",
    "httpcore",
    "dss_client.download.run",
    "dss_client._sync.operations.get_bundle",
)


def prepare(job: Job) -> Call:
    warm()
    client: Any = importlib.import_module("dss_client").DSSClient(job["url"])
    options: dict[str, Any] = {}
    if job["processes"] > 1:
        options["executor"] = _pool(job["processes"])

    def call() -> object:
        return client.download_manifest(
            manifest=job["manifest"],
            replica="aws",
            layout=job["layout"],
            download_dir=job["download_dir"],
            **options,
        )

    return call


def warm(seconds: float = 0.0) -> int:
    """Import all, and stay busy for so long that another process has to do it, too."""
    for name in _USED:
        importlib.import_module(name)
    time.sleep(seconds)
    return os.getpid()


def _pool(processes: int) -> ProcessPoolExecutor:
    pool = ProcessPoolExecutor(processes)
    started: set[int] = set()
    while len(started) < processes:
        done, _ = wait([pool.submit(warm, 0.1) for _ in range(processes)])
        started |= {future.result() for future in done}
    return pool


if __name__ == "__main__":
    serve(prepare)
