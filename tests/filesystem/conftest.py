"""What the tests of the file system share."""

from collections.abc import Iterator

import pytest

from dss_client._filesystem import DSSFileSystem
from tests.download.wire import Wire


@pytest.fixture(autouse=True)
def _no_instances() -> Iterator[None]:
    """Leave no file system of a service that is gone, or that has other contents now."""
    yield
    DSSFileSystem.clear_instance_cache()


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A service and its storage, to be scripted."""
    with Wire() as running:
        yield running
