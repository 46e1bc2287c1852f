"""What the tests of downloads share."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS

from .apart import Apart
from .sample import write_sample
from .wire import Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A service and its storage, to be scripted."""
    with Wire() as running:
        yield running


@pytest.fixture(scope="session")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    """What runs functions in processes of their own."""
    if sys.platform != "linux":
        pytest.skip("it needs fork and /proc")
    with Apart(tmp_path_factory.mktemp("apart")) as running:
        yield running


@pytest.fixture
def deaf() -> Iterator[str]:
    """An origin whose queue of connections is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        waiting = [socket.socket() for _ in range(8)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        for each in waiting:
            each.close()


@pytest.fixture
def dss(local_dss: LocalDSS) -> Iterator[DSSClient]:
    """A client of the sample."""
    with DSSClient(local_dss.url) as client:
        yield client


@pytest.fixture
def manifest(local_dss: LocalDSS, tmp_path: Path) -> Path:
    """The sample as a manifest."""
    return write_sample(tmp_path / "wanted.tsv", local_dss.url)
