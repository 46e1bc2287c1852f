"""What is believed of a partial file: nothing but what its bytes confirm."""

import hashlib
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import Any

import pytest
from attrs import frozen
from hypothesis import example, given
from hypothesis import strategies as st

from dss_client.download import journal
from dss_client.download.journal import Journal, Range
from dss_client.transfer import checked_lines
from dss_client.transfer import owner as owners

from .apart import Apart, download, partials
from .directory import stored
from .fetching import get
from .forked import take_parts_of
from .wire import Asked, Bundle, Step, Wire, answer

SHA = "0123456789abcdef" * 4
ETAG = 'W/"a?b~é"'


@frozen
class Run:
    """A content on its way, and what a run that got so far has written of it."""

    content: bytes
    records: tuple[Range, ...]

    @property
    def lines(self) -> bytes:
        records = map(journal.entry, self.records)
        return journal.header(len(self.content), ETAG) + b"".join(records)


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


def read(text: bytes) -> Journal | None:
    with NamedTemporaryFile(suffix=".journal", buffering=0) as file:
        file.write(text)
        return Journal.read(Path(file.name))


def is_prefix(some: Sequence[Range], of: Sequence[Range]) -> bool:
    return tuple(some) == tuple(of[: len(some)])


# Its lines


@given(runs(), st.data())
def test_a_torn_journal_is_read_up_to_its_last_whole_line(run: Run, data: st.DataObject) -> None:
    text = run.lines
    cut = data.draw(st.integers(0, len(text)) | st.just(len(text)))
    whole = text[:cut].count(b"\n")
    found = read(text[:cut])
    assert (found is None) == (whole == 0)
    if found is not None:
        assert found.ranges == run.records[: whole - 1]
        assert (found.size, found.etag) == (len(run.content), ETAG)
        assert found.owner == owners.owner()


@given(runs(), st.lists(HARMS, min_size=1, max_size=3))
def test_of_a_damaged_journal_only_what_is_true_is_believed(run: Run, harms: list[Harm]) -> None:
    text = run.lines
    for harm in harms:
        text = harm(text)
    found = read(text)
    if found is not None:
        assert is_prefix(found.ranges, run.records)
        assert (found.size, found.etag) == (len(run.content), ETAG)
        assert found.owner == owners.owner()


@pytest.mark.parametrize("bit", range(8))
def test_no_bit_of_any_byte_matters_not(bit: int) -> None:
    records = (Range(0, 3, sha256=SHA), Range(7, 9, crc32=77))
    text = Run(b"content, more", records).lines
    for place in range(len(text)):
        found = read(flipped(text, place * 8 + bit))
        lines = text[:place].count(b"\n")
        assert (found is None) == (lines == 0), place
        assert found is None or found.ranges == records[: lines - 1]


@given(
    st.binary(max_size=200)
    | st.sampled_from(["{", "[1]", '"x"', "{}x", "\x00", "{'a': 1}"]).map(
        lambda text: b"%08x %s\n" % (zlib.crc32(text.encode()), text.encode())
    )
)
@example(b"00000000 \n")
def test_any_bytes_can_be_read(content: bytes) -> None:
    read(content)
    found = read(journal.header(9, "") + content)
    assert found is not None
    assert found.ranges == ()


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
@example({"from": 3, "to": 3, "crc32": 1})
@example({"from": "1", "to": None})
def test_so_can_lines_whose_own_checksum_is_right(record: object) -> None:
    line = checked_lines.line(record)  # type: ignore[arg-type]  # that is the point
    read(line)
    found = read(journal.header(9, "") + line)
    assert found is None or all(0 <= each.start < each.end for each in found.ranges)


@pytest.mark.parametrize(
    "change", [{"format": 2}, *({name: None} for name in ("format", "size")), {"size": "x"}]
)
def test_another_format_is_not_read(change: dict[str, object]) -> None:
    header = {"format": 1, "size": 1, "etag": "", "owner": "x"}
    assert read(checked_lines.line(header)) is not None
    assert read(checked_lines.line(header | change)) is None
    for name in header:
        assert read(checked_lines.line({k: v for k, v in header.items() if k != name})) is None


# Its ranges


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


