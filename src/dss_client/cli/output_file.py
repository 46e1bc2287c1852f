"""Where a command's output goes: standard output, or a file that is whole or not there."""

import secrets
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

__all__ = ["written_to"]

_STDOUT = "-"


@contextmanager
def written_to(name: str | None, *, raw: bool = False) -> Generator[BinaryIO]:
    """Yield where to write.

    Args:
        name: A path, or ``-``; standard output when not given.
        raw: What comes is the content of a file: it does not go to a terminal unless ``-`` says so.

    Raises:
        click.UsageError: It would go to a terminal, or the path is a directory.
    """
    if name is None and raw and sys.stdout.isatty():
        raise click.UsageError("the content of a file would go to the terminal: use --output FILE")
    if name in {None, _STDOUT}:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(str(name))
    if target.is_dir():
        raise click.UsageError(f"{target} is a directory: name a file")
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
