"""Download directories, and what becomes of their files."""

import hashlib
import os
from pathlib import Path
from typing import Any

from dss_client import DSSClient
from dss_client.download import DownloadReport
from dss_client.local import LocalDSS


class Tree:
    """A bundle on a service, and the directory that it is downloaded to."""

    def __init__(self, dss: LocalDSS, place: Path, names: tuple[str, ...]) -> None:
        self.root = place / "data"
        self.store = self.root / ".hca" / "v2" / "files_2_4"
        self._url = dss.url
        source = place / "source"
        for name in names:
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        self._bundle = dss.load_bundle(source)
        self.folder = self.root / self._bundle.fqid

    def download(self, **options: Any) -> DownloadReport:
        """Download it, again perhaps, with hard links."""
        with DSSClient(self._url) as dss:
            report = dss.download(
                bundle_uuid=self._bundle.uuid,
                replica="aws",
                download_dir=self.root,
                durable=False,
                **options,
            )
        hard_links(self.root)
        return report


def hard_links(root: Path) -> None:
    """Make all files of bundles hard links to their contents, also where there are reflinks."""
    for path in root.glob("*.*Z/**/*"):
        if path.is_file() and path.stat().st_nlink == 1:
            content = content_of(root, path)
            if content.exists():
                path.unlink()
                os.link(content, path)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stored(root: Path, sha256: str) -> Path:
    """Return where the store has a content."""
    return root / ".hca" / "v2" / "files_2_4" / sha256[:2] / sha256[2:6] / sha256


def content_of(root: Path, path: Path) -> Path:
    """Return the content of a file in the store."""
    return stored(root, sha256_of(path))


def rot(path: Path) -> Path:
    """Change a byte, and nothing that one would notice it by."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return path


def copied(path: Path) -> Path:
    """Make a file a copy of its content, as on file systems without links."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    return path


def forget(root: Path) -> None:
    """Touch the contents of a store, so that nothing is known of them."""
    for path in (root / ".hca" / "v2" / "files_2_4").rglob("*"):
        if path.is_file():
            path.touch()
