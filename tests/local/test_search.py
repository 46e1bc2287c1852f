"""POST /search, and the documents it looks at (docs/behaviour.md 8.10, 10)."""

import json
import logging
from typing import Any

import httpx
import pytest

from dss_client.local import LocalDSS
from dss_client.local.search.search_documents import shape_descriptor
from dss_client.local.storage.documents import file_key
from tests.local.calls import AWS, OF_ALL_KINDS, UUID, V1, V2, Load, expect, version

SCHEMAS = "https://schema.humancellatlas.org/type"
TOMBSTONE = {"email": "a@example.org", "reason": "test", "admin_deleted": True}


def search(
    client: httpx.Client, query: object = None, status: int = 200, code: str = "", **params: str
) -> httpx.Response:
    body = {"es_query": {} if query is None else {"query": query}}
    params = {**AWS, **params}
    return expect(client, "POST", "/search", status, code, params=params, json=body)


def refused(client: httpx.Client, query: object = None, **params: str) -> None:
    search(client, query, 400, "elasticsearch_bad_request", **params)


def found(response: httpx.Response) -> list[str]:
    return [result["bundle_fqid"] for result in response.json()["results"]]


def count(client: httpx.Client, query: object, replica: str = "aws") -> int:
    total: int = search(client, query, replica=replica).json()["total_hits"]
    return total


def match(path: str, value: object) -> dict[str, Any]:
    return {"match": {f"files.{path}": value}}


def test_summary(api: httpx.Client) -> None:
    query = match("donor_organism_json.genus_species.text", "mus musculus")
    response = search(api, query)
    assert response.headers["x-openapi-paginated-content-key"] == "results"
    body = response.json()
    [result] = body.pop("results")
    assert body == {"es_query": {"query": query}, "total_hits": 1}
    assert sorted(result) == ["bundle_fqid", "bundle_url", "search_score"]
    assert result["search_score"] is None
    bundle = api.get(result["bundle_url"]).json()["bundle"]
    assert f"{bundle['uuid']}.{bundle['version']}" == result["bundle_fqid"]


def test_the_sample_is_found_newest_first(api: httpx.Client) -> None:
    hits = found(search(api))
    assert len(hits) == 3
    assert hits == found(search(api, {"match_all": {}})) == sorted(hits, reverse=True)
    human = match("donor_organism_json.genus_species.text", "Homo sapiens")
    blood = match("specimen_from_organism_json.organ.text", "blood")
    assert count(api, human) == 2
    assert count(api, {"bool": {"must": [human], "must_not": [blood]}}) == 1
    assert count(api, match("sequencing_protocol_json.paired_end", "true")) == 3
    assert count(api, {"match_all": {}}, replica="gcp") == 0


def deep(depth: int) -> dict[str, Any]:
    query: dict[str, Any] = {"match_all": {}}
    for _ in range(depth):
        query = {"bool": {"must": [query]}}
    return query


@pytest.mark.parametrize(
    "query",
    [
        {"bool": {"must": [{"bool": {"should": [{"term": {"a": "x"}}] * 1000}}] * 10}},
        {"bool": {"must": [{"terms": {"a": [f"v{number}" for number in range(9000)]}}] * 10}},
        {"query_string": {"query": " ".join(f"w{number}" for number in range(9000))}},
        deep(300),
    ],
    ids=["conditions", "values", "words", "depth"],
)
def test_a_query_for_too_much_is_refused(api: httpx.Client, query: dict[str, Any]) -> None:
    refused(api, query)


def test_a_query_for_much_is_quick(api: httpx.Client) -> None:
    years = [str(year) for year in range(1001, 9999, 2)]
    text = " ".join(f"w{number}" for number in range(20_000))
    assert count(api, {"terms": {"manifest.version": years}}) == 0
    assert count(api, {"terms": {"files.x": years}}) == 0
    assert count(api, {"match": {"files.x.text": text}}) == 0
    assert count(api, {"match_phrase": {"files.x.text": text}}) == 0


