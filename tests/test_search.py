"""Searches joined to their bundles, and queries that turn themselves into JSON."""

import asyncio
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from elasticsearch.dsl import Search

from dss_client import (
    AsyncDSSClient,
    BadRequest,
    DSSClient,
    DSSDecodeError,
    InvalidArgument,
    NotFound,
)
from dss_client.local import LocalDSS, LocalSettings
from dss_client.search import FoundBundle
from tests.conftest import Origins
from tests.drive import Driver
from tests.origin import Reply, Seen

UUID = "11111111-2222-4333-8444-{:012}"
VERSION = "2019-01-01T000000.000000Z"


class Query:
    """As those of elasticsearch's own language do."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body

    def to_dict(self) -> dict[str, Any]:
        return {"query": self._body}


ALL = Query({"match_all": {}})


@pytest.fixture
def dss(own_dss: LocalDSS) -> LocalDSS:
    return own_dss


def test_found_bundles_come_whole_and_in_order(local_dss: LocalDSS, drive: Driver) -> None:
    found: list[FoundBundle] = drive(url=local_dss.url).call(
        "search_bundles", es_query=ALL, replica="aws"
    )
    hits = drive(url=local_dss.url).call("post_search", es_query={}, replica="aws").results
    assert [each.hit.bundle_fqid for each in found] == [hit.bundle_fqid for hit in hits]
    assert [str(each.fqid) for each in found] == [hit.bundle_fqid for hit in hits]
    assert all(each.bundle.files for each in found)


def test_raw_hits_hold_the_metadata(local_dss: LocalDSS, drive: Driver) -> None:
    found = drive(url=local_dss.url).call(
        "search_bundles", es_query={}, replica="aws", output_format="raw"
    )
    assert found[0].hit.metadata


def test_files_have_urls_where_they_are_asked_for(local_dss: LocalDSS, drive: Driver) -> None:
    found = drive(url=local_dss.url).call(
        "search_bundles", es_query={}, replica="aws", presignedurls=True
    )
    files = [file for each in found for file in each.bundle.files]
    assert files
    assert all(file.url.startswith("http") for file in files)
    found = drive(url=local_dss.url).call(
        "search_bundles", es_query={}, replica="aws", directurls=True
    )
    assert all(file.url.startswith("s3://") for each in found for file in each.bundle.files)


@pytest.mark.parametrize("whole", [False, True], ids=["a version", "all versions"])
def test_a_bundle_that_was_deleted_is_counted(tmp_path: Path, drive: Driver, whole: bool) -> None:
    settings = LocalSettings(retry_after=0, admins=frozenset({"admin@example.org"}))
    with LocalDSS(tmp_path / "root", sample=True, settings=settings) as dss:
        client = drive(url=dss.url, options={"token": dss.mint_token(email="admin@example.org")})
        one, *others = client.call("get_bundles_all", replica="aws").bundles
        version = None if whole else one.version
        client.call("delete_bundle", uuid=one.uuid, version=version, replica="aws", reason="a test")
        found = client.call("search_bundles", es_query={}, replica="aws")
        assert {each.bundle.uuid for each in found} == {other.uuid for other in others}
        with pytest.raises(NotFound):
            client.call("search_bundles", es_query={}, replica="aws", on_missing="raise")


def many(seen: Seen, *, bundles: int = 40, gone: int = 7) -> Reply:
    """Answer as a service whose bundles have files on two pages; each seventh is gone."""
    if seen.target.startswith("/v1/search"):
        hits = [
            {
                "bundle_fqid": f"{UUID.format(n)}.{VERSION}",
                "bundle_url": "http://h/",
                "search_score": None,
            }
            for n in range(bundles)
        ]
        body = {"es_query": {}, "results": hits, "total_hits": bundles}
        return Reply(body=json.dumps(body).encode())
    uuid = seen.target.split("/")[3].partition("?")[0]
    if int(uuid[-12:]) % gone == 0:
        return Reply(404, body=b'{"code": "not_found", "status": 404, "title": "gone"}')
    second = "page=2" in seen.target
    file = {
        "name": "b" if second else "a", "uuid": uuid, "version": VERSION, "size": 1,
        "indexed": True, "content-type": "text/plain", "crc32c": "0" * 8, "s3_etag": "0" * 32,
        "sha1": "0" * 40, "sha256": "0" * 64,
    }  # fmt: skip
    bundle = {"uuid": uuid, "version": VERSION, "creator_uid": 1, "files": [file]}
    link = {} if second else {"Link": f"<http://h/v1/bundles/{uuid}?page=2>; rel='next'"}
    return Reply(206 if link else 200, link, json.dumps({"bundle": bundle}).encode())


def test_those_that_are_gone_are_counted(origins: Origins) -> None:
    url = f"{origins(script=many).url}/v1"
    with DSSClient(url) as dss, dss.search_bundles(es_query={}, replica="aws") as found:
        got = list(found)
        assert found.skipped == 6
        assert list(found) == []
    assert [int(each.bundle.uuid[-12:]) for each in got] == [n for n in range(40) if n % 7]
    assert all([file.name for file in each.bundle.files] == ["a", "b"] for each in got)


async def test_and_so_they_are_with_asyncio(origins: Origins) -> None:
    url = f"{origins(script=many).url}/v1"
    async with AsyncDSSClient(url) as dss:
        async with dss.search_bundles(es_query={}, replica="aws") as found:
            got = [each async for each in found]
        assert found.skipped == 6
    assert [int(each.bundle.uuid[-12:]) for each in got] == [n for n in range(40) if n % 7]


def test_or_an_error(origins: Origins, drive: Driver) -> None:
    url = f"{origins(script=many).url}/v1"
    with pytest.raises(NotFound):
        drive(url=url).call("search_bundles", es_query={}, replica="aws", on_missing="raise")


def test_a_failure_ends_it(origins: Origins, drive: Driver) -> None:
    def failing(seen: Seen) -> Reply:
        return many(seen) if seen.target.startswith("/v1/search") else Reply(400)

    url = f"{origins(script=failing).url}/v1"
    with pytest.raises(BadRequest):
        drive(url=url).call("search_bundles", es_query={}, replica="aws")


def second_page_fails(seen: Seen) -> Reply:
    if "page=2" in seen.target and seen.target.startswith("/v1/search"):
        return Reply(404, body=b'{"code": "elasticsearch_context_not_found", "status": 404}')
    reply = many(seen, bundles=6)
    if seen.target.startswith("/v1/search"):
        link = {"Link": '<http://h/v1/search?page=2>; rel="next"'}
        return Reply(206, link, reply.body)
    return reply


def test_a_search_that_fails_is_not_taken_for_a_deleted_bundle(origins: Origins) -> None:
    with DSSClient(f"{origins(script=second_page_fails).url}/v1") as dss:
        found = dss.search_bundles(es_query={}, replica="aws")
        with pytest.raises(NotFound):
            list(found)
        assert found.skipped == 0
        assert not [each for each in threading.enumerate() if each.name.startswith("dss-search")]
        assert next(found, None) is None


async def test_nor_is_it_with_asyncio(origins: Origins) -> None:
    async with AsyncDSSClient(f"{origins(script=second_page_fails).url}/v1") as dss:
        found = dss.search_bundles(es_query={}, replica="aws")
        with pytest.raises(NotFound):
            await anext(found)
        assert found.skipped == 0
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert [each async for each in found] == []


def test_no_more_is_asked_for_than_is_taken(origins: Origins) -> None:
    origin = origins(script=many)
    with (
        DSSClient(f"{origin.url}/v1") as dss,
        dss.search_bundles(es_query={}, replica="aws") as found,
    ):
        assert next(found).bundle.uuid == UUID.format(1)
    bundles = {seen.target.split("/")[3].partition("?")[0] for seen in origin.seen[1:]}
    assert len(bundles) <= 10


async def test_nor_with_asyncio(origins: Origins) -> None:
    origin = origins(script=many)
    async with AsyncDSSClient(f"{origin.url}/v1") as dss:
        async with dss.search_bundles(es_query={}, replica="aws") as found:
            for _ in range(20):  # by then all connections are there
                await anext(found)
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    bundles = {seen.target.split("/")[3].partition("?")[0] for seen in origin.seen[1:]}
    assert len(bundles) <= 33


def test_another_policy_is_refused(drive: Driver) -> None:
    with pytest.raises(InvalidArgument, match="expected 'skip' or 'raise'"):
        drive(url="http://h/v1").call(
            "search_bundles", es_query={}, replica="aws", on_missing="ignore"
        )


class TestQueries:
    def test_they_are_sent_as_they_say(self, local_dss: LocalDSS, drive: Driver) -> None:
        found = drive(url=local_dss.url).call("post_search", es_query=ALL, replica="aws")
        assert found.es_query == {"query": {"match_all": {}}}
        assert found.total_hits == 3

    def test_in_downloads_too(self, local_dss: LocalDSS, drive: Driver, tmp_path: Path) -> None:
        report = drive(url=local_dss.url).call(
            "download_search", es_query=ALL, replica="aws", download_dir=tmp_path, no_data=True
        )
        assert report.ok
        shutil.rmtree(tmp_path)

    def test_and_in_subscriptions(self, dss: LocalDSS, drive: Driver) -> None:
        client = drive(url=dss.url, options={"token": dss.mint_token()})
        made = client.call(
            "put_subscription", replica="aws", callback_url="http://127.0.0.1:1/", es_query=ALL
        )
        found = client.call(
            "get_subscription",
            uuid=made.uuid,
            replica="aws",
            subscription_type="elasticsearch",
        )
        assert found.es_query == {"query": {"match_all": {}}}

    def test_those_of_elasticsearch_are_some(self, local_dss: LocalDSS, drive: Driver) -> None:
        search = Search().query(
            "match", **{"files.donor_organism_json.genus_species.text": "homo sapiens"}
        )
        found = drive(url=local_dss.url).call("post_search", es_query=search, replica="aws")
        assert found.total_hits > 0


@pytest.mark.parametrize("fqid", ["", "odd", UUID.format(1), f"{UUID.format(1)}.x"])
def test_a_hit_that_names_no_bundle_breaks_the_specification(
    fqid: str, drive: Driver, origins: Origins
) -> None:
    hit = {"bundle_fqid": fqid, "bundle_url": "http://x/", "search_score": None}
    body = json.dumps({"es_query": {}, "results": [hit], "total_hits": 1}).encode()
    api = origins(Reply(body=body))
    with pytest.raises(DSSDecodeError, match=f"the search found {fqid!r}") as caught:
        drive(url=api.url).call("search_bundles", es_query={}, replica="aws")
    assert caught.value.field == "bundle_fqid"
