"""An S3 service on this machine."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
from moto.server import ThreadedMotoServer

ENVIRON = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""What its clients need to be told, beside `AWS_ENDPOINT_URL`."""


@contextmanager
def s3_service() -> Iterator[str]:
    """Run a service; yield its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def make_bucket(service: str) -> str:
    """Make a bucket; return its name."""
    name = f"bucket-{uuid4()}"
    httpx.put(f"{service}/{name}").raise_for_status()
    return name
