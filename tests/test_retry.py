"""The retry policy, and reading ``Retry-After``."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client import RetryPolicy
from dss_client._retry import parse_retry_after

NOW = datetime(2020, 1, 1, tzinfo=UTC)


def read(value: str | None) -> float | None:
    return parse_retry_after(value, now=NOW.timestamp)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("10", 10.0),
        (" 600 ", 600.0),
        ("Wed, 01 Jan 2020 00:00:30 GMT", 30.0),
        ("Wed, 01 Jan 2020 00:00:30 -0000", 30.0),
        ("Wed, 01 Jan 2020 01:00:30 +0100", 30.0),
        ("Tue, 31 Dec 2019 00:00:00 GMT", 0.0),
    ],
)
def test_seconds_and_dates_are_read(value: str, seconds: float) -> None:
    assert read(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        "-1",
        "1.5",
        "1e3",
        "١٢",
        "Wed, 01 Jan 99999999999999 00:00:00 GMT",
        "Wed, 01 Jan 2020 99:00:00 GMT",
        "Wed, 01 Jan 2020 00:00:00 +9999",
    ],
)
def test_what_is_neither_counts_as_absent(value: str | None) -> None:
    assert read(value) is None


@given(st.text())
def test_any_text_can_be_read(value: str) -> None:
    seconds = read(value)
    assert seconds is None or seconds >= 0


@given(st.integers(0, 10**9))
def test_seconds_and_their_date_say_the_same(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert read(str(seconds)) == read(date) == seconds


class TestDelay:
    def test_the_bound_doubles_up_to_a_cap(self) -> None:
        policy = RetryPolicy(initial_delay=1, max_delay=6)
        bounds = [policy.delay(failures, draw=lambda: 1.0) for failures in range(1, 6)]
        assert bounds == [1, 2, 4, 6, 6]

    def test_the_wait_is_drawn_below_the_bound(self) -> None:
        policy = RetryPolicy(initial_delay=8)
        assert policy.delay(1, draw=lambda: 0.25) == 2
        assert all(0 <= policy.delay(1) < 8 for _ in range(100))

    def test_many_failures_do_not_overflow(self) -> None:
        assert RetryPolicy(max_delay=60).delay(10**6, draw=lambda: 1.0) == 60

    def test_retry_after_replaces_the_backoff_up_to_its_cap(self) -> None:
        policy = RetryPolicy(initial_delay=1, max_delay=2, max_retry_after=20)
        assert policy.delay(1, 10) == 10
        assert policy.delay(5, 600) == 20
        assert policy.delay(1, 0) == 0

    def test_an_endless_retry_after_is_capped(self) -> None:
        assert RetryPolicy(max_retry_after=5).delay(1, read("9" * 400)) == 5


def test_a_number_means_tries_after_the_first() -> None:
    assert RetryPolicy.of(0).attempts == 1
    assert RetryPolicy.of(3).attempts == 4
    policy = RetryPolicy(attempts=2)
    assert RetryPolicy.of(policy) is policy


@pytest.mark.parametrize(
    "values",
    [
        {"attempts": 0},
        {"initial_delay": -1},
        {"max_delay": -1},
        {"max_retry_after": -1},
        {"deadline": -1},
        {"ready_timeout": -1},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(values: dict[str, int]) -> None:
    (name,) = values
    with pytest.raises(ValueError, match=name):
        RetryPolicy(**values)
