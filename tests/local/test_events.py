"""GET /events and GET /events/{uuid}: journals, pages and bytes.

See docs/behaviour.md 8.13, 12, S18, S30.
"""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from dss_client import DSSClient
from dss_client.local import LoadedBundle, LocalDSS, LocalSettings

from .calls import problem

Load = Callable[..., LoadedBundle]
UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
V1, V2 = "2018-01-01T000000.000000Z", "2019-01-01T000000.000000Z"


def version(number: int) -> str:
    return f"2018-01-01T000000.{number:06}Z"


def day(number: int) -> str:
    return f"2020-01-{number:02}T000000.000000Z"


def stored_on(dss: LocalDSS, fqid: str, number: int) -> None:
    """Let a bundle have been stored on a day of January 2020."""
    time = datetime(2020, 1, number, tzinfo=UTC).timestamp()
    os.utime(dss.root / "aws/main/bundles" / fqid, (time, time))


@pytest.fixture
def five(dss: LocalDSS, load: Load) -> list[str]:
    """Bundles stored on the 1st to the 5th of January 2020."""
    fqids: list[str] = []
    for number in range(1, 6):
        fqid = load(dss, {"cell_0.json": {"n": number}}, UUID, version(number)).fqid
        stored_on(dss, fqid, number)
        fqids.append(fqid)
    return fqids


@pytest.fixture
def small(tmp_path: Path) -> Iterator[LocalDSS]:
    """A service whose journals hold three events."""
    with LocalDSS(tmp_path / "root", settings=LocalSettings(journal_events=3)) as running:
        yield running


def events(client: httpx.Client, **params: str) -> httpx.Response:
    return client.get("/events", params={"replica": "aws", **params})


def streams(response: httpx.Response) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = response.json()["event_streams"]
    return found


def listed(response: httpx.Response) -> list[str]:
    return [event["event_id"] for stream in streams(response) for event in stream["events"]]


def replayed(stream: dict[str, Any]) -> list[Any]:
    """Return the documents of a journal, each fetched by its range of bytes."""
    documents: list[Any] = []
    for event in stream["events"]:
        end = event["offset"] + event["size"] - 1
        part = httpx.get(stream["stream_url"], headers={"Range": f"bytes={event['offset']}-{end}"})
        assert part.status_code == 206
        documents.append(part.json())
    return documents


