"""Check files on disk against the manifest that they were downloaded by."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import frozen

from .output import one_line

if TYPE_CHECKING:
    from dss_client.manifest import ManifestRow

__all__ = ["Verified", "refuse_faults", "verify"]


@frozen
class Verified:
    """What was found.

    Attributes:
        bundles: Number of bundles in the manifest.
        files: Number of its files that are there, with the right size and sha256.
        bytes: Their size, in bytes.
        faults: One line for each of the others.
    """

    bundles: int
    files: int
    bytes: int
    faults: tuple[str, ...]


def verify(manifest: Path, directory: Path) -> Verified:
    """Read every file of a manifest from its bundle's directory and compare size and sha256.

    Raises:
        ManifestError: The manifest is not one.
        OSError: A file is there and cannot be read.
    """
    from dss_client.manifest import read_manifest

    bundles: set[tuple[str, str]] = set()
    faults: list[str] = []
    files = size = 0
    for row in read_manifest(manifest):
        bundles.add((row.bundle_uuid, row.bundle_version))
        fault = _fault(row, directory)
        if fault is None:
            files += 1
            size += row.file_size
        else:
            faults.append(fault)
    return Verified(len(bundles), files, size, tuple(faults))


def refuse_faults(verified: Verified) -> None:
    """Name each file that is not as it should be on standard error.

    Raises:
        click.ClickException: There is one at least.
    """
    for fault in verified.faults:
        click.echo(f"failed: {one_line(fault)}", err=True)
    if verified.faults:
        raise click.ClickException(f"not as the manifest says: {len(verified.faults)} files")


def _fault(row: "ManifestRow", directory: Path) -> str | None:
    path = directory / f"{row.bundle_uuid}.{row.bundle_version}" / row.file_name
    if not path.is_file():
        return f"{path} is not there"
    actual = path.stat().st_size
    if actual != row.file_size:
        return f"{path} has {actual} bytes, the manifest says {row.file_size}"
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != row.file_sha256:
        return f"{path} has sha256 {sha256}, the manifest says {row.file_sha256}"
    return None
