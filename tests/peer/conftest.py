"""The reference client beside ours. Without its environment these tests are left out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS, LocalSettings
from tests.peer.peer_client import PYTHON, Peer

if not PYTHON:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def service() -> Iterator[LocalDSS]:
    """A service with the sample, for tests that only read."""
    settings = LocalSettings(checkout_polls=1, retry_after=0)
    with LocalDSS(sample=True, settings=settings) as running:
        yield running


@pytest.fixture(scope="session")
def peer(service: LocalDSS, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with Peer(service.url, tmp_path_factory.mktemp("peer")) as made:
        yield made


@pytest.fixture(scope="session")
def large_bundle() -> str:
    return "7a1f0f9e-7f0c-4f3e-9a55-0d6f1f4a2b01"


@pytest.fixture(scope="session")
def paged(tmp_path_factory: pytest.TempPathFactory, large_bundle: str) -> Iterator[LocalDSS]:
    """A service with more bundles than a page holds, one of them with more files."""
    source = tmp_path_factory.mktemp("bundle")
    with LocalDSS() as running:
        for number in range(24):
            Path(source, f"file_{number}.json").write_text(
                f'{{"number": {number}}}', encoding="utf-8"
            )
            running.load_bundle(source)
        running.load_bundle(source, large_bundle)
        yield running


@pytest.fixture(scope="session")
def paged_peer(paged: LocalDSS, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with Peer(paged.url, tmp_path_factory.mktemp("peer")) as made:
        yield made


@pytest.fixture
def ours(service: LocalDSS) -> Iterator[DSSClient]:
    with DSSClient(service.url) as client:
        yield client


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return one directory for each client."""
    made = tmp_path / "ours", tmp_path / "theirs"
    for folder in made:
        folder.mkdir()
    return made
