"""What is believed of a partial file: nothing but what its bytes confirm."""

import errno
import hashlib
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile

import pytest
from attrs import evolve, frozen
from hypothesis import example, given
from hypothesis import strategies as st

from dss_client.download import journal
from dss_client.download.journal import Journal, Range
from dss_client.download.store import FileStore
from dss_client.transfer import checked_lines
from dss_client.transfer import owner as owners

SHA = "0123456789abcdef" * 4
OTHER = "f" * 64
ELSEWHERE = "elsewhere#1#1"


@pytest.fixture(scope="module")
def dead() -> str:
    """Return the id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return str(process.pid)


def owned_by(pid: str, started: str = "1") -> str:
    return f"{owners.owner().split('#')[0]}#{pid}#{started}"


def tagged(pid: str) -> str:
    return f"{owners.tag().split('-')[0]}-{pid}-1"


@frozen
class Run:
    """A content on its way, and what a run that got so far has written of it."""

    content: bytes
    records: tuple[Range, ...]

    @property
    def lines(self) -> bytes:
        records = map(journal.entry, self.records)
        return journal.header(len(self.content), 'W/"a?b~é"') + b"".join(records)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Draw what a run leaves: ranges written in any order, the hash following where it can."""
    content = draw(st.binary(min_size=1, max_size=200))
    cuts = draw(st.sets(st.integers(1, max(1, len(content) - 1)), max_size=7))
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    spans = draw(st.permutations([*pairwise(edges)]))
    hashed = 0
    done: set[tuple[int, int]] = set()
    records: list[Range] = []
    for start, end in spans[: draw(st.integers(0, len(spans)))]:
        done.add((start, end))
        if start == hashed:
            hashed = end
            sha256 = hashlib.sha256(content[:end]).hexdigest()
            records.append(Range(start, end, sha256=sha256))
        else:
            records.append(Range(start, end, crc32=zlib.crc32(content[start:end])))
        while further := next((span for span in done if span[0] == hashed), None):
            hashed = further[1]
    return Run(content, tuple(records))


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


def zeroed(data: bytes, start: int, count: int) -> bytes:
    start %= len(data)
    return data[:start] + bytes(len(data[start : start + count])) + data[start + count :]


Harm = Callable[[bytes], bytes]
HARMS: st.SearchStrategy[Harm] = st.one_of(
    st.integers(0, 10_000).map(lambda n: lambda data: data[: n % (len(data) + 1)]),
    st.integers(0, 100_000).map(lambda bit: lambda data: flipped(data, bit) if data else data),
    st.tuples(st.integers(0, 10_000), st.integers(1, 200)).map(
        lambda place: lambda data: zeroed(data, *place) if data else data
    ),
    st.binary(max_size=60).map(lambda tail: lambda data: data + tail),
    st.tuples(st.integers(0, 10_000), st.binary(max_size=3)).map(
        lambda place: (
            lambda data: (
                data[: place[0] % (len(data) + 1)] + place[1] + data[place[0] % (len(data) + 1) :]
            )
        )
    ),
)


@contextmanager
def written(content: bytes) -> Iterator[Path]:
    with NamedTemporaryFile(suffix=".journal", buffering=0) as file:
        file.write(content)
        yield Path(file.name)


def read(content: bytes) -> Journal | None:
    with written(content) as path:
        return Journal.read(path)


def is_prefix(some: Sequence[Range], of: Sequence[Range]) -> bool:
    return tuple(some) == tuple(of[: len(some)])


