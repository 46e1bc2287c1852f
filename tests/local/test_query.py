"""Search queries on documents (docs/behaviour.md 10.5)."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from dss_client.local import LocalDSS
from tests.local.calls import AWS, UUID, V2, Load

FQID = f"{UUID}.{V2}"
ODD: list[tuple[object, object, bool]] = [
    (2**70, 2**70, True),
    (1e308, "1e308", True),
    (float("nan"), "nan", False),
    (9007199254740993, 9007199254740992, False),
    (9007199254740993, "9007199254740993", True),
    ("\ud800", "?", True),
    ("2019-02-30", "2019-02-30", True),
    ("2018-05-01T10:00:00-02:30", "2018-05-01T12:30:00Z", True),
    ("2018-05-01T12:30:45Z", "2018-05-01T12", True),
    ("2018-05-01T12:30:45Z", "2018-05-01T13", False),
    ("2018-05-01T12:30:45.123456Z", "2018-05-01T12:30:45.123457Z", False),
    ("2018-02-28T23:59:59Z", "2018-02", True),
    (UUID.upper(), UUID, True),
]
FILES: dict[str, Any] = {
    "donor_organism_0.json": {
        "genus_species": [{"text": "Homo sapiens"}], "age": 34, "weight": 61.5,
    },
    "donor_organism_1.json": {
        "genus_species": [{"text": "Mus musculus"}], "age": "old", "dead": False, "alive": True,
    },
    "project_0.json": {"long": "x" * 257, "title": "The Cells of Blood", "none": None},
    "project_1.json": {
        "path": "C:\\temp\\b&&c\\x",
        "as": "a" * 200,
        "nan": float("nan"),
        "day": "2018-05-01T12:30:00.000Z",
        "odd": "[a*b]^",
        "essay": f"{'many words ' * 50} at the END of a long text",
        "document": f"see {UUID}",
    },
    **{f"odd{number}.json": {"x": value} for number, (value, *_) in enumerate(ODD)},
}  # fmt: skip
SPECIES = "files.donor_organism_json.genus_species.text"
TITLE = "files.project_json.title"
AGE = "files.donor_organism_json.age"
DAY = "files.project_json.day"
ESSAY = "files.project_json.essay"

Found = Callable[[object], bool]


@pytest.fixture(scope="module")
def search(load: Load) -> Iterator[Callable[[object], httpx.Response]]:
    """Search a service that has one bundle."""
    with LocalDSS() as dss, httpx.Client(base_url=dss.url) as http:
        load(dss, FILES, UUID, V2)
        yield lambda query: http.post("/search", params=AWS, json={"es_query": {"query": query}})


@pytest.fixture
def found(search: Callable[[object], httpx.Response]) -> Found:
    """Tell whether a query finds the bundle."""
    return lambda query: search(query).json()["total_hits"] == 1


def match(path: str, value: object) -> dict[str, Any]:
    return {"match": {path: value}}


def should(least: object, hits: int) -> dict[str, Any]:
    """Return a query of four clauses of which some hit."""
    clauses = [match("uuid", UUID)] * hits + [match("uuid", "x")] * (4 - hits)
    return {"bool": {"should": clauses, "minimum_should_match": least}}


def query_string(text: str, **options: object) -> dict[str, Any]:
    return {"query_string": {"query": text, **options}}


MATCHES: list[dict[str, Any]] = [
    {"match_all": {}},
    match(SPECIES, "homo SAPIENS"),
    match(SPECIES, {"query": "Mus musculus"}),
    match(f"{TITLE}.text", "nothing BLOOD"),
    match(f"{TITLE}.text", {"query": "cells blood", "operator": "AND"}),
    match(f"{ESSAY}.text", "end"),
    match("files.project_json.document.text", UUID),
    match(AGE, 34.0),
    match(AGE, "34"),
    match("files.donor_organism_json.weight", 61.5),
    match("uuid", UUID),
    match(DAY, "2018-05-01"),
    {"term": {"files.donor_organism_json.alive": "true"}},
    {"term": {"files.donor_organism_json.dead": {"value": False}}},
    {"term": {f"{TITLE}.text": "blood"}},
    {"terms": {"_id": ["x", FQID]}},
    {"terms": {SPECIES: ["rat", "mus musculus"], "boost": 2}},
    {"terms": {DAY: ["2017-01-01", "2018-05-01"]}},
    {"bool": {}},
    {"bool": {"must": [match(SPECIES, "Homo sapiens"), match(SPECIES, "Mus musculus")]}},
    {"bool": {"filter": {"match_all": {}}, "must_not": [match(SPECIES, "rat")]}},
    {"bool": {"should": [match(SPECIES, "rat"), match(SPECIES, "mus musculus")]}},
    {"bool": {"must": [{"match_all": {}}], "should": [match(SPECIES, "rat")]}},
    should("75%", 3),
    should("-25%", 3),
    should(2, 2),
    should(-1, 3),
    {"range": {AGE: {"gt": "33.5", "lte": None, "boost": 1}}},
    {"range": {DAY: {"gte": "2018-05-01", "lte": "2018-05-01"}}},
    {"range": {DAY: {"gt": "2018-04", "lt": "2019"}}},
    {"range": {DAY: {"gte": "2018-05-01T14:30:00+02:00", "lt": "2018-05-01 12:30:01"}}},
    {"range": {"manifest.version": {"gte": "2019", "lt": "2020"}}},
    {"range": {TITLE: {"gte": "THE", "lt": "thf"}}},
    {"range": {TITLE: {}}},
    {"range": {DAY: {"gte": 1525177800000, "lt": "1525177800001"}}},
    {"exists": {"field": "files.project_json"}},
    {"exists": {"field": "files.project_json.long"}},
    {"exists": {"field": "files.project_json.nan"}},
    {"prefix": {TITLE: "THE CELLS"}},
    {"prefix": {f"{TITLE}.text": {"value": "Blo"}}},
    {"wildcard": {TITLE: "*cells?of*"}},
    {"wildcard": {"files.project_json.odd": "[a\\*b]?"}},
    {"wildcard": {"files.project_json.path": "C:\\\\*\\x"}},
    {"regexp": {TITLE: "the [a-z]+ of (blood|bone)"}},
    {"regexp": {"files.project_json.odd": "\\[a\\*b\\]^"}},
    {"regexp": {"files.project_json.odd": "[\\[-\\]a*b^]+"}},
    {"regexp": {"files.project_json.odd": "[^\\d]+"}},
    {"regexp": {"files.project_json.as": "((aa)*|b)+"}},
    {"regexp": {"files.project_json.as": "(a{50}){4}"}},
    {"regexp": {f"{TITLE}.text": {"value": "blo{2}d"}}},
    {"ids": {"values": ["x", FQID]}},
    {"match_phrase": {f"{TITLE}.text": "cells of"}},
    {"match_phrase": {f"{ESSAY}.text": "the end of a long text"}},
    {"match_phrase": {TITLE: "the cells of blood"}},
    {"constant_score": {"filter": match(AGE, 34)}},
    {"nested": {"path": "files.project_json", "query": match(TITLE, "the cells of blood")}},
]
MISSES: list[dict[str, Any]] = [
    {"range": {DAY: {"gt": 1525177800000}}},
    {"range": {DAY: {"lt": 1525177800000}}},
    {"match_none": {}},
    match(SPECIES, "Homo"),
    match(f"{TITLE}.text", "nothing"),
    match(f"{TITLE}.text", {"query": "cells nothing", "operator": "and"}),
    match(AGE, "young"),
    match(AGE, True),
    match("files.project_json.long", "x" * 257),
    match("files.project_json.none", "None"),
    match("no.such.field", "x"),
    match("uuid", UUID.upper()),
    match(DAY, "2018-05-02"),
    {"term": {"files.donor_organism_json.alive": False}},
    {"term": {f"{TITLE}.text": "Blood"}},
    {"bool": {"must_not": {"match_all": {}}}},
    {"bool": {"should": [match(SPECIES, "rat")]}},
    {"bool": {"must": [{"match_all": {}}, match(SPECIES, "rat")]}},
    should("75%", 2),
    should("-25%", 2),
    should(5, 4),
    should("0", 0),
    {"range": {AGE: {"gt": 34}}},
    {"range": {DAY: {"gt": "2018-05-01"}}},
    {"range": {DAY: {"lt": "2018-05-01"}}},
    {"range": {TITLE: {"gte": 1}}},
    {"exists": {"field": "files.project_json.none"}},
    {"exists": {"field": "files.proj"}},
    {"prefix": {"uuid": "0A"}},
    {"wildcard": {TITLE: "cells*"}},
    {"regexp": {TITLE: "the"}},
    {"regexp": {"files.project_json.as": ".*a.*a.*a.*a.*a.*[yz]"}},
    {"regexp": {"files.project_json.as": "a?" * 110 + "[ab]{201}"}},
    {"regexp": {"files.project_json.odd": "[\\w]+"}},
    {"match_phrase": {f"{TITLE}.text": "of cells"}},
    {"match_phrase": {f"{TITLE}.text": "--"}},
]


@pytest.mark.parametrize("query", MATCHES)
def test_matches(found: Found, query: dict[str, Any]) -> None:
    assert found(query)


@pytest.mark.parametrize("query", MISSES)
def test_does_not_match(found: Found, query: dict[str, Any]) -> None:
    assert not found(query)


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ([], "wants an object"),
        ({}, "exactly one kind"),
        ({"mtch": {}}, "mtch"),
        ({"match": {"a": ["x"]}}, r"match.*\[a\]"),
        ({"match": {"a": {"query": "x", "fuzzines": 1}}}, "fuzzines"),
        ({"match": {"a.text": {"query": "x", "operator": "xor"}}}, "xor"),
        ({"match": {"a": 1, "b": 2}}, "exactly one field"),
        ({"term": {"a": {"query": 1}}}, "no .value."),
        ({"terms": {"a": [["x"]]}}, "one value"),
        ({"terms": {"a": ["x"] * 10_001}}, "10000"),
        ({"bool": {"most": []}}, "most"),
        ({"bool": {"must": [{"rnage": {}}]}}, "rnage"),
        ({"bool": {"must": [{"match_all": {}}] * 1025}}, "1024"),
        ({"bool": {"should": [], "minimum_should_match": True}}, "minimum_should_match"),
        ({"range": {"a": {"from": 1}}}, "from"),
        ({"range": {"a": {"gte": True}}}, "string or number"),
        ({"range": {"a": {"gte": "now-1d"}}}, "worked out"),
        (query_string("a:[2018-05-01||/M TO *]"), "worked out"),
        ({"exists": {"field": 1}}, "wants a string"),
        ({"ids": {}}, "list of values"),
        ({"wildcard": {"a": "x" * 257}}, "longer than 256"),
        ({"regexp": {"a": "((a{1000}){1000}){1000}"}}, "10000 signs"),
        ({"regexp": {"a": "a*+"}}, "parentheses"),
        ({"regexp": {"a": "a{e}"}}, "{ is not supported"),
        ({"regexp": {"a": "a)"}}, "not a valid regular expression"),
        ({"regexp": {"a": "(?i)a"}}, "group"),
        ({"regexp": {"a": "<1-9>"}}, "<"),
        ({"regexp": {"a": "a\\"}}, "backslash"),
        ({"nested": {"query": {"match_all": {}}}}, "path"),
        (query_string("a", default_operator="xor"), "xor"),
        (query_string("a", fuzziness=1), "fuzziness"),
        (query_string("a AND"), "unexpected end"),
        (query_string("(a"), "unmatched parenthesis"),
        (query_string('"a'), "Illegal character"),
        (query_string("a~2"), "~"),
        (query_string("[1 TO 2]"), "wants a field"),
        (query_string("bl*"), "field:bl"),
        (query_string("a:b:c"), "two fields"),
        (query_string("a:-3"), "not supported"),
        (query_string("a " * 1025), "1024 words"),
        (query_string("a||" * 20_000), "50000 characters"),
        (query_string("(" * 30 + "a" + ")" * 30), "nested"),
    ],
)
def test_refused(search: Callable[[object], httpx.Response], query: object, word: str) -> None:
    answer = search(query)
    assert (answer.status_code, answer.json()["code"]) == (400, "elasticsearch_bad_request")
    assert re.search(word, answer.json()["title"])


def test_queries_nested_as_deep_and_wide_as_allowed(
    search: Callable[[object], httpx.Response], found: Found
) -> None:
    query = match(SPECIES, "Homo sapiens")
    for _ in range(24):
        query = {"bool": {"must": [query, {"match_all": {}}]}}
    assert found(query)
    wide = {"bool": {"should": [match("uuid", "x")] * 1023 + [match("uuid", UUID)]}}
    assert found(wide)
    assert "24 deep" in search({"bool": {"must": [query]}}).json()["title"]


STRINGS = {
    "BLOOD": True,
    "34": True,
    "*:*": True,
    "bone blood": True,
    "bone && blood": False,
    "bone || blood": True,
    "cells AND blood OR bone": True,
    "cells OR bone AND blood": False,
    "NOT blood": False,
    "cells -bone": True,
    "+bone blood": False,
    "! blood": False,
    "files.project_json.path:/.*b\\&\\&c.*/": True,
    f"{TITLE}:/the!? .* blood/": True,
    f"{TITLE}:The\\ cells*": True,
    "!(bone && cells)": True,
    "bone^2 OR (cells AND blood)": True,
    '"blood of cells"': False,
    '"end of a long"': True,
    '""': False,
    f"{SPECIES}:sapiens": False,
    f'{SPECIES}:"Homo sapiens"': True,
    f"{TITLE}.text:(bone OR blood)": True,
    f"{TITLE}.text:blo*": True,
    "files.project_json.none:*": False,
    f"_exists_:{AGE}": True,
    "files.project_json.odd:\\[a\\*b\\]\\^": True,
    f"{AGE}:[30 TO 34]": True,
    f"{AGE}:[30 TO 34}}": False,
    f"{AGE}:>=34": True,
    f"{DAY}:[2018-05-01 TO *]": True,
    f"{TITLE}:/the .* blood/": True,
}


@pytest.mark.parametrize("text", STRINGS)
def test_query_strings(found: Found, text: str) -> None:
    assert found(query_string(text)) is STRINGS[text]


def test_options_of_query_strings(found: Found) -> None:
    assert not found(query_string("bone blood", default_operator="and"))
    assert found(query_string("bone OR blood", default_operator="AND"))
    assert found(query_string("blood", default_field=f"{TITLE}.text"))
    assert not found(query_string("homo", default_field=f"{TITLE}.text"))


@pytest.mark.parametrize("number", range(len(ODD)))
def test_odd_values(found: Found, number: int) -> None:
    _, wanted, expected = ODD[number]
    assert found(match(f"files.odd{number}_json.x", wanted)) is expected


def test_in_a_filter_one_of_should_has_to_match(found: Found) -> None:
    query = {"bool": {"must": {"match_all": {}}, "should": match("uuid", "x")}}
    assert found({"bool": {"must": query}})
    assert found({"bool": {"must_not": query}})
    assert not found({"bool": {"filter": {"bool": {"must": query}}}})
    assert not found({"constant_score": {"filter": query}})


def test_a_query_that_takes_long_to_read_is_refused(
    search: Callable[[object], httpx.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dss_client.local.search.query._MOST_SECONDS", -1)
    assert "to read" in search({"match_all": {}}).json()["title"]


def test_a_regular_expression_that_takes_long_is_refused(
    search: Callable[[object], httpx.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dss_client.local.search.patterns._MOST_SECONDS", 0.01)
    query = {"regexp": {"files.project_json.as": "(a|aa|aaa)*(a|aaa)*(aa|a)*[yz]"}}
    assert "10 seconds" in search(query).json()["title"]
