"""A download in a process of its own, to be killed: see `test_kill`.

``python -m tests.download.killed <url of storage>`` waits for directories on its input, a line
each. For each it forks, since to import all this anew would take longer than the download does; the
new process downloads and ends. Its id is printed, and then how it ended.
"""

import os
import random
import sys
from functools import partial
from pathlib import Path
from unittest.mock import patch

from dss_client._http import tls_context
from dss_client._options import Timeout
from dss_client._storage import ConnectionPool
from dss_client.download.lanes import Limits

from .by_keywords import download_bundle
from .scripted import BUNDLE, ScriptedSource

PART = 1 << 17
SMALL_FILES = 30
LARGE_FILES = 3
LARGE = 3 << 20


def make_source() -> ScriptedSource:
    """Return a bundle of large and small files, the same in every process."""
    source = ScriptedSource()
    sizes = [LARGE + number for number in range(LARGE_FILES)]
    sizes += [1000 + number for number in range(SMALL_FILES)]
    files = [
        source.add_file(f"f{number}", random.Random(number).randbytes(size))
        for number, size in enumerate(sizes)
    ]
    source.add_bundle(files)
    return source


def download(source: ScriptedSource, storage: str, directory: Path) -> None:
    """Download the bundle."""
    source.base = storage
    source.connections = ConnectionPool(Timeout(), tls_context)
    with patch("dss_client.download.start.Limits", partial(Limits, part_size=PART)):
        download_bundle(
            source,
            bundle_uuid=BUNDLE,
            replica="aws",
            download_dir=directory,
            durable=False,
            threads=4,
            num_retries=0,
        )


def main(storage: str) -> None:
    source = make_source()
    for line in iter(sys.stdin.readline, ""):
        pid = os.fork()
        if not pid:
            status = 1
            try:
                download(source, storage, Path(line.strip()))
                status = 0
            finally:
                os._exit(status)
        print(pid, flush=True)
        _, ended = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(ended), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
