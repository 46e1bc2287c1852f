"""Buckets behind a URL that fsspec can open, such as `s3://`, `gs://` or `memory://`."""

import importlib
import io
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from attrs import field, frozen

from .bucket import BadKey, ObjectInfo, check_key, is_own_key

_TIMES = ("LastModified", "mtime", "updated", "last_modified", "created")
_ETAGS = ("ETag", "etag")
_PIECE = 1024 * 1024


@frozen
class FsspecBucket:
    """A bucket on a file system of fsspec."""

    name: str
    system: Any = field(repr=False)
    path: str

    def info(self, key: str) -> ObjectInfo | None:
        """Return size, time and etag of an object, None if it does not exist."""
        try:
            found = self.system.info(self._file(key))
        except (OSError, BadKey):
            return None
        if found["type"] != "file":
            return None
        size, modified = int(found["size"]), _modified(found)
        etag = next((str(found[name]).strip('"') for name in _ETAGS if found.get(name)), None)
        return ObjectInfo(
            size=size, modified=modified, etag=etag or f"{int(modified * 1e6):x}-{size:x}"
        )

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
            stream: BinaryIO = self.system.open(self._file(key), "rb")
        except BadKey as error:
            raise FileNotFoundError(str(error)) from error
        if isinstance(stream, io.BytesIO):
            # In memory it is the object itself, and all readers would share one position.
            return io.BytesIO(stream.getvalue())
        return stream

    def put(self, key: str, content: bytes) -> None:
        """Write an object, whole or not at all.

        Raises:
            BadKey: The key is refused, see `check_key`.
        """
        self.system.pipe_file(self._file(key), content)

    def put_stream(self, key: str, stream: BinaryIO) -> None:
        """Write an object from a stream, whole or not at all.

        Raises:
            BadKey: The key is refused, see `check_key`.
        """
        final = self._file(key)
        with tempfile.TemporaryDirectory(prefix="dss-local-") as folder:
            # The stream may break off: only what was read whole goes to the bucket.
            whole = Path(folder, "object")
            with whole.open("wb") as target:
                shutil.copyfileobj(stream, target, _PIECE)
            self.system.put_file(str(whole), final)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that start with `prefix`, sorted by code point."""
        folder = prefix.rpartition("/")[0]
        try:
            start = self._file(folder) if folder else self.path
        except BadKey:
            return
        found = (name.removeprefix(self.path + "/") for name in self.system.find(start))
        yield from sorted(
            key for key in found if key.startswith(prefix) and is_own_key(key, self.name)
        )

    def clear(self) -> None:
        """Delete all objects."""
        if self.system.exists(self.path):
            self.system.rm(self.path, recursive=True)

    def _file(self, key: str) -> str:
        check_key(key)
        return f"{self.path}/{key}"


@frozen
class FsspecRoot:
    """A place that a URL names, with the buckets below it."""

    system: Any = field(repr=False)  # a file system of fsspec, which has no types
    path: str

    @classmethod
    def of(cls, url: str) -> "FsspecRoot":
        """Open a URL.

        Raises:
            RuntimeError: The library for such URLs is not installed.
            ValueError: There are no URLs of this scheme.
        """
        try:
            core: Any = importlib.import_module("fsspec.core")
            options = {"auto_mkdir": True} if url.startswith(("file:", "local:")) else {}
            # Without listings from before: others may write to the same bucket.
            system, path = core.url_to_fs(url, use_listings_cache=False, **options)
        except ImportError as error:
            scheme = url.partition(":")[0]
            raise RuntimeError(
                f"A root {scheme}:// needs more packages: install dss-client[fsspec],"
                " for s3:// dss-client[s3], for gs:// also gcsfs."
            ) from error
        return cls(system=system, path=path.rstrip("/"))

    def bucket(self, name: str, place: str) -> "FsspecBucket":
        """Return the bucket below a relative path."""
        return FsspecBucket(name=name, system=self.system, path=f"{self.path}/{place}")

    def has(self, place: str) -> bool:
        """Tell whether there is anything below a relative path."""
        return bool(self.system.isdir(f"{self.path}/{place}"))


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
