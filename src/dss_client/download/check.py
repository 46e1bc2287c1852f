"""Reads what was downloaded again, and says what is not as it should be.

That a content in the store was verified once is not believed here, as it is by a download: disks
forget. What is good gets the seal that downloads go by, and what is bad loses it.
"""

import os
from pathlib import Path

from dss_client.errors import InvalidArgument

from .check_report import Fault, VerifyReport
from .check_tree import Checker
from .contents import bundle_directories
from .progress import ProgressCallback
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
    """Read all that was downloaded to a directory again, and compare sizes and checksums.

    That is each content in the store and each file of each bundle's directory, as its
    ``bundle.json`` says, itself included. A file that is a hard link of a content is read once.

    Args:
        directory: The directory that was downloaded to.
        manifest: Look at what this manifest lists only.
        layout: How the manifest was downloaded. When not given, a row is looked for in its bundle's
            directory if there is one, and in the store otherwise.
        allow_missing: It is no fault when a file that a bundle lists is not there: a download with
            filters leaves some out.
        threads: Files that are read at once; the number of processors when not given.
        progress: Called with each `ProgressEvent`.

    Returns:
        What was found.

    Raises:
        InvalidArgument: `directory` is none, or holds nothing that was downloaded.
        ManifestError: The manifest is not one.
        OSError: A directory cannot be read.
    """
    root = Path(directory)
    if not root.is_dir():
        raise InvalidArgument(f"{root} is no directory: name the one that was downloaded to")
    checker = Checker(root, threads or os.cpu_count() or 1, progress, allow_missing=allow_missing)
    if manifest is not None:
        return checker.check_manifest(manifest, layout)
    if not checker.store.root.is_dir() and next(bundle_directories(root), None) is None:
        raise InvalidArgument(
            f"{root} holds neither a store (.hca) nor the directory of a bundle: name the directory"
            " that was downloaded to"
        )
    return checker.check_all()
