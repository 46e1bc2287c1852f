"""An upload in parts of 1,000 bytes in a process of its own, to be killed: see `test_s3`.

``python -m tests.upload.killed <directory> <bucket> <url> <token>`` prints how many bytes are sent,
a line for each part, and then waits a moment.
"""

import sys
import time

import pytest

from dss_client import DSSClient, ProgressEvent
from tests.upload.service import PART, SMALL_PARTS


def told(event: ProgressEvent) -> None:
    if event.kind == "advanced":
        print(event.file_bytes_done, event.name, flush=True)
        time.sleep(0.05)


def main(src_dir: str, bucket: str, url: str, token: str) -> None:
    with pytest.MonkeyPatch.context() as patch, DSSClient(url, token=token) as client:
        for name in SMALL_PARTS:
            patch.setattr(name, PART)
        client.upload(
            src_dir=src_dir, replica="aws", staging_bucket=bucket, threads=1, progress=told
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
