"""Versions (DSS_VERSION), ids and fully qualified ids (FQID).

A DSS_VERSION is a UTC time stamp such as ``2019-01-01T000000.000000Z``. Its plain string order is
its time order, and the service relies on that.
"""

import re
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

import attrs

from ._fork import reset_after_fork
from .errors import DSSError

if TYPE_CHECKING:
    from uuid import UUID

_FORM = "YYYY-MM-DDThhmmss.ffffffZ, UTC, year 1000 to 9999"
_VERSION = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})\.([0-9]{6})Z"
)
UUID_FORM = "[A-Za-z0-9]{8}(?:-[A-Za-z0-9]{4}){3}-[A-Za-z0-9]{12}"
"""A regular expression of the uuids that the service takes, in either letter case."""
_UUID = re.compile(UUID_FORM)
_MIN_YEAR = 1000
_TICK = timedelta(microseconds=1)


class InvalidVersion(DSSError, ValueError):
    """A text or time that is not a valid DSS_VERSION.

    Attributes:
        value: The value given.
        reason: Why it is refused, or None when the form alone is wrong.
    """

    def __init__(self, value: str, reason: str | None = None) -> None:
        super().__init__(value, reason)
        self.value = value
        self.reason = reason

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.value!r} is not a valid DSS version{why}: expected {_FORM}"


class InvalidUUID(DSSError, ValueError):
    """A text that is not a valid DSS uuid.

    Attributes:
        value: The value given.
    """

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        return (
            f"{self.value!r} is not a valid DSS uuid: expected 32 letters or digits in groups of "
            "8-4-4-4-12, joined by dashes"
        )


class _Clock:
    """Gives strictly increasing times, even when the system's clock is set back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = datetime.min.replace(tzinfo=UTC)
        reset_after_fork(self)

    def after_fork(self) -> None:
        """Forget who held the lock: that thread is not in this process."""
        self._lock = threading.Lock()

    def next(self, now: datetime) -> datetime:
        with self._lock:
            self._last = max(now, self._last + _TICK)
            return self._last


_clock = _Clock()


def create_version() -> str:
    """Return a new version: the present time, in UTC, to the microsecond.

    Strictly increasing within a process, across its threads, and when the clock is set back.
    """
    return format_version(_clock.next(datetime.now(UTC)))


def parse_version(text: str) -> datetime:
    """Return the time, aware and in UTC, that a DSS_VERSION names.

    Raises:
        InvalidVersion: The text has another form, or names no real date and time.
    """
    match = _VERSION.fullmatch(text)
    if match is None:
        raise InvalidVersion(text)
    year, month, day, hour, minute, second, micros = map(int, match.groups())
    if year < _MIN_YEAR:
        raise InvalidVersion(text, f"the year is below {_MIN_YEAR}")
    try:
        return datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC)
    except ValueError as error:
        raise InvalidVersion(text, str(error)) from error


def format_version(time: datetime) -> str:
    """Return the DSS_VERSION of an aware time, with any offset.

    Raises:
        InvalidVersion: The time is naive, or its year in UTC is below 1000 or above 9999.
    """
    if time.utcoffset() is None:
        raise InvalidVersion(time.isoformat(), "the time has no offset, give it one (UTC)")
    try:
        utc = time.astimezone(UTC)
    except OverflowError as error:
        raise InvalidVersion(time.isoformat(), str(error)) from error
    if utc.year < _MIN_YEAR:
        raise InvalidVersion(time.isoformat(), f"the year is below {_MIN_YEAR}")
    return f"{utc:%Y-%m-%dT%H%M%S.%f}Z"


def is_version(text: str) -> bool:
    """Tell whether a text is a DSS_VERSION."""
    try:
        parse_version(text)
    except InvalidVersion:
        return False
    return True


def compare_versions(a: str, b: str) -> int:
    """Return -1, 0 or 1 as version `a` is before, equal to or after version `b`.

    Raises:
        InvalidVersion: One of them is not a valid DSS_VERSION.
    """
    first, second = parse_version(a), parse_version(b)
    return (first > second) - (first < second)


def is_uuid(text: str) -> bool:
    """Tell whether a whole text has the form of a DSS uuid, in either letter case."""
    return _UUID.fullmatch(text) is not None


def normal_uuid(uuid: "str | UUID") -> str:
    """Return a uuid as text in lower case, as the service stores it.

    Raises:
        InvalidUUID: The text does not have the form of a uuid.
    """
    text = str(uuid)
    if not is_uuid(text):
        raise InvalidUUID(text)
    return text.lower()


def _normal_version(text: str) -> str:
    parse_version(text)
    return text


@attrs.frozen(order=True)
class FQID:
    """The id of one version of a bundle, file or collection: ``<uuid>.<version>``.

    The uuid is kept in lower case. FQIDs of one uuid sort by time.

    Raises:
        InvalidUUID: The uuid is not valid.
        InvalidVersion: The version is not valid.
    """

    uuid: str = attrs.field(converter=normal_uuid)
    version: str = attrs.field(converter=_normal_version)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the FQID of a text, split at its first dot: a version has one of its own.

        Raises:
            InvalidUUID: The part before the dot is not a valid uuid.
            InvalidVersion: The part after the dot is not a valid version.
        """
        uuid, _, version = text.partition(".")
        return cls(uuid, version)

    def __str__(self) -> str:
        return f"{self.uuid}.{self.version}"
