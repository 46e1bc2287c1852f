"""The index against an evaluation of queries on whole documents: both find the same (§10.5)."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dss_client.local.search import document_matches

from .search_oracle import matches

FQID = "0a6f.2019-01-01T000000.000000Z"
# Few, so that queries find something.
STRINGS = st.sampled_from(
    [
        "Homo sapiens",
        "homo SAPIENS",
        "Mus musculus",
        "sapiens",
        "a.b-c",
        "",
        "34",
        "3.5e1",
        "true",
        "Ünï ßs",
        "2018-05-01",
        "2018-05-01T12:00:00Z",
        "2019-02-03",
        "2018-13-01",
        "x" * 256,
        "X" * 257,
        "aab",
    ]
)
SCALARS = st.one_of(
    STRINGS, st.sampled_from([0, 1, 34, 35, 34.5, -1, 2**53 - 1]), st.booleans(), st.none()
)
NAMES = st.sampled_from(["a", "b", "text", "c"])
VALUES = st.recursive(
    SCALARS, lambda it: st.lists(it, max_size=3) | st.dictionaries(NAMES, it, max_size=3)
)
SOURCES = st.fixed_dictionaries(
    {"uuid": st.just("0a6f"), "manifest": st.just({"version": "2019-01-01T000000.000000Z"})},
    optional={"files": st.dictionaries(NAMES, VALUES, max_size=3), "admin_deleted": st.booleans()},
)
PATHS = st.one_of(
    st.sampled_from(["uuid", "manifest.version", "admin_deleted", "_id", "files", "files.a.text"]),
    st.lists(NAMES, min_size=1, max_size=3).map(lambda names: ".".join(["files", *names])),
)
WANTED = SCALARS.filter(lambda value: value is not None)
BOUNDS = st.one_of(STRINGS, st.sampled_from([0, 34, 34.5, "34"]), st.none())


def on_field(kind: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda path, value: {kind: {path: value}}, PATHS, values)


LEAVES = st.one_of(
    st.just({"match_all": {}}),
    on_field("match", WANTED),
    on_field("term", WANTED),
    on_field("terms", st.lists(WANTED, max_size=3)),
    on_field("prefix", st.sampled_from(["", "h", "Homo", "2018", "0a", "a.", "Ü"])),
    on_field("wildcard", st.sampled_from(["*", "h*s", "?a*", "*SAP*", "0A*", "2018*", "a?b-c"])),
    on_field("regexp", st.sampled_from([".*", "[a-m]+.*", "h.*s", "(homo|mus) .+", "a{2}b?"])),
    on_field(
        "range",
        st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), BOUNDS, max_size=2),
    ),
    st.builds(lambda path: {"exists": {"field": path}}, PATHS),
    st.builds(
        lambda ids: {"ids": {"values": ids}}, st.lists(st.sampled_from(["x", FQID]), max_size=2)
    ),
)
LEAST = st.one_of(st.integers(-3, 4), st.sampled_from(["0%", "50%", "-50%", "100%", "-34%"]))


def compound(queries: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(queries, max_size=3)
    groups = {
        "must": several,
        "filter": several,
        "must_not": several,
        "should": several,
        "minimum_should_match": LEAST,
    }
    return st.one_of(
        st.fixed_dictionaries({}, optional=groups).map(lambda body: {"bool": body}),
        queries.map(lambda query: {"nested": {"path": "files", "query": query}}),
        queries.map(lambda query: {"constant_score": {"filter": query}}),
    )


@settings(max_examples=400, deadline=None)
@given(query=LEAVES, source=SOURCES)
def test_simple_queries(query: dict[str, Any], source: dict[str, Any]) -> None:
    assert document_matches(query, FQID, source) == matches(query, FQID, source)


@settings(max_examples=300, deadline=None)
@given(query=st.recursive(LEAVES, compound, max_leaves=8), source=SOURCES)
def test_compound_queries(query: dict[str, Any], source: dict[str, Any]) -> None:
    assert document_matches(query, FQID, source) == matches(query, FQID, source)
