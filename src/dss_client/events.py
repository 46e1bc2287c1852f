"""The replay of events: every bundle that was stored, with its metadata, in time order.

`Replay` holds every decision, without any I/O: which events of the journals are wanted, in which
order, and which bytes to ask storage for. The clients' methods do what it says.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from attrs import evolve, field, frozen
from pydantic import ValidationError

from ._http import is_permanent
from ._model import Model
from ._retry import RetryPolicy, parse_retry_after
from .errors import (
    DSSConnectionError,
    DSSDecodeError,
    DSSError,
    DSSResponseError,
    DSSTimeout,
    Forbidden,
    InvalidArgument,
    NotFound,
    RequestInfo,
    ResponseInfo,
)
from .versions import FQID, InvalidUUID, InvalidVersion, is_version

if TYPE_CHECKING:
    from .models import EventsManifest

__all__ = ["BundleEvent", "BundleInfo", "EventDocument", "Replay"]

_MAX_SIZE = 8 << 20
_MAX_GAP = 64 << 10
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,32})-([0-9]{1,32})/(?:[0-9]{1,32}|\*)")


class WrongRange(DSSDecodeError):
    """Storage sent other bytes than those that were asked for."""


class BundleInfo(Model, frozen=True):
    """The bundle of an event.

    Attributes:
        uuid: Its id.
        version: Its version.
    """

    uuid: str
    version: str


class EventDocument(Model, frozen=True):
    """A bundle with its metadata, as subscriptions and events have it.

    Attributes:
        event_type: What happened.
        bundle_info: The bundle of an event.
        manifest: The manifest as it is stored: `version`, `creator_uid`, `files` and more.
        files: The metadata files, parsed, in lists by kind, such as `cell_suspension_json`.
    """

    event_type: Literal["CREATE"] | str  # noqa: PYI051 - an open enum
    bundle_info: BundleInfo
    manifest: dict[str, Any]
    files: dict[str, list[Any]]


@frozen
class BundleEvent:
    """One event of a replay.

    Attributes:
        event_id: Id and version of the bundle.
        timestamp: When the service recorded the event, as a DSS_VERSION. It is not the version.
        document: The bundle with its metadata.
    """

    event_id: FQID
    timestamp: str
    document: EventDocument = field(repr=False)

    @property
    def cursor(self) -> str:
        """The position after this event: give it as ``after=`` to continue there."""
        return f"{self.timestamp}/{self.event_id}"


@frozen(order=True)
class _Key:
    """The order of events: by time, and of one time by id."""

    timestamp: str
    event_id: str


@frozen
class JournalEntry:
    """Where the document of an event is in a journal.

    Attributes:
        key: The event.
        url: The journal; None where the service does not say it.
        offset: First byte of the document.
        size: Its size, in bytes.
    """

    key: _Key
    url: str | None = field(repr=False)
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The byte after its last."""
        return self.offset + self.size

    @property
    def fqid(self) -> FQID:
        """The bundle.

        Raises:
            DSSDecodeError: The event's id is not that of a bundle.
        """
        try:
            return FQID.parse(self.key.event_id)
        except (InvalidUUID, InvalidVersion) as error:
            raise DSSDecodeError(
                f"the event {self.key.event_id!r} is not named after a bundle: {error}",
                request=RequestInfo("GET", "/events"),
                response=ResponseInfo(200),
            ) from error

    def event(self, content: bytes | Mapping[str, Any]) -> BundleEvent:
        """Read the document.

        Raises:
            DSSDecodeError: It is not valid, or belongs to another bundle.
        """
        fqid = self.fqid
        try:
            if isinstance(content, bytes):
                document = EventDocument.model_validate_json(content)
            else:
                document = EventDocument.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            what = f"cannot be read{f' at {place}' if place else ''}: {first['msg']}"
            raise self._broken(what, place or None) from error
        bundle = document.bundle_info
        if f"{bundle.uuid}.{bundle.version}" != self.key.event_id:
            raise self._broken(f"is that of bundle {bundle.uuid}.{bundle.version}", "bundle_info")
        return BundleEvent(fqid, self.key.timestamp, document)

    def _broken(self, what: str, place: str | None) -> DSSDecodeError:
        return DSSDecodeError(
            f"the document of event {self.key.event_id} {what}",
            request=RequestInfo.of_storage(self.url or ""),
            response=ResponseInfo(200),
            field=place,
        )


