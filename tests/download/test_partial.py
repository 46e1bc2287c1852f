"""A large content that several threads fill, leave, and go on with."""

import errno
import hashlib
import os
import random
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from attrs import Factory, define
from hypothesis import given
from hypothesis import strategies as st

from dss_client.download import journal, partial
from dss_client.download.filestore import FileStore
from dss_client.download.journal import Journal, Range
from dss_client.download.partial import Partial, Writer

from .scripted import sha256

CONTENT = bytes(range(1, 101))
SHA = sha256(CONTENT)
PART = 10
MIB = 1 << 20
ELSEWHERE = "elsewhere#1#1"


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path, durable=False)


@pytest.fixture(autouse=True)
def _no_run_is_left_behind() -> Iterator[None]:
    before = set(partial._at_work)
    yield
    for path in partial._at_work - before:
        partial._at_work.discard(path)


@pytest.fixture
def parts() -> Iterator[Callable[..., Partial]]:
    """Return a maker of partial files; what is still open at the end is closed."""
    with ExitStack() as made:

        def make(
            store: FileStore,
            left: list[Path] | None = None,
            *,
            content: bytes = CONTENT,
            part_size: int = PART,
        ) -> Partial:
            one = Partial(store, sha256(content), len(content), part_size)
            made.callback(one._close)
            one.open(left or [])
            return one

        yield make


Make = Callable[..., Partial]


def write(writer: Writer, count: int | None = None, content: bytes = CONTENT) -> None:
    end = writer.end if count is None else min(writer.position + count, writer.end)
    writer.write(memoryview(content)[writer.position : end])


def fill(one: Partial, content: bytes = CONTENT) -> None:
    """Write all that is not claimed."""
    while (writer := one.claim()) is not None:
        write(writer, content=content)
        writer.leave()


def take(one: Partial, *starts: int) -> None:
    """Write whole ranges that start somewhere, in this order."""
    held: dict[int, Writer] = {}
    for start in starts:
        while start not in held:
            writer = one.claim()
            assert writer is not None
            held[writer.start] = writer
        write(held[start])
        held.pop(start).leave()
    for writer in held.values():
        writer.leave()


def files_of(store: FileStore) -> dict[str, bytes]:
    if not store.partials.exists():
        return {}
    return {path.suffix: path.read_bytes() for path in store.partials.iterdir()}


def journals(store: FileStore, key: str = SHA) -> list[Path]:
    return journal.leftovers(store.partials).get(key, [])


def ranges(store: FileStore, key: str = SHA) -> list[tuple[int, int]]:
    (path,) = journals(store, key)
    found = Journal.read(path)
    assert found is not None
    return [(each.start, each.end) for each in found.ranges]


def own(path: Path, owner: str) -> None:
    """Have a journal be that of another owner."""
    found = Journal.read(path)
    assert found is not None
    header = {"format": 1, "size": found.size, "etag": found.etag, "owner": owner}
    path.write_bytes(journal.line(header) + b"".join(map(journal.entry, found.ranges)))


def finish(one: Partial, store: FileStore, content: bytes = CONTENT) -> None:
    """Fill what is left, and make sure that the right content comes out."""
    fill(one, content)
    assert one.is_whole
    assert one.bytes_done == len(content)
    assert not one.can_be_shared
    assert one.hexdigest() == sha256(content)
    one.publish()
    assert store.look(sha256(content), len(content)) == "good"
    assert store.path(sha256(content)).read_bytes() == content


