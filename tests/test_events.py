"""Replays of events: order, resumption, overlapping journals, faults of storage.

See docs/behaviour.md 12.2, S30.
"""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from dss_client import (
    AsyncDSSClient,
    DSSClient,
    DSSConnectionError,
    DSSDecodeError,
    Forbidden,
    InvalidArgument,
    NotFound,
    RetryPolicy,
    ServerError,
    format_version,
)
from dss_client.errors import BadRequest, DSSTimeout
from dss_client.events import BundleEvent, EventDocument, Replay
from dss_client.local import LocalDSS, LocalSettings
from dss_client.models import EventsManifest, EventsManifestEvent
from tests.conftest import Origins
from tests.drive import Driver
from tests.origin import Reply, Seen

UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
BUNDLES = 8


def time(number: int) -> str:
    """Return the time of an event."""
    return format_version(EPOCH + timedelta(days=number))


def fqid(number: int) -> str:
    return f"{UUID}.2018-01-01T000000.{number:06}Z"


def ids(events: list[BundleEvent]) -> list[str]:
    return [str(event.event_id) for event in events]


# Against the embedded DSS


def store(dss: LocalDSS, folder: Path, number: int, day: int) -> str:
    """Store a bundle as of a day."""
    folder.mkdir(exist_ok=True)
    (folder / "cell_0.json").write_text(json.dumps({"n": number}))
    loaded = dss.load_bundle(folder, UUID, fqid(number).partition(".")[2]).fqid
    at = (EPOCH + timedelta(days=day)).timestamp()
    os.utime(dss.root / "aws/main/bundles" / loaded, (at, at))
    return loaded


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    """Return a service with eight bundles in journals of three; no test may write to it.

    Two each are of the same time, which parts neither of the first two pairs, but the third.
    """
    root = tmp_path_factory.mktemp("events")
    settings = LocalSettings(journal_events=3, retry_after=0)
    with LocalDSS(root / "root", settings=settings) as running:
        for number in range(BUNDLES):
            store(running, root / "bundle", number, BUNDLES if number == 1 else number // 2)
        (running.root / f"aws/main/bundles/{fqid(1)}.dead").write_text("{}")
        with DSSClient(running.url) as dss:
            sizes = [len(it.events) for it in dss.get_events.iterate(replica="aws", per_page=1)]
        assert sizes == [3, 3, 1]  # the dead one is in none
        yield running


ALL = [fqid(number) for number in range(BUNDLES) if number != 1]


@pytest.fixture
def counted(stored: LocalDSS) -> Iterator[Callable[..., list[int]]]:
    """Return a function that sets faults, and returns how often each was looked at so far."""

    def count(*rules: dict[str, Any]) -> list[int]:
        if rules:
            stored.faults = list(rules)
        return [each.selected for each in stored.faults.counts]

    yield count
    stored.faults = None


STORAGE = {"on": "storage", "nth": 1_000_000, "status": 500}


def test_every_event_comes_in_order(
    stored: LocalDSS, drive: Driver, counted: Callable[..., list[int]]
) -> None:
    counted(STORAGE)
    events = drive(url=stored.url).call("replay_events", replica="aws")
    assert ids(events) == ALL
    # One request for each journal, and one more: two events are of the time where one journal ends
    # and the next begins, and until that is there, their order is open.
    assert counted() == [4]
    assert [event.timestamp for event in events] == sorted(event.timestamp for event in events)
    with DSSClient(stored.url) as dss:
        for event in events:
            found = dss.get_event(
                uuid=event.event_id.uuid, version=event.event_id.version, replica="aws"
            )
            assert event.document == EventDocument.model_validate(found)
            assert event.document.model_dump(mode="json", exclude_unset=True) == found


def test_what_a_document_says(stored: LocalDSS, drive: Driver) -> None:
    event = drive(url=stored.url).call("replay_events", replica="aws")[0]
    assert event.timestamp == time(0)
    assert event.document.event_type == "CREATE"
    assert event.document.bundle_info.uuid == event.event_id.uuid
    assert event.document.bundle_info.version == event.event_id.version
    assert event.document.manifest["version"] == event.event_id.version
    assert event.document.files == {"cell_json": [{"n": 0}]}
    assert event.cursor == f"{time(0)}/{fqid(0)}"


def test_the_other_replica_has_its_own(stored: LocalDSS, drive: Driver) -> None:
    assert drive(url=stored.url).call("replay_events", replica="gcp") == []


@pytest.mark.parametrize(
    ("first", "end", "numbers"),
    [
        (1, 3, [2, 3, 4, 5]),
        (0, 1, [0]),
        (3, None, [6, 7]),
        (None, 2, [0, 2, 3]),
        (4, None, []),
        (2, 2, []),
    ],
)
def test_dates(
    stored: LocalDSS, drive: Driver, first: int | None, end: int | None, numbers: list[int]
) -> None:
    events = drive(url=stored.url).call(
        "replay_events",
        replica="aws",
        from_date=None if first is None else time(first),
        to_date=None if end is None else time(end),
    )
    assert ids(events) == [fqid(number) for number in numbers]


def test_it_goes_on_behind_any_event(stored: LocalDSS, drive: Driver) -> None:
    """Nothing is lost or doubled, though two events are of the same time."""
    events = drive(url=stored.url).call("replay_events", replica="aws")
    for number, event in enumerate(events, 1):
        rest = drive(url=stored.url).call("replay_events", replica="aws", after=event.cursor)
        assert rest == events[number:]
    found = drive(url=stored.url).call(
        "replay_events", replica="aws", after=events[1].cursor, from_date=time(3)
    )
    assert ids(found) == [fqid(6), fqid(7)]


def test_a_window_behind_the_other(stored: LocalDSS, drive: Driver) -> None:
    edges = [None, time(1), time(2), time(4)]
    found: list[str] = []
    for first, end in pairwise(edges):
        found += ids(
            drive(url=stored.url).call("replay_events", replica="aws", from_date=first, to_date=end)
        )
    assert found == ALL


def test_what_is_not_asked_for_is_not_read(stored: LocalDSS) -> None:
    with DSSClient(stored.url) as dss:
        events = dss.replay_events(replica="aws")
        assert str(next(events).event_id) == fqid(0)
        stored.faults = [{"on": "*", "status": 404}]
        try:
            assert str(next(events).event_id) == fqid(2)  # it came along
            with pytest.raises(NotFound):
                list(events)
        finally:
            stored.faults = None


THROUGH: dict[str, dict[str, Any]] = {
    "expired": {"expired": True},
    "gone": {"status": 404},
    "error": {"status": 503},
    "too many": {"status": 429, "headers": {"Retry-After": "0"}},
    "reset": {"reset": "start"},
    "close": {"close": 5},
    "short": {"short": 3},
}


@pytest.mark.parametrize("fault", THROUGH)
@pytest.mark.parametrize("nth", [1, 2])
def test_faults_of_storage_that_it_comes_through(
    stored: LocalDSS, drive: Driver, counted: Callable[..., list[int]], fault: str, nth: int
) -> None:
    counted({"on": "storage", "nth": nth, **THROUGH[fault]})
    assert ids(drive(url=stored.url).call("replay_events", replica="aws")) == ALL


def test_a_stall_ends_with_the_timeout(
    stored: LocalDSS, drive: Driver, counted: Callable[..., list[int]]
) -> None:
    counted({"on": "storage", "stall": 5, "stall_seconds": 0.3})
    with pytest.raises(DSSTimeout):
        drive(url=stored.url, options={"timeout": 0.05, "retries": 0}).call(
            "replay_events", replica="aws"
        )


@pytest.mark.parametrize(
    ("fault", "error", "asked"),
    [
        ({"expired": True}, Forbidden, 2),
        ({"status": 404}, NotFound, 2),
        ({"status": 400}, BadRequest, 1),
        ({"status": 500}, ServerError, 3),
        ({"close": 5}, DSSConnectionError, 3),
        ({"flip": 0}, DSSDecodeError, 1),
    ],
)
def test_faults_that_last(
    stored: LocalDSS,
    drive: Driver,
    counted: Callable[..., list[int]],
    fault: dict[str, Any],
    error: type[Exception],
    asked: int,
) -> None:
    counted({"on": "storage", **fault})
    with pytest.raises(error) as caught:
        drive(url=stored.url).call("replay_events", replica="aws")
    assert counted() == [asked]
    assert "Signature" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"from_date": "2020"},
        {"to_date": ""},
        {"after": time(1)},
        {"after": f"x/{fqid(1)}"},
        {"from_date": time(2), "to_date": time(1)},
    ],
)
def test_arguments_that_are_refused_at_once(arguments: dict[str, str]) -> None:
    for dss in (DSSClient("http://127.0.0.1:9/v1"), AsyncDSSClient("http://127.0.0.1:9/v1")):
        with pytest.raises(InvalidArgument):
            dss.replay_events(replica="aws", **arguments)
        if isinstance(dss, DSSClient):
            dss.close()


