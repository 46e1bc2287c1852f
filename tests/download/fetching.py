"""Downloads from a scripted server, and what became of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dss_client import DSSClient
from dss_client.download import DownloadError, DownloadReport

from .apart import FRUGAL
from .wire import Bundle, Wire

Rows = Sequence[Mapping[str, str]]


def get(wire: Wire, what: Bundle | Path | Rows, folder: Path, **options: Any) -> DownloadReport:
    """Download a bundle, or what a manifest lists."""
    options = {"replica": "aws", "download_dir": folder, **FRUGAL, **options}
    with DSSClient(wire.url, retries=0) as dss:
        if isinstance(what, Bundle):
            return dss.download(bundle_uuid=what.uuid, **options)
        return dss.download_manifest(manifest=what, **options)


def fail(wire: Wire, what: Bundle | Path | Rows, folder: Path, **options: Any) -> DownloadReport:
    """Download, and return the report of what failed."""
    with pytest.raises(DownloadError) as caught:
        get(wire, what, folder, **options)
    return caught.value.report


def mixed(wire: Wire, metadata: Mapping[str, bytes], data: Mapping[str, bytes]) -> Bundle:
    """Hold a bundle of metadata and data."""
    bundle = wire.add_bundle({**metadata, **data})
    for file in bundle.files:
        file["indexed"] = file["name"] in metadata
    return bundle


def states(report: DownloadReport) -> dict[str, str]:
    """Return what became of each file."""
    return {entry.name: entry.state for entry in report.files}