class TestOneWriter:
    def test_a_content_comes_and_is_published(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        assert (one.bytes_done, one.is_whole, one.can_be_shared) == (0, False, True)
        finish(one, store)
        assert files_of(store) == {}

    def test_ranges_end_where_parts_do(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        first = one.claim()
        assert first is not None
        assert (first.start, first.end) == (0, 10)
        write(first, 3)
        first.leave()
        again = one.claim()
        assert again is not None
        assert (again.start, again.end) == (3, 10)

    def test_what_was_not_written_is_given_back(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        writers = [one.claim() for _ in range(10)]
        assert one.claim() is None
        assert [one.can_be_shared] == [False]
        for writer in writers[::2]:
            assert writer is not None
            write(writer, 4)
            writer.leave()
            writer.leave()
        assert one.can_be_shared
        assert one.bytes_done == 20
        assert sorted((w.start, w.end) for _ in range(5) if (w := one.claim())) == [
            (start + 4, start + 10) for start in range(0, 100, 20)
        ]
        assert one.claim() is None

    def test_a_reader_can_go_on_where_it_is(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        take(one, 20)
        assert one.run_from(0) == 20
        assert one.run_from(10) == 20
        assert one.run_from(30) == 100
        assert one.run_from(20) == 20
        assert one.run_from(5) == 5
        on = one.claim(30)
        assert on is not None
        assert on.start == 30
        assert one.claim(30, alone=True) is None
        other = one.claim(30)
        assert other is not None
        assert other.start == 0

    def test_the_first_range_can_be_asked_for(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        assert one.claim_first().start == 0
        with pytest.raises(RuntimeError, match="twice"):
            one.claim_first()

    def test_only_the_writer_at_the_hash_hashes(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        first = one.claim()
        ahead = one.claim()
        assert first is not None
        assert ahead is not None
        assert ahead.start == 10
        write(ahead)
        write(first, 5)
        assert (first.crc32, ahead.crc32) == (0, zlib.crc32(CONTENT[10:20]))
        ahead.leave()
        assert not one.is_whole
        first.leave()
        second = one.claim()
        assert second is not None
        assert second.start == 5
        write(second)
        second.leave()
        # What was written ahead is hashed by now: the next goes on there.
        third = one.claim()
        assert third is not None
        assert third.start == 20
        assert third.digest is not None

    def test_a_writer_that_wrote_nothing_leaves_the_hash_to_others(
        self, store: FileStore, parts: Make
    ) -> None:
        one = parts(store)
        one.claim_first().leave()
        assert journals(store) == []
        again = one.claim_first()
        assert again.digest is not None
        again.leave()
        finish(one, store)

    def test_a_file_that_somebody_cut_has_another_hash(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        take(one, 90)
        (path,) = store.partials.glob("*.part")
        os.truncate(path, 95)
        take(one, *range(0, 90, 10))
        assert one.is_whole
        assert one.hexdigest() != SHA

    def test_long_ranges_are_read_back_in_blocks(
        self, store: FileStore, parts: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(partial, "_BLOCK", 3)
        one = parts(store)
        take(one, *range(90, -1, -10))
        assert one.is_whole
        assert one.hexdigest() == SHA


class TestStartingOver:
    def test_everything_is_forgotten(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        one.etag = "x"
        take(one, 0, 50)
        assert len(journals(store)) == 1
        one.start_over()
        assert (one.bytes_done, one.is_whole, one.etag) == (0, False, "")
        assert files_of(store) == {".part": b""}
        assert one.claim_first().digest is not None

    def test_nothing_of_before_is_in_the_content(self, store: FileStore, parts: Make) -> None:
        other = CONTENT[::-1]
        one = parts(store)
        fill(one, other)
        assert one.hexdigest() == sha256(other)
        one.start_over()
        take(one, 30)
        finish(one, store)

    def test_the_journal_begins_anew(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        take(one, 0, 50)
        one.start_over()
        one.etag = "y"
        take(one, 20)
        assert ranges(store) == [(20, 30)]
        found = Journal.read(journals(store)[0])
        assert found is not None
        assert found.etag == "y"


class TestJournals:
    def test_there_is_a_line_for_each_range(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        one.etag = "e"
        fill(one)
        (path,) = journals(store)
        assert path.read_bytes().count(b"\n") == 11
        found = Journal.read(path)
        assert found is not None
        assert (found.size, found.etag, found.owner) == (100, "e", journal.owner())
        assert [each.sha256 for each in found.ranges] == [
            sha256(CONTENT[:end]) for end in range(10, 101, 10)
        ]

    def test_ranges_ahead_have_checksums_of_their_own(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        take(one, 50)
        found = Journal.read(journals(store)[0])
        assert found is not None
        assert found.ranges == (Range(50, 60, crc32=zlib.crc32(CONTENT[50:60])),)

    def test_what_comes_in_one_piece_has_none(self, store: FileStore, parts: Make) -> None:
        one = parts(store, part_size=100)
        first = one.claim_first()
        write(first, 60)
        first.leave()
        assert journals(store) == []
        finish(one, store)

    def test_but_much_of_one_piece_is_worth_it(self, store: FileStore, parts: Make) -> None:
        content = random.Random(1).randbytes(MIB + 100)
        one = parts(store, content=content, part_size=32 * MIB)
        first = one.claim_first()
        write(first, MIB, content)
        first.leave()
        assert ranges(store, sha256(content)) == [(0, MIB)]
        one.suspend()
        again = parts(store, journals(store, sha256(content)), content=content, part_size=32 * MIB)
        assert again.bytes_done == MIB
        finish(again, store, content)

    def test_only_what_is_worth_it_is_kept(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        first = one.claim_first()
        write(first, 9)
        first.leave()
        assert len(journals(store)) == 1
        one.suspend()
        assert files_of(store) == {}

    def test_nothing_is_kept_of_nothing(self, store: FileStore, parts: Make) -> None:
        parts(store).suspend()
        assert files_of(store) == {}

    def test_a_suspended_one_stays(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        take(one, 0)
        one.suspend()
        files = files_of(store)
        assert files[".part"] == CONTENT[:10]
        one.suspend()
        assert files_of(store) == files

    def test_a_discarded_one_does_not(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        fill(one)
        one.discard()
        assert files_of(store) == {}
        assert store.look(SHA, 100) == "absent"

    def test_a_full_disk_is_an_error(
        self, store: FileStore, parts: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = parts(store)
        first = one.claim_first()

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space")

        monkeypatch.setattr(journal, "write_at", full)
        with pytest.raises(OSError, match="No space"):
            write(first)
        first.leave()
        assert one.bytes_done == 0
        assert one.run_from(0) == 100


@contextmanager
def opened(one: Partial) -> Iterator[Partial]:
    try:
        yield one
    finally:
        one._close()


@define
class Schedule:
    """Writers that take turns as drawn, each byte of theirs counted."""

    one: Partial
    content: bytes
    written: list[int]
    writers: list[Writer] = Factory(list)

    def step(self, kind: str, which: int, count: int) -> None:
        if kind == "claim":
            at = which % (len(self.content) + 1) if count % 2 else None
            writer = self.one.claim(at, alone=count % 3 == 0)
            if writer is not None:
                assert 0 <= writer.start < writer.end <= len(self.content)
                for other in self.writers:
                    assert writer.end <= other.position or other.end <= writer.start
                self.writers.append(writer)
        elif self.writers:
            writer = self.writers[which % len(self.writers)]
            if kind == "leave":
                writer.leave()
                self.writers.remove(writer)
            else:
                self.write(writer, count)

    def write(self, writer: Writer, count: int) -> None:
        before = writer.position
        write(writer, count, self.content)
        for place in range(before, writer.position):
            self.written[place] += 1

    def end(self) -> None:
        for writer in self.writers:
            writer.leave()
        self.writers.clear()
        while (writer_ := self.one.claim()) is not None:
            self.write(writer_, len(self.content))
            writer_.leave()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "claim", "write", "write", "leave"]),
        st.integers(0, 400),
        st.integers(0, 120),
    ),
    max_size=40,
)
CONTENTS = st.binary(min_size=1, max_size=200)


class TestAnySchedule:
    @given(CONTENTS, st.integers(1, 90), STEPS)
    def test_every_byte_is_written_once_and_the_hash_is_right(
        self, content: bytes, part_size: int, steps: list[tuple[str, int, int]]
    ) -> None:
        with TemporaryDirectory() as folder:
            store = FileStore(folder, durable=False)
            one = Partial(store, sha256(content), len(content), part_size)
            assert one.open([]) == 0
            with opened(one):
                schedule = Schedule(one, content, [0] * len(content))
                for step in steps:
                    schedule.step(*step)
                schedule.end()
                assert schedule.written == [1] * len(content)
                finish(one, store, content)
            assert files_of(store) == {}

    @given(
        CONTENTS,
        st.integers(1, 90),
        STEPS,
        STEPS,
        st.sampled_from(["suspended", "dead", "elsewhere", "at work"]),
        st.none() | st.tuples(st.sampled_from([".part", ".journal"]), st.integers(0, 9999)),
        st.integers(0, 40),
    )
    def test_the_next_run_goes_on_from_what_is_true(
        self,
        content: bytes,
        part_size: int,
        steps: list[tuple[str, int, int]],
        more: list[tuple[str, int, int]],
        end: str,
        harm: tuple[str, int] | None,
        torn: int,
    ) -> None:
        key, size = sha256(content), len(content)
        with TemporaryDirectory() as folder:
            store = FileStore(folder, durable=False)
            first = Partial(store, key, size, part_size)
            first.open([])
            with opened(first):
                schedule = Schedule(first, content, [0] * size)
                for step in steps:
                    schedule.step(*step)
                left = journals(store, key)
                if end != "at work":
                    first._close()  # as it is when a process is killed
                for path in left:
                    if end in {"dead", "elsewhere"}:
                        own(path, ELSEWHERE if end == "elsewhere" else _dead())
                    do_harm(path, torn, harm)
                recorded = sum(
                    each.end - each.start
                    for path in left
                    if (found := Journal.read(path))
                    for each in found.ranges
                )
                before = files_of(store)
                second = Partial(store, key, size, part_size)
                with opened(second):
                    there = second.open(left)
                    assert there == second.bytes_done <= recorded
                    if harm is None and (end != "elsewhere" or not torn):
                        assert there == recorded
                    if left and end in {"elsewhere", "at work"}:
                        assert left[0].read_bytes() == before[".journal"]
                        assert left[0].with_suffix(".part").read_bytes() == before[".part"]
                    schedule = Schedule(second, content, [0] * size)
                    for step in more:
                        schedule.step(*step)
                    schedule.end()
                    assert max(schedule.written) <= 1
                    assert sum(schedule.written) == size - there
                    for path in {*journals(store, key)} - {*left}:
                        assert proven(path) == second._records
                    finish(second, store, content)


def do_harm(left: Path, torn: int, harm: tuple[str, int] | None) -> None:
    """Cut bytes off a journal, and flip a bit of it or of its partial file."""
    os.truncate(left, max(0, left.stat().st_size - torn))
    if harm is None:
        return
    path = left.with_suffix(harm[0])
    data = bytearray(path.read_bytes())
    if data:
        data[harm[1] % len(data)] ^= 1 << harm[1] % 8
        path.write_bytes(data)


def proven(path: Path) -> int:
    """Make sure that all of a journal is true, and return the number of its ranges."""
    found = Journal.read(path)
    assert found is not None
    with path.with_suffix(".part").open("rb", buffering=0) as source:
        good, _ = journal.proven(found, source.fileno(), None)
    assert tuple(good) == found.ranges
    return len(good)


def _dead() -> str:
    """Return an owner that had the number of this process before."""
    machine = journal.owner().partition("#")[0]
    return f"{machine}#{os.getpid()}#1"


class TestGoingOn:
    def test_a_dead_run_is_taken_over_by_renaming(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        one.etag = "e"
        take(one, 0, 10, 50)
        one._close()
        (left,) = journals(store)
        own(left, _dead())
        inode = left.with_suffix(".part").stat().st_ino
        second = parts(store, [left])
        assert (second.bytes_done, second.etag) == (30, "e")
        (path,) = store.partials.glob("*.part")
        assert path.stat().st_ino == inode
        assert not left.exists()
        assert ranges(store) == [(0, 10), (10, 20), (50, 60)]
        assert journals(store)[0].with_suffix(".part") == path
        finish(second, store)
        assert files_of(store) == {}

    def test_what_another_machine_has_is_copied(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        one.etag = "e"
        take(one, 0, 10, 50)
        one._close()
        (left,) = journals(store)
        own(left, ELSEWHERE)
        before = left.read_bytes(), left.with_suffix(".part").read_bytes()
        second = parts(store, [left])
        assert (second.bytes_done, second.etag) == (30, "e")
        assert len(journals(store)) == 2
        finish(second, store)
        assert (left.read_bytes(), left.with_suffix(".part").read_bytes()) == before
        assert journals(store) == [left]

    def test_so_is_what_this_process_is_at_work_on(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        take(one, 0, 50)
        second = parts(store, journals(store))
        assert second.bytes_done == 20
        take(one, 10)
        take(second, 10)
        finish(one, store)
        finish(second, store)
        assert files_of(store) == {}

    def test_what_was_suspended_is_gone_on_with(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        take(one, 0, 50)
        one.suspend()
        second = parts(store, journals(store))
        assert second.bytes_done == 20
        assert len(journals(store)) == 1
        take(second, 10)
        second.suspend()
        assert ranges(store) == [(0, 10), (50, 60), (10, 20)]
        finish(parts(store, journals(store)), store)
        assert files_of(store) == {}

    def test_the_hash_goes_on_over_what_was_ahead(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        take(one, 10, 20, 0)
        one.suspend()
        second = parts(store, journals(store))
        writer = second.claim()
        assert writer is not None
        assert writer.start == 30
        assert writer.digest is not None

    def test_what_the_bytes_do_not_confirm_is_fetched_again(
        self, store: FileStore, parts: Make
    ) -> None:
        one = parts(store)
        take(one, 0, 10, 50, 70)
        one.suspend()
        (left,) = journals(store)
        with left.with_suffix(".part").open("r+b") as file:
            file.seek(55)
            file.write(b"?")
        second = parts(store, [left])
        assert second.bytes_done == 30
        assert ranges(store) == [(0, 10), (10, 20), (70, 80)]
        finish(second, store)

    def test_a_journal_none_of_which_holds_does_no_harm_to_the_next(
        self, store: FileStore, parts: Make
    ) -> None:
        one = parts(store)
        take(one, 0, 50)
        one.suspend()
        (left,) = journals(store)
        left.with_suffix(".part").write_bytes(bytes(100))
        second = parts(store, [left])
        assert second.bytes_done == 0
        take(second, 0, 20)
        second.suspend()
        assert ranges(store) == [(0, 10), (20, 30)]
        third = parts(store, journals(store))
        assert third.bytes_done == 20
        finish(third, store)

    def test_the_same_where_it_is_copied(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        take(one, 50)
        one._close()
        (left,) = journals(store)
        own(left, ELSEWHERE)
        left.with_suffix(".part").write_bytes(bytes(100))
        second = parts(store, [left])
        take(second, 0, 20)
        second.suspend()
        mine = [path for path in journals(store) if path != left]
        assert parts(store, mine).bytes_done == 20

    def test_bytes_beyond_the_content_are_not_published(
        self, store: FileStore, parts: Make
    ) -> None:
        one = parts(store)
        take(one, 0)
        one.suspend()
        (left,) = journals(store)
        with left.with_suffix(".part").open("r+b") as file:
            file.seek(100)
            file.write(b"more")
        finish(parts(store, [left]), store)

    @pytest.mark.parametrize("owner", ["dead", "elsewhere"])
    def test_a_journal_without_its_file_is_nothing(
        self, store: FileStore, parts: Make, owner: str
    ) -> None:
        one = parts(store)
        one.etag = "stale"
        take(one, 0, 50)
        one.suspend()
        (left,) = journals(store)
        own(left, _dead() if owner == "dead" else ELSEWHERE)
        left.with_suffix(".part").unlink()
        second = parts(store, [left])
        assert (second.bytes_done, second.etag) == (0, "")
        assert journals(store) == [left]
        finish(second, store)

    def test_of_several_the_first_that_fits_is_taken(self, store: FileStore, parts: Make) -> None:
        (store.partials).mkdir(parents=True)
        unreadable = store.partials / f"{SHA}.a.journal"
        unreadable.write_bytes(b"torn")
        other = store.partials / f"{SHA}.b.journal"
        other.write_bytes(journal.header(99, ""))
        other.with_suffix(".part").write_bytes(b"")
        one = parts(store)
        take(one, 0)
        one.suspend()
        left = journals(store)
        assert len(left) == 3
        second = parts(store, [left[-2], *left])
        assert second.bytes_done == 10
        finish(second, store)

    def test_of_two_that_want_it_one_has_it(self, store: FileStore, parts: Make) -> None:
        one = parts(store)
        take(one, 0)
        one.suspend()
        left = journals(store)
        both = [parts(store, left) for _ in range(2)]
        assert [each.bytes_done for each in both] == [10, 0]
        for each in both:
            finish(each, store)

    def test_what_was_taken_over_is_not_lost_to_a_fault(
        self, store: FileStore, parts: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = parts(store)
        take(one, 0, 10, 50)
        one.suspend()
        (left,) = journals(store)

        def broken(*_: object) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

        second = Partial(store, SHA, 100, PART)
        with monkeypatch.context() as patch:
            patch.setattr(journal, "read_at", broken)
            with pytest.raises(OSError, match="Input/output"):
                second.open([left])
        third = parts(store, journals(store))
        assert third.bytes_done == 30
        finish(third, store)
        assert files_of(store) == {}

    @pytest.mark.skipif(sys.platform != "linux", reason="counts open files as Linux tells them")
    def test_a_disk_that_is_too_full_for_a_copy(
        self, store: FileStore, parts: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = parts(store)
        take(one, 0)
        one._close()
        (left,) = journals(store)
        own(left, ELSEWHERE)

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space")

        count = len([*Path("/proc/self/fd").iterdir()])
        second = Partial(store, SHA, 100, PART)
        with monkeypatch.context() as patch:
            patch.setattr(journal, "write_at", full)
            with pytest.raises(OSError, match="No space"):
                second.open([left])
        second.discard()
        assert len([*Path("/proc/self/fd").iterdir()]) == count
        assert [*store.partials.glob("*.part")] == [left.with_suffix(".part")]


class TestThreads:
    @pytest.mark.parametrize("seed", range(4))
    def test_many_at_once(self, store: FileStore, parts: Make, seed: int) -> None:
        content = random.Random(seed).randbytes(700_001)
        one = parts(store, content=content, part_size=20_000)
        counts = [0] * 8
        lock = threading.Lock()

        def work(number: int) -> None:
            chance = random.Random(seed * 100 + number)
            at: int | None = None
            while not one.is_whole:
                writer = one.claim(at)
                if writer is None:
                    if not one.can_be_shared:
                        return
                    continue
                for _ in range(chance.randrange(6)):
                    before = writer.position
                    write(writer, chance.randrange(9_000), content)
                    counts[number] += writer.position - before
                writer.leave()
                at = writer.position
                with lock:
                    assert one.bytes_done <= len(content)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert sum(counts) + (len(content) - one.bytes_done) == len(content)
        fill(one, content)
        assert hashlib.sha256(content).hexdigest() == one.hexdigest()
        finish(one, store, content)