@given(runs(), st.lists(HARMS, max_size=3), st.booleans())
def test_what_the_bytes_confirm_is_believed_and_nothing_else(
    run: Run, harms: list[Harm], copy: bool
) -> None:
    part = run.content
    for harm in harms:
        part = harm(part)
    good, digest, copied = prove(run, part, run.records, copy=copy)
    assert part != run.content or tuple(good) == run.records
    for each in good:
        assert each in run.records
        assert part[each.start : each.end] == run.content[each.start : each.end]
        assert not copy or copied[each.start : each.end] == run.content[each.start : each.end]
    hashed = max((each.end for each in good if each.sha256 is not None), default=0)
    assert digest == hashlib.sha256(run.content[:hashed]).hexdigest()
    assert part[:hashed] == run.content[:hashed]
    assert copy or copied == b""


@given(runs(), st.data())
def test_a_bad_range_costs_no_range_before_it(run: Run, data: st.DataObject) -> None:
    if not run.records:
        return
    bad = data.draw(st.integers(0, len(run.records) - 1))
    start = run.records[bad].start
    good, _, _ = prove(run, flipped(run.content, start * 8), run.records)
    assert run.records[bad] not in good
    assert is_prefix(run.records[:bad], good)
    if run.records[bad].sha256 is None:
        before = next((n for n, r in enumerate(run.records) if r.start > start and r.sha256), 99)
        assert {r for r in run.records[bad + 1 : before] if r.sha256 is None} <= set(good)


@given(
    runs(),
    st.integers(0, 7),
    st.builds(
        Range,
        st.integers(0, 99),
        st.integers(100, 250),
        sha256=st.just(SHA) | st.none(),
        crc32=st.integers(0, 2**31),
    ),
)
def test_no_false_claim_is_believed(run: Run, at: int, false: Range) -> None:
    if false.sha256 is None and false.crc32 == zlib.crc32(run.content[false.start : false.end]):
        return
    good, _, _ = prove(run, run.content, [*run.records[:at], false, *run.records[at:]])
    assert false not in good
    assert is_prefix(run.records[:at], good)


