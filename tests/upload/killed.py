"""An upload in a process of its own, to be killed: see `test_s3`.

``python -m tests.upload.killed <directory> <bucket> <url> <token>`` prints how many bytes are sent,
a line for each part, and then waits a moment.
"""

import sys
import time
from pathlib import Path

from dss_client import DSSClient
from dss_client._sync.upload_service import ClientService
from dss_client.download import ProgressEvent
from dss_client.upload import upload_directory


def told(event: ProgressEvent) -> None:
    if event.kind == "advanced":
        print(event.file_bytes_done, event.name, flush=True)
        time.sleep(0.05)


def main(src_dir: str, bucket: str, url: str, token: str) -> None:
    with DSSClient(url, token=token) as client:
        upload_directory(
            ClientService(client, client.url),
            src_dir=Path(src_dir),
            replica="aws",
            staging_bucket=bucket,
            threads=1,
            step=1000,
            progress=told,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
