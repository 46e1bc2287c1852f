"""A bucket: objects under keys. Here a plain directory, whose relative paths are the keys."""

import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from attrs import frozen

_logger = logging.getLogger(__name__)

STAGING = ".staging"
"""Name of the directory, next to the buckets, for unfinished objects."""


class BadKey(ValueError):
    """A key that could name something outside its bucket, or that no file system takes."""


@frozen
class ObjectInfo:
    """What is known of an object without reading it."""

    size: int
    modified: float
    etag: str


class Bucket(Protocol):
    """The few things the service needs of a bucket."""

    @property
    def name(self) -> str:
        """Name of the bucket, as in ``s3://<name>/<key>``."""
        ...

    def info(self, key: str) -> ObjectInfo | None:
        """Return size, time and etag of an object, None if it does not exist."""
        ...

    def get(self, key: str) -> bytes | None:
        """Return an object's content, None if it does not exist."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Open an object for reading.

        Raises:
            FileNotFoundError: There is no such object.
        """
        ...

    def put(self, key: str, content: bytes) -> None:
        """Write an object, whole or not at all."""
        ...

    def put_stream(self, key: str, stream: BinaryIO) -> None:
        """Write an object from a stream, whole or not at all."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that start with `prefix`, sorted."""
        ...

    def clear(self) -> None:
        """Delete all objects."""
        ...


def check_key(key: str) -> None:
    """Refuse a key that must not become a path.

    Raises:
        BadKey: A part is empty, ``.`` or ``..``, or the key holds a backslash, a control
            character or something that is not Unicode text.
    """
    if any(part in {"", ".", ".."} for part in key.split("/")):
        raise BadKey("a key has an empty part, '.' or '..'")
    if "\\" in key or any(ord(letter) < 0x20 or letter == "\x7f" for letter in key):
        raise BadKey("a key holds a backslash or a control character")
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise BadKey("a key is not Unicode text") from error


def is_own_key(key: str, place: str) -> bool:
    """Tell whether what was found in a bucket is of this service; what is not is logged."""
    try:
        check_key(key)
    except BadKey:
        _logger.warning("%s: %a is skipped: it is not a key of this service", place, key)
        return False
    return True


@frozen
class DirectoryBucket:
    """A bucket in a directory.

    Unfinished objects are written to `staging`, a directory next to it on the same file system, so
    that a listing never meets them.
    """

    name: str
    path: Path
    staging: Path

    def info(self, key: str) -> ObjectInfo | None:
        """Return size, time and etag of an object, None if it does not exist."""
        try:
            status = self._file(key).stat()
        except (OSError, BadKey):
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        etag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
        return ObjectInfo(size=status.st_size, modified=status.st_mtime, etag=etag)

    def get(self, key: str) -> bytes | None:
        """Return an object's content, None if it does not exist."""
        try:
            with self.open(key) as stream:
                return stream.read()
        except OSError:
            return None

    def open(self, key: str) -> BinaryIO:
        """Open an object for reading.

        Raises:
            FileNotFoundError: There is no such object.
        """
        try:
            return self._file(key).open("rb")
        except BadKey as error:
            raise FileNotFoundError(str(error)) from error

    def put(self, key: str, content: bytes) -> None:
        """Write an object, whole or not at all.

        Raises:
            BadKey: The key is refused, see `check_key`.
        """
        with self._staged(key) as stream:
            stream.write(content)

    def put_stream(self, key: str, stream: BinaryIO) -> None:
        """Write an object from a stream, whole or not at all.

        Raises:
            BadKey: The key is refused, see `check_key`.
        """
        with self._staged(key) as target:
            shutil.copyfileobj(stream, target, 1024 * 1024)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that start with `prefix`, sorted by code point."""
        folder = prefix.rpartition("/")[0]
        try:
            start = self._file(folder) if folder else self.path
        except BadKey:
            return
        found = _walk(start, f"{folder}/" if folder else "")
        yield from sorted(key for key in found if key.startswith(prefix))

    def clear(self) -> None:
        """Delete all objects."""
        if self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        check_key(key)
        # Joined as text: pathlib would let a part such as "C:" start anew on Windows.
        return Path(f"{self.path}/{key}")

    @contextmanager
    def _staged(self, key: str) -> Generator[BinaryIO]:
        final = self._file(key)
        self.staging.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.staging)
        unfinished = Path(name)
        try:
            with open(handle, "wb") as stream:  # noqa: PTH123 - opens a descriptor, not a path
                yield stream
            final.parent.mkdir(parents=True, exist_ok=True)
            unfinished.replace(final)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


@frozen
class DirectoryRoot:
    """A directory with the buckets below it."""

    path: Path

    def bucket(self, name: str, place: str) -> DirectoryBucket:
        """Return the bucket below a relative path."""
        return DirectoryBucket(name=name, path=self.path / place, staging=self.path / STAGING)

    def has(self, place: str) -> bool:
        """Tell whether there is anything below a relative path."""
        return (self.path / place).is_dir()


def _walk(folder: Path | str, prefix: str) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        key = prefix + entry.name
        if entry.is_dir():
            yield from _walk(entry.path, f"{key}/")
        elif is_own_key(key, str(folder)):
            yield key
