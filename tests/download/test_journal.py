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


def flipped(data: bytes, place: int, bit: int = 0) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    return bytes(changed)


@frozen
class Harm:
    """Bytes that are lost at some place, and others that are there instead."""

    place: int
    lost: int
    instead: bytes | None

    def __call__(self, data: bytes) -> bytes:
        start = self.place % (len(data) + 1)
        end = min(start + self.lost, len(data))
        instead = bytes(end - start) if self.instead is None else self.instead
        return data[:start] + instead + data[end:]


def harmed(data: bytes, harms: Sequence[Harm]) -> bytes:
    for harm in harms:
        data = harm(data)
    return data


many_harms = st.lists(
    st.builds(
        Harm, st.integers(0, 10_000), st.integers(0, 200), st.none() | st.binary(max_size=60)
    ),
    max_size=3,
)


def read(text: bytes) -> Journal | None:
    with NamedTemporaryFile(suffix=".journal", buffering=0) as file:
        file.write(text)
        return Journal.read(Path(file.name))


# Its lines


def test_no_bit_of_any_byte_matters_not() -> None:
    records = (Range(0, 3, sha256=SHA), Range(7, 9, crc32=77))
    text = Run(b"content, more", records).lines
    for place in range(len(text)):
        whole = text[:place].count(b"\n")
        for found in (read(text[:place]), *(read(flipped(text, place, bit)) for bit in range(8))):
            assert (found is None) == (whole == 0), place
            assert found is None or found.ranges == records[: whole - 1]


@given(runs(), many_harms)
def test_of_a_damaged_journal_only_what_is_true_is_believed(run: Run, harms: list[Harm]) -> None:
    found = read(harmed(run.lines, harms))
    assert harms or found is not None
    if found is not None:
        assert found.ranges == run.records[: len(found.ranges)]
        assert harms or found.ranges == run.records
        assert (found.size, found.etag, found.owner) == (len(run.content), ETAG, owners.owner())


any_records: st.SearchStrategy[dict[str, object]] = st.dictionaries(
    st.sampled_from(["from", "to", "sha256", "crc32"]),
    st.integers() | st.floats() | st.text(max_size=3) | st.none(),
)


@given(st.binary(max_size=200) | any_records.map(checked_lines.line))
@example(b"00000000 \n")
@example(b"%08x {\n" % zlib.crc32(b"{"))
@example(b"%08x [1]\n" % zlib.crc32(b"[1]"))
@example(checked_lines.line({"from": float("inf"), "to": 1, "crc32": 1}))
@example(checked_lines.line({"from": 3, "to": 3, "crc32": 1}))
@example(checked_lines.line({"from": "1", "to": None}))
def test_any_bytes_can_be_read(content: bytes) -> None:
    read(content)
    found = read(journal.header(9, "") + content)
    assert found is None or all(0 <= each.start < each.end for each in found.ranges)


def test_another_format_is_not_read() -> None:
    header = {"format": 1, "size": 1, "etag": "", "owner": "x"}
    assert read(checked_lines.line(header)) is not None
    for change in ({"format": 2}, {"format": None}, {"size": None}, {"size": "x"}):
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


def is_right(record: Range, part: bytes, content: bytes) -> bool:
    """Tell whether what a record is a checksum of is as it was."""
    start = 0 if record.sha256 is not None else record.start
    return part[start : record.end] == content[start : record.end]


@given(runs(), many_harms, st.booleans())
def test_what_the_bytes_confirm_is_believed_and_nothing_else(
    run: Run, harms: list[Harm], copy: bool
) -> None:
    part = harmed(run.content, harms)
    good, digest, copied = prove(run, part, run.records, copy=copy)
    right = [is_right(each, part, run.content) for each in run.records]
    # Nothing is believed after a hash that is wrong; a crc is of its own bytes alone.
    wrong = [n for n, each in enumerate(run.records) if each.sha256 is not None and not right[n]]
    end = min(wrong, default=len(right))
    assert good == [each for n, each in enumerate(run.records[:end]) if right[n]]
    hashed = max((each.end for each in good if each.sha256 is not None), default=0)
    assert digest == hashlib.sha256(run.content[:hashed]).hexdigest()
    assert copy or copied == b""
    for each in good if copy else []:
        assert copied[each.start : each.end] == run.content[each.start : each.end]


@pytest.mark.parametrize(
    ("spans", "proven"),
    [
        ([(5, 9, "crc"), (0, 3, "crc")], 0),  # beyond the content
        ([(3, 7, "sha")], 0),  # after a gap
        ([(0, 5, "sha"), (3, 7, "sha")], 1),  # within what is hashed
        ([(0, 4, "sha"), (4, 7, "crc")], 2),
    ],
)
def test_where_ranges_may_be(spans: list[tuple[int, int, str]], proven: int) -> None:
    part = b"content!!"
    records = [
        Range(start, end, crc32=zlib.crc32(part[start:end]))
        if kind == "crc"
        else Range(start, end, sha256=hashlib.sha256(part[:end]).hexdigest())
        for start, end, kind in spans
    ]
    assert prove(Run(b"content", ()), part, records)[0] == records[:proven]


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


