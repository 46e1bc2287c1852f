"""The common parts of commands that download: options, progress, and the last line."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, cast

import click
from attrs import fields, frozen

from dss_client import Replica

from . import INTERRUPTED
from ._app import CliContext
from .output import human_size, one_line, plain, table
from .params import replica_option
from .progress import progress_bar

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from dss_client.download import DownloadOptions, DownloadReport, FileReport, ProgressCallback

__all__ = [
    "RunOptions",
    "TransferOptions",
    "download_dir_option",
    "emit_report",
    "filter_options",
    "finish",
    "layout_option",
    "no_data_option",
    "no_metadata_option",
    "refuse_failures",
    "resumable",
    "run_download",
    "run_options",
    "summary",
    "transfer_options",
]

EVERYTHING = ("*",)
_LINKS = {"reflink": "reflink", "hardlink": "hard link", "copy": "copy"}
_COUNT = click.IntRange(min=1)

F = TypeVar("F", bound=Callable[..., Any])


class Decorator(Protocol):
    """Adds something to a command."""

    def __call__(self, command: F, /) -> F:
        """Return the command with it."""
        ...


download_dir_option: Decorator = click.option(
    "--download-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where to; the current directory when not given.",
)
layout_option: Decorator = click.option(
    "--layout",
    type=click.Choice(["none", "bundle"]),
    default="none",
    show_default=True,
    help="bundle makes a directory for each bundle; none keeps files by their sha256 only.",
)
no_data_option: Decorator = click.option(
    "--no-data", is_flag=True, help="Take metadata files only."
)
no_metadata_option: Decorator = click.option(
    "--no-metadata", is_flag=True, help="Take data files only."
)


@frozen(kw_only=True)
class TransferOptions:
    """The options of every download."""

    replica: Replica
    download_dir: Path
    num_retries: int
    verify: Literal["size", "sha256"]
    durable: bool
    clash: Literal["error", "rename", "skip"]
    threads: int | None

    def options(self) -> "DownloadOptions":
        """Return the keywords of a download."""
        return {
            "replica": self.replica,
            "download_dir": self.download_dir,
            "num_retries": self.num_retries,
            "verify": self.verify,
            "durable": self.durable,
            "clash": self.clash,
            "threads": self.threads,
        }


@frozen(kw_only=True)
class RunOptions:
    """How a command runs its download, and what it prints."""

    dry_run: bool
    processes: int
    verbose: bool

    def download(
        self, transfer: TransferOptions, download: "Callable[[DownloadOptions], DownloadReport]"
    ) -> "DownloadReport":
        """Run a download as the options say."""

        def start(
            progress: "ProgressCallback | None", executor: "Executor | None"
        ) -> "DownloadReport":
            options = transfer.options()
            options["dry_run"] = self.dry_run
            options["progress"] = progress
            options["executor"] = executor
            return download(options)

        return run_download(start, processes=self.processes, quiet=self.dry_run)


@frozen(kw_only=True)
class FilterOptions:
    """Which files of a bundle to take."""

    metadata_filter: tuple[str, ...]
    data_filter: tuple[str, ...]
    no_metadata: bool
    no_data: bool

    def __attrs_post_init__(self) -> None:
        if self.no_metadata and self.metadata_filter:
            raise click.UsageError("--no-metadata and --metadata-filter exclude each other")
        if self.no_data and self.data_filter:
            raise click.UsageError("--no-data and --data-filter exclude each other")

    def options(self) -> dict[str, Any]:
        """Return the keywords of a download of bundles."""
        return {
            "metadata_filter": self.metadata_filter or EVERYTHING,
            "data_filter": self.data_filter or EVERYTHING,
            "no_metadata": self.no_metadata,
            "no_data": self.no_data,
        }


def _collected(
    kind: type[Any], name: str, *options: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Decorator:
    """Return a decorator that takes options and passes them on as one value."""
    names = [each.name for each in fields(kind)]

    def decorate(command: F) -> F:
        @wraps(command)
        def wrapper(*args: Any, **given: Any) -> Any:
            own = {each: given.pop(each) for each in names}
            return command(*args, **given, **{name: kind(**own)})

        decorated: Callable[..., Any] = wrapper
        for option in reversed(options):
            decorated = option(decorated)
        return cast("F", decorated)

    return decorate


transfer_options: Decorator = _collected(
    TransferOptions,
    "transfer",
    replica_option,
    download_dir_option,
    click.option(
        "--num-retries",
        type=click.IntRange(min=0),
        default=10,
        show_default=True,
        metavar="N",
        help="Failed attempts allowed per file.",
    ),
    click.option(
        "--verify",
        type=click.Choice(["size", "sha256"]),
        default="sha256",
        show_default=True,
        help="How a file that exists already is checked before it is trusted.",
    ),
    click.option(
        "--durable/--no-durable",
        default=True,
        show_default=True,
        help="Flush each file to the disk before it gets its name.",
    ),
    click.option(
        "--clash",
        type=click.Choice(["error", "rename", "skip"]),
        default="error",
        show_default=True,
        help="What to do with names that cannot both be files, such as a and A.",
    ),
    click.option("--threads", type=_COUNT, metavar="N", help="Files to work on at once."),
)
"""Take the options of every download, as argument `transfer`."""

run_options: Decorator = _collected(
    RunOptions,
    "run",
    click.option(
        "--dry-run", is_flag=True, help="Only show what would be done; with --json or -v, also why."
    ),
    click.option(
        "--processes",
        type=click.IntRange(min=0),
        default=0,
        metavar="N",
        help="Share the work among N processes.",
    ),
    click.option("-v", "--verbose", is_flag=True, help="Print a line for each file."),
)
"""Take how to run the download, as argument `run`."""

filter_options: Decorator = _collected(
    FilterOptions,
    "filters",
    click.option(
        "--metadata-filter",
        multiple=True,
        metavar="PATTERN",
        help="Take the metadata files whose names match; may be repeated.",
    ),
    click.option(
        "--data-filter",
        multiple=True,
        metavar="PATTERN",
        help="Take the data files whose names match; may be repeated.",
    ),
    no_metadata_option,
    no_data_option,
)
"""Take which files of a bundle to take, as argument `filters`."""


def run_download(
    download: "Callable[[ProgressCallback | None, Executor | None], DownloadReport]",
    *,
    processes: int = 0,
    quiet: bool = False,
) -> "DownloadReport":
    """Run a download under a progress bar, and return its report even if files failed.

    Args:
        download: Downloads, given what draws the progress and what does the work.
        processes: Number of processes that share the work; 0 for none.
        quiet: Draw no progress.

    Raises:
        click.exceptions.Exit: It was interrupted.
    """
    from dss_client.download import DownloadError

    with resumable(), _workers(processes) as executor:
        try:
            if quiet:
                return download(None, executor)
            with progress_bar() as progress:
                return download(progress, executor)
        except DownloadError as error:
            return error.report


@contextmanager
def resumable() -> Generator[None]:
    """Say after an interrupt that the same command continues.

    Raises:
        click.exceptions.Exit: It was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt:
        click.echo("interrupted; run the same command again to continue", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


@contextmanager
def _workers(count: int) -> "Generator[Executor | None]":
    """Yield a pool of processes, none for 0; on an exception they are ended at once."""
    if not count:
        yield None
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import active_children, get_context

    # Spawned, since a fork takes along locks that threads hold.
    pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=_ignore_interrupts)
    others = set(active_children())
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(active_children()) - others:
            child.terminate()  # what they were at is continued by the next run
        raise
    finally:
        pool.shutdown()


