"""Progress bars for downloads, in a notebook or on a terminal.

Each is a context manager that yields a callback for `progress`:

    with tqdm_progress() as progress:
        dss.download(bundle_uuid=uuid, replica="aws", progress=progress)
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from tqdm import tqdm

    from .download import ProgressCallback, ProgressEvent

__all__ = ["rich_progress", "tqdm_progress"]

_BETWEEN = 0.1  # seconds from one drawing to the next


@contextmanager
def tqdm_progress(**tqdm_options: Any) -> "Generator[ProgressCallback]":
    """Yield a callback that draws progress with tqdm: a widget in a notebook, else text.

    It shows the files that are done, the bytes, how fast they come, and the time that is left. The
    totals grow as more becomes known.

    Args:
        **tqdm_options: Options of `tqdm.tqdm`, such as ``desc``, ``leave`` or ``file``.

    Raises:
        RuntimeError: tqdm is not installed (extra ``notebook``).
    """
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError as error:
        raise RuntimeError(
            "tqdm_progress needs tqdm: pip install 'dss-client[notebook]'"
        ) from error
    options: dict[str, Any] = {"desc": "files", "unit": "B", "unit_scale": True, **tqdm_options}
    # When to draw is decided here, for the totals as well.
    with tqdm(total=0, mininterval=0, miniters=0, **options) as bar:
        drawing = _TqdmDrawing(bar)
        try:
            yield drawing.take
        finally:
            drawing.draw()


class _TqdmDrawing:
    def __init__(self, bar: "tqdm[Any]") -> None:
        self._bar = bar
        self._event: ProgressEvent | None = None
        self._drawn = 0.0

    def take(self, event: "ProgressEvent") -> None:
        """Record an event, and show it unless one was shown just now."""
        self._event = event
        now = time.monotonic()
        if now >= self._drawn + _BETWEEN:
            self._drawn = now
            self.draw()

    def draw(self) -> None:
        """Show the last event."""
        event, bar = self._event, self._bar
        if event is None:
            return
        if not bar.total:
            bar.reset(total=event.bytes_total)
        bar.total = event.bytes_total
        widget = getattr(bar, "container", None)
        if widget is not None:  # in a notebook it keeps a total of its own
            widget.children[1].max = max(event.bytes_total, 1)
        bar.set_postfix_str(f"{event.files_done} of {event.files_total} files", refresh=False)
        bar.update(event.bytes_done - bar.n)


@contextmanager
def rich_progress(console: "Console | None" = None) -> "Generator[ProgressCallback]":
    """Yield a callback that draws progress with rich, as the command ``dss`` does.

    Args:
        console: Where to; standard error when not given.

    Raises:
        RuntimeError: rich is not installed (extra ``cli``).
    """
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
    except ModuleNotFoundError as error:
        raise RuntimeError("rich_progress needs rich: pip install 'dss-client[cli]'") from error
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console or Console(stderr=True)) as bar:
        task = bar.add_task("asking what to do", total=None)

        def draw(event: "ProgressEvent") -> None:
            bar.update(
                task,
                description=f"{event.files_done:,} of {event.files_total:,} files",
                completed=event.bytes_done,
                total=event.bytes_total,
            )

        yield draw
