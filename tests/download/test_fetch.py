"""One content, from storage into the store: verified, resumed, retried (docs/behaviour.md C4)."""

import errno
import os
import re
import ssl
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client.download import ChecksumMismatch, SizeMismatch
from dss_client.download import journal as journals
from dss_client.download.errors import ShortBody, WrongRange
from dss_client.download.fetch import Fetch
from dss_client.download.resolve import BundleUrls
from dss_client.errors import (
    DSSConnectionError,
    DSSError,
    Forbidden,
    NotFound,
    RangeNotSatisfiable,
    ServerError,
    TooManyRequests,
)
from dss_client.transfer.cancel import Stopped
from dss_client.transfer.progress import Progress

from .fetching import CONTENT, Clock, fetch, how_to, run
from .scripted import (
    FQ,
    INFO,
    VERSION,
    ScriptedSource,
    Try,
    broken,
    refusal,
    sha256,
    stalled,
    task_of,
)

MIB = 1 << 20
LARGE = bytes(range(256)) * 4096 * 5


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("dss_client.download.fetch.time", clock)
    return clock


def partials(folder: Path) -> list[Path]:
    return sorted((folder / ".hca" / "v2" / "partials").glob("*"))


def test_plain(source: ScriptedSource, tmp_path: Path) -> None:
    done = fetch(source, tmp_path)
    assert (done.content, done.tries, source.offsets) == (CONTENT, 1, [0])
    assert source.opened[0].last is None
    assert source.located == [(next(iter(source.contents)), VERSION, "aws")]
    assert partials(tmp_path) == []


@pytest.mark.parametrize("fault", [broken(), stalled()], ids=["connection", "timeout"])
def test_resumes_where_it_broke(source: ScriptedSource, tmp_path: Path, fault: Exception) -> None:
    done = fetch(source, tmp_path, [Try(cut=8, fault=fault), Try(cut=3)])
    assert (done.content, done.tries, source.offsets) == (CONTENT, 3, [0, 8, 11])
    assert len(source.located) == 1


def test_c4_a_plain_200_to_a_range_starts_over(source: ScriptedSource, tmp_path: Path) -> None:
    done = fetch(source, tmp_path, [Try(cut=7, fault=broken()), Try(ranges=False)])
    assert (done.content, source.offsets) == (CONTENT, [0, 7])


def test_c4_storage_that_never_heeds_ranges(source: ScriptedSource, tmp_path: Path) -> None:
    breaks = [Try(cut=4 * MIB, fault=broken(), ranges=False) for _ in range(3)]
    done = fetch(source, tmp_path, [*breaks, Try(ranges=False)], content=LARGE, part_size=MIB)
    assert (done.content, done.tries) == (LARGE, 4)


def test_c4_short_bodies_are_retried(source: ScriptedSource, tmp_path: Path) -> None:
    done = fetch(source, tmp_path, [Try(cut=0), Try(cut=5), Try(cut=5)])
    assert (done.content, source.offsets) == (CONTENT, [0, 0, 5, 10])


def test_c4_a_wrong_checksum_is_retried_once_from_zero(
    source: ScriptedSource, tmp_path: Path
) -> None:
    done = fetch(source, tmp_path, [Try(content=b"x" * len(CONTENT))])
    assert (done.content, source.offsets, len(source.located)) == (CONTENT, [0, 0], 2)


def test_c4_then_both_checksums_are_named(source: ScriptedSource, tmp_path: Path) -> None:
    wanted = sha256(b"something else")
    done = fetch(source, tmp_path, sha=wanted)
    assert isinstance(done.error, ChecksumMismatch)
    assert (done.error.expected, done.error.actual) == (wanted, sha256(CONTENT))
    assert wanted in str(done.error)
    assert sha256(CONTENT) in str(done.error)
    assert source.offsets == [0, 0]
    assert partials(tmp_path) == []


def test_nothing_is_asked_when_it_broke_after_the_last_byte(
    source: ScriptedSource, tmp_path: Path
) -> None:
    done = fetch(source, tmp_path, [Try(fault=broken())])
    assert (done.content, source.offsets) == (CONTENT, [0])


@pytest.mark.parametrize(
    "given",
    ["bytes 3-19/20", "bytes 9-19/20", "bytes */20", "lines 8-19/20", ""],
)
def test_a_wrong_content_range_starts_over(
    source: ScriptedSource, tmp_path: Path, given: str
) -> None:
    wrong = Try(headers={"content-range": given})
    done = fetch(source, tmp_path, [Try(cut=8, fault=broken()), wrong, Try()])
    assert (done.content, source.offsets) == (CONTENT, [0, 8, 0])