class TestReading:
    @given(runs())
    def test_what_was_written_is_read(self, run: Run) -> None:
        found = read(run.lines)
        assert found is not None
        assert found.ranges == run.records
        assert (found.size, found.etag) == (len(run.content), 'W/"a?b~é"')
        assert found.owner == owners.owner()

    def test_it_knows_its_partial_file(self) -> None:
        with written(journal.header(5, "")) as path:
            found = Journal.read(path)
            assert found is not None
            assert found.part == path.with_suffix(".part")

    @given(runs(), st.lists(HARMS, min_size=1, max_size=3))
    def test_of_a_damaged_one_only_what_is_true_is_believed(
        self, run: Run, harms: list[Harm]
    ) -> None:
        text = run.lines
        for harm in harms:
            text = harm(text)
        found = read(text)
        if found is not None:
            assert is_prefix(found.ranges, run.records)
            assert (found.size, found.etag) == (len(run.content), 'W/"a?b~é"')
            assert found.owner == owners.owner()

    @given(runs(), st.data())
    def test_a_torn_one_is_read_up_to_its_last_whole_line(
        self, run: Run, data: st.DataObject
    ) -> None:
        text = run.lines
        cut = data.draw(st.integers(0, len(text)))
        whole = text[:cut].count(b"\n")
        found = read(text[:cut])
        assert (found is None) == (whole == 0)
        if found is not None:
            assert found.ranges == run.records[: whole - 1]

    @pytest.mark.parametrize("bit", range(8))
    def test_no_bit_of_any_byte_matters_not(self, bit: int) -> None:
        records = (Range(0, 3, sha256=SHA), Range(7, 9, crc32=77))
        text = Run(b"content, more", records).lines
        for place in range(len(text)):
            damaged = flipped(text, place * 8 + bit)
            found = read(damaged)
            lines = text[:place].count(b"\n")
            assert (found is None) == (lines == 0), (place, damaged)
            if found is not None:
                assert found.ranges == records[: lines - 1]

    @given(st.binary(max_size=200))
    @example(b"00000000 \n")
    @example(b"\n")
    def test_anything_can_be_read(self, content: bytes) -> None:
        read(content)
        read(journal.header(9, "") + content)

    @given(
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)),
            lambda some: st.lists(some, max_size=2) | st.dictionaries(st.text(), some, max_size=2),
        )
        | st.fixed_dictionaries(
            {"from": st.integers() | st.floats() | st.text(max_size=3), "to": st.integers(0, 20)},
            optional={"sha256": st.integers(), "crc32": st.integers() | st.floats() | st.none()},
        )
    )
    @example({"from": float("inf"), "to": 1, "crc32": 1})
    @example({"from": "1", "to": None})
    def test_so_can_lines_whose_own_checksum_is_right(self, record: object) -> None:
        line = checked_lines.line(record)  # type: ignore[arg-type] # that is the point
        read(line)
        found = read(journal.header(9, "") + line)
        if found is not None:
            assert all(0 <= each.start < each.end for each in found.ranges)

    @pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', '{"format": 1}x', "\x00", "{'a': 1}"])
    def test_lines_that_are_no_objects_end_it(self, text: str) -> None:
        line = b"%08x %s\n" % (zlib.crc32(text.encode()), text.encode())
        assert read(line) is None
        after = journal.entry(Range(0, 1, crc32=1))
        found = read(journal.header(9, "") + line + after)
        assert found is None or found.ranges == ()

    @pytest.mark.parametrize(
        "header",
        [
            {"format": 2, "size": 1, "etag": "", "owner": "x"},
            {"size": 1, "etag": "", "owner": "x"},
            {"format": 1, "etag": "", "owner": "x"},
            {"format": 1, "size": "x", "etag": "", "owner": "x"},
            {"format": 1, "size": None, "etag": "", "owner": "x"},
            {"format": 1, "size": 1, "owner": "x"},
            {"format": 1, "size": 1, "etag": ""},
        ],
    )
    def test_another_format_is_not_read(self, header: dict[str, object]) -> None:
        assert read(checked_lines.line(header)) is None

    @pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 3), (3, 2)])
    def test_ranges_are_ranges(self, start: int, end: int) -> None:
        assert read(journal.header(9, "") + journal.entry(Range(start, end, crc32=1))) is None

    def test_none_is_none(self, tmp_path: Path) -> None:
        assert Journal.read(tmp_path / "nowhere") is None
        assert Journal.read(tmp_path) is None
        assert read(b"") is None


def prove(
    run: Run, part: bytes, records: Sequence[Range], *, copy: bool = False
) -> tuple[list[Range], str, bytes]:
    """Return what is proven, the hash of its beginning, and what was copied."""
    with TemporaryFile(buffering=0) as source, TemporaryFile(buffering=0) as target:
        source.write(part)
        found = Journal(Path("x.journal"), len(run.content), "", "", tuple(records))
        good, digest = journal.proven(
            found, source.fileno(), target.fileno() if copy else None, lambda _: None
        )
        target.seek(0)
        return good, digest.hexdigest(), target.read()


