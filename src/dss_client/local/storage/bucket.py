"""A bucket: objects under keys, on any file system that fsspec knows; a directory is one, too."""

import errno
import importlib
import io
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard

from attrs import field, frozen

from dss_client.errors import MissingExtra

_logger = logging.getLogger(__name__)

_fsspec: Any = importlib.import_module("fsspec")  # has no types

STAGING = ".staging"
"""Directory of unfinished objects below a root on this machine; a sign that it is one."""
_BAD_KEY = re.compile(
    r"(?:^|/)\.{0,2}(?:/|\Z)"  # an empty part, "." or ".."
    r"|[\\\x00-\x1f\x7f\ud800-\udfff]"  # a backslash, a control character, half of a character
)
_TIMES = ("LastModified", "mtime", "updated", "last_modified", "created")
_ETAGS = ("ETag", "etag")
_PIECE = 1024 * 1024
_LONGEST = 1024  # bytes of a key in a cloud
_EXTRAS = {
    **dict.fromkeys(("s3", "s3a"), ("s3fs", "s3")),
    **dict.fromkeys(("gs", "gcs"), ("gcsfs", "gcs")),
}
_ODD = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL})


class BadKey(ValueError):
    """A key that could name something outside its bucket, or that no file system takes."""


def is_safe_key(key: str) -> bool:
    """Tell whether a key can become a path that stays below its bucket."""
    return _BAD_KEY.search(key) is None


@frozen
class ObjectInfo:
    """What is known of an object without reading it."""

    size: int
    modified: float
    etag: str