def test_deleted_bundles_are_left_out(tmp_path: Path, drive: Driver) -> None:
    with LocalDSS(tmp_path / "root", settings=LocalSettings(journal_events=4)) as dss:
        for number in range(4):
            store(dss, tmp_path / "bundle", number, number)
        replayed = drive(url=dss.url)
        assert ids(replayed.call("replay_events", replica="aws")) == [fqid(n) for n in range(4)]
        (dss.root / f"aws/main/bundles/{fqid(1)}.dead").write_text("{}")
        dss.faults = [STORAGE]
        assert ids(replayed.call("replay_events", replica="aws")) == [fqid(0), fqid(2), fqid(3)]
        assert [each.selected for each in dss.faults.counts] == [1]  # over the gap
        (dss.root / f"aws/main/bundles/{UUID}.dead").write_text("{}")
        assert replayed.call("replay_events", replica="aws") == []


# Against a script


def document(number: int) -> bytes:
    uuid, _, version = fqid(number).partition(".")
    return json.dumps(
        {
            "event_type": "CREATE",
            "bundle_info": {"uuid": uuid, "version": version},
            "manifest": {},
            "files": {"n": [number]},
        }
    ).encode()


class Scripted:
    """A service whose journals are lists of numbers, each a page of its own.

    Attributes:
        journals: The journals, as the service lists them.
        listed: Queries of the pages that were asked for.
        ranges: What storage was asked for: the journal's number and the range.
        expired: Numbers of journals whose URLs have expired, until they are listed anew.
        odd: Makes another answer of storage of the right one and the number of its request.
    """

    def __init__(self, *journals: list[int], with_urls: bool = True) -> None:
        self.journals = list(journals)
        self.with_urls = with_urls
        self.listed: list[dict[str, str]] = []
        self.ranges: list[tuple[str, str]] = []
        self.seen: list[Seen] = []
        self.expired: set[str] = set()
        self.then: Callable[[], None] | None = None
        self.deleted: set[int] = set()
        self.names = 0  # of journals that are no more
        self.odd: Callable[[Reply, int], Reply] | None = None

    def __call__(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        parts = urlsplit(seen.target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/v1/events":
            return self._page(seen, query)
        if parts.path.startswith("/v1/events/"):
            number = int(query["version"][-7:-1])
            if number in self.deleted:
                return Reply(404, body=b'{"code": "not_found"}')
            return Reply(body=document(number))
        return self._content(seen, parts.path.removeprefix("/"))

    def _page(self, seen: Seen, query: dict[str, str]) -> Reply:
        self.listed.append(query)
        at = int(query.get("token", 0))
        found = [
            (name, numbers)
            for name, numbers in enumerate(self.journals, self.names)
            if "from_date" not in query or time(max(numbers)) >= query["from_date"]
        ]
        streams = [self._entry(seen, name, numbers) for name, numbers in found[at : at + 1]]
        headers = {}
        if at + 1 < len(found):
            headers["Link"] = f"<http://h/v1/events?token={at + 1}>; rel='next'"
        return Reply(200, headers, json.dumps({"event_streams": streams}).encode())

    def _entry(self, seen: Seen, name: int, numbers: list[int]) -> dict[str, Any]:
        events: list[dict[str, Any]] = []
        offset = 7
        for number in numbers:
            size = len(document(number))
            event = {"event_id": fqid(number), "timestamp": time(number)}
            events.append({**event, "offset": offset, "size": size})
            offset += size
        dates = {"from_date": time(min(numbers)), "to_date": time(max(numbers))}
        url = f"http://{seen.headers['host']}/{name}?Signature=hidden&page={len(self.listed)}"
        entry = {"journal_id": str(name), **dates, "size": offset, "events": events}
        return {**entry, "stream_url": url} if self.with_urls else entry

    def _content(self, seen: Seen, name: str) -> Reply:
        given = seen.headers["range"]
        self.ranges.append((name, given))
        if name in self.expired:
            self.expired.discard(name)
            if self.then is not None:
                self.then()
            return Reply(403, body=b"<Error><Code>AccessDenied</Code></Error>")
        if int(name) < self.names:
            return Reply(404, body=b"<Error><Code>NoSuchKey</Code></Error>")
        content = b"-" * 7 + b"".join(map(document, self.journals[int(name) - self.names]))
        first, last = map(int, given.removeprefix("bytes=").split("-"))
        headers = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
        reply = Reply(206, headers, content[first : last + 1])
        return self.odd(reply, len(self.ranges)) if self.odd else reply


def replayed(origins: Origins, drive: Driver, script: Scripted, **arguments: Any) -> list[int]:
    url = f"{origins(script=script).url}/v1"
    options = {"token": "secret-token"}
    events = drive(url=url, options=options).call("replay_events", replica="aws", **arguments)
    assert ids(events) == [fqid(event.document.files["n"][0]) for event in events]
    return [event.document.files["n"][0] for event in events]


def test_journals_that_overlap_or_come_twice(origins: Origins, drive: Driver) -> None:
    script = Scripted([0, 1, 4], [0, 1, 4], [2, 3, 5], [3], [4, 6, 7], [1, 8])
    assert replayed(origins, drive, script) == list(range(9))
    assert len(script.listed) == 6
    assert len(script.ranges) == 7


def test_neighbours_come_with_one_request(origins: Origins, drive: Driver) -> None:
    script = Scripted(list(range(20)), [20])
    assert replayed(origins, drive, script) == list(range(21))
    assert len(script.ranges) == 2
    script = Scripted(list(range(20)))
    assert replayed(origins, drive, script, from_date=time(5), to_date=time(8)) == [5, 6, 7]
    size = len(document(5))
    assert script.ranges == [("0", f"bytes={7 + 5 * len(document(0))}-{6 + 8 * size}")]


def test_storage_sees_no_token(origins: Origins, drive: Driver) -> None:
    script = Scripted([0], [1])
    replayed(origins, drive, script)
    storage = [seen for seen in script.seen if not seen.target.startswith("/v1")]
    assert len(storage) == 2
    for seen in storage:
        assert "authorization" not in seen.headers
        assert "cookie" not in seen.headers
        assert seen.headers["accept-encoding"] == "identity"


def test_an_expired_url_is_renewed(origins: Origins, drive: Driver) -> None:
    script = Scripted([0, 1], [2, 3], [4])
    script.expired = {"1"}
    assert replayed(origins, drive, script) == [0, 1, 2, 3, 4]
    assert [name for name, _ in script.ranges] == ["0", "1", "1", "2"]
    # The list from the time of the events on, up to the journal behind them.
    assert [query.get("from_date") for query in script.listed].count(time(2)) == 2


ODD: dict[str, Callable[[Reply], Reply]] = {
    "short": lambda right: evolve(right, body=right.body[:-3]),
    "overlong": lambda right: evolve(right, body=right.body + b"xxx"),
    "whole": lambda right: Reply(200, body=b"-" * 7 + right.body),  # each journal is one range
    "wrong range": lambda right: evolve(right, headers={"Content-Range": "bytes 8-9/10"}),
    "no range": lambda right: evolve(right, headers={}),
}


@pytest.mark.parametrize("odd", list(ODD))
@pytest.mark.parametrize("nth", [1, 2])
def test_odd_answers_of_storage_that_it_comes_through(
    origins: Origins, drive: Driver, odd: str, nth: int
) -> None:
    script = Scripted([0, 1], [2, 3])
    script.odd = lambda right, number: ODD[odd](right) if number == nth else right
    assert replayed(origins, drive, script) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("odd", "error", "asked"),
    [
        ("short", DSSConnectionError, 3),
        ("wrong range", DSSDecodeError, 3),
    ],
)
def test_odd_answers_of_storage_that_last(
    origins: Origins, drive: Driver, odd: str, error: type[Exception], asked: int
) -> None:
    script = Scripted([0, 1])
    script.odd = lambda right, _: ODD[odd](right)
    with pytest.raises(error) as caught:
        replayed(origins, drive, script)
    assert len(script.ranges) == asked
    assert "Signature" not in str(caught.value)


def test_a_journal_that_became_part_of_another_meanwhile(origins: Origins, drive: Driver) -> None:
    script = Scripted([0, 1], [2, 3], [4, 5])
    script.expired = {"1"}

    def merge() -> None:
        script.names, script.journals = 3, [[0, 1], [1, 2], [3, 4, 5]]

    script.then = merge
    assert replayed(origins, drive, script) == [0, 1, 2, 3, 4, 5]


def test_events_that_were_deleted_meanwhile(origins: Origins, drive: Driver) -> None:
    script = Scripted([0, 1], [2, 3], [4])
    script.expired = {"1"}

    def delete() -> None:
        script.names, script.journals = 3, [[0, 1], [3], [4]]

    script.then = delete
    assert replayed(origins, drive, script) == [0, 1, 3, 4]


def test_a_service_that_gives_no_urls(origins: Origins, drive: Driver) -> None:
    script = Scripted([0, 1, 2], [3], with_urls=False)
    script.deleted = {1}
    assert replayed(origins, drive, script) == [0, 2, 3]
    assert script.ranges == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"event_id": "x"}, "'x' is not named after a bundle"),
        ({"offset": -1}, "has an event of no bytes"),
        ({"size": 0}, "has an event of no bytes"),
    ],
)
def test_journals_that_are_broken(
    origins: Origins, drive: Driver, change: dict[str, Any], message: str
) -> None:
    script = Scripted([0])

    def broken(seen: Seen) -> Reply:
        reply = script(seen)
        if not seen.target.startswith("/v1"):
            return reply
        page = json.loads(reply.body)
        page["event_streams"][0]["events"][0] |= change
        return Reply(200, reply.headers, json.dumps(page).encode())

    with pytest.raises(DSSDecodeError, match=message):
        drive(url=f"{origins(script=broken).url}/v1").call("replay_events", replica="aws")


