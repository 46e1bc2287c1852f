"""Page links (docs/behaviour.md 7)."""

from urllib.parse import quote, urlencode

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from dss_client import DSSError
from dss_client._endpoints import GET_BUNDLE
from dss_client._paging import next_link, next_request
from dss_client._request import Request

URL = "https://h/v1/bundles/u?start_at=500"
FIRST = Request(
    endpoint=GET_BUNDLE,
    path="/bundles/u",
    query=(("replica", "aws"), ("per_page", "500")),
    body=b"{}",
)


@pytest.mark.parametrize(
    "header",
    [
        f'<{URL}>; rel="next"',
        f"<{URL}>; rel='next'",
        f"<{URL}>; rel=next",
        f"<{URL}>;rel=next",
        f"  <{URL}> ;  REL = NEXT  ",
        f'<{URL}>; rel="last next"',
        f'<{URL}>; title="a, b; c"; rel="next"',
        f"<{URL}>; rel='next'; title=\"<x>, y\"",
        f"<{URL}>; title*=UTF-8''x; rel=\"next\"",
        f'<https://h/1>; rel="prev", <{URL}>; rel="next"',
        f'<https://h/1>; title="rel=none", <{URL}>; rel="next", <https://h/9>; rel=last',
        f'<{URL}>; rel="next", <https://h/other>; rel="next"',
    ],
)
def test_the_next_link_is_found(header: str) -> None:
    assert next_link(header) == URL


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "x",
        f"<{URL}>",
        f"<{URL}>; rel=prev",
        f'<{URL}>; rel="nextish"',
        f"<{URL}; rel=next",
    ],
)
def test_there_may_be_none(header: str | None) -> None:
    assert next_link(header) is None


@given(st.text())
def test_any_header_can_be_read(header: str) -> None:
    link = next_link(header)
    assert link is None or link in header


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.text(), st.text(), max_size=3),
            st.sampled_from(['rel="prev"', "rel='last'", "rel=first", 'title="a,b;<c>"']),
        ),
        max_size=4,
    ),
    st.sampled_from(['"', "'", ""]),
)
def test_it_is_found_among_others(others: list[tuple[dict[str, str], str]], mark: str) -> None:
    links = [f"<https://h/?{urlencode(query)}>; {params}" for query, params in others]
    links.insert(len(links) // 2, f"<{URL}>; rel={mark}next{mark}")
    assert next_link(", ".join(links)) == URL


def following(query: str, request: Request = FIRST) -> Request:
    link = f"<https://other:1/elsewhere?{query}>; rel='next'"
    found = next_request(request, {"link": link})
    assert found is not None
    return found


def test_only_the_query_of_the_link_is_taken() -> None:
    found = following("replica=aws&start_at=500#fragment")
    assert found == evolve(FIRST, query=(*FIRST.query, ("start_at", "500")))


def test_the_last_of_repeated_parameters_wins() -> None:
    found = following("per_page=1&replica=gcp&per_page=2&replica=aws")
    assert found.query == (("replica", "aws"), ("per_page", "2"))


@pytest.mark.parametrize("token", ["", "None"])
def test_a_token_that_means_nothing_is_not_sent(token: str) -> None:
    found = following(f"start_at=1&token={token}", evolve(FIRST, query=(("token", "old"),)))
    assert found.query == (("start_at", "1"),)


def test_without_a_link_there_is_no_next_page() -> None:
    assert next_request(FIRST, {}) is None


@pytest.mark.parametrize("query", ["", "replica=aws", "per_page=500&token=None"])
def test_a_link_that_leads_back_is_refused(query: str) -> None:
    with pytest.raises(DSSError, match=r"get_bundle: .*same page .*/bundles/u"):
        following(query)


@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1))
def test_marks_are_taken_as_they_are(marks: dict[str, str]) -> None:
    found = dict(following(urlencode(marks, quote_via=quote), evolve(FIRST, query=())).query)
    if marks.get("token") in {"", "None"}:
        del marks["token"]
    assert found == marks