def test_a_query_that_takes_too_long_is_refused(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dss_client.local.search.index._MOST_SECONDS", 0)
    forms = [{"wildcard": {f"f{number}": "*a*"}} for number in range(1_000)]
    refused(api, {"bool": {"should": forms}})


@pytest.mark.parametrize(
    ("es_query", "hits"),
    [
        ({"sort": "x", "size": 1, "_source": False, "aggs": {}}, 3),  # no effect
        ({"from": 2}, 1),
        ({"qeury": {}}, None),
        ({"from": -1}, None),
        ({"from": "x"}, None),
        ({"from": 10**20}, None),
    ],
)
def test_what_else_a_query_may_say(
    api: httpx.Client, es_query: dict[str, Any], hits: int | None
) -> None:
    response = api.post("/search", params=AWS, json={"es_query": es_query})
    if hits is None:
        assert (response.status_code, response.json()["code"]) == (400, "elasticsearch_bad_request")
        assert next(iter(es_query)) in response.json()["title"]
    else:
        assert len(found(response)) == hits


def test_search_after(api: httpx.Client) -> None:
    for wrong in ("", "x", "a,b,c,d"):
        refused(api, search_after=wrong)
    body = {"es_query": {"from": 2}}
    expect(api, "POST", "/search", 400, params={**AWS, "search_after": "x,y"}, json=body)


def test_paging(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    fqids = [load(dss, {"a": b""}, UUID, version(number)).fqid for number in range(25)]
    for per_page, sizes in (("10", [10, 10, 5]), ("25", [25, 0]), ("26", [25])):
        first = 200 if len(sizes) == 1 else 206
        pages = [search(client, status=first, per_page=per_page)]
        while link := pages[-1].links.get("next"):
            url = httpx.URL(link["url"])
            assert set(url.params) == {"per_page", "replica", "search_after", "output_format"}
            pages.append(client.post(url, json={"es_query": {}}))
        assert [page.status_code for page in pages] == [206] * (len(sizes) - 1) + [200]
        assert [page.json()["total_hits"] for page in pages] == [25] * len(sizes)
        assert [len(found(page)) for page in pages] == sizes
        assert [fqid for page in pages for fqid in found(page)] == fqids[::-1]
    response = search(client, status=206, output_format="raw", per_page="11")
    assert len(found(response)) == 10  # the most
    assert "per_page=10&" in response.links["next"]["url"]
    assert "output_format=raw" in response.links["next"]["url"]


def raw(client: httpx.Client) -> list[dict[str, Any]]:
    results = search(client, output_format="raw").json()["results"]
    return [result["metadata"] for result in results]


def test_the_document(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    load(dss, OF_ALL_KINDS, UUID, V1)
    stored = json.loads((dss.root / f"aws/main/bundles/{UUID}.{V1}").read_text())
    expected = {
        "uuid": UUID,
        "manifest": stored,
        "state": "new",
        "files": {"process_json": [{"n": 0}, {"n": 1}]},
        "shape_descriptor": "None",
    }
    assert raw(client) == [expected]


ODD: dict[str, Any] = {
    "list.json": [],
    "missing.json": {"gone": True},
    "none.json": {"describedBy": f"{SCHEMAS}/cell"},
    "two.json": {"describedBy": f"{SCHEMAS}/1.0.0/2.0.0/cell"},
    "0.json": {"describedBy": f"{SCHEMAS}/5.1.0/cell"},
}


def load_odd(dss: LocalDSS, load: Load) -> list[str]:
    """Load a bundle with each odd file, and one with a broken file; return their FQIDs."""
    files: list[dict[str, Any]] = [{name: content} for name, content in ODD.items()]
    fqids = [load(dss, {**it, "a.json": {}}).fqid for it in [*files, {"broken.json": b"{"}]]
    for blob in (dss.root / "aws/main/blobs").iterdir():
        if b"gone" in blob.read_bytes():
            blob.unlink()
    return fqids


def test_odd_files_are_left_out_and_named(
    dss: LocalDSS, client: httpx.Client, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    fqids = load_odd(dss, load)
    with caplog.at_level(logging.WARNING):
        assert found(search(client)) == sorted(fqids, reverse=True)
    for name, fault in (
        ("list", "is not a JSON object"),
        ("missing", "is missing"),
        ("broken", "is not a JSON object"),
    ):
        assert f"'{name}.json' {fault}" in caplog.text


def test_an_odd_file_keeps_its_bundle_out_in_compatibility_mode(load: Load) -> None:
    with LocalDSS(compat="original") as dss, httpx.Client(base_url=dss.url) as client:
        *_, broken = load_odd(dss, load)
        assert found(search(client)) == [broken]


def bury(dss: LocalDSS, name: str, content: object) -> None:
    (dss.root / f"aws/main/bundles/{name}.dead").write_text(json.dumps(content))


def test_what_is_loaded_later_is_found(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    assert found(search(client)) == []
    one, two = (
        load(dss, {"a.json": {"x": word}}, UUID, version).fqid
        for word, version in (("one", V1), ("two", V2))
    )
    assert found(search(client)) == [two, one]
    assert found(search(client, match("a_json.x", "one"))) == [one]


def test_tombstones_replace_documents(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    fqids = [load(dss, {"a": b""}, UUID, version(number)).fqid for number in range(15)]
    bury(dss, fqids[0], {**TOMBSTONE, "version": version(0)})
    assert found(search(client, {"term": {"admin_deleted": "true"}})) == fqids[:1]
    [dead] = search(client, {"ids": {"values": fqids[:1]}}, output_format="raw").json()["results"]
    manifest = {"version": version(0)}
    expected = {**TOMBSTONE, "version": version(0), "uuid": UUID, "manifest": manifest}
    assert dead["metadata"] == expected
    bury(dss, UUID, TOMBSTONE)
    first = search(client, status=206, per_page="10")
    second = expect(client, "POST", first.links["next"]["url"], 200, json={"es_query": {}})
    assert found(first) + found(second) == fqids[::-1]
    last = search(client, {"ids": {"values": fqids[-1:]}}, output_format="raw").json()["results"]
    assert last[0]["metadata"]["manifest"] == {"version": None}


def test_broken_bundles_and_tombstones(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    broken, dead = (load(dss, {"a": b""}, UUID, version).fqid for version in (V1, V2))
    (dss.root / f"aws/main/bundles/{broken}").write_text("{")
    bury(dss, dead, "not an object")
    assert found(search(client)) == [dead]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("donor_organism_0.json", "donor_organism_json"),
        ("a.b.json", "a_json"),
        ("x_1_2.json", "x_1_json"),
        ("dir/a_0.json", "dir/a_json"),
        ("0.json", "0_json"),
        ("foo.txt", "foo_txt"),
        ("project_0.JSON", "project_0_JSON"),
    ],
)
def test_keys_of_files(name: str, key: str) -> None:
    assert file_key(name) == key


CELL = {"describedBy": f"{SCHEMAS}/5.1.0/cell"}


@pytest.mark.parametrize(
    ("contents", "shape"),
    [
        ({"cell_0.json": CELL}, "v5"),
        ({"a_0.json": CELL}, "v.a.cell.5"),
        (
            {"cell_0.json": CELL, "donor_0.json": {"describedBy": f"{SCHEMAS}/6.0.0/donor.json"}},
            "v.cell.5.donor.6",
        ),
        ({"a_0.json": {"describedBy": f"{SCHEMAS}/cell"}}, "None"),
        ({"a_0.json": {"describedBy": f"{SCHEMAS}/1.0.0/2.0.0/cell"}}, "None"),
        ({"a_0.json": {"core": {"type": "a", "schema_version": "4.6.1"}}}, "v4"),
        ({"a_0.json": {"core": {"type": "a"}}}, "None"),
        ({"a_0.json": {"core": "x"}}, "None"),
        ({}, "None"),
    ],
)
def test_shapes(contents: dict[str, dict[str, Any]], shape: str) -> None:
    assert shape_descriptor(contents.items()) == shape
