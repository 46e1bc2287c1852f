"""One server at a time on a root: two would not see what the other keeps in memory."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

_NAME = ".lock.sqlite3"


@contextmanager
def root_lock(root: Path) -> Generator[None]:
    """Lock a root; one that is read-only, or without locks, is left as it is.

    The lock is that of SQLite: every system knows it, and it ends with its process.

    Raises:
        RuntimeError: Another server works on the root.
    """
    try:
        lock = sqlite3.connect(root / _NAME, timeout=0, check_same_thread=False)
    except sqlite3.OperationalError:
        yield
        return
    with closing(lock):
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise RuntimeError(
                    f"another server works on {root}: stop it first, or copy the directory"
                ) from error
        yield
