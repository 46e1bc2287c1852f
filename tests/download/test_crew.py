"""Several threads at work on several contents, and on one."""

import os
import queue
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dss_client.download import ChecksumMismatch
from dss_client.download.crew import Crew
from dss_client.download.fetch import Fetch
from dss_client.download.resolve import BundleUrls
from dss_client.download.task import FileResult, FileTask
from dss_client.transfer.progress import Progress

from .fetching import how_to
from .scripted import FQ, ScriptedSource, Try, broken, refusal, sha256, task_of

CONTENT = bytes(range(256)) * 8
PART = 256
FIRST = (os.cpu_count() or 1) + 1


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


class Work:
    """A crew, what it is to do, and what became of it."""

    def __init__(
        self,
        source: ScriptedSource,
        folder: Path,
        *,
        threads: int = 4,
        num_retries: int = 3,
        delay: float = 0.0,
        part_size: int = PART,
    ) -> None:
        self.source = source
        self.how = how_to(source, folder, num_retries=num_retries, delay=delay, part_size=part_size)
        self.results: queue.SimpleQueue[FileResult] = queue.SimpleQueue()
        self.crashes: list[BaseException] = []
        self.crew = Crew(threads, self.results.put, self.crashes.append)
        self.numbers = 0

    def add(self, content: bytes, tries: list[Try] | None = None, sha: str | None = None) -> None:
        file = self.source.add_file("f", content, sha=sha)
        self.source.tries[file.uuid] = tries or []
        task = task_of(file, number=self.numbers)
        self.numbers += 1
        urls = BundleUrls(self.source, FQ, "aws", [task])
        progress = Progress(None).file("f", None, file.size)
        self.crew.add(Fetch(task, urls, self.how, progress))

    def take(self) -> FileResult:
        return self.results.get(timeout=10)

    def stored(self, content: bytes) -> bool:
        path = self.how.store.path(sha256(content))
        return path.exists() and path.read_bytes() == content

    @property
    def left(self) -> list[Path]:
        return list(self.how.store.partials.glob("*"))


@contextmanager
def working(source: ScriptedSource, folder: Path, **options: object) -> Iterator[Work]:
    work = Work(source, folder, **options)  # type: ignore[arg-type]  # of whoever calls
    try:
        yield work
    finally:
        work.how.stop.set()
        work.crew.end()


