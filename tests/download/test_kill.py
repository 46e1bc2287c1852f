"""A download that is killed again and again: it goes on, and fetches no proven part twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dss_client.download import journal
from dss_client.download.filestore import FileStore

from .killed import PART, make_source
from .scripted import FQ, ScriptedSource
from .storage import Asked, End, Storage, answer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="it takes a fork to be quick")

KILLS = 50
PIECE = 1 << 14
ROOT = Path(__file__).parents[2]

Span = tuple[int, int]


class Slow:
    """Sends contents in small pieces, and counts them."""

    def __init__(self, source: ScriptedSource) -> None:
        self.source = source
        self.sent = 0

    def __call__(self, asked: Asked) -> Iterator[bytes | End]:
        head, body = answer(self.source.contents[asked.name], asked)
        yield head
        for start in range(0, len(body), PIECE):
            self.sent += min(PIECE, len(body) - start)
            yield body[start : start + PIECE]
            if len(body) > PIECE:
                time.sleep(0.001)


class Runs:
    """Downloads in processes of their own."""

    def __init__(self, process: "subprocess.Popen[str]", storage: Storage, slow: Slow) -> None:
        self._process = process
        self._storage = storage
        self._slow = slow

    def run(self, directory: Path, kill_after: int | None) -> tuple[int, list[Asked]]:
        """Run once, and kill it after so many bytes; return its end, and what it asked for."""
        seen, sent = len(self._storage.asked), self._slow.sent
        self._say(str(directory))
        pid = int(self._hear())
        if kill_after is not None:
            while self._slow.sent - sent < kill_after and not has_ended(pid):
                time.sleep(0.001)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return int(self._hear()), self._storage.asked[seen:]

    def _say(self, text: str) -> None:
        assert self._process.stdin is not None
        print(text, file=self._process.stdin, flush=True)

    def _hear(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that forks has ended"
        return line


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@contextmanager
def runs(source: ScriptedSource) -> Iterator[Runs]:
    slow = Slow(source)
    with Storage(slow) as storage:
        command = [sys.executable, "-m", "tests.download.killed", storage.url]
        with subprocess.Popen(
            command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            try:
                yield Runs(process, storage, slow)
            finally:
                process.kill()


def proven(partials: Path) -> dict[str, list[Span]]:
    """Return what is proven of each content, by its sha256."""
    found: dict[str, list[Span]] = {}
    for key, paths in journal.leftovers(partials).items():
        for path in paths:
            read = journal.Journal.read(path)
            if read is not None and read.part.exists():
                found.setdefault(key, []).extend((each.start, each.end) for each in read.ranges)
    return found


def test_no_proven_part_is_fetched_twice(tmp_path: Path) -> None:
    source = make_source()
    keys = {
        file.uuid: (file.sha256, file.size)
        for page in source.bundles[FQ.uuid, None]
        for file in page.bundle.files
    }
    choice = random.Random(20190603)
    kills = finished = resumed = 0
    with runs(source) as process:
        while kills < KILLS or not finished:
            directory = tmp_path / str(finished)
            store = FileStore(directory)
            before: dict[str, list[Span]] = {}
            stored: set[str] = set()
            ended = -1
            while ended:
                limit = choice.randrange(0, 4 * PART) if kills < KILLS else None
                ended, asked = process.run(directory, limit)
                assert ended in {0, -signal.SIGKILL}
                for each in asked:
                    key, size = keys[each.name]
                    assert key not in stored
                    first, last = each.span or (0, None)
                    end = size if last is None else last + 1
                    again = [
                        span for span in before.get(key, []) if span[0] < end > first < span[1]
                    ]
                    assert again == [], f"asked for {first} to {end} of {each.name}"
                    resumed += first > 0
                kills += ended != 0
                before = proven(store.partials)
                stored = {key for key, size in keys.values() if store.path(key).exists()}
            finished += 1
            for page in source.bundles[FQ.uuid, None]:
                for file in page.bundle.files:
                    path = directory / str(FQ) / file.name
                    assert path.read_bytes() == source.contents[file.uuid]
            assert list(store.partials.iterdir()) == []
    assert kills >= KILLS
    assert resumed > KILLS // 2
