"""The common parts of commands that download: options, progress, and the last line."""

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, cast, get_args, get_origin

import click
from attrs import evolve, fields, fields_dict, frozen

from dss_client.download.options import DownloadOptions

from ._app import CliContext
from .interrupts import status_of
from .output import MOST_CAUSES, counted, echo_lines, human_size, one_line, plain, table
from .params import replica_option
from .paths import UserPath
from .progress import shown_progress

if TYPE_CHECKING:
    from dss_client.download import DownloadReport, FileReport
    from dss_client.download.report import Link
    from dss_client.manifest import ManifestSource

__all__ = [
    "download_options",
    "file_options",
    "filter_options",
    "finish",
    "layout_option",
    "manifest_option",
    "manifest_source",
    "no_data_option",
    "no_metadata_option",
    "refuse_failures",
    "resumable",
    "run_download",
    "summary",
    "urls_option",
    "verbose_option",
]

EVERYTHING = ("*",)
_LINKS: "dict[Link, str]" = {"reflink": "reflink", "hardlink": "hard link", "copy": "copy"}

F = TypeVar("F", bound=Callable[..., Any])


class Decorator(Protocol):
    """Adds something to a command."""

    def __call__(self, command: F, /) -> F:
        """Return the command with it."""
        ...


manifest_option: Decorator = click.option(
    "--manifest",
    type=UserPath(exists=True, file=True, dash=True),
    required=True,
    metavar="TSV",
    help="The manifest: a tab-separated list of files, also as .gz; - reads standard input.",
)
urls_option: Decorator = click.option(
    "--urls", metavar="COLUMN", help="Take the URLs in this column, without any DSS."
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


def _collected(kind: type[Any], name: str, options: dict[str, Decorator]) -> Decorator:
    """Return a decorator that takes options, by their names, and passes them on as one value."""

    def decorate(command: F) -> F:
        @wraps(command)
        def wrapper(*args: Any, **given: Any) -> Any:
            own = {each: given.pop(each) for each in options}
            return command(*args, **given, **{name: kind(**own)})

        decorated: Callable[..., Any] = wrapper
        for option in reversed(options.values()):
            decorated = option(decorated)
        return cast("F", decorated)

    return decorate


def _option(name: str) -> Decorator:
    """Return an option of downloads as one of the command line."""
    declared = fields_dict(DownloadOptions)[name]
    flag = "--" + name.replace("_", "-")
    text = declared.metadata["doc"].replace("``", "").replace("`", "")
    default: Any = declared.default
    kinds = set(get_args(declared.type)) or {declared.type}
    if bool in kinds:
        flags = f"{flag}/--no-{flag[2:]}" if default else flag
        return click.option(flags, is_flag=True, default=default, show_default=default, help=text)
    kind: Any
    metavar: str | None = "N"
    least = declared.metadata.get("least")
    if get_origin(declared.type) is Literal:
        kind, metavar = click.Choice(get_args(declared.type)), None
    elif int in kinds:
        kind = click.IntRange(min=least)
    elif float in kinds:
        kind, metavar = click.FloatRange(min=least), "S"
    elif os.PathLike[str] in kinds:
        kind, metavar = UserPath(directory=True), "DIR"
    else:
        kind, metavar = click.STRING, "I/N"
    shown = default not in {None, ""}
    return click.option(
        flag, type=kind, default=default, show_default=shown, metavar=metavar, help=text
    )


def download_options(*, of_manifest: bool = False) -> Decorator:
    """Take the options of every download, as argument `options`."""
    names = [
        each.name
        for each in fields(DownloadOptions)
        if each.metadata and each.name not in {"replica", "progress", "executor"}
    ]
    if not of_manifest:
        names.remove("output_dir")
    return _options(names)


def file_options() -> Decorator:
    """Take the options of the download of one file, as argument `options`."""
    return _options(["num_retries", "min_delay_seconds", "threads", "durable", "overwrite"])


def _options(names: Iterable[str]) -> Decorator:
    options = {"replica": replica_option, **{name: _option(name) for name in names}}
    return _collected(DownloadOptions, "options", options)


verbose_option: Decorator = click.option(
    "-v", "--verbose", is_flag=True, help="Print a line for each file."
)

filter_options: Decorator = _collected(
    FilterOptions,
    "filters",
    {
        "metadata_filter": click.option(
            "--metadata-filter",
            multiple=True,
            metavar="PATTERN",
            help="Take the metadata files whose names match; may be repeated.",
        ),
        "data_filter": click.option(
            "--data-filter",
            multiple=True,
            metavar="PATTERN",
            help="Take the data files whose names match; may be repeated.",
        ),
        "no_metadata": no_metadata_option,
        "no_data": no_data_option,
    },
)
"""Take which files of a bundle to take, as argument `filters`."""


def run_download(
    download: "Callable[[DownloadOptions], DownloadReport]", options: DownloadOptions
) -> "DownloadReport":
    """Run a download, show its progress, and return its report even if files failed.

    Args:
        download: Downloads, given the options with what draws the progress.
        options: The options without it.

    Raises:
        click.exceptions.Exit: It was interrupted.
    """
    from dss_client.download import DownloadError

    with resumable():
        try:
            if options.dry_run:
                return download(options)
            with shown_progress() as progress:
                return download(evolve(options, progress=progress))
        except DownloadError as error:
            return error.report


def manifest_source(manifest: Path) -> "ManifestSource":
    """Return what is read for a manifest that a command names."""
    from dss_client.manifest import manifest_text

    if manifest == Path("-"):
        return manifest_text(sys.stdin.buffer, "standard input")
    return manifest


@contextmanager
def resumable() -> Generator[None]:
    """Say after an interrupt that the same command continues.

    Raises:
        click.exceptions.Exit: It was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt as interrupt:
        click.echo("interrupted; run the same command again to continue", err=True)
        raise click.exceptions.Exit(status_of(interrupt)) from None


def refuse_failures(report: "DownloadReport") -> None:
    """Tell on standard error why files failed: a line for each cause.

    Raises:
        click.ClickException: At least one failed.
    """
    from dss_client.download.report import failure_lines

    for line in failure_lines(report.errors, most=MOST_CAUSES):
        click.echo(f"failed: {one_line(line)}", err=True)
    if not report.ok:
        raise click.ClickException(f"{report.count('failed')} of {report.files_total} files failed")


def summary(report: "DownloadReport") -> str:
    """Return one line that sums up a download, and its links."""
    states = [
        f"{report.count(state):,} {state}"
        for state in ("downloaded", "reused", "skipped")
        if report.count(state)
    ]
    links = {word: report.count_links(link) for link, word in _LINKS.items()}
    ways = [f"{count:,} by {word}" for word, count in links.items() if count]
    details = "; ".join(", ".join(part) for part in (states, ways) if part)
    text = f"{counted(report.files_done, 'file')}, {human_size(report.bytes_done)}"
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
    if entry.error is not None:
        why = one_line(entry.error.reason)
    line = f"{entry.state:<10}  {human_size(entry.size):>10}  {plain(name)}"
    return f"{line}  ({plain(why)})" if why else line


def _text(report: "DownloadReport", *, dry_run: bool, verbose: bool, ending: str) -> Iterator[str]:
    if verbose:
        yield from map(_file_line, report.files)
    if dry_run:
        yield from _foreseen(report)
    else:
        yield f"{summary(report)}, {ending}"


def finish(
    cli: CliContext,
    report: "DownloadReport",
    options: DownloadOptions,
    *,
    verbose: bool,
    ending: str,
) -> None:
    """Print the result of a download, without having all of it in memory.

    Args:
        cli: The common options.
        report: The report.
        options: How it was downloaded.
        verbose: Print a line for each file.
        ending: Where it is, as the end of the line.

    Raises:
        click.ClickException: Some files failed.
    """
    from dss_client.download.report import report_lines

    text = _text(report, dry_run=options.dry_run, verbose=verbose, ending=ending)
    echo_lines(report_lines(report) if cli.as_json else text)
    refuse_failures(report)