def test_a_lasting_wrong_content_range_is_an_error(source: ScriptedSource, tmp_path: Path) -> None:
    wrong = Try(headers={"content-range": "bytes 0-19/20"})
    cut = Try(cut=8, fault=broken())
    done = fetch(source, tmp_path, [cut, wrong, cut, wrong])
    assert isinstance(done.error, WrongRange)
    assert re.search(r"from byte 8 of 20 on.*'bytes 0-19/20'", str(done.error))


def test_an_unknown_total_is_accepted(source: ScriptedSource, tmp_path: Path) -> None:
    tries = [Try(cut=8, fault=broken()), Try(headers={"content-range": "bytes 8-19/*"})]
    assert fetch(source, tmp_path, tries).content == CONTENT


def test_another_total_is_an_error(source: ScriptedSource, tmp_path: Path) -> None:
    tries = [Try(cut=8, fault=broken()), Try(headers={"content-range": "bytes 8-19/21"})]
    done = fetch(source, tmp_path, tries)
    assert isinstance(done.error, SizeMismatch)
    assert "expected 20 bytes, found 21" in str(done.error)
    assert partials(tmp_path) == []


@pytest.mark.parametrize("headers", [{}, {"content-length": ""}], ids=["announced", "chunked"])
def test_too_much_content_is_an_error(
    source: ScriptedSource, tmp_path: Path, headers: dict[str, str]
) -> None:
    done = fetch(source, tmp_path, [Try(content=CONTENT + b"!", headers=headers)])
    assert isinstance(done.error, SizeMismatch)
    assert (done.error.expected, done.error.actual) == (20, None if headers else 21)
    assert source.offsets == [0]


def test_too_little_content_in_storage_is_an_error(source: ScriptedSource, tmp_path: Path) -> None:
    done = fetch(source, tmp_path, size=25)
    assert isinstance(done.error, SizeMismatch)
    assert "expected 25 bytes, found 20" in str(done.error)
    assert isinstance(done.cause, RangeNotSatisfiable)
    assert source.offsets == [0, 20, 0, 20]


def test_an_expired_url_is_asked_for_again(source: ScriptedSource, tmp_path: Path) -> None:
    done = fetch(source, tmp_path, [Try(cut=8, fault=broken()), Try(refuse=refusal(403))])
    assert (done.content, source.offsets, len(source.located)) == (CONTENT, [0, 8, 8], 2)
    assert source.opened[1].url != source.opened[2].url


def test_a_lasting_403_is_an_error(source: ScriptedSource, tmp_path: Path) -> None:
    done = fetch(source, tmp_path, [Try(refuse=refusal(403))] * 9, num_retries=2)
    assert isinstance(done.cause, Forbidden)
    assert len(source.located) == 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_refusals_are_retried(source: ScriptedSource, tmp_path: Path, status: int) -> None:
    done = fetch(source, tmp_path, [Try(refuse=refusal(status))] * 3)
    assert (done.content, done.tries) == (CONTENT, 4)


@pytest.mark.parametrize(
    ("status", "kind"), [(429, TooManyRequests), (503, ServerError), (404, NotFound)]
)
def test_lasting_refusals_are_errors(
    source: ScriptedSource, tmp_path: Path, status: int, kind: type[DSSError]
) -> None:
    done = fetch(source, tmp_path, [Try(refuse=refusal(status))] * 9, num_retries=2)
    assert isinstance(done.cause, kind)
    assert len(source.opened) == (1 if status == 404 else 3)


def test_a_certificate_that_is_not_trusted_is_not_tried_again(
    source: ScriptedSource, tmp_path: Path
) -> None:
    error = DSSConnectionError("certificate verify failed", request=INFO)
    error.__cause__ = ssl.SSLCertVerificationError("self-signed")
    done = fetch(source, tmp_path, [Try(refuse=error)])
    assert done.cause is error
    assert len(source.opened) == 1


def test_the_service_itself_is_not_asked_twice(source: ScriptedSource, tmp_path: Path) -> None:
    file = source.add_file("f", CONTENT)
    source.contents.clear()
    task = task_of(file)
    urls = BundleUrls(source, FQ, "aws", [task])
    progress = Progress(None).file("f", None, 1)
    result, _ = run(Fetch(task, urls, how_to(source, tmp_path), progress))
    assert result.error is not None
    assert isinstance(result.error.cause, NotFound)
    assert len(source.located) == 1


