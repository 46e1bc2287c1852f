"""A service to upload to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.upload.service import PART, SMALL_PARTS, Place, running


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what each test leaves to the next run to itself, and its login; return where that is."""
    folder = tmp_path / "state"
    monkeypatch.setenv("DSS_STATE_DIR", str(folder))
    monkeypatch.setenv("DSS_CONFIG_FILE", str(tmp_path / "config.toml"))
    return folder


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make parts of 1,000 bytes instead of 64 MiB."""
    for name in SMALL_PARTS:
        monkeypatch.setattr(name, PART)


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    yield from running(tmp_path_factory.mktemp("place"))


@pytest.fixture
def place(started: Place) -> Place:
    """An empty service, and an empty bucket."""
    started.server.reset()
    started.clear()
    return started
