"""What the generator makes of the pinned specification, once a session; packages to write into."""

import shutil
from pathlib import Path

import pytest

from generator.__main__ import PINNED, ROOT, generate, main
from generator.options import SOURCE

PACKAGE = ROOT / "src" / "dss_client"


@pytest.fixture(scope="session")
def generated() -> dict[str, str]:
    return generate(PINNED)


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a package that is generated in full; it is only to be read."""
    package = handwritten(tmp_path_factory.mktemp("full"))
    assert main(["--package", str(package)]) == 0
    return package


@pytest.fixture
def package(full: Path, tmp_path: Path) -> Path:
    """Give such a package that may be changed."""
    return Path(shutil.copytree(full, tmp_path / "package"))


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Give a package with nothing but what is generated from, and the old `_async/downloads`."""
    return handwritten(tmp_path / "empty")


def handwritten(package: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "operations")
    shutil.copytree(PACKAGE / "_async", package / "_async", ignore=ignored)
    (package / SOURCE).parent.mkdir()
    shutil.copyfile(PACKAGE / SOURCE, package / SOURCE)
    return package
