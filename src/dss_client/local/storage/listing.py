"""Which bundles and tombstones a replica has, listed only where that may have changed."""

import os
import time
from pathlib import Path

from .store import Replica

FOLDER = "bundles/"
_GRAIN = 2_000_000_000  # nanoseconds; the coarsest that file systems tell times by
_PATIENCE = 5.0  # seconds, at least, between two listings of a bucket that tells no times
_RESTS = 20  # times as long as a listing took is waited before the next


class Listing:
    """Lists what a replica's main bucket has below `bundles/`.

    A directory's time changes when an entry comes or goes; a time that is younger than file
    systems can tell apart says nothing yet, so the directory is then listed again at the next look.
    """

    def __init__(self, replica: Replica) -> None:
        self._bucket = replica.main
        self._stamp: int | None = None
        self._next = 0.0

    def names(self) -> set[str] | None:
        """Return the names, None where they cannot have changed since the last look."""
        if self._bucket.directory is not None:
            return self._names_in(self._bucket.directory / FOLDER)
        started = time.monotonic()
        if started < self._next:
            return None
        names = {key.removeprefix(FOLDER) for key in self._bucket.keys(FOLDER)}
        ended = time.monotonic()
        self._next = ended + max(_PATIENCE, _RESTS * (ended - started))
        return names

    def forget(self) -> None:
        """Have the next look list them again."""
        self._stamp = None
        self._next = 0.0

    def _names_in(self, folder: Path) -> set[str] | None:
        try:
            stamp = folder.stat().st_mtime_ns
            if stamp == self._stamp:
                return None
            listed = os.listdir(folder)  # noqa: PTH208 - twice as fast as iterdir
            names = {name for name in listed if name.isascii()}  # as all keys of bundles are
        except FileNotFoundError:
            return set()
        self._stamp = stamp if time.time_ns() - stamp > _GRAIN else None
        return names
