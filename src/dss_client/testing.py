"""Fixtures for pytest: an embedded DSS for each test, found as soon as this is installed.

```python
def test_my_pipeline(local_dss, tmp_path):
    bundle = local_dss.load_bundle(tmp_path)
    local_dss.faults = [{"on": "storage", "nth": 1, "status": 503}]
    run_my_pipeline(dss_url=local_dss.url)
```

They need the extra ``local``, which is loaded when a test uses a fixture.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dss_client import DSSClient
    from dss_client.local import LocalDSS

__all__ = ["dss_client", "local_dss", "sample_dss"]

_MARKER = "dss_faults(*rules): what goes wrong with the embedded DSS of the fixture local_dss."


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def local_dss(request: pytest.FixtureRequest) -> "Iterator[LocalDSS]":
    """Return a running embedded DSS of this test: empty, and gone afterwards.

    ``@pytest.mark.dss_faults({"on": "storage", "nth": 1, "status": 503})`` makes it go wrong;
    so does assigning to ``local_dss.faults``.
    """
    marker = request.node.get_closest_marker("dss_faults")
    with _local_dss(faults=list(marker.args) if marker else None) as running:
        yield running


@pytest.fixture(scope="session")
def sample_dss() -> "Iterator[LocalDSS]":
    """Return a running embedded DSS with the sample bundles, the same for all tests: only read."""
    with _local_dss(sample=True) as running:
        yield running


@pytest.fixture
def dss_client(local_dss: "LocalDSS") -> "Iterator[DSSClient]":
    """Return a client of ``local_dss``, with a token that may write there."""
    from dss_client import DSSClient

    with DSSClient(local_dss.url, token=local_dss.mint_token) as client:
        yield client


def _local_dss(**arguments: Any) -> "LocalDSS":
    try:
        from dss_client.local import LocalDSS, LocalSettings
    except ModuleNotFoundError as error:
        pytest.fail(f"{error}: pip install 'dss-client[local]' brings it", pytrace=False)
    return LocalDSS(settings=LocalSettings(retry_after=0), **arguments)
