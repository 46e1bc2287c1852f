"""The index on disk: what it notices, and how it is rebuilt (docs/behaviour.md 10)."""

import json
import logging
import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dss_client.local import LocalDSS
from dss_client.local.search.search_documents import bundle_document
from tests.local.calls import AWS, UUID, V1, V2, Load, problem, version

ENTRIES = "dss_client.local.search.entries"
DEAD = {"query": {"term": {"admin_deleted": True}}}


def search(dss: LocalDSS, es_query: dict[str, Any] | None = None) -> list[str]:
    return [result["bundle_fqid"] for result in answer(dss, es_query).json()["results"]]


def answer(dss: LocalDSS, es_query: dict[str, Any] | None = None) -> httpx.Response:
    body = {"es_query": es_query or {}}
    return httpx.post(f"{dss.url}/search", params=AWS, json=body, timeout=60)


@pytest.fixture
def used(dss: LocalDSS, load: Load) -> LocalDSS:
    """A service with one bundle, that was searched."""
    load(dss, {"a.json": {"x": "one"}}, UUID, V1)
    assert search(dss) == [f"{UUID}.{V1}"]
    return dss


def tombstone(dss: LocalDSS, name: str) -> Path:
    path = dss.root / f"aws/main/bundles/{name}.dead"
    path.write_text(json.dumps({"admin_deleted": True}))
    return path


def test_bundles_of_another_process_are_found(used: LocalDSS, load: Load) -> None:
    fqid = load(LocalDSS(used.root), {"a.json": {"x": "two"}}, UUID, V2).fqid
    assert search(used) == [fqid, f"{UUID}.{V1}"]


def test_bundles_that_are_gone_are_not_found(used: LocalDSS) -> None:
    (used.root / f"aws/main/bundles/{UUID}.{V1}").unlink()
    assert search(used) == []


@pytest.mark.parametrize("name", [UUID, f"{UUID}.{V1}"])
def test_tombstones_come_and_go(used: LocalDSS, name: str) -> None:
    assert search(used, DEAD) == []
    path = tombstone(used, name)
    assert search(used, DEAD) == [f"{UUID}.{V1}"]
    assert search(used, {"query": {"match": {"files.a_json.x": "one"}}}) == []
    path.unlink()
    assert search(used, DEAD) == []
    assert search(used, {"query": {"match": {"files.a_json.x": "one"}}}) == [f"{UUID}.{V1}"]


def test_a_bundle_put_after_its_tombstone_is_dead(used: LocalDSS, load: Load) -> None:
    tombstone(used, UUID)
    assert search(used, DEAD) == [f"{UUID}.{V1}"]
    load(used, {"a.json": {}}, UUID, V2)
    assert sorted(search(used, DEAD)) == [f"{UUID}.{V1}", f"{UUID}.{V2}"]


def test_the_index_stays_over_runs(tmp_path: Path, load: Load) -> None:
    with LocalDSS(tmp_path) as dss:
        load(dss, {"a.json": {"x": "old"}}, UUID, V1)
        assert search(dss) == [f"{UUID}.{V1}"]
    [blob] = (tmp_path / "aws/main/blobs").iterdir()
    blob.write_text('{"x": "new"}')  # never looked at again
    with LocalDSS(tmp_path) as dss:
        assert search(dss, {"query": {"match": {"files.a_json.x": "old"}}}) == [f"{UUID}.{V1}"]
        assert dss.reindex() == {"aws": 1, "gcp": 0}
        assert search(dss, {"query": {"match": {"files.a_json.x": "old"}}}) == []