@frozen
class Batch:
    """Events whose documents are read at once, from one journal or one by one.

    Attributes:
        entries: Their places in the journal, in the order of time, which is that of the bytes.
    """

    entries: tuple[JournalEntry, ...]

    @property
    def url(self) -> str | None:
        """The journal; None where each event is asked of the service."""
        return self.entries[0].url

    @property
    def first(self) -> int:
        """The first byte."""
        return self.entries[0].offset

    @property
    def last(self) -> int:
        """The last byte."""
        return self.entries[-1].end - 1

    def skipped(self, status: int, headers: Mapping[str, str]) -> int:
        """Return how many bytes of an answer come before the first that is wanted.

        Raises:
            WrongRange: They are other bytes than those that were asked for.
        """
        if status != 206:
            return self.first  # storage ignores ranges: everything comes
        given = headers.get("content-range", "no Content-Range")
        match = _CONTENT_RANGE.fullmatch(given)
        if match is None or int(match[1]) != self.first:
            raise WrongRange(
                f"asked storage for bytes {self.first}-{self.last}, and was given {given!r}",
                request=RequestInfo.of_storage(self.url or ""),
                response=ResponseInfo(status, dict(headers)),
            )
        return 0

    def ends_before(self, journal: "EventsManifest") -> bool:
        """Tell whether a journal, and so all that follow, has none of these events."""
        return self.entries[-1].key.timestamp < journal.from_date

    def check(self, content: bytes | bytearray) -> None:
        """Make sure that all bytes came.

        Raises:
            DSSConnectionError: Some are missing.
        """
        wanted = self.last - self.first + 1
        if len(content) < wanted:
            raise DSSConnectionError(
                f"{len(content):,} bytes came of the {wanted:,} from byte {self.first} on",
                request=RequestInfo.of_storage(self.url or ""),
            )

    def events(self, content: bytes | bytearray) -> Iterator[BundleEvent]:
        """Cut the documents out of the bytes from the first to the last.

        Raises:
            DSSDecodeError: One cannot be read.
        """
        for entry in self.entries:
            start = entry.offset - self.first
            yield entry.event(bytes(content[start : start + entry.size]))


