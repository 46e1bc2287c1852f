"""Work and polls."""

import threading

import pytest

from dss_client.local.storage.jobs import Jobs, Outcome


def test_work_is_done_at_the_first_poll() -> None:
    runner = Jobs(polls=0)
    runner.start("a", lambda: None)
    runner.start("b", lambda: "broken")
    assert runner.poll("a") == Outcome(cause=None)
    assert runner.poll("b") == Outcome(cause="broken")
    runner.close()


def test_work_waits_for_its_polls() -> None:
    done = threading.Event()

    def work() -> None:
        done.set()

    runner = Jobs(polls=2)
    runner.start("a", work)
    assert runner.poll("a") is None
    assert not done.is_set()
    assert runner.poll("a") is None
    assert runner.poll("a") == Outcome(cause=None)
    assert done.is_set()
    runner.close()


def test_slow_work_is_still_running() -> None:
    go_on = threading.Event()

    def work() -> str:
        go_on.wait()
        return "late"

    runner = Jobs(polls=0, patience=0.01)
    runner.start("a", work)
    assert runner.poll("a") is None
    go_on.set()
    runner.close()
    assert runner.poll("a") == Outcome(cause="late")


def test_unknown_job() -> None:
    runner = Jobs(polls=0)
    with pytest.raises(KeyError):
        runner.poll("a")
    runner.close()
