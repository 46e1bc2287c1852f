"""One server at a time on a root: two would not see what the other keeps in memory."""

import errno
import os
import sys
from pathlib import Path
from typing import IO

_NAME = ".lock"
_TAKEN = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES})


class RootLock:
    """Tells that a server works on a root, until its process ends at the latest.

    Args:
        root: The root.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Take the lock; on a root that is read-only, or without locks, do nothing.

        Raises:
            RuntimeError: Another server has it.
        """
        try:
            file = (self._root / _NAME).open("a+", encoding="ascii")
        except OSError:
            return
        try:
            _lock(file)
        except OSError as error:
            file.seek(0)
            owner = file.read(20).strip() or "unknown"
            file.close()
            if error.errno not in _TAKEN:
                return
            raise RuntimeError(
                f"another server works on {self._root} (process {owner}): stop it first, or copy"
                " the directory"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give it back."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # what is locked there cannot be read

    def _lock(file: IO[str]) -> None:
        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