@pytest.mark.parametrize(
    ("content", "field"), [("[]", None), ('{"event_type": "X"}', "bundle_info"), ("{", None)]
)
def test_documents_that_are_broken(
    origins: Origins, drive: Driver, content: str, field: str | None
) -> None:
    script = Scripted([0])

    def broken(seen: Seen) -> Reply:
        reply = script(seen)
        if seen.target.startswith("/v1"):
            return reply
        return Reply(206, reply.headers, content.encode().ljust(len(reply.body)))

    with pytest.raises(DSSDecodeError, match=f"event {fqid(0)} cannot be read") as caught:
        drive(url=f"{origins(script=broken).url}/v1").call("replay_events", replica="aws")
    assert caught.value.field == field
    assert "hidden" not in str(caught.value)


def test_a_document_of_another_bundle(origins: Origins, drive: Driver) -> None:
    script = Scripted([0])

    def other(seen: Seen) -> Reply:
        reply = script(seen)
        if seen.target.startswith("/v1"):
            return reply
        return Reply(206, reply.headers, document(1))

    with pytest.raises(DSSDecodeError, match=f"is that of bundle {fqid(1)}"):
        drive(url=f"{origins(script=other).url}/v1").call("replay_events", replica="aws")


# The decisions alone


def journal(number: int, events: list[tuple[int, int]], **changes: Any) -> EventsManifest:
    """Return a journal of events by time and id."""
    times = [at for at, _ in events]
    return EventsManifest(
        journal_id=str(number),
        from_date=time(min(times)),
        to_date=time(max(times)),
        size=1000,
        events=[
            EventsManifestEvent(event_id=fqid(each), timestamp=time(at), offset=place, size=1)
            for place, (at, each) in enumerate(events)
        ],
        **{"stream_url": f"https://s/{number}", **changes},
    )


