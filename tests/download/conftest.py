"""What the tests of downloads share."""

import socket
import sys
from collections.abc import Iterator

import pytest

from .apart import Apart
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
