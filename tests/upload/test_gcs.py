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
from tests.upload.gcs_service import Service, gcs_service
from tests.upload.service import BUCKET, PART, Place, fill

pytestmark = pytest.mark.usefixtures("small_parts")


@frozen
class Cloud:
    service: Service
    place: Place

    def upload(self, src: Path, **how: Any) -> UploadReport:
        return self.place.client.upload(src_dir=src, replica="gcp", staging_bucket=BUCKET, **how)


@pytest.fixture
def cloud(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with gcs_service(place.folder) as (service, url):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        yield Cloud(service, place)


@pytest.mark.parametrize("parts", [32, 33, 63, 64])
def test_to_the_cloud_and_back(cloud: Cloud, tmp_path: Path, parts: int) -> None:
    content = b"".join(b"%04d" % number * (PART // 4) for number in range(parts))
    files = {"a.json": b"{}", "d/big": content, "empty": b""}
    report = cloud.upload(fill(tmp_path / "src", files))
    assert cloud.place.files(report) == files
    assert report.files[0].content_type == "application/json"
    assert len(cloud.service.names("")) == 3  # no part is left


def broken_off(cloud: Cloud, src: Path, request: str, number: int) -> int:
    """Upload until the service refuses a kind of request; return how many requests there were."""
    cloud.service.refuse_from = request, number
    with pytest.raises(UploadError, match="Google Cloud Storage says: 403"):
        cloud.upload(src, threads=1)
    cloud.service.refuse_from = None
    sent = len(cloud.service.requests)
    cloud.service.requests.clear()
    return sent


def test_parts_are_not_sent_twice(cloud: Cloud, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"big": b"x" * 5500})
    broken_off(cloud, src, "POST", 4)
    report = cloud.upload(src, threads=1)
    assert cloud.place.files(report) == {"big": b"x" * 5500}
    # Three parts, what composes all of them, and the parts removed.
    methods = [method for method, _ in cloud.service.requests if method != "GET"]
    assert methods == ["POST"] * 4 + ["DELETE"] * 6


def test_half_composed(cloud: Cloud, tmp_path: Path) -> None:
    """What is composed of the first 32 parts is not taken for the file, whatever it claims."""
    content = b"".join(b"%04d" % number * (PART // 4) for number in range(40))
    src = fill(tmp_path / "src", {"big": content})
    broken_off(cloud, src, "POST", 42)
    report = cloud.upload(src, threads=1)
    assert cloud.place.files(report) == {"big": content}
    assert [method for method, _ in cloud.service.requests].count("POST") == 2


def test_composed_already(cloud: Cloud, tmp_path: Path) -> None:
    """The run died before it removed the parts and asked the service."""
    src = fill(tmp_path / "src", {"big": b"x" * 5500})
    cloud.place.server.faults = [{"on": "put_file", "status": 500}]
    cloud.service.refuse_from = "DELETE", 3
    with pytest.raises(UploadError, match="500"):
        cloud.upload(src)
    cloud.place.server.faults = cloud.service.refuse_from = None
    cloud.service.requests.clear()
    assert cloud.upload(src).count("reused") == 1
    assert "POST" not in [method for method, _ in cloud.service.requests]
    assert len(cloud.service.names("")) == 1


def test_parts_of_a_changed_file_are_removed(cloud: Cloud, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"big": b"x" * 5500})
    broken_off(cloud, src, "POST", 4)
    (src / "big").write_bytes(b"small")
    assert cloud.place.files(cloud.upload(src)) == {"big": b"small"}
    assert len(cloud.service.names("")) == 1


def test_another_checksum_is_an_error(cloud: Cloud, tmp_path: Path) -> None:
    cloud.service.spoil = True
    with pytest.raises(UploadError, match=rf"'a': gs://{BUCKET}/") as caught:
        cloud.upload(fill(tmp_path / "src", {"a": b"content"}))
    assert isinstance(caught.value.cause, StagingError)


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal(cloud: Cloud, tmp_path: Path, status: int) -> None:
    cloud.service.refuse = status
    with pytest.raises(UploadError, match=rf"Google Cloud Storage says: {status}"):
        cloud.upload(fill(tmp_path / "src", {"a": b"content"}))


def test_no_credentials(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    src = fill(tmp_path / "src", {"a": b"content"})
    with pytest.raises(StagingError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        place.client.upload(src_dir=src, replica="gcp", staging_bucket=BUCKET)


def test_no_project_is_needed(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library takes the credentials; the token behind them is refused when it is asked for."""
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    user = tmp_path / "user.json"
    secrets = {"client_id": "x", "client_secret": "y", "refresh_token": "z"}
    token_uri = "http://127.0.0.1:9/token"
    user.write_text(json.dumps({"type": "authorized_user", "token_uri": token_uri, **secrets}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(user))
    from dss_client.upload.staging import open_staging

    assert open_staging("gcp", BUCKET, 1).place == f"gs://{BUCKET}"