def test_the_budget_is_spent_on_failures(source: ScriptedSource, tmp_path: Path) -> None:
    done = fetch(source, tmp_path, [Try(cut=1, fault=broken())] * 9, num_retries=2)
    assert isinstance(done.cause, DSSConnectionError)
    assert source.offsets == [0, 1, 2]


def test_no_retries(source: ScriptedSource, tmp_path: Path) -> None:
    done = fetch(source, tmp_path, [Try(cut=3)], num_retries=0)
    assert isinstance(done.error, ShortBody)
    assert "after 3 of 20 bytes" in str(done.error)


def test_each_mib_makes_up_for_a_failure(source: ScriptedSource, tmp_path: Path) -> None:
    cuts = [Try(cut=MIB, fault=broken())] * 4
    done = fetch(source, tmp_path, cuts, content=LARGE, num_retries=1)
    assert done.content == LARGE
    assert source.offsets == [0, MIB, 2 * MIB, 3 * MIB, 4 * MIB]


def test_retry_after_is_honoured_up_to_a_cap(
    source: ScriptedSource, tmp_path: Path, clock: Clock
) -> None:
    tries = [Try(refuse=refusal(503, {"retry-after": text})) for text in ("10", "600", "soon")]
    done = fetch(source, tmp_path, tries, clock=clock)
    assert (done.waits, done.tries) == ([10.0, 60.0], 4)


def test_c22_delays_double_up_to_a_cap(
    source: ScriptedSource, tmp_path: Path, clock: Clock
) -> None:
    tries = [Try(refuse=broken())] * 12
    done = fetch(source, tmp_path, tries, num_retries=12, delay=0.25, clock=clock)
    caps = [min(0.25 * 2**number, 60.0) for number in range(12)]
    assert all(0 <= wait <= cap for wait, cap in zip(done.waits, caps, strict=True))
    assert done.waits[-1] > 0


def test_a_try_that_failed_elsewhere_counts(source: ScriptedSource, tmp_path: Path) -> None:
    file = source.add_file("f", CONTENT)
    source.tries[file.uuid] = [Try(refuse=broken())]
    task = task_of(file)
    urls = BundleUrls(source, FQ, "aws", [task])
    for retries, state in ((2, "downloaded"), (1, "failed"), (0, "failed")):
        source.tries[file.uuid] = [Try(refuse=broken())]
        how = how_to(source, tmp_path / str(retries), num_retries=retries)
        fetching = Fetch(task, urls, how, Progress(None).file("f", None, 1))
        fetching.failed_before(broken(), "u")
        result, _ = run(fetching)
        assert (result.state, result.tries) == (state, min(3, retries + 1))


def test_stops_while_it_reads(source: ScriptedSource, tmp_path: Path) -> None:
    how = how_to(source, tmp_path)
    with pytest.raises(Stopped):
        fetch(source, tmp_path, [Try(before=how.stop.set)], how=how)
    assert partials(tmp_path) == []


def test_progress_goes_back_when_it_starts_over(source: ScriptedSource, tmp_path: Path) -> None:
    done = fetch(source, tmp_path, [Try(cut=16, fault=broken()), Try(ranges=False)])
    counts = [event.file_bytes_done for event in done.events]
    assert counts == [0, 4, 8, 12, 16, 0, 4, 8, 12, 16, 20]
    assert done.events[-1].bytes_done == 20


