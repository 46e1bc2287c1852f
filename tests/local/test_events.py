"""GET /events and GET /events/{uuid}: journals, pages and bytes.

See docs/behaviour.md 8.13, 12, S18, S30.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS, LocalSettings
from tests.local.calls import AWS, NOT_FOUND, OF_ALL_KINDS, UUID, V1, V2, Load, expect, version


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


def events(client: httpx.Client, status: int = 200, code: str = "", **query: str) -> httpx.Response:
    return expect(client, "GET", "/events", status, code, params={**AWS, **query})


def event(
    client: httpx.Client, version: str, status: int = 200, code: str = "", **query: str
) -> Any:
    query = {**AWS, "version": version, **query}
    return expect(client, "GET", f"/events/{UUID}", status, code, params=query).json()


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
    load(dss, OF_ALL_KINDS, UUID, V1)
    path = dss.root / f"aws/main/bundles/{UUID}.{V1}"
    manifest = json.loads(path.read_text())
    for file in manifest["files"]:
        file["indexed"] = False
    path.write_text(json.dumps(manifest))
    expected = {
        "event_type": "CREATE",
        "bundle_info": {"uuid": UUID, "version": V1},
        "manifest": manifest,
        "files": {"process_json": [{"n": 0}, {"n": 1}], "list_json": [[]]},
    }
    assert event(client, V1) == expected
    for asked in (V2, "", "x", "dead", "../a", "9" * 300):
        event(client, asked, *NOT_FOUND)
    event(client, V1, *NOT_FOUND, replica="gcp")


def test_the_entries_of_a_journal(dss: LocalDSS, client: httpx.Client, five: list[str]) -> None:
    [stream] = streams(events(client, to_date=day(2)))
    assert set(stream) == {"journal_id", "from_date", "to_date", "size", "events", "stream_url"}
    assert (stream["from_date"], stream["to_date"]) == (day(1), day(1))
    assert stream["journal_id"].startswith(f"{day(1)}--{day(1)}--new--")
    [entry] = stream["events"]
    assert (entry["event_id"], entry["timestamp"]) == (five[0], day(1))
    assert entry["offset"] + entry["size"] == stream["size"]
    assert stream["stream_url"].startswith(dss.storage_url)
    assert len(httpx.get(stream["stream_url"]).content) == stream["size"]
    assert replayed(stream) == [event(client, version(1))]


@pytest.mark.parametrize(("per_page", "pages"), [({}, 5), ({"per_page": "2"}, 3)])
def test_pages(client: httpx.Client, five: list[str], per_page: dict[str, str], pages: int) -> None:
    first = 206 if pages > 1 else 200
    found = [events(client, first, "", **per_page)]
    while link := found[-1].links.get("next"):
        assert found[-1].status_code == 206
        assert found[-1].headers["x-openapi-pagination"] == "true"
        assert set(httpx.URL(link["url"]).params) == {"replica", "token", *per_page}
        found.append(client.get(link["url"]))
    assert found[-1].status_code == 200
    assert found[-1].headers["x-openapi-paginated-content-key"] == "event_streams"
    assert [fqid for page in found for fqid in listed(page)] == five
    assert len(found) == pages


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
    assert listed(events(client, 200, "", per_page="10", **dates)) == five[first - 1 : last]


@pytest.mark.parametrize(
    "query",
    [
        {"from_date": "2020"},
        {"to_date": ""},
        {"token": "None"},
        {"token": "a--b--c--d"},
        {"per_page": "0"},
        {"per_page": "11"},
    ],
)
def test_arguments_that_are_refused(client: httpx.Client, query: dict[str, str]) -> None:
    assert (
        f"'{next(iter(query))}'"
        in events(client, 400, "illegal_arguments", **query).json()["title"]
    )
    events(client, 400, "bad_request", from_date=day(2), to_date=day(1))


def test_a_deleted_bundle_has_no_event(
    dss: LocalDSS, client: httpx.Client, five: list[str]
) -> None:
    assert listed(events(client, per_page="10")) == five
    (dss.root / f"aws/main/bundles/{five[1]}.dead").write_text("{}")
    event(client, version(2), *NOT_FOUND)
    assert listed(events(client, per_page="10")) == [five[0], *five[2:]]
    (dss.root / f"aws/main/bundles/{UUID}.dead").write_text("{}")
    assert listed(events(client, per_page="10")) == []


def test_what_another_process_stores_is_listed(
    dss: LocalDSS, client: httpx.Client, load: Load
) -> None:
    response = events(client)
    assert streams(response) == []
    assert response.headers["x-openapi-pagination"] == "false"
    fqid = load(LocalDSS(dss.root), {"a.json": {}}, UUID, V1).fqid
    assert listed(events(client)) == [fqid]


def test_many_are_in_journals_of_the_size_that_is_set(load: Load, tmp_path: Path) -> None:
    """New ones are in journals of their own, until there are enough of them."""
    settings = LocalSettings(journal_events=3)
    numbers = range(5, 0, -1)  # in the order of time, not of versions
    with LocalDSS(tmp_path, settings=settings) as dss, httpx.Client(base_url=dss.url) as client:
        fqids: list[str] = []
        sizes: list[list[int]] = []
        links: list[tuple[str, str]] = []
        for number in numbers:
            fqids.append(load(dss, {"a.json": {}}, UUID, version(number)).fqid)
            found = events(client, per_page="10")
            assert listed(found) == fqids
            sizes.append([len(stream["events"]) for stream in streams(found)])
            first = client.get("/events", params={**AWS, "per_page": "1"})
            following = first.links.get("next", {}).get("url", "")
            links.append((streams(first)[0]["stream_url"], following))
        assert sizes == [[1], [1, 1], [3], [3, 1], [3, 1, 1]]
        # These are of the time of two journals, of which both are a part of another now.
        stream_url, following = links[1]
        assert listed(client.get(following))[:3] == fqids[:3]
        assert httpx.get(stream_url).status_code == 200
        documents = [document for stream in streams(found) for document in replayed(stream)]
        found_versions = [document["bundle_info"]["version"] for document in documents]
        assert found_versions == [version(number) for number in numbers]
        (dss.root / f"aws/main/bundles/{fqids[4]}.dead").write_text("{}")
        fqids.append(load(dss, {"a.json": {}}, UUID, version(6)).fqid)
        before = streams(events(client, per_page="10"))
        assert [entry["event_id"] for entry in before[1]["events"]] == [fqids[3], fqids[5]]
        assert len(replayed(before[1])) == 2
    for journal in (tmp_path / "aws/events/journals").glob(f"{before[0]['journal_id']}"):
        journal.unlink()  # it is made anew
    with LocalDSS(tmp_path, settings=settings) as dss, httpx.Client(base_url=dss.url) as client:
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
