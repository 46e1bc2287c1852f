"""Paths as users write them on the command line."""

import os
from pathlib import Path
from typing import Any

import click

__all__ = ["UserPath", "expanded"]


def expanded(path: str) -> Path:
    """Return a path with the home directory in place of ``~``, wherever the shell left that.

    Raises:
        click.BadParameter: There is no home directory.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise click.BadParameter(
            f"there is no home directory for {path!r}: write the path in full, or ./{path} for what"
            " has that name here"
        ) from error


class UserPath(click.Path):
    """The path of a file or directory; ``~`` is the home.

    Args:
        exists: Whether it has to exist.
        file: Whether it may be a file.
        directory: Whether it may be a directory.
        dash: Whether ``-`` stands for a standard stream.
    """

    def __init__(
        self,
        *,
        exists: bool = False,
        file: bool = False,
        directory: bool = False,
        dash: bool = False,
    ) -> None:
        super().__init__(
            exists=exists, file_okay=file, dir_okay=directory, allow_dash=dash, path_type=Path
        )

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        given = expanded(value) if isinstance(value, str) and value[:1] == "~" else value
        return Path(os.fsdecode(super().convert(given, param, ctx)))