@pytest.mark.parametrize(
    ("spans", "proven"),
    [
        ([(5, 9, "crc"), (0, 3, "crc")], 0),  # beyond the content
        ([(3, 7, "sha")], 0),  # after a gap
        ([(0, 5, "sha"), (3, 7, "sha")], 1),  # within what is hashed
        ([(0, 4, "sha"), (4, 7, "crc")], 2),
    ],
)
def test_where_ranges_may_be(
    spans: list[tuple[int, int, str]], proven: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_BLOCK", 3)
    part = b"content!!"
    records = [
        Range(start, end, crc32=zlib.crc32(part[start:end]))
        if kind == "crc"
        else Range(start, end, sha256=hashlib.sha256(part[:end]).hexdigest())
        for start, end, kind in spans
    ]
    good, _, copied = prove(Run(b"content", ()), part, records, copy=True)
    assert good == records[:proven]
    assert proven < 2 or copied == b"content"


# Who writes it


def owner_of(pid: object, started: object = "", machine: str | None = None) -> str:
    return f"{machine or owners.owner().split('#')[0]}#{pid}#{started}"


@pytest.fixture(scope="module")
def dead() -> str:
    """Return the id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return str(process.pid)


def test_a_process_that_has_ended_is_dead(dead: str) -> None:
    assert owners.is_alive(owners.owner())
    assert not owners.is_alive(owner_of(dead))
    assert not owners.is_alive(owner_of(dead, 1))
    assert not owners.is_alive(owner_of(os.getpid(), 1)), "its number has come to another"
    assert owners.is_alive(owner_of(os.getpid()))


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_so_is_one_that_nobody_has_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not owners.is_alive(owner_of(process.pid))


@pytest.mark.parametrize("pid", ["", "x", "-1", "²", "9" * 30])
def test_what_is_not_known_may_be_alive(dead: str, pid: str) -> None:
    assert owners.is_alive(owner_of(pid))
    assert owners.is_alive(f"x#{pid}")
    assert owners.is_alive(owner_of(dead, 1, "elsewhere"))


def test_on_windows_nobody_is_known_to_be_dead(monkeypatch: pytest.MonkeyPatch, dead: str) -> None:
    name = owner_of(dead)
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        alive = owners.is_alive(name)
    assert alive


def test_a_download_removes_what_nobody_can_go_on_with(
    wire: Wire, tmp_path: Path, dead: str
) -> None:
    bundle = wire.add_bundle({"f": b"content"})
    get(wire, bundle, tmp_path)
    mine, theirs = (
        f"{owners.tag().split('-')[0]}-{rest}" for rest in (f"{os.getpid()}--0", f"{dead}-1-0a")
    )
    goes_on, torn, alone = "1" * 64, "2" * 64, "3" * 64
    place = partials_of(tmp_path)
    kept = {
        f"{goes_on}.{theirs}.part": b"content",
        f"{goes_on}.{theirs}.journal": journal.header(7, ""),
        f"{alone}.{mine}.part": b"",
        f"{mine}-1.tmp": b"",
        f"{alone}.00000000-{dead}-1-0a.part": b"",  # of another machine
        "notes.txt": b"",
        f"{alone}.part": b"",
    }
    gone = {
        f"{torn}.{theirs}.part": b"content",
        f"{torn}.{theirs}.journal": b"torn",
        f"{alone}.{theirs}.part": b"content",
        f"{alone}.{theirs}b.journal": journal.header(7, ""),
        f"{bundle.files[0]['sha256']}.{theirs}.part": b"content",  # it is stored by now
        f"{bundle.files[0]['sha256']}.{theirs}.journal": journal.header(7, ""),
        f"{theirs}-12.tmp": b"",
    }
    for name, content in {**kept, **gone}.items():
        (place / name).write_bytes(content)
    get(wire, wire.add_bundle({"g": b"another"}), tmp_path)
    assert {path.name for path in partials(tmp_path)} == set(kept)


def partials_of(folder: Path) -> Path:
    return folder / ".hca" / "v2" / "partials"


# Downloads that go on from it


MiB = 1 << 20
PATTERN = bytes(range(256)) * (MiB // 256)


@pytest.fixture
def stopped(apart: Apart, wire: Wire, tmp_path: Path) -> Bundle:
    """A content of 6 MiB, of which a download that is over has left three."""
    bundle = wire.add_bundle({"f": PATTERN * 5 + bytes(MiB)})

    def script(asked: Asked) -> Iterator[Step]:
        first, body = answer(wire.stored[asked.name].body, asked)
        yield first + body[: max(0, 3 * MiB - asked.first)]
        yield "close"

    wire.script = script
    options: dict[str, Any] = {"num_retries": 0, "threads": 1}
    how = apart(
        download, wire.url, bundle.fqid, tmp_path, before=partial(take_parts_of, MiB), **options
    )
    assert how.failed
    wire.script = None
    wire.asked.clear()
    assert len(partials(tmp_path)) == 2
    return bundle


def on_bytes(harm: Harm) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(harm(path.read_bytes()))


@pytest.mark.parametrize(
    ("suffix", "harm", "kept"),
    [
        (".part", lambda path: None, 3),
        (".part", on_bytes(lambda data: flipped(data, 2 * MiB * 8 + 1)), 2),
        (".part", on_bytes(lambda data: zeroed(data, MiB, 9)), 1),
        (".part", lambda path: os.truncate(path, MiB + 3), 1),
        (".part", Path.unlink, 0),
        (".journal", on_bytes(lambda data: data[:-3]), 2),
        (".journal", on_bytes(lambda data: data + data[-9:]), 3),
        (".journal", on_bytes(lambda data: flipped(data, 99)), 0),
        (".journal", on_bytes(lambda data: b""), 0),
        (".journal", Path.unlink, 0),
    ],
)
def test_what_is_damaged_is_fetched_again(
    wire: Wire,
    stopped: Bundle,
    tmp_path: Path,
    suffix: str,
    harm: Callable[[Path], object],
    kept: int,
) -> None:
    (path,) = (path for path in partials(tmp_path) if path.suffix == suffix)
    harm(path)
    assert get(wire, stopped, tmp_path, threads=1).ok
    assert wire.asked[0].first == kept * MiB
    assert stored(tmp_path, stopped.files[0]["sha256"]).read_bytes() == PATTERN * 5 + bytes(MiB)
    assert partials(tmp_path) == []