class RetryState:
    """How to go on after faults of storage, for one batch.

    Args:
        policy: The retry policy.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._renewed = False

    def failed(self, error: DSSError) -> float | None:
        """Record a fault; return the seconds to wait, or None to list the journals again.

        It lists them again if the URL has expired or the journal was rewritten, but only once.

        Raises:
            DSSError: The fault, if it is final.
        """
        retry_after: float | None = None
        if isinstance(error, Forbidden | NotFound):
            if self._renewed:
                raise error
            self._renewed = True
            return None
        if isinstance(error, DSSResponseError):
            if error.status_code != 429 and error.status_code < 500:
                raise error
            retry_after = parse_retry_after(error.response.headers.get("retry-after"))
        elif not isinstance(error, DSSConnectionError | DSSTimeout | WrongRange):
            raise error
        self._failures += 1
        if self._failures >= self._policy.attempts or _is_permanent(error):
            raise error
        return self._policy.delay(self._failures, retry_after)


class Replay:
    """Turns journals, as they are listed, into batches of events in the order of time.

    Journals may overlap, and come twice. They are listed in the order of their first events, so
    events older than the next journal are in their final order; an event that comes again is
    recognised because it is not newer than the last one.

    Args:
        api: URL of the deployment: of https, storage is not read over http.
        from_date: The earliest time, inclusive.
        to_date: The latest time, exclusive.
        after: The cursor of the event to continue after.
        max_size: Most bytes to ask for at once, unless one event has more.
        max_gap: Most bytes between two events that are read along.

    Raises:
        InvalidArgument: One of them is not of its form, or `from_date` is later than `to_date`.
    """

    def __init__(
        self,
        api: str,
        *,
        from_date: str | None = None,
        to_date: str | None = None,
        after: str | None = None,
        max_size: int = _MAX_SIZE,
        max_gap: int = _MAX_GAP,
    ) -> None:
        self._api = api
        self._max_size = max_size
        self._max_gap = max_gap
        self._last = _cursor(after)
        self._pending: dict[_Key, JournalEntry] = {}
        for name, date in (("from_date", from_date), ("to_date", to_date)):
            if date is not None and not is_version(date):
                raise InvalidArgument(
                    f"{name}={date!r} is not a valid DSS_VERSION: expected one as of format_version"
                )
        if from_date and to_date and from_date > to_date:
            raise InvalidArgument(f"from_date={from_date} is later than to_date={to_date}")
        self.from_date: str | None = max(from_date or "", self._last.timestamp) or None
        self.to_date = to_date

    @property
    def is_empty(self) -> bool:
        """Whether the range of dates is empty, so that no request is needed."""
        return None not in (self.from_date, self.to_date) and (
            (self.from_date or "") >= (self.to_date or "")
        )

    def add(self, journal: "EventsManifest") -> list[Batch]:
        """Add a journal, and return the events that are older than all that follow."""
        ready = self._batches(key for key in self._pending if key.timestamp < journal.from_date)
        for entry in self.entries_of(journal):
            if entry.key > self._last and self._is_wanted(entry.key):
                self._pending[entry.key] = entry
        return ready

    def flush(self) -> list[Batch]:
        """Return what is left once all journals are there."""
        return self._batches(self._pending)

    def entries_of(self, journal: "EventsManifest") -> list[JournalEntry]:
        """Return where the events of a journal are.

        Raises:
            DSSDecodeError: It is to be read over http, though the deployment is of https; or an
                event has no bytes.
        """
        url = journal.stream_url
        if url is not None and not _is_allowed(self._api, url):
            raise _unusable(journal, "is to be read over another scheme than https")
        if any(each.offset < 0 or each.size < 1 for each in journal.events):
            raise _unusable(journal, "has an event of no bytes, or before its beginning")
        return [
            JournalEntry(_Key(each.timestamp, each.event_id), url, each.offset, each.size)
            for each in journal.events
        ]

    def relocate(self, batch: Batch, journals: Iterable["EventsManifest"]) -> list[Batch]:
        """Return a batch again from a fresh list; events deleted meanwhile are left out.

        Args:
            batch: The batch.
            journals: The journals of its time.
        """
        fresh = {entry.key: entry for each in journals for entry in self.entries_of(each)}
        return self._merge_adjacent([fresh[it.key] for it in batch.entries if it.key in fresh])

    def _is_wanted(self, key: _Key) -> bool:
        return (self.from_date is None or key.timestamp >= self.from_date) and (
            self.to_date is None or key.timestamp < self.to_date
        )

    def _batches(self, keys: Iterable[_Key]) -> list[Batch]:
        ready = sorted(keys)
        if ready:
            self._last = ready[-1]
        return self._merge_adjacent([self._pending.pop(key) for key in ready])

    def _merge_adjacent(self, entries: Iterable[JournalEntry]) -> list[Batch]:
        """Merge entries that follow each other in one journal."""
        batches: list[Batch] = []
        for entry in entries:
            last = batches[-1] if batches else None
            if last is not None and self._are_adjacent(last, entry):
                batches[-1] = evolve(last, entries=(*last.entries, entry))
            else:
                batches.append(Batch((entry,)))
        return batches

    def _are_adjacent(self, batch: Batch, entry: JournalEntry) -> bool:
        return (
            batch.url == entry.url
            and 0 <= entry.offset - batch.entries[-1].end <= self._max_gap
            and entry.end - batch.first <= self._max_size
        )


def _cursor(text: str | None) -> _Key:
    if text is None:
        return _Key("", "")
    timestamp, _, event_id = text.partition("/")
    if not (is_version(timestamp) and event_id):
        raise InvalidArgument(
            f"after={text!r} is not a valid cursor: expected the `cursor` of an event"
        )
    return _Key(timestamp, event_id)


def _is_allowed(api: str, url: str) -> bool:
    return url.startswith("https:" if api.startswith("https:") else ("https:", "http:"))


def _unusable(journal: "EventsManifest", why: str) -> DSSDecodeError:
    return DSSDecodeError(
        f"the journal {journal.journal_id} {why}",
        request=RequestInfo("GET", "/events"),
        response=ResponseInfo(200),
    )


def _is_permanent(error: DSSError) -> bool:
    cause = error.__cause__
    return isinstance(cause, Exception) and is_permanent(cause)