class TestThreads:
    def test_as_many_work_as_there_is_work_for(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        with working(source, tmp_path, threads=FIRST) as work:
            for _ in range(2):  # at first no thread is there, then one is idle
                work.add(b"first" + bytes([work.numbers]))
                assert work.take().state == "downloaded"
                together = threading.Barrier(FIRST, timeout=10)
                for _ in range(FIRST):
                    work.add(bytes([work.numbers]), [Try(before=together.wait)])
                assert [work.take().state for _ in range(FIRST)] == ["downloaded"] * FIRST

    def test_there_are_few_at_first(self, source: ScriptedSource, tmp_path: Path) -> None:
        free = threading.Event()
        with working(source, tmp_path, threads=FIRST + 3) as work:
            for _ in range(FIRST + 3):
                work.add(bytes([work.numbers]), [Try(before=free.wait)])
            assert len(work.crew._threads) == FIRST
            free.set()
            assert [work.take().state for _ in range(FIRST + 3)] == ["downloaded"] * (FIRST + 3)
            assert len(work.crew._threads) == FIRST

    def test_more_come_where_all_wait(self, source: ScriptedSource, tmp_path: Path) -> None:
        together = threading.Barrier(2 * FIRST, timeout=10)
        with working(source, tmp_path, threads=2 * FIRST) as work:
            for _ in range(2 * FIRST):
                work.add(bytes([work.numbers]), [Try(before=together.wait)])
            while len(work.crew._threads) < 2 * FIRST:  # one that was woken counts as idle a while
                work.crew.grow()
            states = [work.take().state for _ in range(2 * FIRST)]
        assert states == ["downloaded"] * (2 * FIRST)

    def test_but_no_more_than_the_limit(self, source: ScriptedSource, tmp_path: Path) -> None:
        free = threading.Event()
        with working(source, tmp_path, threads=FIRST + 1) as work:
            for _ in range(FIRST + 5):
                work.add(bytes([work.numbers]), [Try(before=free.wait)])
            while len(work.crew._threads) < FIRST + 1:
                work.crew.grow()
            for _ in range(3):
                work.crew.grow()
            assert len(work.crew._threads) == FIRST + 1
            free.set()

    def test_and_none_where_one_is_idle(self, source: ScriptedSource, tmp_path: Path) -> None:
        with working(source, tmp_path, threads=FIRST + 3) as work:
            work.add(b"only")
            assert work.take().state == "downloaded"
            work.crew.grow()
            assert len(work.crew._threads) == 1

    def test_no_more_than_the_limit(self, source: ScriptedSource, tmp_path: Path) -> None:
        names = set[str]()
        with working(source, tmp_path, threads=2) as work:
            for number in range(20):
                note = Try(before=lambda: names.add(threading.current_thread().name))
                work.add(bytes([number]), [note])
            assert [work.take().state for _ in range(20)] == ["downloaded"] * 20
        assert len(names) <= 2

    def test_one_thread_is_enough(self, source: ScriptedSource, tmp_path: Path) -> None:
        with working(source, tmp_path, threads=1) as work:
            work.add(CONTENT)
            assert work.take().state == "downloaded"
        assert [(each.first, each.last) for each in source.opened] == [(0, None)]
        assert work.stored(CONTENT)

    def test_one_that_waits_does_not_hold_up_the_others(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        with working(source, tmp_path, threads=1, delay=60.0, num_retries=9) as work:
            work.add(b"slow", [Try(refuse=refusal(503, {"retry-after": "50"}))])
            work.add(b"quick")
            assert work.take().number == 1

    def test_what_waits_at_the_end_leaves_nothing(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        refused = threading.Event()
        with working(source, tmp_path, threads=1, num_retries=9) as work:
            work.add(b"slow", [Try(refuse=refusal(503, {"retry-after": "50"}))])
            work.add(b"quick", [Try(before=refused.set)])
            assert refused.wait(10)
        assert work.left == []

    def test_what_waits_at_the_end_keeps_what_came(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        later = {"retry-after": "50"}
        with working(source, tmp_path, threads=1, num_retries=9) as work:
            tries = [Try(cut=PART * 3, fault=broken()), Try(refuse=refusal(503, later))]
            work.add(CONTENT, tries)
            work.add(b"quick")
            assert work.take().number == 1
        assert sorted(path.suffix for path in work.left) == [".journal", ".part"]

    def test_a_bug_fails_its_file_only(self, source: ScriptedSource, tmp_path: Path) -> None:
        with working(source, tmp_path, threads=1) as work:
            work.add(b"bad", [Try(refuse=RuntimeError("a bug"))])
            work.add(b"good")
            results = {result.number: result for result in (work.take(), work.take())}
        assert (results[0].state, results[1].state) == ("failed", "downloaded")
        assert "'f'" in str(results[0].error)
        assert "a bug" in str(results[0].error)

    def test_what_ends_a_thread_is_told(self, source: ScriptedSource, tmp_path: Path) -> None:
        told = threading.Event()

        def leave() -> None:
            told.set()
            raise SystemExit(3)

        with working(source, tmp_path, threads=1) as work:
            work.add(b"bad", [Try(before=leave)])
            assert told.wait(10)
        assert [type(error) for error in work.crashes] == [SystemExit]


class TestOneContent:
    def test_others_help_a_slow_connection(self, source: ScriptedSource, tmp_path: Path) -> None:
        """The first connection sends nothing before the others have sent all the rest."""
        rest = threading.Semaphore(0)

        def wait() -> None:
            for _ in range(len(CONTENT) // PART - 1):
                assert rest.acquire(timeout=10)

        others = [Try(before=rest.release) for _ in range(len(CONTENT) // PART - 1)]
        with working(source, tmp_path, threads=3) as work:
            work.add(CONTENT, [Try(before=wait), *others])
            result = work.take()
        assert (result.state, result.tries) == ("downloaded", 8)
        assert work.stored(CONTENT)
        assert len({each.first for each in source.opened}) == 8

    @pytest.mark.parametrize("fault", [broken(), refusal(403), refusal(503)])
    def test_one_of_several_connections_fails(
        self, source: ScriptedSource, tmp_path: Path, fault: Exception
    ) -> None:
        both = threading.Barrier(2, timeout=10)
        tries = [Try(before=both.wait), Try(before=both.wait, refuse=fault)]
        with working(source, tmp_path, threads=2) as work:
            work.add(CONTENT, tries)
            assert work.take().state == "downloaded"
        assert work.stored(CONTENT)

    def test_a_lasting_fault_ends_all(self, source: ScriptedSource, tmp_path: Path) -> None:
        both = threading.Barrier(2, timeout=10)
        tries = [Try(before=both.wait, refuse=refusal(404)) for _ in range(2)]
        with working(source, tmp_path, threads=2) as work:
            work.add(CONTENT, [*tries, *[Try(refuse=refusal(404))] * 9])
            result = work.take()
        assert result.state == "failed"
        assert work.left == []
        assert work.results.empty()

    def test_storage_that_ignores_ranges(self, source: ScriptedSource, tmp_path: Path) -> None:
        both = threading.Barrier(2, timeout=10)
        tries = [Try(before=both.wait, ranges=False) for _ in range(2)]
        with working(source, tmp_path, threads=3) as work:
            work.add(CONTENT, [*tries, *[Try(ranges=False)] * 9])
            assert work.take().state == "downloaded"
        assert work.stored(CONTENT)
        last = source.opened[-1]
        assert (last.first, last.last) == (0, None)

    def test_storage_that_ignores_ranges_once_the_helper_has_left(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        class Together(BundleUrls):
            def url(self, task: FileTask) -> str:
                both.wait()
                return super().url(task)

        def wait() -> None:
            while fetch.workers > 1:
                time.sleep(0.001)

        both = threading.Barrier(2, timeout=10)
        file = source.add_file("f", CONTENT)
        later = {"retry-after": "60"}
        # Whoever comes first gets the whole content, but only after the other one has failed.
        by_part = {0: Try(before=wait, ranges=False)}
        source.tries_of = lambda opened: by_part.get(opened.first, Try(refuse=refusal(503, later)))
        with working(source, tmp_path, threads=2) as work:
            task = task_of(file)
            urls = Together(source, FQ, "aws", [task])
            fetch = Fetch(task, urls, work.how, Progress(None).file("f", None, file.size))
            work.crew.add(fetch)
            assert work.take().state == "downloaded"
        assert work.stored(CONTENT)

    def test_another_etag_in_one_of_them(self, source: ScriptedSource, tmp_path: Path) -> None:
        both = threading.Barrier(2, timeout=10)
        tries = [
            Try(before=both.wait, headers={"etag": '"a"'}),
            Try(before=both.wait, headers={"etag": '"b"'}, content=bytes(len(CONTENT))),
        ]
        with working(source, tmp_path, threads=2) as work:
            work.add(CONTENT, tries)
            assert work.take().state == "downloaded"
        assert work.stored(CONTENT)

    def test_a_wrong_sum(self, source: ScriptedSource, tmp_path: Path) -> None:
        with working(source, tmp_path, threads=3) as work:
            work.add(CONTENT, sha=sha256(b""))
            assert isinstance(work.take().error, ChecksumMismatch)
        assert work.left == []


tries = st.builds(
    Try,
    ranges=st.booleans(),
    cut=st.none() | st.integers(0, 2500),
    fault=st.none() | st.just(broken()),
    headers=st.sampled_from(
        [{}, {"content-range": "bytes 5-19/2048"}, {"etag": '"a"'}, {"etag": '"b"'}]
    ),
    refuse=st.none() | st.sampled_from([broken(), refusal(403), refusal(503), refusal(416)]),
)


@settings(max_examples=60)
@given(st.lists(tries, max_size=12), st.integers(2, 5), st.sampled_from([100, 256, 1000]))
def test_whatever_happens_the_content_is_right_or_refused(
    script: list[Try], threads: int, part_size: int
) -> None:
    source = ScriptedSource()
    with (
        tempfile.TemporaryDirectory() as folder,
        working(source, Path(folder), threads=threads, part_size=part_size, num_retries=12) as work,
    ):
        work.add(CONTENT, script)
        result = work.take()
        assert work.stored(CONTENT) == (result.state == "downloaded")
