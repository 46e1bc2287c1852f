"""Progress: a bar on a terminal, else a line now and then."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dss_client.download import ProgressCallback

__all__ = ["shown_progress"]


@contextmanager
def shown_progress() -> "Generator[ProgressCallback]":
    """Yield a callback that shows progress on standard error."""
    from dss_client.progress import log_progress, rich_progress

    with rich_progress() if sys.stderr.isatty() else log_progress() as progress:
        yield progress
