"""Which bundles a bucket holds, and whether that may have changed since the last look."""

import time

from .documents import ObjectKey
from .store import Replica

_GRAIN = 2_000_000_000  # nanoseconds; the coarsest that file systems tell times by
_PATIENCE = 5.0  # seconds between looks at a bucket that tells no times


class Listing:
    """The manifests and tombstones of a replica, listed again only where it could matter.

    A directory's time changes when an entry comes or goes; a time that is younger than file
    systems can tell apart says nothing yet, so the bucket is then listed again at the next look.
    """

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._stamp: int | None = None
        self._read: int | None = None
        self._looked = 0.0
        self._stale = True

    def forget(self) -> None:
        """Note that something was stored, so that the bucket is listed at the next look."""
        self._stale = True

    def may_have_changed(self) -> bool:
        """Tell whether something may have come or gone since the last reading that was done."""
        if self._stale:
            return True
        if self._replica.main.directory is None:
            return time.monotonic() - self._looked >= _PATIENCE
        return self._stamp is None or self._stamp != self._now()

    def read(self) -> set[ObjectKey]:
        """Return the keys of all manifests and tombstones of bundles."""
        self._stale = False
        self._looked = time.monotonic()
        stamp = self._now()
        self._read = stamp if time.time_ns() - stamp > _GRAIN else None
        return set(self._replica.all_bundles())

    def done(self) -> None:
        """Note that what was read has been dealt with."""
        self._stamp = self._read

    def _now(self) -> int:
        directory = self._replica.main.directory
        if directory is None:
            return 0
        try:
            return (directory / "bundles").stat().st_mtime_ns
        except OSError:
            return 0
