"""A service to upload to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.upload.service import Place, running


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the journals of each test to itself; return where they are."""
    folder = tmp_path / "state"
    monkeypatch.setenv("DSS_STATE_DIR", str(folder))
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield from running(tmp_path / "place")
