"""What the tests of downloads share."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .apart import Apart
from .wire import Wire

FAILS_TODAY = Path(__file__).with_name("fails_today.txt")


def expected() -> dict[str, pytest.MarkDecorator]:
    """Read which tests are to fail: strict or loose, the kind of fault, and the test, by tabs."""
    lines = FAILS_TODAY.read_text(encoding="utf-8").splitlines() if FAILS_TODAY.exists() else []
    cells = [line.split("\t") for line in lines]
    return {
        name: pytest.mark.xfail(strict=how == "strict", reason=kind) for how, kind, name in cells
    }


EXPECTED = expected()


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect failures where `fails_today.txt` says so."""
    for item in items:
        if item.path.parent != Path(__file__).parent:
            continue
        name = f"{item.path.name}::{item.name}"
        mark = EXPECTED.get(name) or EXPECTED.get(name.partition("[")[0])
        if mark is not None:
            item.add_marker(mark)
