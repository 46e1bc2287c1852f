"""Uploads by way of Google Cloud Storage: its own library, and a small service that speaks like it.

The real one was never asked.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from dss_client.upload import LostUpload, SentPart, StagingError, UploadError
from dss_client.upload.checksums import Checksums, Hasher, part_size
from dss_client.upload.gcs import GCSStaging
from tests.upload.gcs_service import SIDECAR, Service, gcs_service
from tests.upload.service import BUCKET, Place, fill


@frozen
class Cloud:
    service: Service
    place: Place

    def upload(self, src: Path, **how: Any) -> Any:
        staging = GCSStaging.open(BUCKET)
        return self.place.upload(src, staging, replica="gcp", **how)


@pytest.fixture
def cloud(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with gcs_service(place.folder) as (service, url):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        yield Cloud(service, place)


def sums_of(content: bytes) -> Checksums:
    hasher = Hasher(part_size(len(content)))
    hasher.update(content)
    return hasher.checksums()


def send_parts(staging: GCSStaging, count: int) -> tuple[str, list[SentPart], bytes]:
    upload = staging.begin("u/big", "text/plain")
    pieces = [b"%03d" % number for number in range(1, count + 1)]
    parts = [
        SentPart("", staging.put_part("u/big", upload, number, piece, b""))
        for number, piece in enumerate(pieces, 1)
    ]
    return upload, parts, b"".join(pieces)


def test_to_the_cloud_and_back(cloud: Cloud, tmp_path: Path) -> None:
    files = {"a.json": b"{}", "d/big": bytes(range(256)) * 20, "empty": b""}
    src = fill(tmp_path / "src", files)
    report = cloud.upload(src, step=1000)
    assert cloud.place.names(report) == files
    assert report.files[0].content_type == "application/json"
    assert len(cloud.service.names("")) == 3  # no part is left


def test_by_the_method_alone(cloud: Cloud, tmp_path: Path) -> None:
    src = fill(tmp_path / "src", {"a.json": b"{}"})
    report = cloud.place.client.upload(src_dir=src, replica="gcp", staging_bucket=BUCKET)
    assert cloud.place.names(report) == {"a.json": b"{}"}


@pytest.mark.parametrize("count", [1, 32, 33, 63, 64, 95])
def test_many_parts_are_composed_in_order(cloud: Cloud, count: int) -> None:
    staging = GCSStaging.open(BUCKET)
    assert staging.place == f"gs://{BUCKET}"
    upload, parts, content = send_parts(staging, count)
    staging.complete("u/big", upload, parts, "text/plain", sums_of(content))
    assert (cloud.place.folder / "u/big").read_bytes() == content
    sidecar = (cloud.place.folder / f"u/big{SIDECAR}").read_text()
    assert sums_of(content).sha256 in sidecar
    assert "text/plain" in sidecar
    assert cloud.service.names("") == ["u/big"]


def test_composed_already(cloud: Cloud) -> None:
    staging = GCSStaging.open(BUCKET)
    upload, parts, content = send_parts(staging, 3)
    for _ in range(2):
        staging.complete("u/big", upload, parts, "text/plain", sums_of(content))
    with pytest.raises(LostUpload, match="a part is not there"):
        staging.complete("u/big", upload, parts, "text/plain", sums_of(b"another"))


def test_parts_are_removed(cloud: Cloud) -> None:
    staging = GCSStaging.open(BUCKET)
    upload, _, _ = send_parts(staging, 3)
    staging.put("u/other", b"x", "text/plain", sums_of(b"x"))
    staging.abort("u/big", upload)
    assert cloud.service.names("") == ["u/other"]


def test_continued(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    src = fill(tmp_path / "src", {"big": b"x" * 5500})
    with monkeypatch.context() as patch:
        patch.setattr(GCSStaging, "complete", _broken)
        with pytest.raises(KeyboardInterrupt):
            cloud.upload(src, step=1000)
    sent = len(cloud.service.requests)
    report = cloud.upload(src, step=1000)
    assert cloud.place.names(report) == {"big": b"x" * 5500}
    methods = [method for method, _ in cloud.service.requests[sent:]]
    assert methods == ["POST", *["DELETE"] * 6]


def _broken(*_: object) -> None:
    raise KeyboardInterrupt


def test_another_checksum_is_an_error(cloud: Cloud, tmp_path: Path) -> None:
    cloud.service.spoil = True
    with pytest.raises(UploadError, match=rf"'a': gs://{BUCKET}/") as caught:
        cloud.upload(fill(tmp_path / "src", {"a": b"content"}))
    assert isinstance(caught.value.cause, StagingError)


@pytest.mark.parametrize(("status", "reason"), [(403, "403"), (404, "404")])
def test_a_refusal(cloud: Cloud, tmp_path: Path, status: int, reason: str) -> None:
    cloud.service.refuse = status
    with pytest.raises(UploadError, match=rf"Google Cloud Storage says: {reason}"):
        cloud.upload(fill(tmp_path / "src", {"a": b"content"}))


def test_no_project_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    user = tmp_path / "user.json"
    secrets = {"client_id": "x", "client_secret": "y", "refresh_token": "z"}
    user.write_text(json.dumps({"type": "authorized_user", **secrets}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(user))
    assert GCSStaging.open(BUCKET).bucket == BUCKET


def test_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(StagingError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        GCSStaging.open(BUCKET)