@pytest.mark.parametrize(
    ("suffix", "harm", "kept"),
    [
        (".part", lambda data: data, 3),
        (".part", lambda data: flipped(data, 2 * MiB), 2),
        (".part", Harm(MiB, 9, None), 1),
        (".part", lambda data: data[: MiB + 3], 1),
        (".part", None, 0),
        (".journal", lambda data: data[:-3], 2),
        (".journal", lambda data: data + data[-9:], 3),
        (".journal", lambda data: flipped(data, 12), 0),
        (".journal", lambda data: b"", 0),
        (".journal", None, 0),
    ],
)
def test_what_is_damaged_is_fetched_again(
    wire: Wire,
    stopped: Bundle,
    tmp_path: Path,
    suffix: str,
    harm: Callable[[bytes], bytes] | None,
    kept: int,
) -> None:
    (path,) = (path for path in partials(tmp_path) if path.suffix == suffix)
    if harm is None:
        path.unlink()
    else:
        path.write_bytes(harm(path.read_bytes()))
    assert get(wire, stopped, tmp_path, threads=1).ok
    assert wire.asked[0].first == kept * MiB
    assert stored(tmp_path, stopped.files[0]["sha256"]).read_bytes() == PATTERN * 5 + bytes(MiB)
    assert partials(tmp_path) == []


# Who writes it


@pytest.fixture
def dead() -> int:
    """Return the id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


@pytest.fixture
def zombie() -> Iterator[int]:
    """Return the id of a process that has ended, but that nobody has waited for."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield process.pid


@pytest.mark.parametrize(
    ("who", "is_at_work"),
    [
        ("{dead}#", False),
        ("{dead}#1", False),
        ("{zombie}#", False),
        ("{alive}#1", False),  # its number has come to another
        ("{alive}#", True),
        ("9" * 30 + "#", True),
        ("elsewhere#{dead}#1", True),
    ],
)
def test_what_somebody_may_be_at_work_on_is_copied(
    wire: Wire, stopped: Bundle, tmp_path: Path, dead: int, zombie: int, who: str, is_at_work: bool
) -> None:
    who = who.format(dead=dead, zombie=zombie, alive=os.getpid())
    machine, pid, started = f"{this_machine()}#{who}".split("#")[-3:]
    found, part = partials(tmp_path)
    header, *lines = found.read_bytes().splitlines(keepends=True)
    (told,) = checked_lines.records(header)
    header = checked_lines.line(told | {"owner": f"{machine}#{pid}#{started}"})
    found.write_bytes(b"".join([header, *lines]))
    tag = f"{zlib.crc32(machine.encode()):08x}-{pid}-{started}-0"
    for path in (found, part):
        path.rename(path.with_name(f"{stopped.files[0]['sha256']}.{tag}{path.suffix}"))
    assert get(wire, stopped, tmp_path, threads=1).ok
    assert wire.asked[0].first == 3 * MiB
    assert len(partials(tmp_path)) == (2 if is_at_work else 0)


def this_machine() -> str:
    return owners.owner().partition("#")[0]


def test_on_windows_nobody_is_known_to_be_dead(monkeypatch: pytest.MonkeyPatch, dead: int) -> None:
    name = f"{this_machine()}#{dead}#"
    assert not owners.is_alive(name)
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        alive = owners.is_alive(name)
    assert alive


def test_a_download_removes_what_nobody_can_go_on_with(
    wire: Wire, tmp_path: Path, dead: int
) -> None:
    bundle = wire.add_bundle({"f": b"content"})
    get(wire, bundle, tmp_path)
    here = owners.tag().partition("-")[0]
    mine, theirs = f"{here}-{os.getpid()}--0", f"{here}-{dead}-1-0a"
    stored, goes_on, torn, alone = bundle.files[0]["sha256"], "1" * 64, "2" * 64, "3" * 64
    header = journal.header(7, "")
    kept = {
        f"{goes_on}.{theirs}.part": b"content",
        f"{goes_on}.{theirs}.journal": header,
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
        f"{alone}.{theirs}b.journal": header,
        f"{stored}.{theirs}.part": b"content",
        f"{stored}.{theirs}.journal": header,
        f"{theirs}-12.tmp": b"",
    }
    for name, content in {**kept, **gone}.items():
        (tmp_path / ".hca" / "v2" / "partials" / name).write_bytes(content)
    get(wire, wire.add_bundle({"g": b"another"}), tmp_path)
    assert {path.name for path in partials(tmp_path)} == set(kept)
