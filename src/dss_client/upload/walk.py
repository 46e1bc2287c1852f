"""The files of a directory, and their names in the bundle."""

import mimetypes
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from attrs import field, frozen

from dss_client.transfer.errors import UnsafeName
from dss_client.transfer.names import check_clashes, safe_relative_path

from .errors import UploadError

__all__ = ["Indexed", "SourceFile", "find_files", "index_rule"]

Indexed = Callable[[str], bool] | Sequence[str]
"""Which files are indexed: a function of the name, or shell patterns of names."""

_UNKNOWN_TYPE = "application/octet-stream"
# What the service refuses beyond what is unsafe anywhere (docs/behaviour.md 4.3).
_REFUSED = re.compile(r"~/|.*?(?:\./|/\.)", re.DOTALL)


@frozen
class SourceFile:
    """A file to be uploaded, as it was found.

    Attributes:
        name: Its name in the bundle: its path below the directory, with ``/``.
        path: Where it is.
        size: Its size in bytes.
        mtime_ns: When it was last changed, in ns.
        inode: Its number in the file system.
    """

    name: str
    path: Path = field(eq=False)
    size: int
    mtime_ns: int
    inode: int

    @property
    def facts(self) -> tuple[int, int, int]:
        """What is another one when the file has changed: size, time of change, number."""
        return self.size, self.mtime_ns, self.inode

    @property
    def content_type(self) -> str:
        """The media type for its name; a compression suffix decides (docs/behaviour.md 14.9)."""
        kind, compression = mimetypes.guess_type(self.name)
        return compression or kind or _UNKNOWN_TYPE

    def refuse_change(self, descriptor: int) -> None:
        """Refuse a file that has changed.

        Raises:
            UploadError: Its size, its time of change, or the file itself is another.
        """
        now = os.fstat(descriptor)
        if (now.st_size, now.st_mtime_ns, now.st_ino) != self.facts:
            raise self.changed()

    def changed(self) -> UploadError:
        """Return the error that the file changed during its upload."""
        return UploadError(
            self.name, f"{self.path} changed while it was read; upload again when it is at rest"
        )


def find_files(src_dir: Path) -> list[SourceFile]:
    """Return the files below a directory, sorted by name.

    A symbolic link to a file inside the directory is that file. All others are refused: what is
    elsewhere, or a whole directory, would be uploaded without being seen.

    Raises:
        UploadError: There is no such directory; it has no files; it cannot be read; or it has
            something that is neither file nor directory.
        UnsafeName: A name is refused by the service, or could not be a file everywhere.
        NameClash: Two names cannot both be files everywhere.
    """
    if not src_dir.is_dir():
        raise UploadError(str(src_dir), "there is no such directory")
    top = src_dir.resolve()
    files = sorted(_walk(top), key=lambda source: source.name)
    if not files:
        raise UploadError(str(src_dir), "nothing to upload: the directory has no files")
    check_clashes(source.name for source in files)
    return files


def _walk(top: Path) -> Iterator[SourceFile]:
    for folder, folders, names in os.walk(top, onerror=_refuse_unreadable):
        for name in folders:
            path = Path(folder, name)
            if path.is_symlink():
                raise UploadError(
                    _name(top, path), f"{path} is a symbolic link to a directory; copy it instead"
                )
        for name in names:
            yield _source(top, Path(folder, name))


def _refuse_unreadable(error: OSError) -> None:
    raise UploadError(str(error.filename), f"{error.strerror}", cause=error) from error


def _name(top: Path, path: Path) -> str:
    return path.relative_to(top).as_posix()


def _source(top: Path, path: Path) -> SourceFile:
    name = _name(top, path)
    _refuse_name(name)
    try:
        real = path.resolve(strict=True)
        info = real.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        raise UploadError(name, f"{path} leads to no file: {error}") from error
    if not real.is_relative_to(top):
        raise UploadError(name, f"{path} is a symbolic link that leaves {top}; copy the file")
    if not stat.S_ISREG(info.st_mode):
        raise UploadError(name, f"{path} is not a regular file; move it out of the directory")
    return SourceFile(name, real, info.st_size, info.st_mtime_ns, info.st_ino)


def _refuse_name(name: str) -> None:
    try:
        safe_relative_path(name, portable=True)
    except UnsafeName as error:
        raise UnsafeName(name, f"{error.reason}; rename it") from None
    found = _REFUSED.match(name)
    if found is not None:
        raise UnsafeName(
            name, f"refused as a file name: the service takes no {found[0][-2:]!r}; rename it"
        )


def index_rule(indexed: Indexed) -> Callable[[str], bool]:
    """Return the function that tells whether the file of a name is indexed."""
    if callable(indexed):
        return indexed
    patterns = [indexed] if isinstance(indexed, str) else list(indexed)
    return lambda name: any(fnmatchcase(name, pattern) for pattern in patterns)
