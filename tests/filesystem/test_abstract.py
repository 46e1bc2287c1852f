"""The tests that fsspec has for all file systems, as far as they only read."""

from pathlib import Path, PurePosixPath
from shutil import rmtree
from typing import Any
from uuid import uuid4

import pytest
from fsspec.tests.abstract import AbstractFixtures, AbstractGetTests

from dss_client._filesystem import DSSFileSystem
from dss_client.local import LocalDSS


class BundlesOfAFolder(DSSFileSystem):
    """A file system that can be written to: each change is a new version of a bundle.

    The tests write what they are going to read.
    """

    cachable = False
    dss: LocalDSS
    folder: Path

    def touch(self, path: str, *_arguments: Any, **_options: Any) -> None:
        """Make an empty file."""
        self.pipe(path, b"")

    def pipe(self, path: str, value: bytes, **_options: Any) -> None:
        """Make a file."""
        uuid, _, name = path.partition("/")
        place = self.folder / uuid / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(value)
        self.dss.load_bundle(self.folder / uuid, uuid)
        self.invalidate_cache()

    def makedirs(self, *_: Any, **__: Any) -> None:
        """Do nothing: a file makes the directories on its way."""

    mkdir = makedirs

    def rm(self, path: str, recursive: bool = False) -> None:
        """Forget all files of a bundle."""
        rmtree(self.folder / path.partition("/")[0])


# As those of earlier versions are.
@pytest.mark.filterwarnings("ignore:Class-scoped fixtures defined as instance methods")
class TestGet(AbstractFixtures, AbstractGetTests):
    """The tests of `get`."""

    @pytest.fixture
    def fs(self, empty_dss: LocalDSS, tmp_path: Path) -> BundlesOfAFolder:
        system = BundlesOfAFolder(empty_dss.url)
        system.dss, system.folder = empty_dss, tmp_path / "written"
        return system

    @pytest.fixture
    def fs_path(self) -> str:
        return str(uuid4())

    @pytest.fixture
    def fs_join(self) -> Any:
        return lambda *parts: str(PurePosixPath(*parts))
