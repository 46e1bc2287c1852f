"""The command ``dss`` (extra ``cli``)."""

import io
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

__all__ = ["main"]

USAGE_ERROR = 2


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command, and exit with its status.

    0: done; 1: some files failed, or the service refused; 2: wrong usage, or a missing extra;
    130, 143, 129: ended by Ctrl-C, SIGTERM or SIGHUP.

    Args:
        argv: The arguments; those of the process when not given.

    Raises:
        SystemExit: Always.
    """
    _open_closed_streams()
    missing = [name for name in ("click", "rich") if find_spec(name) is None]
    if missing:
        needed = " and ".join(missing)
        print(
            f"dss: the command line needs {needed}: pip install 'dss-client[cli]'", file=sys.stderr
        )
        sys.exit(USAGE_ERROR)
    from .interrupts import signals_interrupt, status_of

    try:
        from ._app import app
        from .commands import load_commands

        load_commands()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # any name on any terminal
        color = False if os.environ.get("NO_COLOR") else None
        # Patterns are for the bundle's names; click would expand them to local files on Windows.
        with signals_interrupt():
            app.main(argv, prog_name="dss", color=color, windows_expand_args=False)
    except KeyboardInterrupt as interrupt:
        sys.exit(status_of(interrupt))


def _open_closed_streams() -> None:
    """Open what the caller closed (``2>&-``), so that no other file takes its descriptor."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - it stays open
            setattr(sys, name, stream)