def test_one(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    files = {
        "process_0.json": {"n": 0},
        "process_1.json": {"n": 1},
        "list.json": [],
        "broken.json": b"{",
        "data.txt": b"{}",
    }
    load(dss, files, UUID, V1)
    path = dss.root / f"aws/main/bundles/{UUID}.{V1}"
    manifest = json.loads(path.read_text())
    for file in manifest["files"]:
        file["indexed"] = False
    path.write_text(json.dumps(manifest))
    response = client.get(f"/events/{UUID}", params={"replica": "aws", "version": V1})
    assert response.status_code == 200
    assert response.json() == {
        "event_type": "CREATE",
        "bundle_info": {"uuid": UUID, "version": V1},
        "manifest": manifest,
        "files": {"process_json": [{"n": 0}, {"n": 1}], "list_json": [[]]},
    }
    params = {"replica": "aws", "version": V1}
    assert client.get(f"/events/{UUID.upper()}", params=params).json() == response.json()


def test_one_that_is_not_there(client: httpx.Client, five: list[str]) -> None:
    for asked in (V2, "", "x", "dead", "../a", "9" * 300):
        response = client.get(f"/events/{UUID}", params={"replica": "aws", "version": asked})
        assert problem(response) == (404, "not_found")
    response = client.get(f"/events/{UUID}", params={"replica": "gcp", "version": version(1)})
    assert problem(response) == (404, "not_found")
    response = client.get(f"/events/{UUID}", params={"replica": "aws"})
    assert problem(response) == (400, "illegal_arguments")
    assert "'version'" in response.json()["title"]


def test_the_entries_of_a_journal(dss: LocalDSS, client: httpx.Client, five: list[str]) -> None:
    [stream] = streams(events(client, to_date=day(2)))
    assert set(stream) == {"journal_id", "from_date", "to_date", "size", "events", "stream_url"}
    assert (stream["from_date"], stream["to_date"]) == (day(1), day(1))
    assert stream["journal_id"].startswith(f"{day(1)}--{day(1)}--new--")
    [event] = stream["events"]
    assert (event["event_id"], event["timestamp"]) == (five[0], day(1))
    assert event["offset"] + event["size"] == stream["size"]
    assert stream["stream_url"].startswith(dss.storage_url)
    whole = httpx.get(stream["stream_url"])
    assert len(whole.content) == stream["size"]
    expected = client.get(f"/events/{UUID}", params={"replica": "aws", "version": version(1)})
    assert replayed(stream) == [expected.json()]


@pytest.mark.parametrize(("per_page", "pages"), [("", 5), ("1", 5), ("2", 3), ("5", 1)])
def test_pages(client: httpx.Client, five: list[str], per_page: str, pages: int) -> None:
    response = events(client, **({"per_page": per_page} if per_page else {}))
    assert response.headers["x-openapi-paginated-content-key"] == "event_streams"
    found, count = listed(response), 1
    while "next" in response.links:
        assert response.status_code == 206
        assert response.headers["x-openapi-pagination"] == "true"
        url = response.links["next"]["url"]
        asked = set(response.request.url.params) | {"token"}
        assert set(httpx.URL(url).params) == asked
        response = client.get(url)
        found += listed(response)
        count += 1
    assert response.status_code == 200
    assert (found, count) == (five, pages)


@pytest.mark.parametrize(
    ("dates", "first", "last"),
    [
        ({}, 1, 5),
        ({"from_date": day(2)}, 2, 5),
        ({"to_date": day(3)}, 1, 2),
        ({"from_date": day(2), "to_date": day(4)}, 2, 3),
        ({"from_date": day(6)}, 1, 0),
        ({"to_date": day(1)}, 1, 0),
        ({"from_date": day(2), "to_date": day(2)}, 1, 0),
    ],
)
def test_ranges(
    client: httpx.Client, five: list[str], dates: dict[str, str], first: int, last: int
) -> None:
    assert listed(events(client, per_page="10", **dates)) == five[first - 1 : last]


@pytest.mark.parametrize(
    "params",
    [
        {"from_date": "2020"},
        {"to_date": ""},
        {"from_date": "2020-01-01T00:00:00Z"},
        {"token": "None"},
        {"token": ""},
        {"token": "a--b--c--d"},
        {"per_page": "0"},
        {"per_page": "11"},
    ],
)
def test_arguments_that_are_refused(client: httpx.Client, params: dict[str, str]) -> None:
    response = events(client, **params)
    assert problem(response) == (400, "illegal_arguments")
    assert f"'{next(iter(params))}'" in response.json()["title"]
    response = events(client, from_date=day(2), to_date=day(1))
    assert problem(response) == (400, "bad_request")


def test_a_deleted_bundle_has_no_event(
    dss: LocalDSS, client: httpx.Client, five: list[str]
) -> None:
    before = listed(events(client, per_page="10"))
    tombstone = dss.root / f"aws/main/bundles/{five[1]}.dead"
    tombstone.write_text(json.dumps({"version": version(2)}))
    params = {"replica": "aws", "version": version(2)}
    assert before == five
    assert problem(client.get(f"/events/{UUID}", params=params)) == (404, "not_found")
    assert listed(events(client, per_page="10")) == [five[0], *five[2:]]
    (dss.root / f"aws/main/bundles/{UUID}.dead").write_text("{}")
    assert listed(events(client, per_page="10")) == []


def test_what_another_process_stores_is_listed(
    dss: LocalDSS, client: httpx.Client, load: Load
) -> None:
    response = events(client)
    assert (response.status_code, streams(response)) == (200, [])
    assert response.headers["x-openapi-pagination"] == "false"
    fqid = load(LocalDSS(dss.root), {"a.json": {}}, UUID, V1).fqid
    assert listed(events(client)) == [fqid]


def test_a_page_link_survives_that_its_journal_became_part_of_another(
    small: LocalDSS, load: Load
) -> None:
    with httpx.Client(base_url=small.url) as client:
        fqids = [load(small, {"a.json": {}}, UUID, version(number)).fqid for number in range(2)]
        first = events(client, per_page="1")
        url = streams(first)[0]["stream_url"]
        fqids.append(load(small, {"a.json": {}}, UUID, version(2)).fqid)
        second = client.get(first.links["next"]["url"])
        assert listed(second) == fqids
        assert httpx.get(url).status_code == 200


def test_many_are_in_journals_of_the_size_that_is_set(small: LocalDSS, load: Load) -> None:
    """New ones are in journals of their own, until there are enough of them."""
    with httpx.Client(base_url=small.url) as client:
        fqids: list[str] = []
        sizes: list[list[int]] = []
        for number in range(5, 0, -1):  # in the order of time, not of versions
            fqids.append(load(small, {"a.json": {}}, UUID, version(number)).fqid)
            found = events(client, per_page="10")
            assert listed(found) == fqids
            sizes.append([len(stream["events"]) for stream in streams(found)])
        assert sizes == [[1], [1, 1], [3], [3, 1], [3, 1, 1]]
        documents = [document for stream in streams(found) for document in replayed(stream)]
        assert [document["bundle_info"]["version"] for document in documents] == [
            version(number) for number in range(5, 0, -1)
        ]
        (small.root / f"aws/main/bundles/{fqids[4]}.dead").write_text("{}")
        fqids.append(load(small, {"a.json": {}}, UUID, version(6)).fqid)
        before = streams(events(client, per_page="10"))
        assert [event["event_id"] for event in before[1]["events"]] == [fqids[3], fqids[5]]
        assert len(replayed(before[1])) == 2
    small.stop()
    for journal in (small.root / "aws/events/journals").glob(f"{before[0]['journal_id']}"):
        journal.unlink()  # it is made anew
    again = LocalDSS(small.root, settings=small.settings)
    with again, httpx.Client(base_url=again.url) as client:
        after = streams(events(client, per_page="10"))
        assert [stream["events"] for stream in after] == [stream["events"] for stream in before]
        assert [len(replayed(stream)) for stream in after] == [3, 2]


def test_broken_manifests_have_no_event(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    load(dss, {"a": b""}, UUID, V1)
    (dss.root / f"aws/main/bundles/{UUID}.{V1}").write_text("{")
    assert streams(events(client)) == []


def test_the_client_reads_them_all(dss: LocalDSS, five: list[str]) -> None:
    with DSSClient(dss.url) as client:
        journals = list(client.get_events.iterate(replica="aws", per_page=2))
        assert [event.event_id for journal in journals for event in journal.events] == five
        assert client.get_event(uuid=UUID, replica="aws", version=version(3))["files"] == {
            "cell_json": [{"n": 3}]
        }
