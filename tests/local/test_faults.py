"""Every kind of fault, seen on the wire."""

import gzip
import re
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from dss_client.local import LoadedBundle, LocalDSS, LocalSettings
from dss_client.local.faults.scenario import BadScenario

from .raw import Raw, exchange

CONTENT = bytes(range(256)) * 400
SIZE = len(CONTENT)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    with LocalDSS(tmp_path_factory.mktemp("faults")) as dss:
        yield dss


@pytest.fixture(scope="module")
def bundle(server: LocalDSS, load: Callable[..., LoadedBundle]) -> LoadedBundle:
    return load(server, {"data.bin": CONTENT})


@pytest.fixture
def dss(server: LocalDSS) -> Iterator[LocalDSS]:
    yield server
    server.faults = None


@pytest.fixture
def api_url(dss: LocalDSS, bundle: LoadedBundle) -> str:
    return f"{dss.url}/bundles/{bundle.uuid}?replica=aws"


@pytest.fixture
def url(api_url: str) -> str:
    answer: Any = httpx.get(f"{api_url}&presignedurls=true").json()
    found: str = answer["bundle"]["files"][0]["url"]
    return found


@pytest.mark.parametrize("replica", ["aws", "gcp"])
def test_a_rule_for_a_replica_takes_its_journals(
    dss: LocalDSS, bundle: LoadedBundle, replica: str
) -> None:
    [stream, *_] = httpx.get(f"{dss.url}/events?replica=aws").json()["event_streams"]
    dss.faults = [{"on": "storage", "replica": replica, "status": 503}]
    expected = 503 if replica == "aws" else 200
    assert httpx.get(stream["stream_url"]).status_code == expected


def storage_fault(dss: LocalDSS, url: str, *lines: str, **fault: object) -> Raw:
    dss.faults = [{"on": "storage", **fault}]
    # Short only for what stalls: a busy machine may take its time for all else.
    answer = exchange(url, *lines, patience=0.3 if "stall" in fault else 3)
    assert dss.faults.counts[0].fired == 1
    return answer


@pytest.mark.parametrize(
    ("fault", "body", "ended"),
    [
        ({"close": 1000}, CONTENT[:1000], "closed"),
        ({"close": 0}, b"", "closed"),
        ({"close": -1}, CONTENT[:-1], "closed"),
        ({"close": -SIZE - 5}, b"", "closed"),
        ({"close": SIZE + 5}, CONTENT, "closed"),
        ({"reset": 90_000}, CONTENT[:90_000], "reset"),
        ({"reset": 0}, b"", "reset"),
        ({"stall": 1000}, CONTENT[:1000], "silent"),
        ({"stall": 1000, "stall_seconds": 0.01}, CONTENT, "closed"),
        ({"short": 7}, CONTENT[:-7], "closed"),
        ({"short": SIZE + 1}, b"", "closed"),
        ({"overlong": 3}, CONTENT + b"xxx", "closed"),
    ],
)
def test_breaks_in_the_body(
    dss: LocalDSS, url: str, fault: dict[str, object], body: bytes, ended: str
) -> None:
    answer = storage_fault(dss, url, **fault)
    assert answer.status == 200
    assert answer.headers["content-length"] == str(SIZE)
    assert (answer.body, answer.ended) == (body, ended)


def test_all_bytes_before_a_break_are_sent(dss: LocalDSS, url: str) -> None:
    body = "x" * 20_000_000  # more than any buffer on the way
    assert len(storage_fault(dss, url, body=body, close=-1).body) == len(body) - 1


def test_a_request_whose_body_nobody_reads(dss: LocalDSS, api_url: str) -> None:
    dss.faults = [{"status": 503, "stall": "start", "stall_seconds": 0.05}]
    answer = httpx.post(api_url.replace("?", "/checkout?"), json={})
    assert answer.status_code == 503


@pytest.mark.parametrize(
    ("fault", "body"),
    [({"short": 7}, CONTENT[:-7]), ({"overlong": 3}, CONTENT + b"xxx")],
)
def test_wrong_bodies_that_are_framed_well(
    dss: LocalDSS, url: str, fault: dict[str, object], body: bytes
) -> None:
    answer = storage_fault(dss, url, honest_length=True, **fault)
    assert answer.headers["content-length"] == str(len(body))
    assert (answer.body, answer.ended) == (body, "closed")


@pytest.mark.parametrize(
    ("fault", "ended"),
    [({"close": "start"}, "closed"), ({"reset": "start"}, "reset"), ({"stall": "start"}, "silent")],
)
def test_breaks_before_the_answer(
    dss: LocalDSS, url: str, fault: dict[str, object], ended: str
) -> None:
    assert storage_fault(dss, url, **fault) == Raw(0, {}, b"", ended)


