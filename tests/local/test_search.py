"""POST /search, and the documents it looks at (docs/behaviour.md 8.10, 10)."""

import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dss_client.local import LoadedBundle, LocalDSS
from dss_client.local.search.search_documents import shape_descriptor
from dss_client.local.storage.documents import file_key

Load = Callable[..., LoadedBundle]
UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
V1, V2 = "2018-01-01T000000.000000Z", "2019-01-01T000000.000000Z"
SCHEMAS = "https://schema.humancellatlas.org/type"
TOMBSTONE = {"email": "a@example.org", "reason": "test", "admin_deleted": True}


def described(url: str) -> dict[str, Any]:
    return {"describedBy": url}


def search(client: httpx.Client, query: object = None, **params: str) -> httpx.Response:
    es_query = {} if query is None else {"query": query}
    return client.post("/search", params={"replica": "aws", **params}, json={"es_query": es_query})


def found(response: httpx.Response) -> list[str]:
    return [result["bundle_fqid"] for result in response.json()["results"]]


def species(name: str) -> dict[str, Any]:
    return {"match": {"files.donor_organism_json.genus_species.text": name}}


def test_summary(api: httpx.Client) -> None:
    response = search(api, species("mus musculus"))
    assert response.status_code == 200
    assert response.headers["x-openapi-paginated-content-key"] == "results"
    body = response.json()
    assert body["es_query"] == {"query": species("mus musculus")}
    assert body["total_hits"] == 1
    [result] = body["results"]
    assert sorted(result) == ["bundle_fqid", "bundle_url", "search_score"]
    assert result["search_score"] is None
    bundle = api.get(result["bundle_url"]).json()["bundle"]
    assert f"{bundle['uuid']}.{bundle['version']}" == result["bundle_fqid"]


def test_everything_is_sorted_newest_first(api: httpx.Client) -> None:
    hits = found(search(api))
    assert hits == found(search(api, {"match_all": {}}))
    assert hits == sorted(hits, reverse=True)
    assert len(hits) == 3


def test_the_other_replica_is_empty(api: httpx.Client) -> None:
    assert found(search(api, replica="gcp")) == []


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (species("Homo sapiens"), 2),
        (species("Homo"), 0),
        ({"bool": {"must": [species("Homo sapiens")], "must_not": [
            {"match": {"files.specimen_from_organism_json.organ.text": "blood"}}
        ]}}, 1),
        ({"term": {"admin_deleted": True}}, 0),
        ({"match": {"files.sequencing_protocol_json.paired_end": "true"}}, 3),
        ({"match": {"files.cell_suspension_json.biomaterial_core.ncbi_taxon_id": 10090}}, 1),
    ],
)  # fmt: skip
def test_queries(api: httpx.Client, query: dict[str, Any], count: int) -> None:
    response = search(api, query)
    assert response.json()["total_hits"] == count
    assert len(found(response)) == count


@pytest.mark.parametrize(
    ("es_query", "word"),
    [
        ({"query": {"mtch": {}}}, "mtch"),
        ({"query": {"match": {"a": ["x"]}}}, "match"),
        ({"qeury": {}}, "qeury"),
        ({"from": -1}, "from"),
        ({"from": "x"}, "from"),
        ({"from": 10_001}, "from"),
        ({"from": 10**20}, "from"),
    ],
)
def test_refused(api: httpx.Client, es_query: dict[str, Any], word: str) -> None:
    response = api.post("/search", params={"replica": "aws"}, json={"es_query": es_query})
    assert (response.status_code, response.json()["code"]) == (400, "elasticsearch_bad_request")
    assert word in response.json()["title"]


def test_a_query_for_thousands_of_dates_is_quick(api: httpx.Client) -> None:
    years = [str(year) for year in range(1001, 9999, 2)]
    assert search(api, {"terms": {"manifest.version": years}}).json()["total_hits"] == 0
    assert search(api, {"terms": {"files.x": years}}).json()["total_hits"] == 0


@pytest.mark.parametrize(
    "query",
    [
        {"bool": {"must": [{"bool": {"should": [{"term": {"a": "x"}}] * 1000}}] * 10}},
        {"bool": {"must": [{"terms": {"a": [f"v{number}" for number in range(9000)]}}] * 10}},
        {"query_string": {"query": " ".join(f"w{number}" for number in range(9000))}},
    ],
    ids=["conditions", "values", "words"],
)
def test_a_query_for_too_much_is_refused(api: httpx.Client, query: dict[str, Any]) -> None:
    response = search(api, query)
    assert (response.status_code, response.json()["code"]) == (400, "elasticsearch_bad_request")


