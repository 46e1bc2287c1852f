"""Where a command's output goes: standard output, or a file that is written whole or not at all."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import BinaryIO

import click

from dss_client._files import replacing

from .paths import expanded

__all__ = ["written_to"]

_STDOUT = "-"


@contextmanager
def written_to(name: str | None, *, raw: bool = False) -> Generator[BinaryIO]:
    """Yield where to write.

    Args:
        name: A path, or ``-``; standard output when not given.
        raw: The output is the content of a file; it goes to a terminal only if the name is ``-``.

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
    target = expanded(str(name))
    if target.is_dir():
        raise click.UsageError(f"{target} is a directory: name a file")
    with replacing(target, durable=False) as file:
        yield file
