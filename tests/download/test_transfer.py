"""One content, from storage into a file: verified, resumed, retried (C4)."""

import io
import re
import threading
from collections.abc import Sequence

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from dss_client.download import ChecksumMismatch, ProgressEvent, SizeMismatch
from dss_client.download.progress import Progress
from dss_client.download.transfer import ShortBody, Stopped, Transfer, WrongRange
from dss_client.errors import (
    DSSConnectionError,
    DSSError,
    Forbidden,
    NotFound,
    ServerError,
    TooManyRequests,
)

from .scripted import VERSION, ScriptedSource, Try, broken, refusal, sha256, stalled, task_of

CONTENT = b"0123456789abcdefghij"


class Outcome:
    """What a transfer left behind."""

    def __init__(self, out: io.BytesIO, tries: int, events: list[ProgressEvent]) -> None:
        self.content = out.getvalue()
        self.tries = tries
        self.events = events


def fetch(
    source: ScriptedSource,
    tries: Sequence[Try] = (),
    *,
    content: bytes = CONTENT,
    sha: str | None = None,
    size: int | None = None,
    num_retries: int = 3,
    delay: float = 0.0,
    stop: threading.Event | None = None,
) -> Outcome:
    file = source.add_file("f", content, sha=sha, size=size)
    source.tries[file.uuid] = list(tries)
    transfer = Transfer(
        source=source, replica="aws", num_retries=num_retries, min_delay_seconds=delay
    )
    if stop is not None:
        transfer = evolve(transfer, stop=stop)
    events: list[ProgressEvent] = []
    progress = Progress(events.append).file("f", None, file.size)
    out = io.BytesIO()
    transfer.fetch(task_of(file), out, progress)
    return Outcome(out, progress.tries, events)


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


def test_plain(source: ScriptedSource) -> None:
    done = fetch(source)
    assert (done.content, done.tries, source.offsets) == (CONTENT, 1, [0])
    assert [(uuid, version, replica) for uuid, version, replica in source.located] == [
        (next(iter(source.contents)), VERSION, "aws")
    ]


@pytest.mark.parametrize("fault", [broken(), stalled()], ids=["connection", "timeout"])
def test_resumes_where_it_broke(source: ScriptedSource, fault: Exception) -> None:
    done = fetch(source, [Try(cut=8, fault=fault), Try(cut=3)])
    assert (done.content, done.tries, source.offsets) == (CONTENT, 3, [0, 8, 11])
    assert len(source.located) == 1


def test_c4_a_plain_200_to_a_range_starts_over(source: ScriptedSource) -> None:
    done = fetch(source, [Try(cut=7, fault=broken()), Try(ranges=False)])
    assert (done.content, source.offsets) == (CONTENT, [0, 7])


def test_c4_short_bodies_are_retried(source: ScriptedSource) -> None:
    done = fetch(source, [Try(cut=0), Try(cut=5), Try(cut=5)])
    assert (done.content, source.offsets) == (CONTENT, [0, 0, 5, 10])


def test_c4_a_wrong_checksum_is_retried_once_from_zero(source: ScriptedSource) -> None:
    done = fetch(source, [Try(content=b"x" * len(CONTENT))])
    assert (done.content, source.offsets, len(source.located)) == (CONTENT, [0, 0], 2)


def test_c4_then_both_checksums_are_named(source: ScriptedSource) -> None:
    wanted = sha256(b"something else")
    with pytest.raises(ChecksumMismatch) as caught:
        fetch(source, sha=wanted)
    assert (caught.value.expected, caught.value.actual) == (wanted, sha256(CONTENT))
    assert wanted in str(caught.value)
    assert sha256(CONTENT) in str(caught.value)
    assert source.offsets == [0, 0]


def test_nothing_is_asked_when_it_broke_after_the_last_byte(source: ScriptedSource) -> None:
    done = fetch(source, [Try(fault=broken())])
    assert (done.content, source.offsets) == (CONTENT, [0])


@pytest.mark.parametrize(
    "given",
    ["bytes 3-19/20", "bytes 9-19/20", "bytes */20", "lines 8-19/20", ""],
)
def test_a_wrong_content_range_starts_over(source: ScriptedSource, given: str) -> None:
    done = fetch(source, [Try(cut=8, fault=broken()), Try(headers={"content-range": given}), Try()])
    assert (done.content, source.offsets) == (CONTENT, [0, 8, 0])


def test_a_lasting_wrong_content_range_is_an_error(source: ScriptedSource) -> None:
    wrong = Try(headers={"content-range": "bytes 0-19/20"})
    cut = Try(cut=8, fault=broken())
    with pytest.raises(WrongRange, match=re.escape("'bytes 0-19/20'")):
        fetch(source, [cut, wrong, cut, wrong])


def test_an_unknown_total_is_accepted(source: ScriptedSource) -> None:
    done = fetch(
        source, [Try(cut=8, fault=broken()), Try(headers={"content-range": "bytes 8-19/*"})]
    )
    assert done.content == CONTENT


def test_another_total_is_an_error(source: ScriptedSource) -> None:
    tries = [Try(cut=8, fault=broken()), Try(headers={"content-range": "bytes 8-19/21"})]
    with pytest.raises(SizeMismatch, match="expected 20 bytes, found 21"):
        fetch(source, tries)


