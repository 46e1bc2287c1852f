"""Progress bars for notebooks and terminals: what they show of the events of a download."""

import io
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from rich.console import Console

from dss_client import DSSClient, MissingExtra, ProgressEvent, progress
from dss_client.download import ProgressCallback
from dss_client.local import LocalDSS
from dss_client.progress import log_progress, rich_progress, tqdm_progress

Bar = Callable[[io.StringIO], AbstractContextManager[ProgressCallback]]


def tqdm_bar(screen: io.StringIO) -> AbstractContextManager[ProgressCallback]:
    return tqdm_progress(file=screen, ascii=True, ncols=120)


def rich_bar(screen: io.StringIO) -> AbstractContextManager[ProgressCallback]:
    return rich_progress(Console(file=screen, force_terminal=True, width=120))


def event(done: int, total: int, files: tuple[int, int] = (0, 1)) -> ProgressEvent:
    return ProgressEvent(
        kind="planned",
        bytes_done=done,
        bytes_total=total,
        files_done=files[0],
        files_total=files[1],
    )


@pytest.mark.parametrize("bar", [tqdm_bar, rich_bar])
def test_a_download_is_shown(bar: Bar, local_dss: LocalDSS, tmp_path: Path) -> None:
    screen = io.StringIO()
    with DSSClient(local_dss.url) as dss, bar(screen) as callback:
        report = dss.download_search(
            es_query={}, replica="aws", download_dir=tmp_path, durable=False, progress=callback
        )
    assert f"{report.files_total} of {report.files_total} files" in screen.getvalue()


class TestLines:
    """`log_progress`: lines for those who do not see a bar."""

    @pytest.fixture(autouse=True)
    def _begin(self) -> None:
        self.now = 1000.0
        self.lines: list[str] = []

    def log(self) -> AbstractContextManager[ProgressCallback]:
        return log_progress(self.lines.append, clock=lambda: self.now)

    def test_a_line_comes_early_then_now_and_then_and_at_the_end(self) -> None:
        with self.log() as callback:
            for second in range(91):
                self.now = 1000.0 + second
                callback(event(second * 1_000_000, 1_000_000_000, (second, 1234)))
        assert self.lines == [
            "10 of 1,234 files, 10.0 MB of 1.0 GB, 1.0 MB/s, about 16 min left",
            "40 of 1,234 files, 40.0 MB of 1.0 GB, 1.0 MB/s, about 16 min left",
            "70 of 1,234 files, 70.0 MB of 1.0 GB, 1.0 MB/s, about 16 min left",
            "90 of 1,234 files, 90.0 MB of 1.0 GB, 1.0 MB/s, in 2 min",
        ]

    def test_what_was_there_is_not_counted_as_fast(self) -> None:
        with self.log() as callback:
            callback(event(5_000_000_000, 6_000_000_000))
            self.now += 10
            callback(event(5_000_100_000, 6_000_000_000))
        assert self.lines == [
            "0 of 1 files, 5.0 GB of 6.0 GB, 10.0 kB/s, about 27 h 46 min left",
            "0 of 1 files, 5.0 GB of 6.0 GB, 10.0 kB/s, in 10 s",
        ]

    def test_where_nothing_comes_or_less_there_is_no_time_left_to_tell(self) -> None:
        with self.log() as callback:
            callback(event(100, 1000))
            self.now += 10
            callback(event(50, 1000))
        assert self.lines[0] == "0 of 1 files, 50 bytes of 1.0 kB, 0 bytes/s"

    def test_what_is_over_at_once_has_none(self) -> None:
        with self.log() as callback:
            callback(event(1, 1, (1, 1)))
            self.now += 9.9
            callback(event(1, 1, (1, 1)))
        with self.log():
            self.now += 100
        assert self.lines == []

    def test_they_come_on_standard_error_as_lines(
        self, local_dss: LocalDSS, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with DSSClient(local_dss.url) as dss, log_progress(every=0) as callback:
            report = dss.download_search(
                es_query={}, replica="aws", download_dir=tmp_path, progress=callback
            )
        err = capsys.readouterr().err
        assert "\r" not in err
        last = err.splitlines()[-1]
        assert last.startswith(f"{report.files_total} of {report.files_total} files, ")


def test_totals_grow_and_bytes_may_shrink() -> None:
    screen = io.StringIO()
    with tqdm_bar(screen) as callback:
        callback(event(0, 1000))
        callback(event(900, 1000))
        callback(event(500, 5_000_000, (3, 9)))  # within the time that is not drawn
    last = screen.getvalue().rstrip().rpartition("\r")[2]
    assert "500/5.00M" in last
    assert "3 of 9 files" in last


def test_every_event_is_drawn_that_comes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_BETWEEN", 0.0)
    screen = io.StringIO()
    with tqdm_bar(screen) as callback:
        for done in range(5):
            callback(event(done, 5, (done, 5)))
    assert all(f"{done} of 5 files" in screen.getvalue() for done in range(5))


def test_without_any_event_nothing_goes_wrong() -> None:
    screen = io.StringIO()
    with tqdm_bar(screen), rich_bar(screen):
        pass


def test_an_error_closes_the_bar() -> None:
    def interrupted(screen: io.StringIO) -> None:
        with tqdm_bar(screen) as callback:
            callback(event(1, 2))
            raise KeyboardInterrupt

    screen = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        interrupted(screen)
    assert screen.getvalue().endswith("\n")


def test_a_bar_can_be_switched_off() -> None:
    with tqdm_progress(disable=True) as callback:
        callback(event(1, 2))


def test_the_bar_of_a_notebook_gets_the_totals_too(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[Any] = []

    class Notebook:
        def __init__(self, **options: object) -> None:
            self.total = options["total"]
            self.n = 0
            self.container = SimpleNamespace(children=[None, SimpleNamespace(max=1), None])
            bars.append(self)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def reset(self, total: int) -> None:
            self.total = total

        def set_postfix_str(self, text: str, *, refresh: bool) -> None:
            assert text == "1 of 2 files"
            assert not refresh

        def update(self, more: int) -> None:
            self.n += more

    monkeypatch.setitem(sys.modules, "tqdm.auto", SimpleNamespace(tqdm=Notebook))
    with tqdm_progress() as callback:
        callback(event(0, 0, (1, 2)))
        callback(event(7, 10, (1, 2)))
    (bar,) = bars
    assert (bar.n, bar.total, bar.container.children[1].max) == (7, 10, 10)


@pytest.mark.parametrize(
    ("module", "bar", "remedy"),
    [
        ("tqdm.auto", tqdm_progress, r"tqdm_progress needs tqdm: .*dss-client\[notebook\]"),
        ("rich.progress", rich_progress, r"rich_progress needs rich: .*dss-client\[cli\]"),
    ],
)
def test_a_missing_extra_is_named(
    module: str,
    bar: Callable[[], AbstractContextManager[ProgressCallback]],
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=remedy), bar():
        pass
