"""Uploads by way of Google Cloud Storage: its own library, and a small service that speaks like it.

The real one was never asked.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from dss_client import UploadReport
from dss_client.upload import StagingError, UploadError
from tests.origin import Origin
from tests.upload.gcs_service import Service
from tests.upload.service import BUCKET, PART, Place, fill

pytestmark = pytest.mark.usefixtures("small_parts")


@frozen
class Cloud:
    service: Service
    place: Place
    url: str

    def upload(self, src: Path, **how: Any) -> UploadReport:
        return self.place.client.upload(
            src_dir=src, replica="gcp", staging_bucket=BUCKET, threads=1, **how
        )

    def broken_off(self, src: Path, request: str, number: int, match: str = "403") -> None:
        """Upload until the service refuses a kind of request, and forget the requests."""
        self.service.refuse = request, number, 403
        with pytest.raises(UploadError, match=match):
            self.upload(src)
        self.service.refuse = None
        self.service.requests.clear()


@pytest.fixture
def cloud(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    service = Service(place.folder)
    with Origin(script=service) as origin:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", origin.url)
        yield Cloud(service, place, origin.url)


def content(parts: int) -> bytes:
    """Return a content of parts that all differ."""
    return b"".join(b"%04d" % number * (PART // 4) for number in range(parts))


@pytest.mark.parametrize("parts", [32, 33, 63, 64])
def test_to_the_cloud_and_back(cloud: Cloud, tmp_path: Path, parts: int) -> None:
    files = {"a.json": b"{}", "d/big": content(parts), "empty": b""}
    report = cloud.upload(fill(tmp_path / "src", files))
    assert cloud.place.files(report) == files
    assert report.files[0].content_type == "application/json"
    assert len(cloud.service.names()) == 3  # no part is left


def test_parts_are_not_sent_twice(cloud: Cloud, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"big": content(6)})
    cloud.broken_off(src, "POST", 4)
    assert cloud.place.files(cloud.upload(src)) == {"big": content(6)}
    # Three parts, what composes all of them, and the parts removed.
    assert cloud.service.requests["POST"] == 4
    assert cloud.service.requests["DELETE"] == 6


def test_half_composed(cloud: Cloud, tmp_path: Path) -> None:
    """What is composed of the first 32 parts is not taken for the file, whatever it claims."""
    src = fill(tmp_path / "src", {"big": content(40)})
    cloud.broken_off(src, "POST", 42)
    assert cloud.place.files(cloud.upload(src)) == {"big": content(40)}
    assert cloud.service.requests["POST"] == 2


def test_composed_already(cloud: Cloud, tmp_path: Path) -> None:
    """The run died before it removed the parts and asked the service."""
    src = fill(tmp_path / "src", {"big": content(6)})
    cloud.place.server.faults = [{"on": "put_file", "status": 500}]
    cloud.broken_off(src, "DELETE", 3, match="500")
    cloud.place.server.faults = None
    assert cloud.upload(src).count("reused") == 1
    assert cloud.service.requests["POST"] == 0
    assert len(cloud.service.names()) == 1


def test_parts_of_a_changed_file_are_removed(cloud: Cloud, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"big": content(6)})
    cloud.broken_off(src, "POST", 4)
    (src / "big").write_bytes(b"small")
    assert cloud.place.files(cloud.upload(src)) == {"big": b"small"}
    assert len(cloud.service.names()) == 1


@pytest.mark.parametrize("status", [403, 404, None])
def test_a_refusal_or_another_checksum(cloud: Cloud, tmp_path: Path, status: int | None) -> None:
    cloud.service.refuse = ("POST", 1, status) if status else None
    cloud.service.spoil = True
    said = f"Google Cloud Storage says: {status}" if status else "the bucket has crc32c"
    with pytest.raises(UploadError, match=rf"'a': gs://{BUCKET}/.*: {said}") as caught:
        cloud.upload(fill(tmp_path / "src", {"a": b"content"}))
    assert isinstance(caught.value.cause, StagingError)


@pytest.mark.parametrize(("is_there", "error"), [(False, StagingError), (True, UploadError)])
def test_no_credentials(
    cloud: Cloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_there: bool,
    error: type[Exception],
) -> None:
    """There are none; or there are, without a project, and they are refused when they are used."""
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    key = tmp_path / "key.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    cloud.service.refuse = "POST", 1, 400
    if is_there:
        known = dict.fromkeys(("audience", "subject_token_type"), "x")
        known |= {"type": "external_account", "token_url": f"{cloud.url}/token"}
        key.write_text(json.dumps({**known, "credential_source": {"file": str(key)}}))
    with pytest.raises(error, match="GOOGLE_APPLICATION_CREDENTIALS"):
        cloud.upload(fill(tmp_path / "src", {"a": b"content"}))
    assert bool(cloud.service.requests["POST"]) == is_there