def test_a_stall_before_the_answer_that_ends(dss: LocalDSS, url: str) -> None:
    answer = storage_fault(dss, url, stall="start", stall_seconds=0.01)
    assert (answer.status, answer.body) == (200, CONTENT)


def test_the_operation_is_carried_out_when_only_its_answer_is_lost(
    dss: LocalDSS, api_url: str
) -> None:
    dss.faults = [{"on": "post_bundles_checkout", "close": "start"}]
    checkout = api_url.replace("?", "/checkout?")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        httpx.post(checkout, json={})
    assert dss.faults.counts[0].fired == 1
    assert len(list((dss.root / "aws" / "checkout").rglob("data.bin"))) == 1


def test_delay(dss: LocalDSS, url: str) -> None:
    dss.faults = [{"delay": 0.08}]
    start = time.monotonic()
    assert httpx.get(url).content == CONTENT
    assert time.monotonic() - start >= 0.08


@pytest.mark.parametrize(("flip", "changed"), [(0, [0]), (-1, [SIZE - 1]), ([5, SIZE], [5])])
def test_flip(dss: LocalDSS, url: str, flip: object, changed: list[int]) -> None:
    body = storage_fault(dss, url, flip=flip).body
    assert len(body) == SIZE
    assert [at for at in range(SIZE) if body[at] != CONTENT[at]] == changed


def test_flip_of_nothing(dss: LocalDSS, url: str) -> None:
    assert storage_fault(dss, url, status=204, flip=0).body == b""


@pytest.mark.parametrize(
    ("content_range", "sent"),
    [
        ("wrong", f"bytes 101-{SIZE}/{SIZE + 1}"),
        ("size", f"bytes 100-{SIZE - 1}/{SIZE + 1}"),
        ("missing", None),
        ("bytes 1-2/3", "bytes 1-2/3"),
    ],
)
def test_content_range(dss: LocalDSS, url: str, content_range: str, sent: str | None) -> None:
    answer = storage_fault(dss, url, "Range: bytes=100-", content_range=content_range)
    assert (answer.status, answer.body) == (206, CONTENT[100:])
    assert answer.headers.get("content-range") == sent
    assert "content-range" not in storage_fault(dss, url, content_range=content_range).headers


def test_content_range_on_a_206_that_has_none(dss: LocalDSS, url: str) -> None:
    answer = storage_fault(dss, url, status=206, body="x", content_range="bytes 0-0/9")
    assert answer.headers["content-range"] == "bytes 0-0/9"


def test_ignore_range(dss: LocalDSS, url: str) -> None:
    answer = storage_fault(dss, url, "Range: bytes=100-", ignore_range=True)
    assert (answer.status, answer.body) == (200, CONTENT)


def test_etag(dss: LocalDSS, url: str) -> None:
    own = exchange(url).headers["etag"]
    changed = {storage_fault(dss, url, etag="changed").headers["etag"] for _ in range(2)}
    assert len(changed) == 2
    assert own not in changed
    assert storage_fault(dss, url, etag="weak").headers["etag"] == f"W/{own}"
    assert storage_fault(dss, url, etag='"mine"').headers["etag"] == '"mine"'
    assert "etag" not in storage_fault(dss, url, etag="missing").headers
    assert "etag" not in storage_fault(dss, url, etag="weak", status=404).headers


def test_expired(dss: LocalDSS, url: str) -> None:
    answer = storage_fault(dss, url, expired=True)
    assert answer.status == 403
    assert b"<Code>ExpiredToken</Code>" in answer.body


def test_content_encoding(dss: LocalDSS, url: str) -> None:
    answer = storage_fault(dss, url, content_encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body) == CONTENT


@pytest.mark.parametrize(
    ("redirect", "location"),
    [
        ("loop", "http://{host}{target}"),
        ("https:", "https://{host}{target}"),
        ("http:", "http://{host}{target}"),
        ("http://other.example:81", "http://other.example:81{target}"),
        ("https://other.example/x", "https://other.example/x"),
        ("/elsewhere", "/elsewhere"),
    ],
)
def test_redirect(dss: LocalDSS, url: str, redirect: str, location: str) -> None:
    answer = storage_fault(dss, url, redirect=redirect)
    host, target = re.findall("http://([^/]+)(.*)", url)[0]
    assert answer.status == 302
    assert answer.headers["location"] == location.format(host=host, target=target)
    assert storage_fault(dss, url, redirect=redirect, status=308).status == 308


