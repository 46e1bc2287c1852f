"""The sample bundles of the embedded DSS, as manifests and as what was downloaded."""

import csv
from pathlib import Path

from dss_client import DSSClient
from dss_client.manifest import ManifestRow, manifest_rows, write_manifest

ROWS = 57


def sample_rows(url: str) -> list[ManifestRow]:
    """Return a row for each file of the sample bundles."""
    rows: list[ManifestRow] = []
    with DSSClient(url) as dss:
        for hit in dss.post_search.iterate(replica="aws", es_query={}):
            uuid, version = hit.bundle_fqid.split(".", 1)
            for page in dss.get_bundle.paginate(replica="aws", uuid=uuid, version=version):
                rows += manifest_rows(page.bundle)
    return rows


def write_sample(path: Path, url: str) -> Path:
    """Write a manifest of the sample bundles, rows of different bundles in turn."""
    write_manifest(path, sorted(sample_rows(url), key=lambda row: row.file_uuid))
    return path


def table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a tab-separated file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, dialect="excel-tab"))


def tree(root: Path) -> dict[str, bytes]:
    """Return the files below a directory, without the store."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".hca" not in path.parts
    }
