"""The Range header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client.local.storage.ranges import ByteRange, Unsatisfiable, parse_range


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-", 0, 10),
        ("bytes=0-0", 0, 1),
        ("bytes=3-5", 3, 6),
        ("bytes=3-99", 3, 10),
        ("bytes=-4", 6, 10),
        ("bytes=-99", 0, 10),
        ("BYTES=9-", 9, 10),
        (" bytes=1-1 ", 1, 2),
        (f"bytes=3-{'9' * 5_000}", 3, 10),
        (f"bytes=-{'9' * 5_000}", 0, 10),
        (f"bytes={'0' * 5_000}3-4", 3, 5),
    ],
)
def test_ranges(header: str, start: int, end: int) -> None:
    assert parse_range(header, 10) == ByteRange(start, end)


@pytest.mark.parametrize(
    "header", [None, "", "bytes=-", "bytes=5-3", "bytes=0-1,4-5", "lines=1-2", "bytes=a-", "bytes"]
)
def test_no_sense_means_the_whole(header: str | None) -> None:
    assert parse_range(header, 10) is None


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=10-", 10),
        ("bytes=0-", 0),
        ("bytes=-0", 10),
        ("bytes=-5", 0),
        (f"bytes={'9' * 5_000}-", 10),
    ],
)
def test_unsatisfiable(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, size)


@given(
    st.one_of(st.none(), st.integers(0, 50)),
    st.one_of(st.none(), st.integers(0, 50)),
    st.integers(0, 40),
)
def test_a_range_is_inside_the_object(first: int | None, last: int | None, size: int) -> None:
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    try:
        part = parse_range(header, size)
    except Unsatisfiable:
        assert size == 0 or last == 0 or (first is not None and first >= size)
        return
    if part is not None:
        assert 0 <= part.start < part.end <= size
        assert part.length == len(range(size)[part.start : part.end])
        assert part.content_range(size) == f"bytes {part.start}-{part.end - 1}/{size}"


@given(st.text())
def test_no_header_breaks_it(header: str) -> None:
    try:
        parse_range(header, 10)
    except Unsatisfiable:
        assert header.strip().lower().startswith("bytes=")