def keys(replay: Replay, journals: list[EventsManifest]) -> list[tuple[str, str]]:
    batches = [batch for each in journals for batch in replay.add(each)] + replay.flush()
    return [(it.key.timestamp, it.key.event_id) for batch in batches for it in batch.entries]


EVENTS = st.tuples(st.integers(0, 9), st.integers(0, 5))


@given(
    st.lists(st.lists(EVENTS, min_size=1, max_size=6), max_size=8),
    st.none() | EVENTS,
    st.integers(0, 9),
    st.integers(0, 10),
)
def test_any_journals_give_each_event_once_in_order(
    contents: list[list[tuple[int, int]]], after: tuple[int, int] | None, first: int, end: int
) -> None:
    ordered = sorted(contents, key=min)
    journals = [journal(number, sorted(each)) for number, each in enumerate(ordered)]
    cursor = None if after is None else f"{time(after[0])}/{fqid(after[1])}"
    replay = Replay(
        "https://h/v1", after=cursor, from_date=time(first), to_date=time(max(first, end))
    )
    found = keys(replay, journals)
    wanted = {event for each in contents for event in each if first <= event[0] < end}
    if after is not None:
        wanted = {event for event in wanted if event > after}
    assert found == [(time(at), fqid(each)) for at, each in sorted(wanted)]