@frozen
class Bucket:
    """Objects under keys, which are paths below one place."""

    name: str
    path: str
    system: Any = field(repr=False)
    directory: Path | None = None
    """The place, when it is on this machine."""
    staging: Path | None = None
    """Where unfinished objects are, so that no listing meets them; the system's own, if None."""

    def info(self, key: str) -> ObjectInfo | None:
        """Return size, time and etag of an object, None if it does not exist.

        Raises:
            OSError: The store fails.
        """
        try:
            with _failures():
                found = self.system.info(self._path(key))
        except BadKey:
            return None
        except OSError as error:
            if self._is_absent(key, error):
                return None
            raise
        if found["type"] != "file":
            return None
        size, modified = int(found["size"]), _modified(found)
        etag = next((str(found[name]).strip('"') for name in _ETAGS if found.get(name)), None)
        return ObjectInfo(size, modified, etag or f"{int(modified * 1e6):x}-{size:x}")

    def get(self, key: str) -> bytes | None:
        """Return an object's content, None if it does not exist.

        Raises:
            OSError: The store fails.
        """
        try:
            with _failures(), self.open(key) as stream:
                return stream.read()
        except OSError as error:
            if self._is_absent(key, error):
                return None
            raise

    def open(self, key: str) -> BinaryIO:
        """Open an object for reading.

        Raises:
            FileNotFoundError: There is no such object.
            OSError: The store fails.
        """
        try:
            path = self._path(key)
        except BadKey as error:
            raise FileNotFoundError(str(error)) from error
        if self.directory is not None:
            if not Path(path).is_file():
                raise FileNotFoundError(path)  # a pipe would be waited for
            return open(path, "rb")  # noqa: PTH123 - twice as fast as by way of the file system
        with _failures():
            stream: BinaryIO = self.system.open(path, "rb")
        if isinstance(stream, io.BytesIO):
            # In memory it is the object itself, and all readers would share one position.
            return io.BytesIO(stream.getvalue())
        return stream

    def put(self, key: str, content: bytes) -> None:
        """Write an object, whole or not at all.

        Raises:
            BadKey: The key could name something outside the bucket.
        """
        self.put_stream(key, io.BytesIO(content))

    def put_stream(self, key: str, stream: BinaryIO) -> None:
        """Write an object from a stream, whole or not at all.

        Raises:
            BadKey: The key could name something outside the bucket.
        """
        final = self._path(key)
        if self.staging is not None:
            self.staging.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="dss-local-", dir=self.staging)
        unfinished = Path(name)
        try:
            with open(handle, "wb") as target:  # noqa: PTH123 - opens a descriptor, not a path
                shutil.copyfileobj(stream, target, _PIECE)
            if self.staging is None:
                with _failures():
                    self.system.put_file(name, final)
            else:
                Path(final).parent.mkdir(parents=True, exist_ok=True)
                unfinished.replace(final)
        finally:
            unfinished.unlink(missing_ok=True)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that start with `prefix`, sorted by code point; log what is not a key."""
        folder = prefix.rpartition("/")[0]
        if folder and not is_safe_key(folder):
            return
        for key in sorted(key for key in self._found(folder) if key.startswith(prefix)):
            if is_safe_key(key):
                yield key
            else:
                _logger.warning(
                    "%s: %a is skipped, it is not a key of this service", self.name, key
                )

    def clear(self) -> None:
        """Delete all objects."""
        if self.system.exists(self.path):
            self.system.rm(self.path, recursive=True)

    def _is_absent(self, key: str, error: OSError) -> bool:
        """Tell whether an error says that there is no such object, not that the store fails."""
        if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
            return True
        is_odd = self.directory is not None and error.errno in _ODD
        return is_odd or len(key.encode()) > _LONGEST

    def _path(self, key: str) -> str:
        if not is_safe_key(key):
            raise BadKey(
                f"{key!a} is not a valid key: expected no backslash, no control character and no"
                " part that is empty, '.' or '..'"
            )
        return f"{self.path}/{key}"

    def _found(self, folder: str) -> Iterator[str]:
        start = f"{self.path}/{folder}" if folder else self.path
        if self.directory is not None:
            # Several times as fast as `find`, which asks for the state of each file.
            return _walk(start, f"{folder}/" if folder else "")
        with _failures():
            found: list[str] = self.system.find(start)
        return (name.removeprefix(self.path + "/") for name in found)


@frozen
class Root:
    """A directory, or what a URL names, with the buckets below it."""

    path: str
    system: Any = field(repr=False)
    directory: Path | None

    @classmethod
    def of(cls, root: Path | str) -> "Root":
        """Open a directory or a URL.

        Raises:
            MissingExtra: The library for such URLs is not installed.
            ValueError: There are no URLs of this scheme, or it needs a library of no extra.
        """
        if not is_url(root):
            path = Path(root).absolute()
            return cls(path.as_posix(), _fsspec.filesystem("file"), path)
        try:
            # Without listings from before: others may write to the same bucket.
            system, place = _fsspec.url_to_fs(root, use_listings_cache=False)
        except ImportError as error:
            scheme = root.partition(":")[0]
            if scheme not in _EXTRAS:
                raise ValueError(str(error)) from error  # fsspec says what to install
            raise MissingExtra(f"a root {scheme}://", *_EXTRAS[scheme]) from error
        place = place.rstrip("/")
        is_local = isinstance(system, type(_fsspec.filesystem("file")))
        return cls(place, system, Path(place) if is_local else None)

    def bucket(self, name: str, place: str) -> Bucket:
        """Return the bucket below a relative path."""
        here = self.directory
        return Bucket(
            name=name,
            path=self._below(place),
            system=self.system,
            directory=here and here / place,
            staging=here and here / STAGING,
        )

    def has(self, place: str) -> bool:
        """Tell whether there is a directory at a relative path.

        Raises:
            OSError: The store fails, or refuses that.
        """
        if self.directory is not None:
            return (self.directory / place).is_dir()
        try:
            with _failures():  # not `isdir`, which lists all of it in S3
                return bool(self.system.info(self._below(place))["type"] == "directory")
        except FileNotFoundError:
            return False

    def names(self) -> list[str]:
        """Return the names of what is directly below, but for those with a first dot.

        Raises:
            OSError: The store fails.
        """
        with _failures():
            found: list[str] = self.system.ls(self.path, detail=False)
        paths = {path.rstrip("/") for path in found} - {self.path}  # S3 may list a place itself
        names = [path.rpartition("/")[2] for path in paths]
        return [name for name in names if not name.startswith(".")]

    def _below(self, place: str) -> str:
        return f"{self.path}/{place}" if place else self.path


def is_url(root: Path | str | None) -> TypeGuard[str]:
    """Tell whether a root is a URL, not a directory."""
    return isinstance(root, str) and "://" in root


@contextmanager
def _failures() -> Generator[None]:
    """Make an `OSError` of what the library of a store says, by errors of its own."""
    try:
        yield
    except (OSError, BadKey):
        raise
    except Exception as error:
        raise OSError(str(error)) from error


def _walk(folder: str, prefix: str) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir():
            yield from _walk(entry.path, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name


def _modified(found: dict[str, Any]) -> float:
    """Return when an object was written, by whichever name its file system has for that."""
    for name in _TIMES:
        match found.get(name):
            case datetime() as moment:
                return moment.timestamp()
            case int() | float() as seconds:
                return float(seconds)
            case str() as text:
                return datetime.fromisoformat(text).timestamp()
            case _:
                continue
    return 0.0