class TestETag:
    def test_another_one_starts_the_file_over_once(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        def cut(etag: str) -> Try:
            return Try(cut=8, fault=broken(), headers={"etag": etag})

        tries = [cut('"a"'), cut('"b"'), cut('"c"'), Try(headers={"etag": '"d"'})]
        done = fetch(source, tmp_path, tries)
        assert (done.content, source.offsets) == (CONTENT, [0, 8, 0, 8])

    def test_the_content_that_took_its_place_is_refused(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        changed = Try(content=b"x" * len(CONTENT), headers={"etag": '"b"'})
        tries = [Try(cut=8, fault=broken(), headers={"etag": '"a"'}), changed, changed]
        done = fetch(source, tmp_path, tries)
        assert isinstance(done.error, ChecksumMismatch)

    @pytest.mark.parametrize("etags", [('"a"', ""), ("", '"a"')])
    def test_none_is_no_change(
        self, source: ScriptedSource, tmp_path: Path, etags: tuple[str, str]
    ) -> None:
        first, second = ({"etag": etag} if etag else {} for etag in etags)
        tries = [Try(cut=8, fault=broken(), headers=first), Try(headers=second)]
        done = fetch(source, tmp_path, tries)
        assert (done.content, source.offsets) == (CONTENT, [0, 8])

    def test_a_copy_has_one_of_its_own(self, source: ScriptedSource, tmp_path: Path) -> None:
        """A URL that comes with a bundle leads to another object than that of a file."""
        file = source.add_file("f", CONTENT)
        source.tries[file.uuid] = [
            Try(cut=8, fault=broken(), headers={"etag": '"a"'}),
            Try(refuse=refusal(403)),
            Try(headers={"etag": '"b"'}),
        ]
        task = task_of(file)
        known = {(file.uuid, VERSION): f"http://elsewhere/{file.uuid}?"}
        urls = BundleUrls(source, FQ, "aws", [task], known=known)
        progress = Progress(None).file("f", None, 1)
        result, _ = run(Fetch(task, urls, how_to(source, tmp_path), progress))
        assert (result.state, source.offsets) == ("downloaded", [0, 8, 8])


class TestWhatIsLeft:
    def test_the_next_run_goes_on(self, source: ScriptedSource, tmp_path: Path) -> None:
        cut = [Try(cut=3 * MIB + 5, fault=broken())]
        failed = fetch(source, tmp_path, cut, content=LARGE, num_retries=0)
        assert isinstance(failed.cause, DSSConnectionError)
        assert [path.suffix for path in partials(tmp_path)] == [".journal", ".part"]
        done = fetch(source, tmp_path, content=LARGE, part_size=MIB)
        assert (done.content, source.offsets) == (LARGE, [0, 3 * MIB + 5])
        assert done.events[1].file_bytes_done == 3 * MIB + 5
        assert partials(tmp_path) == []

    def test_less_than_a_mib_does_not_stay(self, source: ScriptedSource, tmp_path: Path) -> None:
        cut = [Try(cut=MIB - 1, fault=broken())]
        fetch(source, tmp_path, cut, content=LARGE, part_size=8 * MIB, num_retries=0)
        assert partials(tmp_path) == []

    @pytest.mark.parametrize("error", [ChecksumMismatch, SizeMismatch])
    def test_what_is_spoilt_does_not_stay(
        self, source: ScriptedSource, tmp_path: Path, error: type[Exception]
    ) -> None:
        wrong = sha256(b"") if error is ChecksumMismatch else None
        size = len(LARGE) - 1 if error is SizeMismatch else None
        tries = [Try(headers={"content-length": ""})] if size else []
        done = fetch(source, tmp_path, tries, content=LARGE, part_size=MIB, sha=wrong, size=size)
        assert type(done.error) is error
        assert partials(tmp_path) == []

    def test_a_hole_where_storage_ignores_ranges(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        store = how_to(source, tmp_path).store
        store.partials.mkdir(parents=True)
        there = journals.Range(MIB, 3 * MIB, crc32=zlib.crc32(LARGE[MIB : 3 * MIB]))
        left = store.partials / f"{sha256(LARGE)}.x.journal"
        left.write_bytes(journals.header(len(LARGE), "") + journals.entry(there))
        left.with_suffix(".part").write_bytes(bytes(MIB) + LARGE[MIB : 3 * MIB])
        tries = [Try(ranges=False), Try(ranges=False)]
        done = fetch(source, tmp_path, tries, content=LARGE, part_size=MIB)
        assert done.content == LARGE
        assert [(each.first, each.last) for each in source.opened] == [
            (0, MIB - 1),
            (3 * MIB, None),
        ]

    def test_a_spoilt_block_is_fetched_again(self, source: ScriptedSource, tmp_path: Path) -> None:
        cut = [Try(cut=3 * MIB, fault=broken())]
        fetch(source, tmp_path, cut, content=LARGE, part_size=MIB, num_retries=0)
        (part,) = (path for path in partials(tmp_path) if path.suffix == ".part")
        with part.open("r+b") as file:
            file.seek(MIB + 17)
            file.write(b"?")
        done = fetch(source, tmp_path, content=LARGE, part_size=MIB)
        assert (done.content, source.offsets) == (LARGE, [0, MIB])

    def test_another_etag_in_the_next_run(self, source: ScriptedSource, tmp_path: Path) -> None:
        cut = [Try(cut=3 * MIB, fault=broken(), headers={"etag": '"a"'})]
        uuid = "ffffffff-0000-4000-8000-00000000ffff"
        fetch(source, tmp_path, cut, content=LARGE, part_size=MIB, num_retries=0, uuid=uuid)
        other = {"etag": '"b"'}
        tries = [Try(headers=other), Try(headers=other)]
        done = fetch(source, tmp_path, tries, content=LARGE, part_size=MIB, uuid=uuid)
        assert (done.content, source.offsets) == (LARGE, [0, 3 * MIB, 0])

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize("step", [(os, "replace"), (os, "rename"), (Path, "unlink")])
    def test_killed_while_it_takes_over(
        self, source: ScriptedSource, tmp_path: Path, step: tuple[object, str], after: bool
    ) -> None:
        class Killed(BaseException):
            pass

        cut = [Try(cut=3 * MIB, fault=broken())]
        fetch(source, tmp_path, cut, content=LARGE, part_size=MIB, num_retries=0)
        place, name = step
        real = getattr(place, name)

        def die(*given: object, **options: object) -> None:
            if after:
                real(*given, **options)
            raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(place, name, die)
            with pytest.raises(Killed):
                fetch(source, tmp_path, content=LARGE, part_size=MIB)
        found = map(journals.Journal.read, partials(tmp_path))
        whole = [each for each in found if each and each.part.exists()]
        assert [sum(one.end - one.start for one in each.ranges) for each in whole] == [3 * MIB]
        done = fetch(source, tmp_path, content=LARGE, part_size=MIB)
        assert (done.content, source.offsets) == (LARGE, [0, 3 * MIB])

    def test_a_run_that_is_alive_keeps_its_own(
        self, source: ScriptedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cut = [Try(cut=3 * MIB, fault=broken())]
        fetch(source, tmp_path, cut, content=LARGE, part_size=MIB, num_retries=0)
        before = partials(tmp_path)
        monkeypatch.setattr(journals, "owner", lambda: "somebody else")
        monkeypatch.setattr(journals, "is_alive", lambda _: True)
        done = fetch(source, tmp_path, content=LARGE, part_size=MIB)
        assert (done.content, source.offsets) == (LARGE, [0, 3 * MIB])
        assert partials(tmp_path) == before


class TestDisk:
    @pytest.mark.parametrize("size", [len(CONTENT), len(LARGE)], ids=["short", "long"])
    def test_no_room_in_the_middle(
        self,
        source: ScriptedSource,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        size: int,
    ) -> None:
        content = LARGE[:size]
        written = 0
        pwrite = os.pwrite

        def full(descriptor: int, data: memoryview, position: int) -> int:
            nonlocal written
            if written + len(data) > size * 0.7:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written += len(data)
            return pwrite(descriptor, data, position)

        monkeypatch.setattr(os, "pwrite", full)
        done = fetch(source, tmp_path, content=content, part_size=MIB)
        assert isinstance(done.cause, OSError)
        assert done.cause.errno == errno.ENOSPC
        assert "'f'" in str(done.error)
        assert "No space left" in str(done.error)
        assert len(source.opened) == 1
        assert bool(partials(tmp_path)) == (size > MIB)
        monkeypatch.setattr(os, "pwrite", pwrite)
        assert fetch(source, tmp_path, content=content, part_size=MIB).content == content
        assert (source.offsets[1] >= 3 * MIB) == (size > MIB)

    def test_writes_that_take_a_part_only(
        self, source: ScriptedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pwrite = os.pwrite
        monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:3], at))
        assert fetch(source, tmp_path).content == CONTENT


tries = st.builds(
    Try,
    ranges=st.booleans(),
    cut=st.none() | st.integers(0, 30),
    fault=st.none() | st.just(broken()),
    headers=st.sampled_from(
        [{}, {"content-range": "bytes 5-19/20"}, {"etag": '"a"'}, {"etag": '"b"'}]
    ),
    refuse=st.none() | st.sampled_from([broken(), refusal(403), refusal(503), refusal(416)]),
)


@given(st.lists(tries, max_size=8), st.sampled_from([3, 7, 20, 64]))
def test_whatever_happens_the_content_is_right_or_refused(script: list[Try], part: int) -> None:
    source = ScriptedSource()
    with tempfile.TemporaryDirectory() as folder:
        done = fetch(source, Path(folder), script, num_retries=8, part_size=part)
        assert (done.content == CONTENT) if done.error is None else (done.content is None)


@given(st.lists(st.lists(tries, max_size=4), max_size=3), st.sampled_from([3, 7]))
def test_whatever_earlier_runs_left_the_content_is_right(runs: list[list[Try]], part: int) -> None:
    uuid = "ffffffff-0000-4000-8000-00000000ffff"
    with tempfile.TemporaryDirectory() as folder:
        for script in [*runs, []]:
            source = ScriptedSource()
            done = fetch(source, Path(folder), script, num_retries=2, part_size=part, uuid=uuid)
            assert (done.content == CONTENT) if done.error is None else (done.content is None)
            if done.error is None:
                break
        assert done.content == CONTENT
