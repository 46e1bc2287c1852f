"""The index against an evaluation of queries on whole documents: both find the same.

See docs/behaviour.md 10.5.
"""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dss_client.local.search.index import document_matches

from .search_oracle import matches, scalars, split

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
    SCALARS,
    lambda it: st.lists(it, max_size=3) | st.dictionaries(NAMES, it, min_size=1, max_size=3),
)
SOURCES = st.fixed_dictionaries(
    {"uuid": st.just("0a6f"), "manifest": st.just({"version": "2019-01-01T000000.000000Z"})},
    optional={
        "files": st.dictionaries(NAMES, VALUES, min_size=1, max_size=3),
        "admin_deleted": st.booleans(),
    },
)
BOUNDS = st.one_of(
    STRINGS,
    st.sampled_from([0, 34, 34.5, "34", "2018-05-01", "2018-05-01T12:00:00Z"]),
    st.none(),
)
PREFIXES = ["", "h", "Homo", "2018", "0a", "a.", "Ü", "x", "3"]
FORMS = ["*", "h*s", "?a*", "*SAP*", "0A*", "0a*", "2018*", "a?b-c", "3*"]
PATTERNS = [".*", "[a-m]+.*", "h.*s", "(homo|mus) .+", "a{2}b?", "X+", "3.+"]


def leaves(source: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return simple queries on what a document has, and on things near it."""
    present = [("_id", FQID), *scalars(source, "")]
    paths = sorted({path for path, _ in present})
    above = sorted({path.rpartition(".")[0] for path in paths if "." in path})
    words = [f"{path}.text" for path in paths]
    path = st.sampled_from([*paths, *words, *above, "no.such"])
    near = [value for _, value in present if not isinstance(value, str) or len(value) < 300]
    wanted = st.sampled_from([*near, *(w for v in near if isinstance(v, str) for w in split(v))])
    value = wanted | SCALARS.filter(lambda it: it is not None)

    def on_field(kind: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
        return st.builds(lambda at, given: {kind: {at: given}}, path, values)

    bound = BOUNDS | wanted.filter(lambda it: not isinstance(it, bool))
    names = st.sampled_from(["gt", "gte", "lt", "lte"])
    ids = st.lists(st.sampled_from(["x", FQID, FQID.upper()]), max_size=2)
    same = st.sampled_from(present).flatmap(
        lambda it: st.sampled_from(["match", "term"]).map(lambda kind: {kind: {it[0]: it[1]}})
    )
    edges = st.sampled_from(present).flatmap(
        lambda it: names.map(
            lambda name: (
                {"range": {it[0]: {name: it[1]}}}
                if not isinstance(it[1], bool)
                else {"exists": {"field": it[0]}}
            )
        )
    )
    return st.one_of(
        st.just({"match_all": {}}),
        same,
        edges,
        on_field("match", value),
        on_field("term", value),
        on_field("terms", st.lists(value, max_size=3)),
        on_field("prefix", st.sampled_from(PREFIXES)),
        on_field("wildcard", st.sampled_from(FORMS)),
        on_field("regexp", st.sampled_from(PATTERNS)),
        on_field("range", st.dictionaries(names, bound, max_size=2)),
        path.map(lambda at: {"exists": {"field": at}}),
        ids.map(lambda given: {"ids": {"values": given}}),
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


Case = tuple[list[dict[str, Any]], dict[str, Any]]


@st.composite
def cases(draw: st.DrawFn, *, nested: bool) -> Case:
    """Return a document and several queries: to make the strategy is most of the work."""
    source = draw(SOURCES)
    simple = leaves(source)
    query = st.recursive(simple, compound, max_leaves=8) if nested else simple
    return draw(st.lists(query, min_size=8, max_size=8)), source


def check(case: Case) -> None:
    queries, source = case
    for query in queries:
        assert document_matches(query, FQID, source) == matches(query, FQID, source)


@settings(max_examples=100)
@given(case=cases(nested=False))
@example(  # a DSS_VERSION is a date, and a boolean is none
    case=(
        [{"range": {"admin_deleted": {"gt": "2019-01-01T000000.000000Z"}}}],
        {
            "manifest": {"version": "2019-01-01T000000.000000Z"},
            "uuid": "0a6f",
            "admin_deleted": False,
        },
    )
)
def test_simple_queries(case: Case) -> None:
    check(case)


@settings(max_examples=60)
@given(case=cases(nested=True))
def test_compound_queries(case: Case) -> None:
    check(case)
