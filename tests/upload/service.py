"""An embedded DSS over a staging bucket, and directories to be uploaded to it."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from dss_client import DSSClient, RetryPolicy
from dss_client._sync.upload_service import ClientService
from dss_client.local import LocalDSS, LocalSettings
from dss_client.upload import (
    DirectoryStaging,
    Staging,
    UploadReport,
    upload_directory,
)

INSTANT = RetryPolicy(attempts=2, initial_delay=0, max_retry_after=0)
BUCKET = "staging"


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
        calls: What was asked for, in order: kind and key, for a part its number instead.
        there: The parts that were put.
        fail: Raises what is to go wrong, given a call.
    """

    inner: DirectoryStaging
    calls: list[tuple[str, object]] = field(factory=list[tuple[str, object]])
    there: list[int] = field(factory=list[int])
    fail: list[Callable[[tuple[str, object]], object]] = field(
        factory=list[Callable[[tuple[str, object]], object]]
    )

    @property
    def place(self) -> str:
        return self.inner.place

    def _call(self, kind: str, what: object) -> None:
        self.calls.append((kind, what))
        for each in self.fail:
            each((kind, what))

    def put(self, key: str, data: bytes, *how: Any) -> None:
        self._call("put", key)
        self.inner.put(key, data, *how)

    def begin(self, key: str, content_type: str) -> str:
        self._call("begin", key)
        return self.inner.begin(key, content_type)

    def put_part(self, key: str, upload: str, number: int, data: bytes, md5: bytes) -> str:
        self._call("part", number)
        etag = self.inner.put_part(key, upload, number, data, md5)
        self.there.append(number)
        return etag

    def complete(self, key: str, *how: Any) -> None:
        self._call("complete", key)
        self.inner.complete(key, *how)

    def abort(self, key: str, upload: str) -> None:
        self._call("abort", key)
        self.inner.abort(key, upload)

    def of(self, kind: str) -> list[object]:
        """Return the keys or numbers of the calls of one kind."""
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

    def upload(self, src_dir: Path, staging: Staging | None = None, **how: Any) -> UploadReport:
        """Upload a directory, with arguments that only the engine takes."""
        return upload_directory(
            ClientService(self.client, self.client.url),
            src_dir=src_dir,
            staging=staging or self.staging(),
            **{"replica": "aws", "staging_bucket": BUCKET, **how},
        )

    def names(self, report: UploadReport) -> dict[str, bytes]:
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
