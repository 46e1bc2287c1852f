"""From the store into the directory of a bundle: hard links, or copies where there are none."""

import errno
import os
import shutil
from pathlib import Path

from .errors import FileDownloadError
from .filestore import close_synced, is_regular, sha256_of, temporary_beside
from .paths import resolve_under
from .report import Link

# Another device, a file system without links or with too many, or a file of someone else's.
_NO_LINKS = frozenset(
    {
        errno.EXDEV,
        errno.EPERM,
        errno.EMLINK,
        errno.ENOTSUP,
        errno.EOPNOTSUPP,
        errno.ENOSYS,
    }
)


def place(stored: Path, root: Path, name: str) -> tuple[Path, Link]:
    """Put a stored file under its name below `root`, and say where and how.

    Raises:
        UnsafeName: The name cannot be trusted, or leads through a symbolic link.
        FileDownloadError: Another file has that name.
        OSError: The file system refuses.
    """
    target = resolve_under(root, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        return target, _link(stored, target)
    except FileExistsError:
        return target, _kind_of_existing(stored, target, name)


def _link(stored: Path, target: Path) -> Link:
    try:
        target.hardlink_to(stored)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _copy(stored, target)
        return "copy"
    return "hardlink"


def _copy(stored: Path, target: Path) -> None:
    """Copy by way of a temporary file, so that the name never stands for half a file."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    with temporary_beside(target) as file:
        with stored.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)
        close_synced(file).replace(target)


def _kind_of_existing(stored: Path, target: Path, name: str) -> Link:
    if is_regular(target):
        if target.samefile(stored):
            return "hardlink"
        if target.stat().st_size == stored.stat().st_size and sha256_of(target) == stored.name:
            return "copy"
    raise FileDownloadError(
        name, f"another file is at {target}; move it out of the way and run again"
    )