def hashed_of(good: Sequence[Range]) -> int:
    return max((each.end for each in good if each.sha256 is not None), default=0)


class TestProof:
    @given(runs(), st.booleans())
    def test_all_is_proven_of_a_whole_file(self, run: Run, copy: bool) -> None:
        good, digest, copied = prove(run, run.content, run.records, copy=copy)
        assert tuple(good) == run.records
        assert digest == hashlib.sha256(run.content[: hashed_of(good)]).hexdigest()
        for each in good if copy else ():
            assert copied[each.start : each.end] == run.content[each.start : each.end]
        assert copy or copied == b""

    @given(runs(), st.lists(HARMS, min_size=1, max_size=3), st.booleans())
    def test_nothing_is_believed_that_the_bytes_do_not_confirm(
        self, run: Run, harms: list[Harm], copy: bool
    ) -> None:
        part = run.content
        for harm in harms:
            part = harm(part)
        good, digest, copied = prove(run, part, run.records, copy=copy)
        for each in good:
            assert each in run.records
            assert part[each.start : each.end] == run.content[each.start : each.end]
            if copy:
                assert copied[each.start : each.end] == run.content[each.start : each.end]
        hashed = hashed_of(good)
        assert digest == hashlib.sha256(run.content[:hashed]).hexdigest()
        assert part[:hashed] == run.content[:hashed]

    @given(runs(), st.data())
    def test_a_bad_range_costs_no_range_before_it(self, run: Run, data: st.DataObject) -> None:
        if not run.records:
            return
        bad = data.draw(st.integers(0, len(run.records) - 1))
        start = run.records[bad].start
        part = flipped(run.content, start * 8)
        good, _, _ = prove(run, part, run.records)
        assert run.records[bad] not in good
        assert is_prefix(run.records[:bad], good)
        if run.records[bad].sha256 is None:
            before = next(
                (n for n, r in enumerate(run.records) if r.start > start and r.sha256), 99
            )
            assert {r for r in run.records[bad + 1 : before] if r.sha256 is None} <= set(good)

    @given(runs(), st.integers(0, 300))
    def test_a_hole_is_no_content(self, run: Run, start: int) -> None:
        content = bytes(byte or 1 for byte in run.content)
        part = zeroed(content, start, 50)
        records = [
            Range(each.start, each.end, crc32=zlib.crc32(content[each.start : each.end]))
            for each in run.records
        ]
        good, _, _ = prove(evolve(run, content=content), part, records)
        assert good == [
            each
            for each in records
            if part[each.start : each.end] == content[each.start : each.end]
        ]

    @given(runs(), st.data())
    def test_no_false_claim_is_believed(self, run: Run, data: st.DataObject) -> None:
        false = data.draw(
            st.builds(
                Range,
                st.integers(0, 99),
                st.integers(100, 250),
                sha256=st.just(SHA) | st.none(),
                crc32=st.integers(0, 2**31),
            )
        )
        true = zlib.crc32(run.content[false.start : false.end])
        if false.sha256 is None and false.crc32 == true:
            return
        at = data.draw(st.integers(0, len(run.records)))
        records = [*run.records[:at], false, *run.records[at:]]
        good, _, _ = prove(run, run.content, records)
        assert false not in good
        assert is_prefix(run.records[:at], good)

    def test_ranges_beyond_the_content_end_it(self) -> None:
        run = Run(b"content", ())
        beyond = Range(5, 9, crc32=zlib.crc32(b"nt!!"))
        after = Range(0, 3, crc32=zlib.crc32(b"con"))
        assert prove(run, b"content!!", [beyond, after])[0] == []

    def test_a_gap_ends_the_hash(self) -> None:
        sha256 = hashlib.sha256(b"content").hexdigest()
        run = Run(b"content", ())
        assert prove(run, b"content", [Range(3, 7, sha256=sha256)])[0] == []

    def test_a_range_within_what_is_hashed_ends_the_hash(self) -> None:
        run = Run(b"content", ())
        first = Range(0, 5, sha256=hashlib.sha256(b"conte").hexdigest())
        within = Range(3, 7, sha256=hashlib.sha256(b"content").hexdigest())
        assert prove(run, b"content", [first, within])[0] == [first]

    def test_many_blocks_are_one_range(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(journal, "_BLOCK", 3)
        sha256 = hashlib.sha256(b"cont").hexdigest()
        records = [Range(0, 4, sha256=sha256), Range(4, 7, crc32=zlib.crc32(b"ent"))]
        good, _, copied = prove(Run(b"content", ()), b"content", records, copy=True)
        assert (good, copied) == (records, b"content")


class TestOwners:
    def test_this_process_is_alive(self) -> None:
        assert owners.is_alive(owners.owner())

    def test_a_process_that_has_ended_is_dead(self, dead: str) -> None:
        assert not owners.is_alive(owned_by(dead))
        assert not owners.is_alive(owned_by(dead, ""))

    @pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
    def test_so_is_one_that_nobody_has_waited_for(self) -> None:
        with subprocess.Popen([sys.executable, "-c", ""]) as process:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            assert not owners.is_alive(owned_by(str(process.pid), ""))

    def test_nobody_knows_of_another_machine(self, dead: str) -> None:
        assert owners.is_alive(ELSEWHERE)
        assert owners.is_alive(f"elsewhere#{dead}#1")
        assert owners.is_alive(f"{owners.owner().split('#')[0]}-2#{dead}#1")

    def test_another_process_with_the_same_number_is_another(self) -> None:
        assert not owners.is_alive(owned_by(str(os.getpid()), "1"))

    def test_where_the_start_is_not_told_the_number_decides(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unknown(*_: object, **__: object) -> str:
            raise OSError(errno.ENOENT, "no /proc here")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_text", unknown)
            name = owners.owner()
        assert name.endswith(f"#{os.getpid()}#")
        assert owners.is_alive(name)

    @pytest.mark.parametrize(
        "error", [PermissionError(errno.EPERM, "not yours"), OSError(errno.EINVAL, "what?")]
    )
    def test_what_cannot_be_asked_for_may_be_alive(
        self, monkeypatch: pytest.MonkeyPatch, dead: str, error: OSError
    ) -> None:
        def kill(*_: int) -> None:
            raise error

        monkeypatch.setattr(os, "kill", kill)
        assert owners.is_alive(owned_by(dead, ""))

    @pytest.mark.parametrize("pid", ["", "x", "-1", "²", "9" * 30])
    def test_what_is_no_process_may_be_alive(self, pid: str) -> None:
        assert owners.is_alive(owned_by(pid))

    @pytest.mark.parametrize("name", ["", "#", "##", "x", "x#y", "x#1"])
    def test_what_is_no_owner_may_be_alive(self, name: str) -> None:
        assert owners.is_alive(name)

    def test_on_windows_nobody_is_known_to_be_dead(
        self, monkeypatch: pytest.MonkeyPatch, dead: str
    ) -> None:
        name = owned_by(dead)
        with monkeypatch.context() as patch:
            patch.setattr(os, "name", "nt")
            alive = owners.is_alive(name)
        assert alive


class TestWhatRunsLeave:
    @pytest.fixture
    def store(self, tmp_path: Path) -> FileStore:
        store = FileStore(tmp_path, durable=False)
        store.partials.mkdir(parents=True)
        return store

    def leave(
        self, store: FileStore, pid: str, *, key: str = SHA, text: bytes | None = None
    ) -> Path:
        path = store.partials / f"{key}.{tagged(pid)}-0a.journal"
        path.write_bytes(journal.header(7, "") if text is None else text)
        path.with_suffix(".part").write_bytes(b"content")
        return path

    def left(self, store: FileStore) -> set[str]:
        journal.tidy(store.partials, store.place)
        return {path.name for path in store.partials.iterdir()}

    def test_journals_are_found_by_their_content(self, store: FileStore) -> None:
        for name in ("b", "a"):
            (store.partials / f"{SHA}.{name}.journal").touch()
        (store.partials / f"{OTHER}.x-1.journal").touch()
        for name in (f"{SHA}.a.part", f"{SHA[1:]}.a.journal", f"{SHA}.A.journal", "x.tmp"):
            (store.partials / name).touch()
        assert journal.leftovers(store.partials) == {
            SHA: [store.partials / f"{SHA}.{name}.journal" for name in ("a", "b")],
            OTHER: [store.partials / f"{OTHER}.x-1.journal"],
        }

    def test_where_nothing_was_begun_nothing_is_found(self, tmp_path: Path) -> None:
        assert journal.leftovers(tmp_path / "nowhere") == {}
        journal.tidy(tmp_path / "nowhere", str)

    def test_what_can_be_gone_on_from_stays(self, store: FileStore, dead: str) -> None:
        path = self.leave(store, dead)
        assert self.left(store) == {path.name, path.with_suffix(".part").name}

    def test_what_is_stored_by_now_is_removed(self, store: FileStore, dead: str) -> None:
        self.leave(store, dead)
        other = self.leave(store, dead, key=OTHER)
        Path(store.place(SHA)).parent.mkdir(parents=True)
        Path(store.place(SHA)).touch()
        assert self.left(store) == {other.name, other.with_suffix(".part").name}

    @pytest.mark.parametrize("text", [b"", b"torn", b"00000000 \n"])
    def test_what_has_no_journal_that_can_be_read_is_removed(
        self, store: FileStore, dead: str, text: bytes
    ) -> None:
        self.leave(store, dead, text=text)
        assert self.left(store) == set()

    @pytest.mark.parametrize("gone", [".part", ".journal"])
    def test_one_without_the_other_is_removed(self, store: FileStore, dead: str, gone: str) -> None:
        self.leave(store, dead).with_suffix(gone).unlink()
        assert self.left(store) == set()

    def test_temporary_files_of_the_dead_are_removed(self, store: FileStore, dead: str) -> None:
        (store.partials / f"{tagged(dead)}-0a0b0c-12.tmp").touch()
        mine = Path(store.new_temporary())
        mine.touch()
        assert self.left(store) == {mine.name}

    def test_what_others_may_be_at_work_on_stays(self, store: FileStore, dead: str) -> None:
        names = {
            f"{SHA}.{owners.tag()}-0a.part",
            f"{SHA}.{owners.tag()}-0a.journal",
            f"{SHA}.00000000-{dead}-1-0a.part",
            f"00000000-{dead}-1-0a-1.tmp",
            f"{tagged('9' * 30)}-0a-1.tmp",
            "notes.txt",
            f"{SHA}.part",
        }
        for name in names:
            (store.partials / name).touch()
        assert self.left(store) == names

    def test_the_names_of_this_process_are_known_as_its_own(self, store: FileStore) -> None:
        part = store.partials / f"{SHA}.{owners.tag()}-0a0b.part"
        match = journal._TAGGED.fullmatch(part.name)
        assert match is not None
        assert match[3] == str(os.getpid())
        assert journal._TAGGED.fullmatch(Path(store.new_temporary()).name)

    def test_room_is_what_the_disk_has_given(self, tmp_path: Path) -> None:
        path = tmp_path / "x.journal"
        assert journal.room_of(path) == 0
        path.with_suffix(".part").write_bytes(b"x" * 5000)
        assert journal.room_of(path) == 5000
        with path.with_suffix(".part").open("r+b") as file:
            os.truncate(file.fileno(), 1 << 30)
        assert journal.room_of(path) < 1 << 20

    def test_both_files_are_deleted(self, tmp_path: Path) -> None:
        path = tmp_path / "x.journal"
        path.touch()
        path.with_suffix(".part").touch()
        journal.delete(path)
        journal.delete(path)
        assert list(tmp_path.iterdir()) == []


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, bytes(data[:3]), at))
    with (tmp_path / "f").open("w+b", buffering=0) as file:
        journal.write_at(file.fileno(), memoryview(b"content"), 2)
        assert journal.read_at(file.fileno(), 99, 0) == b"\0\0content"


def test_a_line_is_a_json_object_with_its_checksum() -> None:
    line = journal.entry(Range(0, 7, crc32=5)).decode()
    checksum, _, text = line.partition(" ")
    assert json.loads(text) == {"from": 0, "to": 7, "crc32": 5}
    assert int(checksum, 16) == zlib.crc32(text.rstrip("\n").encode())