def remove(path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()


def spoil(path: Path) -> None:
    remove(path)
    path.write_bytes(b"no database at all, but longer than its header would be" * 100)


def make_older(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("ALTER TABLE documents RENAME TO others")


@pytest.mark.parametrize("change", [remove, spoil, make_older])
def test_an_index_that_cannot_be_used_is_made_anew(
    tmp_path: Path, load: Load, change: Callable[[Path], None]
) -> None:
    with LocalDSS(tmp_path) as dss:
        load(dss, {"a.json": {}}, UUID, V1)
        assert search(dss) == [f"{UUID}.{V1}"]
    change(tmp_path / ".index/aws.sqlite")
    with LocalDSS(tmp_path) as dss:
        assert search(dss) == [f"{UUID}.{V1}"]


def test_an_index_that_breaks_while_it_is_used_is_made_anew(
    used: LocalDSS, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(used.root / ".index/aws.sqlite")
    with caplog.at_level(logging.WARNING):
        assert search(used) == [f"{UUID}.{V1}"]
    assert "broken" in caplog.text


def test_a_store_elsewhere_finds_what_was_just_stored(load: Load) -> None:
    with LocalDSS(f"memory://{uuid4()}", create=True) as dss:
        assert search(dss) == []
        load(dss, {"a.json": {"x": "one"}}, UUID, V1)
        assert search(dss) == [f"{UUID}.{V1}"]


def test_many_bundles_are_indexed_by_several_processes(
    dss: LocalDSS, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{ENTRIES}._MANY", 2)
    monkeypatch.setattr(f"{ENTRIES}._BATCH", 2)
    fqids = [load(dss, {"a.json": {"n": n}}, UUID, version(n)).fqid for n in range(9)]
    assert search(dss) == fqids[::-1]
    assert search(dss, {"query": {"match": {"files.a_json.n": 7}}}) == [fqids[7]]


def test_processes_that_die_are_a_failure_once(
    dss: LocalDSS, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    fqids = [load(dss, {"a": b""}, UUID, version(n)).fqid for n in range(20)]
    with monkeypatch.context() as change:
        change.setattr(f"{ENTRIES}._MANY", 2)
        change.setattr(f"{ENTRIES}._BATCH", 1)
        change.setattr(
            f"{ENTRIES}._WORKER", (sys.executable, "-c", "import sys; sys.stdin.buffer.read(1)")
        )
        assert answer(dss).status_code == 500
    assert search(dss) == fqids[::-1]


def test_a_service_that_stops_does_not_end_the_index_first(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalDSS(tmp_path) as dss, ThreadPoolExecutor() as pool:
        fqids = [load(dss, {"a": b""}, UUID, version(n)).fqid for n in range(20)]
        made: list[str] = []
        begun = threading.Event()

        def make(replica: Any, uuid: str, of: str, **options: Any) -> Any:
            made.append(of)
            begun.set()
            dss._service.stopping.wait(60)
            return bundle_document(replica, uuid, of, **options)

        with monkeypatch.context() as change:
            change.setattr(f"{ENTRIES}._BATCH", 1)
            change.setattr(f"{ENTRIES}.bundle_document", make)
            asked = pool.submit(answer, dss)
            assert begun.wait(60)
            dss.stop()
            with suppress(httpx.TransportError):
                assert asked.result().json()["code"] == "service_unavailable"
        assert len(made) == 1
        dss.start()
        assert search(dss) == fqids[::-1]


def test_a_search_does_not_wait_long_for_another_that_makes_the_index(
    dss: LocalDSS, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    fqid = load(dss, {"a": b""}, UUID, V1).fqid
    begun, go_on = threading.Event(), threading.Event()

    def make(*of: Any, **options: Any) -> Any:
        begun.set()
        go_on.wait(60)
        return bundle_document(*of, **options)

    monkeypatch.setattr(f"{ENTRIES}.bundle_document", make)
    monkeypatch.setattr("dss_client.local.search.index._PATIENCE", 0)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(search, dss)
        assert begun.wait(60)
        response = answer(dss)
        go_on.set()
        assert asked.result() == [fqid]
    assert problem(response) == (503, "service_unavailable")
    assert response.headers["retry-after"] == "10"


def test_searches_while_the_index_is_made_anew(used: LocalDSS) -> None:
    ended = threading.Event()

    def look() -> list[list[str]]:
        return [search(used) for _ in iter(ended.is_set, True)]

    with ThreadPoolExecutor() as pool:
        looks = [pool.submit(look) for _ in range(4)]
        assert [used.reindex() for _ in range(20)] == [{"aws": 1, "gcp": 0}] * 20
        ended.set()
        assert all(found == [f"{UUID}.{V1}"] for each in looks for found in each.result())


def test_the_index_of_a_served_root_is_left_alone(used: LocalDSS) -> None:
    with pytest.raises(RuntimeError, match="another server"):
        LocalDSS(used.root).reindex()


def test_a_foreign_name_of_any_bytes(used: LocalDSS) -> None:
    try:
        Path(os.fsdecode(bytes(used.root / "aws/main/bundles") + b"/\xff")).touch()
    except OSError:
        pytest.skip("this file system takes no such name")
    assert search(used) == [f"{UUID}.{V1}"]


def test_an_index_that_cannot_be_opened_is_a_failure(tmp_path: Path, load: Load) -> None:
    (tmp_path / ".index").mkdir()
    (tmp_path / ".index" / "aws.sqlite").mkdir()
    with LocalDSS(tmp_path) as dss:
        load(dss, {"a.json": {}}, UUID, V1)
        response = answer(dss)
    assert problem(response) == (500, "internal_server_error")
    assert response.headers["retry-after"] == "10"
