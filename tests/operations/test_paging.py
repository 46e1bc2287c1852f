"""The five paged operations, page by page and item by item (docs/behaviour.md 7)."""

import json
from typing import Any

import pytest
from attrs import frozen
from pytest_httpx import HTTPXMock

from dss_client import DSSDecodeError, DSSError, NotFound
from dss_client._endpoints import ENDPOINTS
from tests.drive import Driver
from tests.operations.cases import BASE, BY_NAME, TOKEN, VERSION, Case


@frozen
class Paged:
    """How an operation pages.

    Attributes:
        case: Its row.
        link: Query of the next page's URL, as the service writes it.
        query: Query that is sent for it.
        quotes: Round ``next``.
    """

    case: Case
    link: str
    query: str
    quotes: str = "'"

    def __str__(self) -> str:
        return self.case.name

    def page(self, *marks: int) -> dict[str, Any]:
        """Return a page with an item for each mark."""
        document: dict[str, Any] = json.loads(json.dumps(self.case.answer))
        place = document
        *parents, last = self.case.endpoint.item_path
        for name in parents:
            place = place[name]
        place[last] = [{**place[last][0], "mark": mark} for mark in marks]
        return document

    def items_of(self, page: Any) -> list[int]:
        """Return the marks on a page that the client returned."""
        for name in self.case.endpoint.item_path:
            page = getattr(page, name)
        return [item.mark for item in page]

    def next(self, query: str | None = None, host: str = BASE) -> dict[str, str]:
        """Return the headers of a page that names a next one."""
        path = self.case.target(self.case.least).partition("?")[0]
        url = f"{host}{path}?{self.link if query is None else query}"
        return {
            "Link": f"<{url}>; rel={self.quotes}next{self.quotes}",
            "X-OpenAPI-Pagination": "true",
            "X-OpenAPI-Paginated-Content-Key": ".".join(self.case.endpoint.item_path),
        }


PAGED = [
    Paged(
        BY_NAME["get_bundle"],
        f"replica=aws&start_at=500&version={VERSION}&token=None",
        f"replica=aws&start_at=500&version={VERSION}",
    ),
    Paged(
        BY_NAME["get_bundles_all"],
        "replica=aws&search_after=bundles%2Fx&token=t%2F%2B",
        "replica=aws&search_after=bundles%2Fx&token=t%2F%2B",
    ),
    Paged(BY_NAME["get_collections"], "start_at=500", "start_at=500"),
    Paged(
        BY_NAME["get_events"],
        "replica=aws&replica=aws&token=%7B%22a%22%3A1%7D",
        "replica=aws&token=%7B%22a%22%3A1%7D",
    ),
    Paged(
        BY_NAME["post_search"],
        "per_page=100&replica=gcp&search_after=a%2Cb&output_format=summary",
        "replica=gcp&per_page=100&search_after=a%2Cb&output_format=summary",
        quotes='"',
    ),
]
BUNDLE = PAGED[0]
every_paged = pytest.mark.parametrize("paged", PAGED, ids=str)


def test_these_are_paged() -> None:
    assert {name for name, each in ENDPOINTS.items() if each.item_path} == {*map(str, PAGED)}


@every_paged
def test_paginate_yields_the_pages(paged: Paged, drive: Driver, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(status_code=206, headers=paged.next(), json=paged.page(1, 2))
    httpx_mock.add_response(json=paged.page(3))
    case = paged.case
    options = {"token": TOKEN}
    pages = drive(url=BASE, options=options).call(f"{case.name}.paginate", **case.least)
    assert [paged.items_of(page) for page in pages] == [[1, 2], [3]]
    assert {type(page).__name__ for page in pages} == {case.model}
    first, second = httpx_mock.get_requests()
    target = case.target(case.least)
    assert str(first.url) == BASE + target
    assert str(second.url) == f"{BASE}{target.partition('?')[0]}?{paged.query}"
    assert second.content == first.content
    expected = f"Bearer {TOKEN}" if case.endpoint.secured else None
    assert second.headers.get("authorization") == expected


@every_paged
def test_iterate_yields_the_items_and_sends_all_arguments_again(
    paged: Paged, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    # A page after a full one may be empty; one that a 503 hid is asked for again.
    httpx_mock.add_response(headers=paged.next(query="per_page=77"), json=paged.page(1, 2))
    httpx_mock.add_response(status_code=503)
    httpx_mock.add_response(json=paged.page())
    items = drive(url=BASE).call(f"{paged.case.name}.iterate", **paged.case.all)
    assert [item.mark for item in items] == [1, 2]
    first, _, last = httpx_mock.get_requests()
    assert dict(last.url.params) == {**first.url.params, "per_page": "77"}


def test_the_plain_call_is_the_first_page(drive: Driver, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(status_code=206, headers=BUNDLE.next(), json=BUNDLE.page(1))
    result = drive(url=BASE).call("get_bundle", **BUNDLE.case.least)
    assert BUNDLE.items_of(result) == [1]


def test_a_link_never_leads_to_another_host(drive: Driver, httpx_mock: HTTPXMock) -> None:
    elsewhere = BUNDLE.next(host="https://evil.example.com")
    httpx_mock.add_response(status_code=206, headers=elsewhere, json=BUNDLE.page(1))
    httpx_mock.add_response(json=BUNDLE.page(2))
    drive(url=BASE).call("get_bundle.paginate", **BUNDLE.case.least)
    assert {request.url.host for request in httpx_mock.get_requests()} == {"dss.example.org"}


@pytest.mark.parametrize("target", [f"<{BASE}/x?replica=aws>", "<http://[::1>"])
def test_a_link_back_to_the_same_page_is_refused(
    target: str, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    headers = {"Link": f'{target}; rel="next"'}
    httpx_mock.add_response(status_code=206, headers=headers, json=BUNDLE.page(1))
    with pytest.raises(DSSError, match=r"get_bundle.*same page"):
        drive(url=BASE).call("get_bundle.iterate", **BUNDLE.case.least)


@pytest.mark.parametrize("what", ["paginate", "iterate"])
@pytest.mark.parametrize(
    ("later", "error"),
    [
        ({"status_code": 404, "json": {"code": "not_found", "title": "Gone."}}, NotFound),
        ({"json": {"bundle": {}}}, DSSDecodeError),
    ],
)
def test_an_error_on_a_later_page_is_raised(
    what: str, later: Any, error: type[DSSError], drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_response(status_code=206, headers=BUNDLE.next(), json=BUNDLE.page(1))
    httpx_mock.add_response(**later)
    with pytest.raises(error):
        drive(url=BASE).call(f"get_bundle.{what}", **BUNDLE.case.least)