@pytest.mark.parametrize("headers", [{}, {"content-length": ""}], ids=["announced", "chunked"])
def test_too_much_content_is_an_error(source: ScriptedSource, headers: dict[str, str]) -> None:
    with pytest.raises(SizeMismatch, match="expected 20 bytes, found") as caught:
        fetch(source, [Try(content=CONTENT + b"!", headers=headers)])
    assert caught.value.actual == (None if headers else 21)
    assert source.offsets == [0]


def test_too_little_content_in_storage_is_an_error(source: ScriptedSource) -> None:
    with pytest.raises(WrongRange, match="from byte 20 of 25 on"):
        fetch(source, size=25)
    assert source.offsets == [0, 20, 0, 20]


def test_an_expired_url_is_asked_for_again(source: ScriptedSource) -> None:
    done = fetch(source, [Try(cut=8, fault=broken()), Try(refuse=refusal(403))])
    assert (done.content, source.offsets, len(source.located)) == (CONTENT, [0, 8, 8], 2)
    assert source.opened[1][0] != source.opened[2][0]


def test_a_lasting_403_is_an_error(source: ScriptedSource) -> None:
    with pytest.raises(Forbidden):
        fetch(source, [Try(refuse=refusal(403))] * 9, num_retries=2)
    assert len(source.located) == 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_refusals_are_retried(source: ScriptedSource, status: int) -> None:
    done = fetch(source, [Try(refuse=refusal(status))] * 3)
    assert (done.content, done.tries) == (CONTENT, 4)


@pytest.mark.parametrize(
    ("status", "kind"), [(429, TooManyRequests), (503, ServerError), (404, NotFound)]
)
def test_lasting_refusals_are_errors(
    source: ScriptedSource, status: int, kind: type[DSSError]
) -> None:
    with pytest.raises(kind):
        fetch(source, [Try(refuse=refusal(status))] * 9, num_retries=2)
    assert len(source.opened) == (1 if status == 404 else 3)


def test_the_service_itself_is_not_asked_twice(source: ScriptedSource) -> None:
    file = source.add_file("f", CONTENT)
    source.contents.clear()
    transfer = Transfer(source=source, replica="aws")
    with pytest.raises(NotFound):
        transfer.fetch(task_of(file), io.BytesIO(), Progress(None).file("f", None, 1))
    assert len(source.located) == 1


def test_the_budget_is_spent_on_failures(source: ScriptedSource) -> None:
    with pytest.raises(DSSConnectionError):
        fetch(source, [Try(cut=1, fault=broken())] * 9, num_retries=2)
    assert source.offsets == [0, 1, 2]


def test_no_retries(source: ScriptedSource) -> None:
    with pytest.raises(ShortBody, match="after 3 of 20 bytes"):
        fetch(source, [Try(cut=3)], num_retries=0)


def test_each_mib_makes_up_for_a_failure(source: ScriptedSource) -> None:
    content = bytes(range(256)) * 4096 * 5
    cuts = [Try(cut=1 << 20, fault=broken())] * 4
    done = fetch(source, cuts, content=content, num_retries=1)
    assert done.content == content
    assert source.offsets == [0, 1 << 20, 2 << 20, 3 << 20, 4 << 20]


def test_retry_after_is_honoured_up_to_a_cap(source: ScriptedSource) -> None:
    stop = RecordingEvent()
    fetch(
        source,
        [Try(refuse=refusal(503, {"retry-after": text})) for text in ("10", "600", "soon")],
        stop=stop,
    )
    assert stop.waits == [10.0, 60.0, 0.0]


def test_c22_delays_double_up_to_a_cap(source: ScriptedSource) -> None:
    stop = RecordingEvent()
    fetch(source, [Try(refuse=broken())] * 12, num_retries=12, delay=0.25, stop=stop)
    caps = [min(0.25 * 2**number, 60.0) for number in range(12)]
    assert all(0 <= wait <= cap for wait, cap in zip(stop.waits, caps, strict=True))
    assert stop.waits[-1] > 0


class RecordingEvent(threading.Event):
    """Never set, and does not wait but take note."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        return False


def test_stops_while_it_reads(source: ScriptedSource) -> None:
    stop = threading.Event()
    with pytest.raises(Stopped):
        fetch(source, [Try(before=stop.set)], stop=stop)


def test_stops_while_it_waits(source: ScriptedSource) -> None:
    stop = threading.Event()
    with pytest.raises(Stopped):
        fetch(source, [Try(before=stop.set, refuse=broken())], delay=60.0, stop=stop)


def test_progress_goes_back_when_it_starts_over(source: ScriptedSource) -> None:
    done = fetch(source, [Try(cut=16, fault=broken()), Try(ranges=False)])
    assert [event.file_bytes_done for event in done.events] == [0, 4, 8, 12, 16, 4, 8, 12, 16, 20]
    assert done.events[-1].bytes_done == 20


tries = st.builds(
    Try,
    ranges=st.booleans(),
    cut=st.none() | st.integers(0, 30),
    fault=st.none() | st.just(broken()),
    headers=st.just({}) | st.just({"content-range": "bytes 5-19/20"}),
    refuse=st.none() | st.sampled_from([broken(), refusal(403), refusal(503), refusal(416)]),
)


@given(st.lists(tries, max_size=8))
def test_whatever_happens_the_content_is_right_or_refused(script: list[Try]) -> None:
    source = ScriptedSource()
    try:
        done = fetch(source, script, num_retries=8)
    except DSSError:
        return
    assert done.content == CONTENT
