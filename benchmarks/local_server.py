"""How fast the embedded DSS is: start, GET /bundles, and bytes from its storage.

``python benchmarks/local_server.py [--seconds N] [--clients N]``; a report, not a gate.
"""

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path

import httpx

from dss_client.local import LocalDSS
from dss_client.local.sample import BUNDLES

_MIB = 1024 * 1024
_SIZE = 64 * _MIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        started = time.perf_counter()
        dss = LocalDSS(name)
        dss.start()
        print(f"start, empty root: {(time.perf_counter() - started) * 1000:.0f} ms")
        dss.stop()
        LocalDSS(name, sample=True).start().stop()
        large = Path(name, "large")
        large.mkdir()
        (large / "data.bin").write_bytes(os.urandom(_SIZE))
        loaded = dss.load_bundle(large)
        with LocalDSS(name) as running:
            requests(running, arguments.seconds, arguments.clients)
            storage(running, loaded.uuid)


def requests(dss: LocalDSS, seconds: float, clients: int) -> None:
    """Ask for a bundle again and again, with some clients at once."""
    url = f"{dss.url}/bundles/{BUNDLES[0].uuid}?replica=aws"
    counts = [0] * clients
    end = time.perf_counter() + seconds

    def ask(number: int) -> None:
        with httpx.Client() as client:
            while time.perf_counter() < end:
                client.get(url).raise_for_status()
                counts[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"GET /bundles: {sum(counts) / seconds:.0f} requests/s from {clients} clients")


def storage(dss: LocalDSS, uuid: str) -> None:
    """Read one large file from the storage."""
    with httpx.Client(follow_redirects=True) as client:
        bundle = client.get(f"{dss.url}/bundles/{uuid}", params={"replica": "aws"}).json()
        file = bundle["bundle"]["files"][0]["uuid"]
        url = f"{dss.url}/files/{file}?replica=aws"
        while (answer := client.get(url, follow_redirects=False)).status_code == 301:
            url = answer.headers["location"]
        location = answer.headers["location"]
        started = time.perf_counter()
        size = 0
        with client.stream("GET", location) as response:
            for piece in response.iter_raw():
                size += len(piece)
        taken = time.perf_counter() - started
    assert size == _SIZE
    print(f"storage: {size / _MIB / taken:.0f} MiB/s, one file of {_SIZE // _MIB} MiB")


if __name__ == "__main__":
    main()