def _ignore_interrupts() -> None:
    """Ignore Ctrl-C, which the terminal sends to all processes: the parent handles it."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def refuse_failures(report: "DownloadReport") -> None:
    """Name each file that failed on standard error.

    Raises:
        click.ClickException: At least one failed.
    """
    for error in report.errors:
        click.echo(f"failed: {one_line(str(error))}", err=True)
    if not report.ok:
        raise click.ClickException(f"{report.count('failed')} of {report.files_total} files failed")


def summary(report: "DownloadReport") -> str:
    """Return one line that sums up a download, and its links."""
    states = [
        f"{report.count(state):,} {state}"
        for state in ("downloaded", "reused", "skipped")
        if report.count(state)
    ]
    links: Counter[str | None] = Counter(entry.link for entry in report.entries)
    ways = [f"{links[link]:,} by {word}" for link, word in _LINKS.items() if links[link]]
    details = "; ".join(", ".join(part) for part in (states, ways) if part)
    text = f"{report.files_done:,} files, {human_size(report.bytes_done)}"
    return f"{text} ({details})" if details else text


def _foreseen(report: "DownloadReport") -> list[str]:
    """Return lines that say what a download would do."""
    reused = report.bytes_done - report.bytes_downloaded
    rows = [
        ("to be downloaded", report.count("planned"), human_size(report.bytes_planned)),
        ("there already", report.count("reused"), human_size(reused)),
        ("left out", report.count("skipped"), ""),
        ("failing", report.count("failed"), ""),
    ]
    return table(rows)


def _file_line(entry: "FileReport") -> str:
    name = f"{entry.bundle}/{entry.name}" if entry.bundle else entry.name
    why = entry.reason or (_LINKS[entry.link] if entry.link else "")
    line = f"{entry.state:<10}  {human_size(entry.size):>10}  {plain(name)}"
    return f"{line}  ({plain(why)})" if why else line


def _text(report: "DownloadReport", run: RunOptions, ending: str) -> Iterator[str]:
    if run.verbose:
        yield from map(_file_line, report.entries)
    if run.dry_run:
        yield from _foreseen(report)
    else:
        yield f"{summary(report)}, {ending}"


def emit_report(
    cli: CliContext,
    run: RunOptions,
    report: "DownloadReport",
    ending: str,
    first: Mapping[str, object] | None = None,
) -> None:
    """Print the result of a download, without having all of it in memory.

    Args:
        cli: The common options.
        run: How to run it.
        report: The report.
        ending: Where it is, as the end of the line.
        first: Further members of the JSON document.
    """
    from dss_client.download.lines import report_lines

    for line in report_lines(report, first) if cli.as_json else _text(report, run, ending):
        click.echo(line)


def finish(cli: CliContext, run: RunOptions, report: "DownloadReport", ending: str) -> None:
    """Print the result of a download.

    Raises:
        click.ClickException: Some files failed.
    """
    emit_report(cli, run, report, ending)
    refuse_failures(report)