def test_requests_are_bounded() -> None:
    events = [(number, number) for number in range(10)]
    replay = Replay("https://h/v1", max_size=4, max_gap=0)
    replay.add(journal(0, events))
    assert [(it.first, it.last) for it in replay.flush()] == [(0, 3), (4, 7), (8, 9)]
    replay = Replay("https://h/v1", max_size=0)  # one at least
    replay.add(journal(0, events[:2]))
    assert [(it.first, it.last) for it in replay.flush()] == [(0, 0), (1, 1)]


def test_gaps_are_read_along_or_not() -> None:
    for gap, ranges in ((1, [(0, 2)]), (0, [(0, 0), (2, 2)])):
        replay = Replay("https://h/v1", max_gap=gap)
        entry = journal(0, [(0, 0), (1, 1), (2, 2)])
        replay.add(entry.model_copy(update={"events": [entry.events[0], entry.events[2]]}))
        assert [(it.first, it.last) for it in replay.flush()] == ranges


@pytest.mark.parametrize(
    ("api", "url", "allowed"),
    [
        ("https://h/v1", "https://s/", True),
        ("https://h/v1", "http://s/", False),
        ("https://h/v1", "file:///etc/passwd", False),
        ("http://h/v1", "http://s/", True),
        ("http://h/v1", "s3://s/", False),
    ],
)
def test_storage_is_not_less_safe_than_the_service(api: str, url: str, allowed: bool) -> None:
    replay = Replay(api)
    if allowed:
        replay.add(journal(0, [(0, 0)], stream_url=url))
        assert len(replay.flush()) == 1
    else:
        with pytest.raises(DSSDecodeError, match="another scheme"):
            replay.add(journal(0, [(0, 0)], stream_url=url))


def test_no_one_is_asked_where_there_can_be_nothing(origins: Origins, drive: Driver) -> None:
    script = Scripted([0])
    assert replayed(origins, drive, script, from_date=time(1), to_date=time(1)) == []
    cursor = f"{time(3)}/{fqid(3)}"
    assert replayed(origins, drive, script, after=cursor, to_date=time(2)) == []
    assert script.listed == []


def test_tries_are_those_of_the_client(origins: Origins, drive: Driver) -> None:
    script = Scripted([0])

    def failing(seen: Seen) -> Reply:
        return script(seen) if seen.target.startswith("/v1") else Reply(500)

    origin = origins(script=failing)
    policy = RetryPolicy(attempts=2, initial_delay=0)
    with pytest.raises(ServerError):
        drive(url=f"{origin.url}/v1", options={"retries": policy}).call(
            "replay_events", replica="aws"
        )
    assert len(origin.seen) == 3