@pytest.mark.parametrize(
    ("retry_after", "sent"),
    [(5, "5"), (0.5, "0.5"), (1e12, "1000000000000"), ("soon", "soon"), ("-1", "-1")],
)
def test_retry_after(dss: LocalDSS, url: str, retry_after: object, sent: str) -> None:
    answer = storage_fault(dss, url, status=503, retry_after=retry_after)
    assert (answer.status, answer.headers["retry-after"]) == (503, sent)


def test_retry_after_as_a_date(dss: LocalDSS, url: str) -> None:
    answer = storage_fault(dss, url, status=429, retry_after={"date_in": 100})
    seconds = parsedate_to_datetime(answer.headers["retry-after"]).timestamp() - time.time()
    assert 90 < seconds <= 100


def test_status_and_body_of_the_api(dss: LocalDSS, api_url: str) -> None:
    dss.faults = [
        {"nth": 1, "on": "get_bundle", "status": 503},
        {"nth": 2, "status": 500, "body": {"code": "mine"}, "headers": {"X-More": "1"}},
        {"nth": 3, "status": 502, "body": "text", "headers": {"content-type": None}},
        {"nth": 4, "headers": {"X-OpenAPI-Pagination": None}, "body": []},
    ]
    first, second, third, fourth = (exchange(api_url) for _ in range(4))
    assert first.status == 503
    assert first.headers["content-type"] == "application/problem+json"
    assert b'"code": "injected_fault"' in first.body
    assert (second.status, second.body, second.headers["x-more"]) == (500, b'{"code": "mine"}', "1")
    assert second.headers["content-type"] == "application/json"
    assert (third.status, third.body) == (502, b"text")
    assert "content-type" not in third.headers
    assert (fourth.status, fourth.body) == (200, b"[]")
    assert "x-openapi-pagination" not in fourth.headers
    assert "x-openapi-paginated-content-key" in fourth.headers


def test_storage_errors_are_xml(dss: LocalDSS, url: str) -> None:
    answer = storage_fault(dss, url, status=500)
    assert (answer.status, answer.headers["content-type"]) == (500, "application/xml")


def test_head(dss: LocalDSS, api_url: str) -> None:
    whole = exchange(api_url).headers["content-length"]
    dss.faults = [{"nth": 1, "headers": {"X-More": "1"}}, {"nth": 2, "status": 503}]
    answer = exchange(api_url, method="HEAD")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", whole)
    answer = exchange(api_url, method="HEAD")
    assert (answer.status, answer.body) == (503, b"")


def test_selection_reaches_storage(dss: LocalDSS, url: str, bundle: LoadedBundle) -> None:
    dss.faults = [
        {"name": "gcp", "on": "storage", "replica": "gcp", "status": 500},
        {"name": "other", "uuid": "00000000-0000-4000-8000-000000000000", "status": 500},
        {"name": "it", "replica": "aws", "uuid": bundle.uuid, "key": "data.bin", "status": 418},
    ]
    assert httpx.get(url).status_code == 418
    assert httpx.get(f"{dss.storage_url}/nothing").status_code == 403
    assert [each.fired for each in dss.faults.counts] == [0, 0, 1]


def test_scenarios_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text('[{"status": 418}]')
    settings = LocalSettings(faults=[{"status": 500}])
    with LocalDSS(settings=settings) as one, LocalDSS(settings=settings, faults=path) as other:
        statuses = [httpx.get(f"{dss.url}/swagger.json").status_code for dss in (one, other)]
    assert statuses == [500, 418]
    with pytest.raises(BadScenario, match=r"rules\[0\]\.statsu"):
        LocalDSS(tmp_path, faults=[{"statsu": 500}])


def test_a_scenario_is_changed_while_it_runs(dss: LocalDSS, api_url: str) -> None:
    statuses: set[int] = set()
    done = threading.Event()

    def ask() -> None:
        with httpx.Client() as client:
            while not done.is_set():
                statuses.add(client.get(api_url).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    for status in range(500, 540):
        dss.faults = [{"status": status}]
        while status not in statuses:
            time.sleep(0.001)
    done.set()
    asking.join()
    assert statuses - {200} == set(range(500, 540))


def test_a_stall_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with LocalDSS(tmp_path, faults=[{"stall": 0}]) as dss, httpx.Client() as client:
        response = client.send(client.build_request("GET", f"{dss.url}/swagger.json"), stream=True)
        start = time.monotonic()
        dss.stop()
        assert time.monotonic() - start < 5
        with pytest.raises(httpx.TransportError):
            response.read()
        response.close()
