"""A deployment with people who log in to it, and whoever gives them tokens."""

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from attrs import frozen

from dss_client.auth import stored
from dss_client.local import LocalDSS, LocalSettings
from tests.auth.oauth_server import OAuthServer
from tests.origin import Origin

PERSON = "person@example.org"


@frozen
class Place:
    """A deployment and its OAuth server."""

    dss: LocalDSS
    oauth: OAuthServer


@pytest.fixture(autouse=True)
def config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory of this test's own for settings and logins; there is no keyring."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "config.toml").touch()
    monkeypatch.setenv("DSS_CONFIG_FILE", str(folder / "config.toml"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.setattr(stored, "_keyring", lambda: None)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    numbers = itertools.count()
    made: list[LocalDSS] = []

    def mint() -> str:
        return made[0].mint_token(email=PERSON, jti=str(next(numbers)))

    oauth = OAuthServer(mint)
    with Origin(script=oauth.answer) as origin:
        oauth.origin = origin
        settings = LocalSettings(application_secrets=oauth.document, retry_after=0)
        with LocalDSS(tmp_path / "root", settings=settings) as dss:
            made.append(dss)
            yield Place(dss, oauth)


@pytest.fixture
def browse() -> Iterator[Callable[[str], bool]]:
    """Return a browser: it follows redirects, in a thread of its own, as a real one would."""
    threads: list[threading.Thread] = []

    def visit(url: str) -> None:
        with httpx.Client(follow_redirects=True, trust_env=False) as client:
            client.get(url)

    def open_(url: str) -> bool:
        threads.append(threading.Thread(target=visit, args=(url,)))
        threads[-1].start()
        return True

    yield open_
    for thread in threads:
        thread.join()
