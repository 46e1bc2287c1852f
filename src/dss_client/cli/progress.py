"""Progress bars, on terminals only."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dss_client.download import ProgressCallback

__all__ = ["progress_bar"]


@contextmanager
def progress_bar() -> "Generator[ProgressCallback | None]":
    """Yield a callback that draws progress on standard error; None without a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from dss_client.progress import rich_progress

    with rich_progress() as progress:
        yield progress
