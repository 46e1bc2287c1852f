"""How large a request may be, for which host, and what browsers get."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dss_client.local import LocalDSS, LocalSettings

from .raw import exchange, send

MAX_BODY = 1000
MAX_HEAD = 5000


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    settings = LocalSettings(max_body=MAX_BODY, max_head=MAX_HEAD)
    with LocalDSS(tmp_path_factory.mktemp("small"), settings=settings) as dss:
        yield dss


def search(dss: LocalDSS, size: int, *, chunked: bool = False) -> httpx.Response:
    text = '{"es_query": {}}'.ljust(size)
    content = [text.encode()]
    return httpx.post(
        f"{dss.url}/search",
        params={"replica": "aws"},
        content=iter(content) if chunked else content[0],
        headers={"content-type": "application/json"},
    )


@pytest.mark.parametrize("chunked", [False, True])
def test_the_size_of_a_body(small: LocalDSS, chunked: bool) -> None:
    assert search(small, MAX_BODY, chunked=chunked).status_code == 200
    response = search(small, MAX_BODY + 1, chunked=chunked)
    assert (response.status_code, response.json()["code"]) == (413, "request_entity_too_large")
    assert response.headers["content-type"] == "application/problem+json"
    assert "x-aws-request-id" in response.headers


def test_a_body_that_is_too_large_by_far_is_refused_unread(small: LocalDSS) -> None:
    lines = ("Content-Length: 100000000000", "Content-Type: application/json")
    assert exchange(f"{small.url}/search?replica=aws", *lines, method="POST").status == 413


def test_a_client_that_leaves_within_its_body(small: LocalDSS) -> None:
    head = f"POST /v1/search?replica=aws HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MAX_BODY}"
    assert send(small.url, f"{head}\r\n\r\n{{".encode(), patience=0.05).ended == "silent"
    assert search(small, 20).status_code == 200


def test_the_size_of_a_head(small: LocalDSS) -> None:
    assert exchange(f"{small.url}/swagger.json", f"X: {'x' * 2000}").status == 200
    # Never complete: else one that comes in one piece would be read whole.
    answer = send(small.url, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * MAX_HEAD)
    assert (answer.status, answer.ended) == (400, "closed")


def test_what_is_not_http(small: LocalDSS) -> None:
    assert send(small.url, b"\x16\x03\x01\r\n\r\n").status == 400


def test_only_names_of_loopback_are_served_on_loopback(small: LocalDSS) -> None:
    own = ("localhost:80", "dss.localhost:8010", "127.0.0.1", "[::1]:8010")
    others = ("attacker.example:8010", "localhost.attacker.example", "127.0.0.1.attacker.example")
    for host in (*own, *others, "10.0.0.1", "localhost@attacker.example", ""):
        answer = exchange(f"{small.url}/swagger.json", f"Host: {host}")
        assert answer.status == (200 if host in own else 400), host


def test_any_name_is_served_elsewhere(tmp_path: Path) -> None:
    with LocalDSS(tmp_path, host="0.0.0.0") as dss:
        assert exchange(f"{dss.url}/swagger.json", "Host: dss.example").status == 200
        for host in ("[", "x]y", "a b", "a/b?c#d", "@"):
            for path in ("/swagger.json", "/bundles/all?replica=aws"):
                # By the version of Starlette, it is refused or ignored.
                assert exchange(f"{dss.url}{path}", f"Host: {host}").status in {200, 400}


ORIGIN = {"Origin": "https://browser.example"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"])
def test_browsers_may_ask_before_they_call(small: LocalDSS, method: str) -> None:
    headers = {
        **ORIGIN,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    for path in ("/search", "/files/x/"):
        response = httpx.options(small.url + path, headers=headers)
        assert response.status_code == 200
        assert method in response.headers["access-control-allow-methods"]
        assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", ["/swagger.json", "/nothing", "/bundles/all"])
def test_browsers_may_read_every_answer(small: LocalDSS, path: str) -> None:
    response = httpx.get(small.url + path, headers=ORIGIN)
    assert response.headers["access-control-allow-origin"] == "*"
    assert "strict-transport-security" not in response.headers  # means nothing over http


def test_a_request_may_ask_for_a_504(small: LocalDSS) -> None:
    def asked(probability: str, count: int = 5) -> list[bool]:
        with httpx.Client(headers={"DSS_FAKE_504_PROBABILITY": probability}) as client:
            answers = [client.get(f"{small.url}/swagger.json") for _ in range(count)]
        assert {answer.status_code for answer in answers} <= {200, 504}
        return [answer.status_code == 504 for answer in answers]

    assert all(asked("1.0") + asked("1"))
    assert not any(asked("0") + asked("x") + asked("") + asked("nan"))
    assert 50 < asked("0.5", 200).count(True) < 150


def test_the_504_is_of_shape_c_before_any_routing(small: LocalDSS) -> None:
    headers = {"DSS_FAKE_504_PROBABILITY": "1.0"}
    response = httpx.get(f"{small.url}/nothing", headers=headers)
    body = response.json()
    assert (body["status"], body["code"], body["traces"]) == (504, "timed_out", {})
    assert set(body) == {"status", "code", "title", "traces"}
    assert response.headers["retry-after"] == "10"
    assert "retry-after" in httpx.post(f"{small.url}/search", headers=headers).headers
    assert "retry-after" not in httpx.patch(f"{small.url}/bundles/x", headers=headers).headers


def test_the_fault_header_can_be_off(tmp_path: Path) -> None:
    with LocalDSS(tmp_path, settings=LocalSettings(fault_header=False)) as dss:
        headers = {"DSS_FAKE_504_PROBABILITY": "1.0"}
        assert httpx.get(f"{dss.url}/swagger.json", headers=headers).status_code == 200
