"""Faults on the wire: which requests go wrong, and how."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import frozen
from starlette.responses import Response
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.faults.scenario import BadScenario

from .calls import UNKNOWN, Load
from .raw import Raw, exchange

CONTENT = bytes(range(256)) * 400
SIZE = len(CONTENT)


@frozen
class Target:
    """A service, and the two URLs that the tests ask: of a bundle, and of its file at storage."""

    dss: LocalDSS
    uuid: str
    api: str
    storage: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, load: Load) -> Any:
    with LocalDSS(tmp_path_factory.mktemp("faults")) as dss:
        bundle = load(dss, {"data.bin": CONTENT})
        api = f"{dss.url}/bundles/{bundle.uuid}?replica=aws"
        [file] = httpx.get(f"{api}&presignedurls=true").json()["bundle"]["files"]
        yield Target(dss, bundle.uuid, api, file["url"])


@pytest.fixture
def target(served: Target) -> Iterator[Target]:
    yield served
    served.dss.faults = None


def broken(target: Target, *lines: str, **fault: object) -> Raw:
    """Ask storage while a fault is in force."""
    target.dss.faults = [{"on": "storage", **fault}]
    # Short only for what stalls: a busy machine may take its time for all else.
    answer = exchange(target.storage, *lines, patience=0.3 if "stall" in fault else 3)
    assert target.dss.faults.counts[0].fired == 1
    return answer


def statuses(target: Target, url: str, count: int = 1) -> list[int]:
    return [httpx.get(url).status_code for _ in range(count)]


# Which requests


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        ({}, [418, 418]),
        ({"on": "*"}, [418, 418]),
        ({"on": "api"}, [418, 200]),
        ({"on": "storage"}, [200, 418]),
        ({"on": ["get_bundle", "get_file"]}, [418, 200]),
        ({"on": []}, [200, 200]),
        ({"method": "get"}, [418, 418]),
        ({"method": "HEAD"}, [200, 200]),
        ({"uuid": "OF THE BUNDLE"}, [418, 418]),
        ({"uuid": UNKNOWN}, [200, 200]),
        ({"replica": "aws"}, [418, 418]),
        ({"replica": "gcp"}, [200, 200]),
        ({"key": "data.bin"}, [200, 418]),
    ],
)
def test_whom_a_rule_selects(target: Target, rule: dict[str, Any], chosen: list[int]) -> None:
    if rule.get("uuid") == "OF THE BUNDLE":
        rule = {"uuid": target.uuid.upper()}
    target.dss.faults = [{"status": 418, **rule}]
    assert [httpx.get(url).status_code for url in (target.api, target.storage)] == chosen
    assert target.dss.faults.counts[0].fired == chosen.count(418)


@pytest.mark.parametrize(("replica", "status"), [("aws", 503), ("gcp", 200)])
def test_a_rule_for_a_replica_takes_its_journals(target: Target, replica: str, status: int) -> None:
    [stream, *_] = httpx.get(f"{target.dss.url}/events?replica=aws").json()["event_streams"]
    target.dss.faults = [{"on": "storage", "replica": replica, "status": 503}]
    assert httpx.get(stream["stream_url"]).status_code == status


@pytest.mark.parametrize(
    ("nth", "numbers"),
    [
        (3, [3]),
        ([1, 4], [1, 4]),
        ({"from": 5}, [5, 6, 7]),
        ({"from": 2, "to": 6, "every": 2}, [2, 4, 6]),
        ({"every": 3}, [1, 4, 7]),
    ],
)
def test_which_of_the_selected(target: Target, nth: object, numbers: list[int]) -> None:
    target.dss.faults = [{"on": "get_bundle", "nth": nth, "status": 418}]
    seen = statuses(target, target.api, 7)
    assert [number for number, status in enumerate(seen, 1) if status == 418] == numbers


def test_the_first_rule_that_is_due_acts_and_all_count(target: Target) -> None:
    target.dss.faults = [{"nth": 2, "status": 500}, {"name": "all", "status": 503}]
    assert statuses(target, target.api, 3) == [503, 500, 503]
    counts = [(each.name, each.selected, each.fired) for each in target.dss.faults.counts]
    assert counts == [("rules[0]", 3, 1), ("all", 3, 2)]


def test_a_seed_makes_the_same_choices(target: Target) -> None:
    target.dss.faults = [{"probability": 0.4, "seed": 7, "status": 418}]
    url = f"{target.dss.url}/nothing"
    first = statuses(target, url, 40)
    assert 5 <= first.count(418) <= 30
    target.dss.faults.reset()
    assert target.dss.faults.counts[0].selected == 0
    assert statuses(target, url, 40) == first


# The connection


@pytest.mark.parametrize(
    ("fault", "body", "ended"),
    [
        ({"close": 1000}, CONTENT[:1000], "closed"),
        ({"close": 0}, b"", "closed"),
        ({"close": -1}, CONTENT[:-1], "closed"),
        ({"close": -SIZE - 5}, b"", "closed"),
        ({"close": SIZE + 5}, CONTENT, "closed"),
        ({"reset": 90_000}, CONTENT[:90_000], "reset"),
        ({"stall": 1000}, CONTENT[:1000], "silent"),
        ({"stall": 1000, "stall_seconds": 0.01}, CONTENT, "closed"),
        ({"stall": "start", "stall_seconds": 0.01}, CONTENT, "closed"),
        ({"short": 7}, CONTENT[:-7], "closed"),
    ],
)
def test_breaks_in_the_body(
    target: Target, fault: dict[str, object], body: bytes, ended: str
) -> None:
    answer = broken(target, **fault)
    assert (answer.status, answer.headers["content-length"]) == (200, str(SIZE))
    assert (answer.body, answer.ended) == (body, ended)


@pytest.mark.parametrize(
    ("fault", "ended"), [("close", "closed"), ("reset", "reset"), ("stall", "silent")]
)
def test_breaks_before_the_answer(target: Target, fault: str, ended: str) -> None:
    assert broken(target, **{fault: "start"}) == Raw(0, {}, b"", ended)


async def test_uvicorn_has_what_is_not_documented() -> None:
    """Without these, requests are not served, or no connection breaks: see pyproject.toml."""
    state = ServerState()
    protocol = H11Protocol(Config(Response()), state, {}, asyncio.get_running_loop())
    assert (state.connections, state.tasks, state.default_headers) == (set(), set(), [])
    for name in ("client", "server", "transport", "shutdown"):
        assert hasattr(protocol, name), name


def test_all_bytes_before_a_break_are_sent(target: Target) -> None:
    body = "x" * 20_000_000  # more than any buffer on the way
    assert len(broken(target, body=body, close=-1).body) == len(body) - 1


@pytest.mark.parametrize("fault", ["close", "reset"])
def test_a_request_whose_large_body_nobody_reads(target: Target, fault: str) -> None:
    target.dss.faults = [{"status": 503, fault: "start"}]
    with pytest.raises(httpx.TransportError):
        httpx.post(target.api.replace("?", "/checkout?"), content=b" " * 5_000_000)


def test_the_operation_is_carried_out_when_only_its_answer_is_lost(target: Target) -> None:
    target.dss.faults = [{"on": "post_bundles_checkout", "close": "start"}]
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        httpx.post(target.api.replace("?", "/checkout?"), json={})
    assert len(list((target.dss.root / "aws" / "checkout").rglob("data.bin"))) == 1


def test_a_stall_does_not_hold_up_the_end() -> None:
    with LocalDSS(faults=[{"stall": 0}]) as dss, httpx.Client() as client:
        response = client.send(client.build_request("GET", f"{dss.url}/swagger.json"), stream=True)
        start = time.monotonic()
        dss.stop()
        assert time.monotonic() - start < 5
        with pytest.raises(httpx.TransportError):
            response.read()
        response.close()


# The answer


def test_delay(target: Target) -> None:
    target.dss.faults = [{"delay": 0.08}]
    start = time.monotonic()
    assert httpx.get(target.storage).content == CONTENT
    assert time.monotonic() - start >= 0.08


@pytest.mark.parametrize(("flip", "changed"), [(0, [0]), (-1, [SIZE - 1]), ([5, SIZE], [5])])
def test_flip(target: Target, flip: object, changed: list[int]) -> None:
    body = broken(target, flip=flip).body
    assert len(body) == SIZE
    assert [at for at in range(SIZE) if body[at] != CONTENT[at]] == changed


def test_errors_of_storage_are_xml(target: Target) -> None:
    expired, error = broken(target, expired=True), broken(target, status=500)
    assert (expired.status, error.status) == (403, 500)
    assert b"<Code>ExpiredToken</Code>" in expired.body
    assert error.headers["content-type"] == "application/xml"


def test_redirect(target: Target) -> None:
    location = "https://other.example/x"
    answer = broken(target, redirect=location)
    assert (answer.status, answer.headers["location"], answer.body) == (302, location, b"")
    assert broken(target, redirect=location, status=308).status == 308


def test_status_headers_and_body_of_the_api(target: Target) -> None:
    target.dss.faults = [
        {"nth": 1, "on": "get_bundle", "status": 503, "headers": {"Retry-After": "soon"}},
        {"nth": 2, "status": 500, "body": {"code": "mine"}, "headers": {"X-More": "1"}},
        {"nth": 3, "status": 502, "body": "text", "headers": {"content-type": None}},
        {"nth": 4, "headers": {"X-OpenAPI-Pagination": None}, "body": []},
    ]
    first, second, third, fourth = (exchange(target.api) for _ in range(4))
    assert (first.status, first.headers["retry-after"]) == (503, "soon")
    assert first.headers["content-type"] == "application/problem+json"
    assert json.loads(first.body)["code"] == "injected_fault"
    assert (second.status, second.body, second.headers["x-more"]) == (500, b'{"code": "mine"}', "1")
    assert second.headers["content-type"] == "application/json"
    assert (third.status, third.body) == (502, b"text")
    assert "content-type" not in third.headers
    assert (fourth.status, fourth.body) == (200, b"[]")
    assert "x-openapi-pagination" not in fourth.headers
    assert "x-openapi-paginated-content-key" in fourth.headers


def test_head(target: Target) -> None:
    whole = exchange(target.api).headers["content-length"]
    target.dss.faults = [{"nth": 1, "headers": {"X-More": "1"}}, {"nth": 2, "status": 503}]
    changed, refused = (exchange(target.api, method="HEAD") for _ in range(2))
    assert (changed.status, changed.body, changed.headers["content-length"]) == (200, b"", whole)
    assert (refused.status, refused.body) == (503, b"")


# The scenario in force


def test_scenarios_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text('[{"status": 418}]')
    settings = LocalSettings(faults=[{"status": 500}])
    with LocalDSS(settings=settings) as one, LocalDSS(settings=settings, faults=path) as other:
        found = [httpx.get(f"{dss.url}/swagger.json").status_code for dss in (one, other)]
    assert found == [500, 418]
    with pytest.raises(BadScenario, match=r"rules\[0\]\.statsu"):
        LocalDSS(tmp_path, faults=[{"statsu": 500}])


def test_a_bad_scenario_leaves_the_old_one_in_force(target: Target) -> None:
    target.dss.faults = [{"status": 418}]
    with pytest.raises(BadScenario, match=r"rules\[0\]"):
        target.dss.faults = [{}]
    assert statuses(target, target.api) == [418]


def test_a_scenario_is_changed_while_it_runs(target: Target) -> None:
    def ask() -> set[int]:
        seen: set[int] = set()
        while 519 not in seen:
            seen.update(statuses(target, target.api))
        return seen

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        for status in range(500, 520):
            target.dss.faults = [{"status": status}]
    assert asking.result() <= {200, *range(500, 520)}
