"""Versions, uuids and FQIDs: docs/behaviour.md 4.1-4.3."""

import pickle
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client import versions
from dss_client.versions import (
    FQID,
    InvalidUUID,
    InvalidVersion,
    compare_versions,
    create_version,
    format_version,
    is_uuid,
    is_version,
    normal_uuid,
    parse_version,
)

UUID = "0a1b2c3d-0000-4000-8000-00000000000f"
VERSION = "2019-01-01T000000.000000Z"


def test_uuids_may_be_objects() -> None:
    assert normal_uuid(uuid.UUID(UUID)) == UUID
    assert FQID(uuid.UUID(UUID), VERSION) == FQID(UUID, VERSION)


times = st.integers(0, 8999 * 365 * 24 * 3600 * 10**6).map(
    lambda micros: datetime(1000, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)
offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
    lambda delta: timezone(timedelta(minutes=delta // timedelta(minutes=1)))
)


@pytest.mark.parametrize(
    "text",
    [
        VERSION,
        "1985-04-12T232050.520000Z",
        "2020-02-29T000000.000001Z",
        "9999-12-31T235959.999999Z",
        "1000-01-01T000000.000000Z",
    ],
)
def test_accepted(text: str) -> None:
    time = parse_version(text)
    assert time.utcoffset() == timedelta(0)
    assert format_version(time) == text
    assert is_version(text)


@pytest.mark.parametrize(
    "text",
    [
        "2019-01-01T00:00:00.000000Z",
        "2019-01-01T000000Z",
        "2019-01-01T000000.00000Z",
        "2019-01-01T000000.0000000Z",
        "2019-01-01T000000.000000",
        "2019-01-01T000000.000000+0000",
        "2019-01-01T000000.000000+0100",
        "2019-01-01t000000.000000Z",
        "2019-01-01T000000.000000z",
        "2019-01-01 000000.000000Z",
        "2019-01-01T000000,000000Z",
        "2019-02-29T000000.000000Z",
        "2019-13-01T000000.000000Z",
        "2019-01-01T240000.000000Z",
        "2019-01-01T000060.000000Z",
        "10000-01-01T000000.000000Z",
        " 2019-01-01T000000.000000Z",
        "2019-01-01T000000.000000Z ",
        "2019-01-01T000000.000000Z\n",
        "",
        "2019",
        "0303-01-01T000000.000000Z",
        "0001-01-01T000000.000000Z",
        "0999-12-31T235959.999999Z",
        "٢٠١٩-01-01T000000.000000Z",  # digits, but not ASCII ones
    ],
)
def test_refused(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(InvalidVersion) as caught:
        parse_version(text)
    assert repr(text) in str(caught.value)
    assert "YYYY-MM-DDThhmmss.ffffffZ" in str(caught.value)


@given(times)
def test_round_trip_of_times(time: datetime) -> None:
    assert parse_version(format_version(time)) == time


@given(times, offsets)
def test_offsets_are_converted_to_utc(time: datetime, offset: timezone) -> None:
    assert format_version(time.astimezone(offset)) == format_version(time)


@given(st.text())
def test_any_text_is_a_version_or_refused(text: str) -> None:
    if is_version(text):
        assert format_version(parse_version(text)) == text


@given(times, times)
def test_string_order_is_time_order(one: datetime, other: datetime) -> None:
    a, b = format_version(one), format_version(other)
    assert compare_versions(a, b) == (one > other) - (one < other) == (a > b) - (a < b)


@pytest.mark.parametrize(
    "time",
    [
        datetime(2019, 1, 1),  # noqa: DTZ001 - a naive time is the point
        datetime(999, 12, 31, tzinfo=UTC),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
    ids=["naive", "year 999", "year 10000 in UTC"],
)
def test_times_without_a_version(time: datetime) -> None:
    with pytest.raises(InvalidVersion, match="year 1000 to 9999"):
        format_version(time)


def test_compare_refuses_other_texts() -> None:
    with pytest.raises(InvalidVersion, match="'latest'"):
        compare_versions(VERSION, "latest")


def test_create_version_is_now_and_increasing() -> None:
    before = datetime.now(UTC)
    made = [create_version() for _ in range(2000)]
    assert before <= parse_version(made[0]) <= datetime.now(UTC)
    assert made == sorted(set(made))


def test_create_version_increases_across_threads() -> None:
    def make(_: int) -> list[str]:
        return [create_version() for _ in range(500)]

    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(make, range(8)))
    assert all(part == sorted(part) for part in parts)
    assert len({version for part in parts for version in part}) == 8 * 500


def test_clock_set_back_still_increases() -> None:
    clock = versions._Clock()
    noon = datetime(2020, 1, 1, 12, tzinfo=UTC)
    assert clock.next(noon) == noon
    assert clock.next(noon - timedelta(hours=1)) == noon + timedelta(microseconds=1)
    assert clock.next(noon + timedelta(hours=1)) == noon + timedelta(hours=1)


def test_fqid_splits_at_the_first_dot() -> None:
    fqid = FQID.parse(f"{UUID}.{VERSION}")
    assert (fqid.uuid, fqid.version) == (UUID, VERSION)
    assert str(fqid) == f"{UUID}.{VERSION}"


def test_fqid_is_a_value() -> None:
    fqid = FQID(UUID.upper(), VERSION)
    assert fqid == FQID(UUID, VERSION)
    assert hash(fqid) == hash(FQID(UUID, VERSION))
    assert fqid < FQID(UUID, "2019-01-01T000000.000001Z")
    assert pickle.loads(pickle.dumps(fqid)) == fqid


@pytest.mark.parametrize("text", ["", UUID, f"{UUID}.", f"{UUID}.latest", f"{UUID}.{VERSION}.dead"])
def test_fqid_needs_a_version(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid DSS"):
        FQID.parse(text)


@pytest.mark.parametrize(
    "text", ["", "xx", f"xx{UUID}yy", f"{UUID}\n", UUID.replace("-", ""), f"../{UUID}"]
)
def test_uuids_are_matched_whole(text: str) -> None:
    assert not is_uuid(text)
    with pytest.raises(InvalidUUID) as caught:
        normal_uuid(text)
    assert repr(text) in str(caught.value)


def test_uuids_are_lower_cased() -> None:
    assert is_uuid(UUID.upper())
    assert normal_uuid(UUID.upper()) == UUID


@given(st.from_regex(r"\A[A-Fa-f0-9]{8}(-[A-Fa-f0-9]{4}){3}-[A-Fa-f0-9]{12}\Z"), times)
def test_fqid_round_trip(uuid: str, time: datetime) -> None:
    fqid = FQID(uuid, format_version(time))
    assert FQID.parse(str(fqid)) == fqid


@pytest.mark.parametrize("error", [InvalidVersion("x", "why"), InvalidUUID("y")])
def test_errors_pickle(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
