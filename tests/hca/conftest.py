"""The facade over an embedded DSS, with settings of each test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dss_client.auth import stored
from dss_client.hca.config import get_config
from dss_client.hca.dss import DSSClient
from dss_client.local import LocalDSS


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the directory that all settings and logins of a test are in; there is no keyring."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "config.toml").touch()
    monkeypatch.setenv("DSS_CONFIG_FILE", str(folder / "config.toml"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setattr(stored, "_keyring", lambda: None)
    get_config.cache_clear()
    yield folder
    get_config.cache_clear()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty directory that is the current one."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def dss(local_dss: LocalDSS) -> Iterator[DSSClient]:
    """A client of the sample."""
    with DSSClient(swagger_url=f"{local_dss.url}/swagger.json") as client:
        yield client
