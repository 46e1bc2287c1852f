"""Progress of downloads and uploads: bars in a notebook or on a terminal, lines in a batch job.

Each is a context manager that yields a callback for `progress`:

    with tqdm_progress() as progress:
        dss.download(bundle_uuid=uuid, replica="aws", progress=progress)
"""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._display import human_size
from .errors import MissingExtra

if TYPE_CHECKING:
    from rich.console import Console
    from tqdm import tqdm

    from .download import ProgressCallback, ProgressEvent

__all__ = ["log_progress", "rich_progress", "tqdm_progress"]

_BETWEEN = 0.1  # seconds from one drawing to the next
_FIRST = 10.0  # seconds to the first line: what is over before needs none


@contextmanager
def tqdm_progress(**tqdm_options: Any) -> "Generator[ProgressCallback]":
    """Yield a callback that draws progress with tqdm: a widget in a notebook, else text.

    It shows the files that are done, the bytes, how fast they come, and the time that is left. The
    totals grow as more becomes known.

    Args:
        **tqdm_options: Options of `tqdm.tqdm`, such as ``desc``, ``leave`` or ``file``.

    Raises:
        MissingExtra: tqdm is not installed (extra ``notebook``).
    """
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError as error:
        raise MissingExtra("tqdm_progress", "tqdm", "notebook") from error
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
        MissingExtra: rich is not installed (extra ``cli``).
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
        raise MissingExtra("rich_progress", "rich", "cli") from error
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


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextmanager
def log_progress(
    log: Callable[[str], object] = _to_stderr,
    *,
    every: float = 30.0,
    clock: Callable[[], float] = time.monotonic,
) -> "Generator[ProgressCallback]":
    """Yield a callback that writes a line now and then, for batch jobs, where nobody sees a bar.

    A line says how many files and bytes are done, how fast they have come since the last line, and
    about how long the rest will take. The first one comes after ten seconds and the last one at
    the end. What is over before has no lines.

    Args:
        log: Takes each line, such as ``logging.getLogger("job").info``; standard error when not
            given.
        every: Seconds from one line to the next.
        clock: Tells the time, in seconds.
    """
    lines = _Lines(log, every, clock)
    try:
        yield lines.take
    finally:
        lines.end()


class _Lines:
    def __init__(
        self, log: Callable[[str], object], every: float, clock: Callable[[], float]
    ) -> None:
        self._log = log
        self._every = every
        self._clock = clock
        self._began = self._logged = clock()
        self._due = self._began + min(_FIRST, every)
        self._event: ProgressEvent | None = None
        self._bytes_at_first: int | None = None  # what was there already
        self._bytes_logged = 0
        self._has_logged = False

    def take(self, event: "ProgressEvent") -> None:
        """Record an event, and write a line when it is time."""
        self._event = event
        if self._bytes_at_first is None:
            self._bytes_at_first = self._bytes_logged = event.bytes_done
        now = self._clock()
        if now < self._due:
            return
        left = event.bytes_total - event.bytes_done
        come = event.bytes_done - self._bytes_at_first
        line = (
            f"{_state(event)}, {_rate(event.bytes_done - self._bytes_logged, now - self._logged)}"
        )
        if left > 0 and come > 0:
            line += f", about {_duration(left * (now - self._began) / come)} left"
        self._log(line)
        self._has_logged = True
        self._logged, self._bytes_logged = now, event.bytes_done
        self._due = now + self._every

    def end(self) -> None:
        """Write the last line, if there was any before."""
        event = self._event
        if event is None or not self._has_logged:
            return
        seconds = self._clock() - self._began
        rate = _rate(event.bytes_done - (self._bytes_at_first or 0), seconds)
        self._log(f"{_state(event)}, {rate}, in {_duration(seconds)}")


def _state(event: "ProgressEvent") -> str:
    done, total = human_size(event.bytes_done), human_size(event.bytes_total)
    return f"{event.files_done:,} of {event.files_total:,} files, {done} of {total}"


def _rate(size: int, seconds: float) -> str:
    return f"{human_size(round(max(size, 0) / seconds)) if seconds > 0 else human_size(0)}/s"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
