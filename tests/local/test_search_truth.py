"""The index against what `tree.matches` says of each document (docs/behaviour.md 10.5)."""

import json
import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dss_client import DSSClient
from dss_client.local import LocalDSS
from dss_client.local.search.document import Document
from dss_client.local.search.query import parse_query
from dss_client.local.search.tree import matches
from tests.local.calls import Load

BUNDLES = 30
# Few, so that queries find something.
STRINGS = [
    "Homo sapiens",
    "homo SAPIENS",
    "Mus musculus",
    "sapiens",
    "a.b-c",
    "a_b@C.org",
    'it\'s "quoted"',
    "two\nlines\x01\ttab",
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
    "one " + "y" * 300,
    "aab",
    "0A6F2B1C-3d4e-4f50-8a61-72b3c4d5e6f7",
]
NUMBERS = [0, 1, 34, 35, 34.5, -1, -35.5, -0.0, 2**53 - 1, 2**53, 2**53 + 1, 2**70, 1e300]
SCALARS = [*STRINGS, *NUMBERS, True, False]
NAMES = ["a", "b", "text", "c"]
PREFIXES = ["", "h", "Homo", "2018", "0a", "a.", "Ü", "x", "3", "A_B@c", "it's"]
FORMS = ["*", "h*s", "?a*", "*SAP*", "0A*", "0a*", "2018*", "a?b-c", "3*", "*@C*", "two*"]
PATTERNS = [".*", "hom", "[a-m]+.*", "h.*s", "(homo|mus) .+", "a{2}b?", "X+", "3.+", "a_b\\@c.+"]
LEAST = [*range(-3, 5), "0%", "50%", "-50%", "100%", "-34%"]

Query = dict[str, Any]


def value(dice: random.Random, depth: int = 0) -> Any:
    """Return a JSON value of a document."""
    kind = dice.randrange(6) if depth < 3 else 0
    if kind == 1:
        return [value(dice, depth + 1) for _ in range(dice.randrange(4))]
    if kind == 2:
        return {dice.choice(NAMES): value(dice, depth + 1) for _ in range(dice.randrange(1, 4))}
    return dice.choice([*SCALARS, None])


class Corpus:
    """Bundles of a running service, and their documents."""

    def __init__(self, dss: LocalDSS, load: Load, http: httpx.Client) -> None:
        dice = random.Random(12)
        for number in range(BUNDLES):
            files = {f"{name}.json": {"v": value(dice), "w": value(dice)} for name in "ab"}
            files["b.json"]["w"] = SCALARS[-number:]
            uuid = UUID(int=dice.getrandbits(128))
            load(dss, files, str(uuid), f"20{number:02}-01-01T000000.000000Z")
        self.http = http
        with DSSClient(dss.url) as client:
            hits = client.post_search.iterate(replica="aws", es_query={}, output_format="raw")
            self.sources = {hit.bundle_fqid: hit.metadata or {} for hit in hits}
        self.documents = {it: Document.of(it, source) for it, source in self.sources.items()}
        self.present = sorted(
            {
                (path, each)
                for document in self.documents.values()
                for path, values in document.values.items()
                for each in values
            },
            key=repr,
        )

    def check(self, query: Query) -> None:
        parsed = parse_query(query)
        expected = [it for it, document in self.documents.items() if matches(parsed, document)]
        answer = self.http.post(
            "/search",
            params={"replica": "aws", "per_page": "500"},
            json={"es_query": {"query": query}},
        )
        assert [hit["bundle_fqid"] for hit in answer.json()["results"]] == expected, query


@pytest.fixture(scope="module")
def corpus(load: Load) -> Iterator[Corpus]:
    with LocalDSS() as dss, httpx.Client(base_url=dss.url) as http:
        yield Corpus(dss, load, http)


def simple(corpus: Corpus) -> st.SearchStrategy[Query]:
    """Return simple queries on what documents have, and on things near it."""
    # Not `sampled_from`: Hypothesis would write out its thousand values.
    present = st.integers(0, len(corpus.present) - 1).map(lambda it: corpus.present[it])
    paths = sorted({path for path, _ in corpus.present})
    above = sorted({path.rpartition(".")[0] for path in paths if "." in path})
    path = st.sampled_from([*paths, *(f"{it}.text" for it in paths), *above, "no.such"])
    words = ["sapiens", "homo", "b", "tab", "y" * 255, "y" * 45, "Sapiens"]
    some = st.sampled_from([*SCALARS, *words])
    bound = st.sampled_from([it for it in SCALARS if not isinstance(it, bool)])
    names = st.sampled_from(["gt", "gte", "lt", "lte"])

    def on_field(kind: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Query]:
        return st.builds(lambda at, given: {kind: {at: given}}, path, values)

    def on_present(kind: str) -> st.SearchStrategy[Query]:
        return present.map(lambda it: {kind: {it[0]: it[1]}})

    return st.one_of(
        st.just({"match_all": {}}),
        *(on_present(kind) for kind in ("match", "term", "match_phrase")),
        st.builds(
            lambda it, name: {"range": {it[0]: {name: it[1]}}},
            present.filter(lambda it: not isinstance(it[1], bool)),
            names,
        ),
        *(on_field(kind, some) for kind in ("match", "term", "match_phrase")),
        on_field("terms", st.lists(some, max_size=3)),
        on_field("prefix", st.sampled_from(PREFIXES)),
        on_field("wildcard", st.sampled_from(FORMS)),
        on_field("regexp", st.sampled_from(PATTERNS)),
        on_field("range", st.dictionaries(names, bound, max_size=2)),
        path.map(lambda at: {"exists": {"field": at}}),
        st.sampled_from([*words, '"homo sapiens"', "34", "2018-05-01", '"lines tab"']).map(
            lambda text: {"query_string": {"query": text}}
        ),
    )


def compound(queries: st.SearchStrategy[Query]) -> st.SearchStrategy[Query]:
    several = st.lists(queries, max_size=3)
    groups = dict.fromkeys(("must", "filter", "must_not", "should"), several)
    least = {"minimum_should_match": st.sampled_from(LEAST)}
    return st.one_of(
        st.fixed_dictionaries({}, optional={**groups, **least}).map(lambda it: {"bool": it}),
        queries.map(lambda query: {"nested": {"path": "files", "query": query}}),
        queries.map(lambda query: {"constant_score": {"filter": query}}),
    )


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_simple_queries(corpus: Corpus, data: st.DataObject) -> None:
    corpus.check(data.draw(simple(corpus)))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_compound_queries(corpus: Corpus, data: st.DataObject) -> None:
    corpus.check(data.draw(st.recursive(simple(corpus), compound, max_leaves=8)))


@pytest.mark.parametrize("value", [*NUMBERS, "X" * 257, "one " + "y" * 300])
def test_values_that_the_index_cannot_tell_apart(corpus: Corpus, value: Any) -> None:
    for path in ("files.a_json.v", "files.b_json.w"):
        exact = {"match_phrase" if isinstance(value, str) else "match": {path: value}}
        analysed = {"match_phrase": {f"{path}.text": value}}
        ranges = [{"range": {path: {name: value}}} for name in ("gt", "gte", "lt", "lte")]
        for query in (exact, analysed, *ranges):
            corpus.check(query)
            corpus.check({"bool": {"must_not": [query]}})


def test_the_corpus_is_what_was_stored(corpus: Corpus) -> None:
    assert len(corpus.sources) == BUNDLES
    assert "two\\nlines" in json.dumps(corpus.sources)
