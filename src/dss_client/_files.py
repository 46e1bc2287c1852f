"""Files that are written whole or not at all."""

import os
import re
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["TEMPORARY_NAME", "replacing", "temporary_name", "write_file"]

TEMPORARY_NAME: re.Pattern[str] = re.compile(r"\.[0-9a-f]{16}\.part")
"""The names that `temporary_name` makes: a process that was killed leaves such files."""


def temporary_name(path: Path) -> Path:
    """Return a new name in the directory of `path`, for a file that will be renamed to it."""
    return path.with_name(f".{secrets.token_hex(8)}.part")


@contextmanager
def replacing(
    path: str | os.PathLike[str], *, mode: int | None = None, durable: bool = True
) -> Generator[BinaryIO]:
    """Yield a new file that takes the place of `path` at the end.

    If anything fails, what was there is still there, and nothing is left of the new file. A
    symbolic link stays one: the file that it leads to is replaced. A device or a pipe is written
    to as it is. The directory must be there.

    Args:
        path: The file.
        mode: Permissions of the new file, from its first moment on. By default those of the file
            that was there, or those that the user's umask gives to any new file.
        durable: Bring the content to the disk before it gets its name, so that a crash of the
            machine leaves the old content or the new.

    Raises:
        OSError: The file system refuses.
    """
    place = Path(path)
    try:
        before: int | None = place.stat().st_mode
    except FileNotFoundError:
        before = None
    if before is not None and not stat.S_ISREG(before):
        with place.open("wb") as file:
            yield file
        return
    place = place.resolve()
    temporary = temporary_name(place)
    first_mode = mode if mode is not None else 0o666 if before is None else 0o600
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, first_mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is None and before is not None:
                temporary.chmod(stat.S_IMODE(before))
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)


def write_file(
    path: str | os.PathLike[str],
    content: str | bytes,
    *,
    mode: int | None = None,
    durable: bool = True,
) -> None:
    """Write a whole file by way of `replacing`, a text in UTF-8.

    Args:
        path: The file.
        content: What it will hold.
        mode: Its permissions, as for `replacing`.
        durable: Bring it to the disk, as for `replacing`.

    Raises:
        OSError: The file system refuses.
    """
    data = content.encode() if isinstance(content, str) else content
    with replacing(path, mode=mode, durable=durable) as file:
        file.write(data)
