"""A store that fails is told from objects that are not there, and nothing is lost by it."""

import importlib
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dss_client.local import LocalDSS

from .calls import AWS, UUID, V1, V2, Load
from .writing import writer

MemoryFileSystem: Any = importlib.import_module("fsspec.implementations.memory").MemoryFileSystem
BUNDLE = f"/bundles/{UUID}"

Fail = Callable[..., None]


@pytest.fixture
def stored(load: Load) -> Iterator[LocalDSS]:
    """A service over a store elsewhere, which has one bundle."""
    with LocalDSS(f"memory://{uuid4()}", create=True) as dss:
        load(dss, {"a.json": {"x": "one"}}, UUID, V1)
        yield dss


@pytest.fixture
def http(stored: LocalDSS) -> Iterator[httpx.Client]:
    with writer(stored) as client:
        yield client


@pytest.fixture(params=[TimeoutError, RuntimeError])  # libraries have errors of their own
def fail(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Have operations of the store fail."""

    def refuse(*_: object, **__: object) -> Any:
        raise request.param("the store does not answer")

    def fail_at(*names: str) -> None:
        for name in names:
            monkeypatch.setattr(MemoryFileSystem, name, refuse)

    return fail_at


def search(http: httpx.Client) -> httpx.Response:
    return http.post("/search", params=AWS, json={"es_query": {}})


@pytest.mark.parametrize("operation", ["info", "open", "find", "put_file"])
def test_no_answer_takes_a_failure_for_an_absence(
    http: httpx.Client, fail: Fail, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    file = http.get(BUNDLE, params=AWS).json()["bundle"]["files"][0]["uuid"]
    fail(operation)
    answers = [
        http.get(f"/files/{file}", params=AWS),
        http.head(f"/files/{file}", params=AWS),
        http.get(BUNDLE, params=AWS),
        http.get(BUNDLE, params={**AWS, "version": V1}),
        http.get("/events", params=AWS),
        http.post(f"{BUNDLE}/checkout", params=AWS, json={}),
        search(http),
    ]
    statuses = {answer.status_code for answer in answers}
    assert 500 in statuses
    assert statuses <= {200, 301, 302, 500}
    assert all(it.json()["code"] for it in answers if it.status_code == 500 and it.content)
    monkeypatch.undo()
    assert search(http).json()["total_hits"] == 1
    assert len(http.get("/events", params=AWS).json()["event_streams"]) == 1


def test_what_the_index_could_not_read_is_read_later(
    stored: LocalDSS, http: httpx.Client, fail: Fail, monkeypatch: pytest.MonkeyPatch, load: Load
) -> None:
    assert search(http).json()["total_hits"] == 1
    load(stored, {"a.json": {"x": "two"}}, UUID, V2)
    fail("open")
    assert search(http).status_code == 500
    monkeypatch.undo()
    assert search(http).json()["total_hits"] == 2


def test_the_dead_stay_dead(stored: LocalDSS, http: httpx.Client, fail: Fail) -> None:
    MemoryFileSystem().pipe_file(
        f"{stored._service.storage.replicas['aws'].main.path}/bundles/{UUID}.dead", b"{}"
    )
    assert http.get(BUNDLE, params={**AWS, "version": V1}).status_code == 404
    fail("info")
    assert http.get(BUNDLE, params={**AWS, "version": V1}).status_code == 500


def test_a_version_that_is_there_is_not_written_over(http: httpx.Client, fail: Fail) -> None:
    params = {"uuid": UUID, "version": V1, **AWS}
    body: dict[str, Any] = {"name": "a", "description": "", "details": {}, "contents": []}
    assert http.put("/collections", params=params, json=body).status_code == 201
    fail("open")
    again = http.put("/collections", params=params, json={**body, "name": "b"})
    assert again.status_code == 500


def test_storage_answers_with_its_own_error(http: httpx.Client, fail: Fail) -> None:
    params = {**AWS, "presignedurls": "true"}
    url = http.get(BUNDLE, params=params, follow_redirects=True).json()["bundle"]["files"][0]["url"]
    assert httpx.get(url).status_code == 200
    fail("info")
    answer = httpx.get(url)
    assert (answer.status_code, "InternalError" in answer.text) == (500, True)


def test_a_job_that_cannot_tell_its_end_has_failed(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote: list[str] = []
    put_file = MemoryFileSystem.put_file

    def once(self: Any, source: str, target: str, **options: Any) -> None:
        wrote.append(target)
        if len(wrote) > 1:
            raise TimeoutError("the store does not answer")
        put_file(self, source, target, **options)

    monkeypatch.setattr(MemoryFileSystem, "put_file", once)
    job = http.post(f"{BUNDLE}/checkout", params=AWS, json={}).json()["checkout_job_id"]
    status = http.get(f"/bundles/checkout/{job}", params=AWS)
    assert status.json()["status"] == "FAILED"
