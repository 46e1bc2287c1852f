"""An embedded DSS over a staging bucket, and directories to be uploaded to it."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from dss_client import DSSClient, RetryPolicy
from dss_client.local import LocalDSS, LocalSettings
from dss_client.models import BundleVersion
from dss_client.upload import DirectoryStaging, UploadReport

INSTANT = RetryPolicy(attempts=2, initial_delay=0, max_retry_after=0)
BUCKET = "staging"
UUID = "11111111-aaaa-4bbb-8ccc-222222222222"
VERSION = "2019-01-01T000000.000000Z"
PART = 1000
"""Bytes of a part in these tests, for the client and the service alike: see `small_parts`."""

SMALL_PARTS = (
    "dss_client.upload.checksums._LEAST_PART",
    "dss_client.local.storage.checksums._MIN_PART",
)

Call = tuple[str, object]


def fill(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a directory, and return it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def told(name: str, kind: str) -> Any:
    """Return a method of a bucket that tells `Counting` what it is asked for."""
    original = getattr(DirectoryStaging, name)

    def method(self: "Counting", key: str, *rest: Any) -> Any:
        call = (kind, rest[1] if kind == "part" else key.rpartition("/")[2])
        self.calls.append(call)
        for each in self.before:
            each(call)
        return original(self, key, *rest)

    return method


@frozen
class Counting(DirectoryStaging):
    """A bucket in a directory that counts, and fails when it is told to.

    Attributes:
        calls: What it was asked to write, in order: kind and base name, for a part its number.
        before: Called before each of them, to fail or to interfere.
    """

    calls: list[Call] = field(factory=list[Call])
    before: list[Callable[[Call], object]] = field(factory=list[Callable[[Call], object]])

    put = told("put", "put")
    begin = told("begin", "begin")
    put_part = told("put_part", "part")
    complete = told("complete", "complete")
    abort = told("abort", "abort")

    def of(self, kind: str) -> list[object]:
        """Return the names or numbers of the calls of one kind."""
        return [what for each, what in self.calls if each == kind]


@frozen
class Place:
    """A service, the bucket it copies from, and a client.

    Attributes:
        server: The service.
        folder: The bucket.
        client: The client.
    """

    server: LocalDSS
    folder: Path
    client: DSSClient

    def staging(self) -> Counting:
        """Return the bucket for one upload."""
        return Counting(self.folder)

    def upload(self, src_dir: Path, staging: Counting | None = None, **how: Any) -> UploadReport:
        """Upload a directory by way of the bucket."""
        return self.client.upload(
            src_dir=src_dir,
            staging=staging or self.staging(),
            **{"replica": "aws", "staging_bucket": BUCKET, **how},
        )

    def bundle(self, report: UploadReport) -> BundleVersion:
        """Return the bundle, as the service has it."""
        uuid, version = report.bundle_uuid, report.version
        return self.client.get_bundle(uuid=uuid, version=version, replica=report.replica).bundle

    def files(self, report: UploadReport) -> dict[str, bytes]:
        """Return the files of the bundle by name, as the service has them."""
        replica, get = report.replica, self.client.get_file
        files = self.bundle(report).files
        return {
            file.name: get(uuid=file.uuid, version=file.version, replica=replica) for file in files
        }

    def bundles(self) -> list[str]:
        """Return the ids of all bundles of the service."""
        return [each.uuid for each in self.client.get_bundles_all(replica="aws").bundles]

    def clear(self) -> None:
        """Remove all that is in the bucket."""
        for folder in self.folder.iterdir():
            shutil.rmtree(folder)


def running(root: Path, **settings: Any) -> Iterator[Place]:
    """Run a service; yield it with its bucket and a client."""
    folder = root / BUCKET
    folder.mkdir(parents=True)
    made = LocalSettings(sources={BUCKET: folder}, retry_after=0, **settings)
    with (
        LocalDSS(root / "dss", settings=made) as server,
        DSSClient(server.url, token=server.mint_token(), retries=INSTANT) as client,
    ):
        yield Place(server, folder, client)
