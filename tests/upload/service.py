"""An embedded DSS over a staging bucket, and directories to be uploaded to it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from dss_client import DSSClient, RetryPolicy
from dss_client.local import LocalDSS, LocalSettings
from dss_client.upload import Checksums, DirectoryStaging, UploadReport

INSTANT = RetryPolicy(attempts=2, initial_delay=0, max_retry_after=0)
BUCKET = "staging"
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


@frozen
class Counting:
    """A bucket in a directory that counts, and fails when it is told to.

    Attributes:
        inner: The bucket.
        calls: What it was asked to write, in order: kind and base name, for a part its number.
        before: Called before each of them, to fail or to interfere.
    """

    inner: DirectoryStaging
    calls: list[Call] = field(factory=list[Call])
    before: list[Callable[[Call], object]] = field(factory=list[Callable[[Call], object]])

    @property
    def place(self) -> str:
        return self.inner.place

    def _call(self, kind: str, what: object) -> None:
        self.calls.append((kind, what))
        for each in self.before:
            each((kind, what))

    def find(self, key: str) -> Checksums | None:
        return self.inner.find(key)

    def put(self, key: str, data: bytes, content_type: str, checksums: Checksums) -> None:
        self._call("put", key.rpartition("/")[2])
        self.inner.put(key, data, content_type, checksums)

    def begin(self, key: str, content_type: str) -> str:
        self._call("begin", key.rpartition("/")[2])
        return self.inner.begin(key, content_type)

    def parts(self, key: str, upload: str) -> Mapping[int, str]:
        return self.inner.parts(key, upload)

    def put_part(self, key: str, upload: str, number: int, data: bytes, md5: str) -> str:
        self._call("part", number)
        return self.inner.put_part(key, upload, number, data, md5)

    def complete(
        self, key: str, upload: str, etags: Sequence[str], content_type: str, checksums: Checksums
    ) -> None:
        self._call("complete", key.rpartition("/")[2])
        self.inner.complete(key, upload, etags, content_type, checksums)

    def abort(self, key: str, upload: str) -> None:
        self._call("abort", key.rpartition("/")[2])
        self.inner.abort(key, upload)

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
        return Counting(DirectoryStaging(self.folder))

    def upload(self, src_dir: Path, staging: Counting | None = None, **how: Any) -> UploadReport:
        """Upload a directory by way of the bucket."""
        return self.client.upload(
            src_dir=src_dir,
            staging=staging or self.staging(),
            **{"replica": "aws", "staging_bucket": BUCKET, **how},
        )

    def files(self, report: UploadReport) -> dict[str, bytes]:
        """Return the files of a bundle by name, as the service has them."""
        bundle = self.client.get_bundle(
            uuid=report.bundle_uuid, version=report.version, replica=report.replica
        ).bundle
        return {
            file.name: self.client.get_file(
                uuid=file.uuid, version=file.version, replica=report.replica
            )
            for file in bundle.files
        }

    def bundles(self) -> list[str]:
        """Return the ids of all bundles of the service."""
        return [each.uuid for each in self.client.get_bundles_all(replica="aws").bundles]


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
