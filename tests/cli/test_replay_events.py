"""``dss replay-events``."""

import json

from dss_client import DSSClient
from dss_client.local import LocalDSS

from .conftest import Run


def test_events_are_printed_as_lines(run: Run, local_dss: LocalDSS) -> None:
    outcome = run("replay-events", "--url", local_dss.url)
    with DSSClient(local_dss.url) as dss:
        events = list(dss.replay_events(replica="aws"))
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [event.cursor for event in events]
    assert len(events) == 3


def test_events_are_printed_as_json_lines(run: Run, local_dss: LocalDSS) -> None:
    outcome = run("replay-events", "--url", local_dss.url, "--json", "--limit", 2)
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert len(lines) == 2
    with DSSClient(local_dss.url) as dss:
        for line in lines:
            uuid, _, version = line["event_id"].partition(".")
            found = dss.get_event(uuid=uuid, version=version, replica="aws")
            assert line["document"] == found
            assert line["cursor"] == f"{line['timestamp']}/{line['event_id']}"


def test_it_goes_on_behind_a_cursor(run: Run, local_dss: LocalDSS) -> None:
    lines = run("replay-events", "--url", local_dss.url).out.splitlines()
    rest = run("replay-events", "--url", local_dss.url, "--after", lines[0])
    assert rest.out.splitlines() == lines[1:]
    first = lines[0].partition("/")[0]
    assert run("replay-events", "--url", local_dss.url, "--to-date", first).out == ""


def test_an_invalid_date(run: Run, local_dss: LocalDSS) -> None:
    outcome = run("replay-events", "--url", local_dss.url, "--from-date", "yesterday")
    assert outcome.status != 0
    assert "from_date='yesterday' is not a valid DSS_VERSION" in outcome.err
