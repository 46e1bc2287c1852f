"""Downloads in processes of their own, with a deadline and a system that fails."""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Generic, ParamSpec, Self, TypeVar

import httpx
from attrs import define, frozen

from dss_client import AsyncDSSClient, DSSClient, DSSError
from dss_client.download import DownloadError, DownloadReport

from .forked import BREAKS, Break, break_calls

P = ParamSpec("P")
T = TypeVar("T")

ROOT = Path(__file__).parents[2]
FRUGAL = {"durable": False, "min_delay_seconds": 0, "num_retries": 2}


class Hung(Exception):
    """A function did not end in time; it was killed."""


class Died(Exception):
    """A process ended without a result."""


@frozen(kw_only=True)
class Ended:
    """How a download ended.

    Attributes:
        error: Name of the exception's class; empty when there was none.
        is_ours: Whether that is a `DSSError`.
        message: Its text.
        failed: The errors of the files that failed, by their names.
        states: What became of each file.
        downloaded: Bytes downloaded.
        calls: How often each call of the system was used below the directory.
        trace: Those calls and their (second) paths, in their order.
    """

    error: str = ""
    is_ours: bool = True
    message: str = ""
    failed: Mapping[str, str]
    states: Mapping[str, str]
    downloaded: int
    calls: Mapping[str, int]
    trace: Sequence[tuple[str, str]]

    @property
    def ok(self) -> bool:
        """Whether all went well."""
        return not self.error


Wanted = str | Sequence[str] | Path | Mapping[str, object]
"""A bundle, several, a manifest, or a search."""


def call_of(what: Wanted) -> tuple[str, dict[str, object]]:
    """Return the method of the client that downloads something, and its argument."""
    if isinstance(what, Path):
        return "download_manifest", {"manifest": what}
    if isinstance(what, Mapping):
        return "download_search", {"es_query": what}
    if isinstance(what, str):
        uuid, _, version = what.partition(".")
        return "download", {"bundle_uuid": uuid, "version": version or None}
    return "download_bundles", {"bundles": what}


def download(
    url: str,
    what: Wanted,
    folder: Path,
    *,
    breaks: Sequence[Break] = (),
    before: Callable[[], object] | None = None,
    is_async: bool = False,
    http: bool = False,
    **options: object,
) -> Ended:
    """Download into a directory, and say how that ended.

    Args:
        url: The service.
        what: What to download.
        folder: Where to.
        breaks: Calls of the system below `folder` that fail.
        before: Called first.
        is_async: Use the asynchronous client.
        http: Give the client an HTTP client for storage.
        **options: Of the download.
    """
    if before is not None:
        before()
    break_calls(folder, *breaks)
    method, arguments = call_of(what)
    arguments |= {"replica": "aws", "download_dir": folder, **FRUGAL, **options}
    if is_async:

        async def run() -> DownloadReport:
            async with AsyncDSSClient(url, retries=0) as dss:
                report: DownloadReport = await getattr(dss, method)(**arguments)
                return report

        return ended(lambda: asyncio.run(run()))
    with ExitStack() as opened:
        storage = opened.enter_context(httpx.Client(timeout=30)) if http else None
        dss = opened.enter_context(DSSClient(url, retries=0, storage_client=storage))
        return ended(lambda: getattr(dss, method)(**arguments))


def ended(function: Callable[[], DownloadReport]) -> Ended:
    """Call a function that downloads, and say how that ended."""
    error: BaseException | None = None
    report: DownloadReport | None = None
    try:
        report = function()
    except DownloadError as failed:
        error, report = failed, failed.report
    except Exception as other:  # noqa: BLE001 - what it is, the test looks at
        error = other
    entries = () if report is None else tuple(report.files)
    return Ended(
        error="" if error is None else type(error).__name__,
        is_ours=error is None or isinstance(error, DSSError),
        message=str(error or ""),
        failed={each.name: str(each.error) for each in entries if each.error is not None},
        states={each.name: each.state for each in entries},
        downloaded=0 if report is None else report.bytes_downloaded,
        calls=dict(BREAKS.counts),
        trace=tuple(BREAKS.trace),
    )


def dss(*words: object) -> int:
    """Run the command ``dss``; return its status."""
    from dss_client.cli import main

    try:
        main([str(word) for word in words])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


@define
class Running(Generic[T]):
    """A function that runs in a process of its own.

    Attributes:
        pid: The process.
        out: Where its result comes, beside what it prints.
    """

    pid: int
    out: Path

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send the process a signal, unless it has ended; kill also those it has started."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
        if number == signal.SIGKILL:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    @property
    def runs(self) -> bool:
        """Whether the process is there."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    @property
    def printed(self) -> str:
        """What it printed to both streams."""
        return "".join(
            Path(f"{self.out}.{name}").read_text(errors="replace") for name in ("stdout", "stderr")
        )

    def wait(self, seconds: float) -> bool:
        """Wait for the end at most so long; tell whether it has come."""
        deadline = time.monotonic() + seconds
        while self.runs and time.monotonic() < deadline:
            time.sleep(0.002)
        return not self.runs

    def until(self, condition: Callable[[], object], seconds: float = 5) -> None:
        """Wait until something is so, or the process has ended, at most so long."""
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            if self.wait(0.005):
                break

    def settled(self, count: Callable[[], int]) -> int:
        """Wait until a number stays as it is, once it is not 0, and return it."""
        before = quiet = 0
        while quiet < 20 and self.runs:
            now = count()
            quiet = quiet + 1 if now == before and now else 0
            before = now
            self.wait(0.01)
        return before

    def result(self, seconds: float = 15) -> T:
        """Wait for the end, and return what the function returned, or raise what it raised.

        Raises:
            Hung: There was no end in time.
            Died: The process was killed.
        """
        if not self.wait(seconds):
            self.kill()
            raise Hung(f"no end after {seconds} s; printed: {self.printed}")
        if not self.out.exists():
            raise Died(self.printed)
        fine, value = pickle.loads(self.out.read_bytes())
        if not fine:
            raise value
        result: T = value
        return result


class Apart:
    """Starts functions in processes of their own; they must be importable."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._folder = folder
        self._environment = environment
        self._number = 0
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.download.forked"]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **self._environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def start(
        self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs
    ) -> Running[T]:
        """Call a function in a new process."""
        self._number += 1
        out = self._folder / str(self._number)
        job = pickle.dumps((str(out), function, arguments, options))
        commands, answers = self._process.stdin, self._process.stdout
        assert commands is not None
        assert answers is not None
        commands.write(len(job).to_bytes(8) + job)
        commands.flush()
        pid = answers.read(8)
        assert pid, "the process that forks has ended"
        return Running(int.from_bytes(pid), out)

    def __call__(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Call a function in a new process, and return or raise what it does."""
        return self.start(function, *arguments, **options).result()


def tree(folder: Path) -> dict[str, bytes]:
    """Return the files below a directory but for those of the store and the descriptions."""
    found: dict[str, bytes] = {}
    for path in folder.rglob("*"):
        if path.is_file() and ".hca" not in path.parts and path.name != "bundle.json":
            with suppress(FileNotFoundError):  # a download that runs has just given it its name
                found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def partials(folder: Path) -> list[Path]:
    """Return what is left of downloads that were not finished."""
    place = folder / ".hca" / "v2" / "partials"
    return sorted(place.iterdir()) if place.is_dir() else []


def on_disk(folder: Path) -> int:
    """Return how many bytes of the disk such files have; one may be renamed meanwhile."""
    blocks = 0
    for path in partials(folder):
        with suppress(FileNotFoundError):
            blocks += path.stat().st_blocks
    return blocks * 512
