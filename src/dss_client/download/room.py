"""Whether there is room on the disk for what is still to be fetched."""

import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from . import journal
from .errors import DiskFull
from .fetch import Fetch
from .task import FileTask

__all__ = ["Room", "check_room"]

_MOMENT = 0.2  # seconds


class Room:
    """The room for the contents that are in flight.

    Args:
        directory: The download directory.
        leftovers: Journals that earlier runs left, by sha256.
    """

    def __init__(self, directory: Path, leftovers: Mapping[str, Sequence[Path]]) -> None:
        self._directory = directory
        self._leftovers = leftovers
        self._reserved = 0
        self._free = 0, 0.0  # bytes, and until when that is taken for granted

    def reserve(self, size: int) -> None:
        """Take note of a content that will need room."""
        self._reserved += size

    def release(self, size: int) -> None:
        """Take note that it needs none any more."""
        self._reserved -= size

    def needed(self, key: str, size: int) -> int:
        """Return the bytes that a content which is not in the store still needs."""
        left = self._leftovers.get(key, ())
        return max(0, size - sum(map(journal.room_of, left)))

    def refusal(self, tasks: Sequence[FileTask], fetches: Iterable[Fetch]) -> DiskFull | None:
        """Return why some contents cannot be fetched, if there is no room for them.

        Args:
            tasks: What is missing.
            fetches: What is in flight; of that, some is on the disk already.
        """
        contents = {task.sha256: task.size for task in tasks}
        needed = sum(self.needed(key, size) for key, size in contents.items())
        if not needed:
            return None
        now = time.monotonic()
        free, until = self._free
        if now > until or needed + self._reserved > free // 2:
            free = free_space(self._directory)
            self._free = free, now + _MOMENT
        if needed + self._reserved <= free:
            return None
        outstanding = sum(fetch.bytes_missing for fetch in fetches)
        if needed + outstanding <= free:
            return None
        return DiskFull.before(str(self._directory), needed, max(0, free - outstanding))


def check_room(directory: Path, needed: int) -> None:
    """Make sure that there is enough disk space.

    Raises:
        DiskFull: There is not enough.
    """
    if needed and needed > (free := free_space(directory)):
        raise DiskFull.before(str(directory), needed, free)


def free_space(directory: Path) -> int:
    """Return the free bytes where a directory is, or will be."""
    place = directory.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
