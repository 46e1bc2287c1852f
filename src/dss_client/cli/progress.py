"""Progress bars: drawn with rich on a terminal, not at all elsewhere."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dss_client.download import ProgressCallback, ProgressEvent

__all__ = ["progress_bar"]


@contextmanager
def progress_bar() -> "Generator[ProgressCallback | None]":
    """Yield what draws the progress of one download on standard error; None without a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("asking what to download", total=None)

        def draw(event: "ProgressEvent") -> None:
            bar.update(
                task,
                description=f"{event.files_done} of {event.files_total} files",
                completed=event.bytes_done,
                total=event.bytes_total,
            )

        yield draw
