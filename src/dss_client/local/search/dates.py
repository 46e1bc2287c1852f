"""Dates in search documents and queries (docs/behaviour.md 10.5)."""

import re
from calendar import monthrange
from datetime import date
from functools import lru_cache

from attrs import frozen

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<part>\d{1,9}))?)?)?"
    r"(?P<zone>Z|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII,
)
_MILLISECONDS = re.compile(r"-?\d{1,14}", re.ASCII)
_ARITHMETIC = re.compile(r"now(?:[-+/]|\Z)|[-\d:.TZ+ ]+\|\|")
_EPOCH = date(1970, 1, 1).toordinal() * _DAY
_WHOLE_DAY = len("2019-01-01")
_LONGEST = len("2019-01-01T00:00:00.123456789+00:00")


@frozen
class Span:
    """All the time that a date means: a day of 24 hours when it tells no hour.

    Attributes:
        start: Its first microsecond, in microseconds since the beginning of year 1, UTC.
        end: Its last one.
    """

    start: int
    end: int


def parse_date(text: str) -> Span | None:
    """Return what a date means, None if the text is not a date.

    Dates are those of ISO 8601 from the year on, with a blank for the `T` too, and DSS_VERSIONs.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (
        int(match[name]) if match[name] else None
        for name in ("year", "month", "day", "hour", "minute", "second")
    )
    clock = (hour or 0, minute or 0, second or 0)
    if year is None or clock > (23, 59, 59) or max(clock) > 59:
        return None
    try:
        first = date(year, month or 1, day or 1)
        last_month = month or 12
        last = date(year, last_month, day or monthrange(year, last_month)[1])
    except ValueError:
        return None
    part = int((match["part"] or "").ljust(6, "0")[:6])
    seconds = clock[0] * 3600 + clock[1] * 60 + clock[2] - _offset(match["zone"])
    start = first.toordinal() * _DAY + seconds * _SECOND + part
    end = last.toordinal() * _DAY + seconds * _SECOND + part
    return Span(start, end + _precision(match) - 1)


def parse_whole_date(text: str) -> Span | None:
    """Return what a date means that tells at least its day, as stored values must."""
    is_one = _WHOLE_DAY <= len(text) <= _LONGEST and text[4] == "-"
    return _parse_again(text) if is_one else None


_parse_again = lru_cache(10_000)(parse_date)  # many documents have the same dates


def parse_epoch(value: str | float) -> Span | None:
    """Return the millisecond that a whole number of them since 1970 means, None for others."""
    text = str(value)
    if isinstance(value, bool) or not _MILLISECONDS.fullmatch(text):
        return None
    start = _EPOCH + int(text) * 1000
    return Span(start, start + 999)


def has_arithmetic(text: str) -> bool:
    """Tell whether a date is to be worked out, such as `now-1d` or `2018-05-01||/M`."""
    return _ARITHMETIC.match(text) is not None


def _precision(match: re.Match[str]) -> int:
    """Return the microseconds in the smallest unit told, a day at most."""
    if match["part"]:
        return 1
    if match["second"]:
        return _SECOND
    if match["minute"]:
        return 60 * _SECOND
    return 3600 * _SECOND if match["hour"] else _DAY


def _offset(zone: str | None) -> int:
    """Return the seconds that a zone is ahead of UTC."""
    if zone is None or zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds
