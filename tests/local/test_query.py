"""Search queries on documents (§10.5)."""

from typing import Any

import pytest

from dss_client.local.query import QueryError, compile_query
from dss_client.local.search import document_matches

SOURCE: dict[str, Any] = {
    "uuid": "0A6F",
    "manifest": {"version": "2019-01-01T000000.000000Z"},
    "admin_deleted": True,
    "files": {
        "donor_organism_json": [
            {"genus_species": [{"text": "Homo sapiens"}], "age": 34, "weight": 61.5},
            {"genus_species": [{"text": "Mus musculus"}], "age": "old", "dead": False},
        ],
        "project_json": [{"long": "x" * 257, "title": "The Cells of Blood", "none": None}],
    },
}
FQID = "0A6F.2019-01-01T000000.000000Z"
SPECIES = "files.donor_organism_json.genus_species.text"
TITLE = "files.project_json.title"


def match(path: str, value: object) -> dict[str, Any]:
    return {"match": {path: value}}


@pytest.mark.parametrize(
    "query",
    [
        {"match_all": {}},
        match(SPECIES, "Homo sapiens"),
        match(SPECIES, "homo SAPIENS"),
        match(SPECIES, "Mus musculus"),
        match(SPECIES, {"query": "Homo sapiens"}),
        match(f"{TITLE}.text", "nothing BLOOD"),
        match(f"{TITLE}.text", {"query": "cells blood", "operator": "AND"}),
        match("files.donor_organism_json.age", 34),
        match("files.donor_organism_json.age", "34"),
        match("files.donor_organism_json.age", 34.0),
        match("files.donor_organism_json.weight", 61.5),
        match("uuid", "0A6F"),
        match("manifest.version", "2019-01-01T000000.000000Z"),
        {"term": {"admin_deleted": True}},
        {"term": {"admin_deleted": "true"}},
        {"term": {"admin_deleted": {"value": True}}},
        {"term": {"files.donor_organism_json.dead": False}},
        {"term": {f"{TITLE}.text": "blood"}},
        {"terms": {"_id": ["x", FQID]}},
        {"terms": {SPECIES: ["rat", "mus musculus"], "boost": 2}},
        {"bool": {}},
        {"bool": {"must": match(SPECIES, "Homo sapiens")}},
        {"bool": {"must": [match(SPECIES, "Homo sapiens"), match(SPECIES, "Mus musculus")]}},
        {"bool": {"filter": [{"match_all": {}}], "must_not": [match(SPECIES, "rat")]}},
        {"bool": {"should": [match(SPECIES, "rat"), match(SPECIES, "mus musculus")]}},
        {"bool": {"must": [{"match_all": {}}], "should": [match(SPECIES, "rat")]}},
    ],
)
def test_matches(query: dict[str, Any]) -> None:
    assert document_matches(query, FQID, SOURCE)


@pytest.mark.parametrize(
    "query",
    [
        match(SPECIES, "Homo"),
        match(f"{TITLE}.text", "nothing"),
        match(f"{TITLE}.text", ""),
        match(f"{TITLE}.text", {"query": "cells nothing", "operator": "and"}),
        match("files.donor_organism_json.age", 35),
        match("files.donor_organism_json.age", "young"),
        match("files.donor_organism_json.age", True),
        match("files.project_json.long", "x" * 257),
        match("files.project_json.none", "None"),
        match("no.such.field", "x"),
        match("uuid", "0a6f"),
        {"term": {"admin_deleted": False}},
        {"term": {f"{TITLE}.text": "Blood"}},
        {"terms": {"_id": []}},
        {"exists": {"field": "\ud800"}},  # JSON may hold half a character, SQLite may not
        {"bool": {"must_not": {"match_all": {}}}},
        {"bool": {"should": [match(SPECIES, "rat")]}},
        {"bool": {"must": [{"match_all": {}}, match(SPECIES, "rat")]}},
    ],
)
def test_does_not_match(query: dict[str, Any]) -> None:
    assert not document_matches(query, FQID, SOURCE)


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"mtch": {}}, "mtch"),
        ({"match": {"a": ["x"]}}, r"match.*\[a\]"),
        ({"match": {"a": None}}, "one value"),
        ({"match": {"a": {}}}, "no .query."),
        ({"match": {"a": {"query": "x", "fuzzines": 1}}}, "fuzzines"),
        ({"match": {"a.text": {"query": "x", "operator": "xor"}}}, "xor"),
        ({"match": {"a": 1, "b": 2}}, "exactly one field"),
        ({"match": {}}, "exactly one field"),
        ({"match": "x"}, "match.* wants an object"),
        ({"match_all": {"x": 1}}, "x"),
        ({"term": {"a": {"query": 1}}}, "no .value."),
        ({"terms": {"a": "x"}}, "list of values"),
        ({"terms": {"a": [["x"]]}}, "one value"),
        ({"terms": {}}, "one field"),
        ({"bool": {"most": []}}, "most"),
        ({"bool": {"must": [{"rnage": {}}]}}, "rnage"),
        ({"bool": {"must": ["x"]}}, "wants an object"),
        ({}, "exactly one kind"),
        ({"match_all": {}, "bool": {}}, "exactly one kind"),
        ([], "wants an object"),
    ],
)
def test_refused(query: object, word: str) -> None:
    with pytest.raises(QueryError, match=word):
        compile_query(query)
