"""Fixtures of all tests."""

import gc
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
import pytest
from hypothesis import HealthCheck, settings

from dss_client._connections import Place
from tests.drive import Drive, Driver, Mode
from tests.origin import Origin, Reply, Script

if TYPE_CHECKING:
    from dss_client.local import LocalDSS

Origins = Callable[..., Origin]

# A busy machine is no fault of the code: examples are counted, never timed.
# Each run draws others, so that half as many as usual find as much in the long run.
settings.register_profile(
    "untimed", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")


def pytest_collection_finish() -> None:
    """Have collections of garbage pass over modules and tests, which take most of their time."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _interrupts() -> None:
    """Have SIGINT interrupt, here and in what tests start: a shell's background job ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have clients trust one public authority: to read all of them takes 50 ms each time."""
    end = "-----END CERTIFICATE-----\n"
    first, _, _ = Path(certifi.where()).read_text(encoding="utf-8").partition(end)
    one = tmp_path_factory.mktemp("authority") / "one.pem"
    one.write_text(first + end, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certifi, "where", lambda: str(one))
        yield


SETTINGS = (
    "DSS_URL",
    "DSS_TOKEN",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "HCA_CONFIG_FILE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    *(f"{kind}_proxy" for kind in ("http", "https", "all", "no")),
    *(f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "ALL", "NO")),
)


@pytest.fixture(scope="session")
def empty_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a config file that says nothing."""
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.touch()
    return path


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, empty_config: Path) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(empty_config.parent))
    monkeypatch.setenv("DSS_CONFIG_FILE", str(empty_config))


@pytest.fixture(autouse=True)
def _all_over_httpx(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have requests that httpx is to answer from a list go there, the plain ones as well."""
    if "httpx_mock" in request.fixturenames:
        monkeypatch.setattr(Place, "of", lambda _url: None)


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> Mode:
    """Return which client to use; a test that takes it holds for both."""
    chosen: Mode = request.param
    return chosen


@pytest.fixture
def drive(mode: Mode) -> Driver:
    """Return a maker of `Drive`s of this test's mode: ``drive(url=..., options=...)``."""
    return partial(Drive, mode=mode)


@pytest.fixture
def origins() -> Iterator[Origins]:
    """Return a starter of scripted HTTP origins, all of them stopped at the end."""
    with ExitStack() as running:

        def start(*replies: Reply, script: Script | None = None) -> Origin:
            return running.enter_context(Origin(*replies, script=script))

        yield start


@pytest.fixture(scope="session")
def local_dss() -> "Iterator[LocalDSS]":
    """Return an embedded DSS with the sample bundles; no test may write to it."""
    from dss_client.local import LocalDSS, LocalSettings

    with LocalDSS(sample=True, settings=LocalSettings(retry_after=0)) as server:
        yield server


@pytest.fixture(scope="session")
def _running_dss() -> "Iterator[LocalDSS]":
    from dss_client.local import LocalDSS, LocalSettings

    with LocalDSS(settings=LocalSettings(retry_after=0)) as server:
        yield server


@pytest.fixture
def empty_dss(_running_dss: "LocalDSS") -> "LocalDSS":
    """Return an embedded DSS without bundles, which a test may write to."""
    _running_dss.reset()
    return _running_dss


@pytest.fixture
def own_dss(empty_dss: "LocalDSS") -> "LocalDSS":
    """Return an embedded DSS with the sample, which a test may write to."""
    from dss_client.local import load_sample

    load_sample(empty_dss)
    return empty_dss
