"""Progress as events."""

import logging
import threading

import pytest

from dss_client.download import ProgressEvent
from dss_client.transfer.progress import Progress

from .scripted import FQ


def test_it_counts() -> None:
    events: list[ProgressEvent] = []
    progress = Progress(events.append)
    assert progress.is_watched
    progress.plan(2, 30)
    one = progress.file("one", FQ, 10)
    one.advance(4)
    two = progress.file("two", None, 20)
    two.advance(20)
    one.finish()
    two.fail()
    assert [
        (event.kind, event.name, event.file_bytes_done, event.bytes_done, event.files_done)
        for event in events
    ] == [
        ("planned", "", 0, 0, 0),
        ("started", "one", 0, 0, 0),
        ("advanced", "one", 4, 4, 0),
        ("started", "two", 0, 4, 0),
        ("advanced", "two", 20, 24, 0),
        ("finished", "one", 10, 30, 1),
        ("failed", "two", 0, 10, 2),
    ]
    assert {(event.files_total, event.bytes_total) for event in events} == {(2, 30)}
    assert (events[1].bundle, events[1].file_bytes_total) == (FQ, 10)


def test_more_becomes_known_and_some_is_there() -> None:
    events: list[ProgressEvent] = []
    progress = Progress(events.append)
    progress.plan(2, 30)
    progress.plan(3, 12, files_there=2, bytes_there=7)
    last = events[-1]
    assert (last.files_done, last.files_total, last.bytes_done, last.bytes_total) == (2, 5, 7, 42)


def test_a_file_that_starts_over_goes_back() -> None:
    events: list[ProgressEvent] = []
    progress = Progress(events.append)
    file = progress.file("f", None, 10)
    for more in (6, -6, 3):
        file.advance(more)
    file.finish()
    assert [event.bytes_done for event in events] == [0, 6, 0, 3, 10]
    assert [event.file_bytes_done for event in events] == [0, 6, 0, 3, 10]


def test_where_nobody_watches_nothing_is_said() -> None:
    progress = Progress(None)
    assert not progress.is_watched
    progress.plan(1, 10)
    file = progress.file("f", None, 10)
    file.advance(4)
    assert file.done == 0
    file.finish()
    file.fail()


def test_a_failing_callback_is_logged_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[ProgressEvent] = []

    def fail(event: ProgressEvent) -> None:
        calls.append(event)
        raise RuntimeError("no terminal")

    progress = Progress(fail)
    with caplog.at_level(logging.ERROR, logger="dss_client"):
        progress.plan(1, 1)
        progress.file("f", None, 1).finish()
    assert len(calls) == 1
    assert "not called again" in caplog.text
    assert "no terminal" in caplog.text


def test_an_interrupt_is_no_failure_of_the_callback() -> None:
    def interrupt(_: ProgressEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Progress(interrupt).plan(1, 1)


def test_events_of_many_threads_come_one_by_one() -> None:
    inside = 0
    sums: list[int] = []

    def watch(event: ProgressEvent) -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        sums.append(event.bytes_done)
        inside -= 1

    progress = Progress(watch)

    def work() -> None:
        file = progress.file("f", None, 100)
        for _ in range(100):
            file.advance(1)
        file.finish()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress.is_watched
    assert sums == sorted(sums)
    assert sums[-1] == 800
    assert len(sums) == 8 * 102
