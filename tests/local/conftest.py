"""Running services, and bundles made from dictionaries."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import httpx
import pytest

from dss_client.local import LoadedBundle, LocalDSS, LocalSettings
from tests.local.calls import Load
from tests.local.webhook import Hook, Receiver
from tests.local.writing import writer
from tests.s3_service import ENVIRON, make_bucket, s3_service


@pytest.fixture(scope="session")
def sample_dss() -> Iterator[LocalDSS]:
    """A service with the sample, for tests that only read."""
    with LocalDSS(sample=True) as dss:
        yield dss


@pytest.fixture
def api(sample_dss: LocalDSS) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sample_dss.url) as client:
        yield client


@pytest.fixture(scope="session")
def running_dss(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    with LocalDSS(tmp_path_factory.mktemp("running") / "root") as running:
        yield running


@pytest.fixture
def dss(running_dss: LocalDSS) -> LocalDSS:
    """A service that is empty when a test begins."""
    running_dss.reset()
    return running_dss


@pytest.fixture
def client(dss: LocalDSS) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=dss.url) as made:
        yield made


@pytest.fixture(scope="session")
def notifying_dss() -> Iterator[LocalDSS]:
    """A service that tries three times to notify, and soon."""
    admins = frozenset({"admin@example.org"})
    settings = LocalSettings(admins=admins, retry_delays=(0.05, 0.0))
    with LocalDSS(settings=settings) as dss:
        yield dss


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def hook(notifying_dss: LocalDSS, receiver: Receiver, load: Load) -> Iterator[Hook]:
    """That service, empty, with a client of an admin and a receiver."""
    notifying_dss.reset()
    with writer(notifying_dss, email="admin@example.org") as client:
        yield Hook(notifying_dss, client, receiver, load)


@pytest.fixture(scope="session")
def load() -> Load:
    """Load a bundle whose files are given as name -> bytes, or as something to put in JSON."""

    def load_files(
        dss: LocalDSS,
        files: Mapping[str, object],
        uuid: str | None = None,
        version: str | None = None,
    ) -> LoadedBundle:
        with TemporaryDirectory() as folder:
            for name, content in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(
                    content if isinstance(content, bytes) else json.dumps(content).encode()
                )
            return dss.load_bundle(folder, uuid, version)

    return load_files


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The URL of an S3 service."""
    with s3_service() as service:
        yield service


@pytest.fixture
def s3_root(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a root in S3, where nothing is yet."""
    for name, text in {**ENVIRON, "AWS_ENDPOINT_URL": s3}.items():
        monkeypatch.setenv(name, text)
    return f"s3://{make_bucket(s3)}/dss"


@pytest.fixture(params=["directory", "file", "memory", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A root of each kind, where nothing is yet."""
    match request.param:
        case "directory":
            return str(tmp_path / "root")
        case "file":
            return (tmp_path / "root").as_uri()
        case "memory":
            return f"memory://{uuid4()}"
        case _:
            made: str = request.getfixturevalue("s3_root")
            return made