@pytest.mark.parametrize("kind", ["match", "match_phrase"])
def test_many_words_are_looked_up_at_once(api: httpx.Client, kind: str) -> None:
    text = " ".join(f"w{number}" for number in range(20_000))
    assert search(api, {kind: {"files.x.text": text}}).json()["total_hits"] == 0


def test_a_query_that_takes_too_long_is_refused(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dss_client.local.search.index._MOST_SECONDS", 0)
    forms = [{"wildcard": {f"f{number}": "*a*"}} for number in range(1_000)]
    response = search(api, {"bool": {"should": forms}})
    assert (response.status_code, response.json()["code"]) == (400, "elasticsearch_bad_request")


def test_deeply_nested_queries_do_not_crash(api: httpx.Client) -> None:
    query: dict[str, Any] = {"match_all": {}}
    for _ in range(300):
        query = {"bool": {"must": [query]}}
    assert search(api, query).status_code in {200, 400}


@pytest.mark.parametrize("ignored", [{"sort": "x"}, {"size": 1}, {"_source": False}, {"aggs": {}}])
def test_what_has_no_effect(api: httpx.Client, ignored: dict[str, Any]) -> None:
    response = api.post("/search", params={"replica": "aws"}, json={"es_query": ignored})
    assert response.json()["total_hits"] == 3
    assert len(found(response)) == 3


def test_from_skips(api: httpx.Client) -> None:
    body = {"es_query": {"from": 2}}
    assert len(found(api.post("/search", params={"replica": "aws"}, json=body))) == 1
    query = {"replica": "aws", "search_after": "x,y"}
    assert api.post("/search", params=query, json=body).status_code == 400


@pytest.mark.parametrize("search_after", ["", "x", "a,b,c,d"])
def test_bad_search_after(api: httpx.Client, search_after: str) -> None:
    response = search(api, search_after=search_after)
    assert (response.status_code, response.json()["code"]) == (400, "elasticsearch_bad_request")


@pytest.mark.parametrize(
    ("per_page", "sizes"), [("10", [10, 10, 5]), ("25", [25, 0]), ("26", [25])]
)
def test_paging(
    dss: LocalDSS, client: httpx.Client, load: Load, per_page: str, sizes: list[int]
) -> None:
    fqids = [
        load(dss, {"a": b""}, UUID, f"2018-01-01T000000.{number:06}Z").fqid for number in range(25)
    ]
    hits: list[str] = []
    counts: list[int] = []
    response = search(client, {"match_all": {}}, per_page=per_page)
    while True:
        hits += found(response)
        counts.append(len(found(response)))
        assert response.json()["total_hits"] == 25
        if "next" not in response.links:
            break
        assert response.status_code == 206
        link = httpx.URL(response.links["next"]["url"])
        assert set(link.params) == {"per_page", "replica", "search_after", "output_format"}
        response = client.post(link, json={"es_query": {"query": {"match_all": {}}}})
    assert response.status_code == 200
    assert counts == sizes
    assert hits == fqids[::-1]


def test_raw_pages_hold_ten(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    for number in range(12):
        load(dss, {"a": b""}, UUID, f"2018-01-01T000000.{number:06}Z")
    response = search(client, output_format="raw", per_page="11")
    assert len(found(response)) == 10
    assert "per_page=10&" in response.links["next"]["url"]
    assert "output_format=raw" in response.links["next"]["url"]


def raw(client: httpx.Client) -> list[dict[str, Any]]:
    results = search(client, output_format="raw").json()["results"]
    return [result["metadata"] for result in results]


def test_the_document(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    load(
        dss,
        {
            "process_0.json": {"n": 0},
            "process_1.json": {"n": 1},
            "list.json": [],
            "broken.json": b"{",
            "data.txt": b"{}",
        },
        UUID,
        V1,
    )
    [document] = raw(client)
    stored = json.loads((dss.root / f"aws/main/bundles/{UUID}.{V1}").read_text())
    assert document == {
        "uuid": UUID,
        "manifest": stored,
        "state": "new",
        "files": {"process_json": [{"n": 0}, {"n": 1}]},
        "shape_descriptor": "None",
    }


ODD: dict[str, Any] = {
    "list.json": [],
    "missing.json": {"gone": True},
    "none.json": described(f"{SCHEMAS}/cell"),
    "two.json": described(f"{SCHEMAS}/1.0.0/2.0.0/cell"),
    "0.json": described(f"{SCHEMAS}/5.1.0/cell"),
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
    for fault in (
        "'list.json' is not a JSON object",
        "'missing.json' is missing",
        "'broken.json' is not a JSON object",
    ):
        assert fault in caplog.text


def test_an_odd_file_keeps_its_bundle_out_in_compatibility_mode(load: Load) -> None:
    with LocalDSS(compat="original") as dss, httpx.Client(base_url=dss.url) as client:
        *_, broken = load_odd(dss, load)
        assert found(search(client)) == [broken]


def test_what_is_loaded_later_is_found(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    assert found(search(client)) == []
    load(dss, {"a.json": {"x": "one"}}, UUID, V1)
    load(dss, {"a.json": {"x": "two"}}, UUID, V2)
    assert found(search(client)) == [f"{UUID}.{V2}", f"{UUID}.{V1}"]
    assert found(search(client, {"match": {"files.a_json.x": "one"}})) == [f"{UUID}.{V1}"]


def test_tombstones_replace_documents(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    for version in (V1, V2):
        load(dss, {"a": b""}, UUID, version)
    folder = dss.root / "aws/main/bundles"
    (folder / f"{UUID}.{V1}.dead").write_text(json.dumps({**TOMBSTONE, "version": V1}))
    assert found(search(client, {"term": {"admin_deleted": "true"}})) == [f"{UUID}.{V1}"]
    assert found(search(client)) == [f"{UUID}.{V2}", f"{UUID}.{V1}"]
    expected = {**TOMBSTONE, "version": V1, "uuid": UUID, "manifest": {"version": V1}}
    assert raw(client)[1] == expected


def test_paging_over_a_tombstone_of_all_versions(
    dss: LocalDSS, client: httpx.Client, load: Load
) -> None:
    fqids = [
        load(dss, {"a": b""}, UUID, f"2018-01-01T000000.{number:06}Z").fqid for number in range(15)
    ]
    (dss.root / f"aws/main/bundles/{UUID}.dead").write_text(json.dumps(TOMBSTONE))
    first = search(client, per_page="10")
    assert first.status_code == 206
    second = client.post(first.links["next"]["url"], json={"es_query": {}})
    assert second.status_code == 200
    assert found(first) + found(second) == fqids[::-1]
    assert raw(client)[0]["manifest"] == {"version": None}


def test_broken_bundles_and_tombstones(dss: LocalDSS, client: httpx.Client, load: Load) -> None:
    for version in (V1, V2):
        load(dss, {"a": b""}, UUID, version)
    folder = dss.root / "aws/main/bundles"
    (folder / f"{UUID}.{V1}").write_text("{")
    (folder / f"{UUID}.{V2}.dead").write_text("not JSON")
    assert found(search(client)) == [f"{UUID}.{V2}"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("donor_organism_0.json", "donor_organism_json"),
        ("links.json", "links_json"),
        ("a.b.json", "a_json"),
        ("cell_suspension.json", "cell_json"),
        ("x_1_2.json", "x_1_json"),
        ("dir/a_0.json", "dir/a_json"),
        ("0.json", "0_json"),
        ("foo.txt", "foo_txt"),
        ("project_0.JSON", "project_0_JSON"),
    ],
)
def test_keys_of_files(name: str, key: str) -> None:
    assert file_key(name) == key


@pytest.mark.parametrize(
    ("contents", "shape"),
    [
        ({"cell_0.json": described(f"{SCHEMAS}/x/5.1.0/cell")}, "v5"),
        (
            {
                "cell_0.json": described(f"{SCHEMAS}/5.1.0/cell"),
                "donor_0.json": described(f"{SCHEMAS}/6.0.0/donor.json"),
            },
            "v.cell.5.donor.6",
        ),
        ({"a_0.json": described(f"{SCHEMAS}/5.1.0/cell")}, "v.a.cell.5"),
        ({"a_0.json": described(f"{SCHEMAS}/cell")}, "None"),
        ({"a_0.json": described(f"{SCHEMAS}/1.0.0/2.0.0/cell")}, "None"),
        ({"a_0.json": {"core": {"type": "a", "schema_version": "4.6.1"}}}, "v4"),
        ({"a_0.json": {"core": {"type": "a"}}}, "None"),
        ({"a_0.json": {"core": {"schema_version": "4.6.1"}}}, "None"),
        ({"a_0.json": {"core": "x"}}, "None"),
        ({}, "None"),
    ],
)
def test_shapes(contents: dict[str, dict[str, Any]], shape: str) -> None:
    assert shape_descriptor(contents.items()) == shape
