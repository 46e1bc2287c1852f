"""Reads again what was downloaded, and reports what is wrong.

Unlike a download, this does not rely on an earlier verification, since disks fail. Good contents
get the seal that downloads trust, and bad ones lose it.
"""

import os
from pathlib import Path

from dss_client.errors import InvalidArgument
from dss_client.transfer.progress import ProgressCallback

from .check_report import Fault, VerifyReport
from .check_tree import Checker
from .contents import bundle_directories
from .run import Layout

__all__ = ["Fault", "VerifyReport", "verify_tree"]


def verify_tree(
    directory: str | os.PathLike[str],
    *,
    manifest: str | os.PathLike[str] | None = None,
    layout: Layout | None = None,
    allow_missing: bool = False,
    threads: int | None = None,
    progress: ProgressCallback | None = None,
) -> VerifyReport:
    """Read again all that was downloaded to a directory, and compare sizes and checksums.

    That is each content in the store and each file that the ``bundle.json`` of a bundle's directory
    lists, and that file itself. A hard link to a content is read once.

    Args:
        directory: The directory that was downloaded to.
        manifest: Check only what this manifest lists.
        layout: How the manifest was downloaded. If not given, a row's file is looked for in its
            bundle's directory if there is one, else in the store.
        allow_missing: Allow files that a bundle lists to be missing, as after a download with
            filters.
        threads: Files to read at once; the number of processors if not given.
        progress: Called with each `ProgressEvent`.

    Returns:
        The report.

    Raises:
        InvalidArgument: `directory` is not a directory, or holds no download.
        ManifestError: The manifest is not valid.
        OSError: A directory cannot be read.
    """
    root = Path(directory)
    if not root.is_dir():
        raise InvalidArgument(f"{root} is not a directory: expected the one that was downloaded to")
    checker = Checker(root, threads or os.cpu_count() or 1, progress, allow_missing=allow_missing)
    if manifest is not None:
        return checker.check_manifest(manifest, layout)
    if not checker.store.root.is_dir() and next(bundle_directories(root), None) is None:
        raise InvalidArgument(
            f"{root} holds neither a store (.hca) nor the directory of a bundle: name the directory"
            " that was downloaded to"
        )
    return checker.check_all()
