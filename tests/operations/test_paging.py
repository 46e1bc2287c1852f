"""The five paged operations, page by page and item by item (behaviour reference, §7)."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve, field, frozen
from pytest_httpx import HTTPXMock

from dss_client import DSSClient, DSSDecodeError, DSSError, NotFound
from tests.drive import Driver
from tests.operations.cases import BASE, BY_NAME, FILE_VERSION, TOKEN, UUID, VERSION, Case
from tests.operations.wire import url_of


@frozen
class Paged:
    """How an operation pages.

    Attributes:
        case: Its row.
        key: Dotted path of the list.
        item: One item of it.
        link: Query of the next page's URL, as the service writes it.
        query: Query that is sent for it.
        quotes: Round ``next``.
    """

    case: Case
    key: str
    item: Mapping[str, Any]
    link: str
    query: str
    quotes: str = "'"
    arguments: Mapping[str, Any] = field(factory=dict[str, Any])

    def __str__(self) -> str:
        return self.case.name

    def page(self, *marks: int) -> dict[str, Any]:
        """Return a page with an item for each mark."""
        document: dict[str, Any] = json.loads(json.dumps(self.case.answer))
        place = document
        *parents, last = self.key.split(".")
        for name in parents:
            place = place[name]
        place[last] = [{**self.item, "mark": mark} for mark in marks]
        return document

    def items_of(self, page: Any) -> list[int]:
        """Return the marks on a page that the client returned."""
        for name in self.key.split("."):
            page = getattr(page, name)
        return [item.mark for item in page]


PAGED = [
    Paged(
        BY_NAME["get_bundle"],
        "bundle.files",
        FILE_VERSION,
        f"replica=aws&start_at=500&version={VERSION}&token=None",
        f"replica=aws&start_at=500&version={VERSION.replace(':', '%3A')}",
    ),
    Paged(
        BY_NAME["get_bundles_all"],
        "bundles",
        {"uuid": UUID, "version": VERSION},
        "replica=aws&search_after=bundles%2Fx&token=t%2F%2B",
        "replica=aws&search_after=bundles%2Fx&token=t%2F%2B",
    ),
    Paged(
        BY_NAME["get_collections"],
        "collections",
        {"uuid": UUID, "version": VERSION},
        "start_at=500",
        "start_at=500",
    ),
    Paged(
        BY_NAME["get_events"],
        "event_streams",
        BY_NAME["get_events"].answer["event_streams"][0],
        "replica=aws&replica=aws&token=%7B%22a%22%3A1%7D",
        "replica=aws&token=%7B%22a%22%3A1%7D",
    ),
    Paged(
        BY_NAME["post_search"],
        "results",
        BY_NAME["post_search"].answer["results"][0],
        "per_page=100&replica=aws&search_after=a%2Cb&output_format=summary",
        "replica=aws&per_page=100&search_after=a%2Cb&output_format=summary",
        quotes='"',
    ),
]
every_paged = pytest.mark.parametrize("paged", PAGED, ids=str)


def link(paged: Paged, query: str | None = None, host: str = BASE) -> dict[str, str]:
    """Return the header of a next page."""
    url = f"{host}{paged.case.path}?{paged.link if query is None else query}"
    return {
        "Link": f"<{url}>; rel={paged.quotes}next{paged.quotes}",
        "X-OpenAPI-Pagination": "true",
        "X-OpenAPI-Paginated-Content-Key": paged.key,
    }


def two_pages(mock: HTTPXMock, paged: Paged) -> None:
    method = paged.case.method
    mock.add_response(method=method, status_code=206, headers=link(paged), json=paged.page(1, 2))
    mock.add_response(method=method, status_code=200, json=paged.page(3))


def test_these_five_are_paged() -> None:
    with DSSClient(BASE) as dss:
        paged = {name for name in BY_NAME if hasattr(getattr(dss, name), "paginate")}
    assert paged == {str(each) for each in PAGED}


@every_paged
def test_paginate_yields_the_pages(paged: Paged, drive: Driver, httpx_mock: HTTPXMock) -> None:
    two_pages(httpx_mock, paged)
    options = {"token": TOKEN}
    pages = drive(url=BASE, options=options).call(f"{paged.case.name}.paginate", **paged.case.least)
    assert [paged.items_of(page) for page in pages] == [[1, 2], [3]]
    assert {type(page).__name__ for page in pages} == {paged.case.model}
    first, second = httpx_mock.get_requests()
    assert str(first.url) == url_of(paged.case, paged.case.least_query)
    assert str(second.url) == url_of(paged.case, paged.query)
    assert second.content == first.content
    expected = f"Bearer {TOKEN}" if paged.case.secured else None
    assert second.headers.get("authorization") == expected


@every_paged
def test_iterate_yields_the_items(paged: Paged, drive: Driver, httpx_mock: HTTPXMock) -> None:
    two_pages(httpx_mock, paged)
    items = drive(url=BASE).call(f"{paged.case.name}.iterate", **paged.case.least)
    assert [item.mark for item in items] == [1, 2, 3]


@every_paged
def test_the_plain_call_is_the_first_page(
    paged: Paged, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_response(status_code=206, headers=link(paged), json=paged.page(1))
    assert paged.items_of(drive(url=BASE).call(paged.case.name, **paged.case.least)) == [1]


@every_paged
def test_all_arguments_reach_every_page(paged: Paged, drive: Driver, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(headers=link(paged, query="per_page=77"), json=paged.page(1))
    httpx_mock.add_response(json=paged.page())
    drive(url=BASE).call(f"{paged.case.name}.iterate", **paged.case.all)
    first, second = httpx_mock.get_requests()
    assert dict(second.url.params) == {**first.url.params, "per_page": "77"}


@every_paged
def test_a_page_after_a_full_one_may_be_empty(
    paged: Paged, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_response(status_code=206, headers=link(paged), json=paged.page(1))
    httpx_mock.add_response(json=paged.page())
    items = drive(url=BASE).call(f"{paged.case.name}.iterate", **paged.case.least)
    assert [item.mark for item in items] == [1]


@every_paged
def test_a_link_never_leads_to_another_host(
    paged: Paged, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    elsewhere = link(paged, host="https://evil.example.com")
    httpx_mock.add_response(status_code=206, headers=elsewhere, json=paged.page(1))
    httpx_mock.add_response(json=paged.page(2))
    drive(url=BASE, options={"token": TOKEN}).call(
        f"{paged.case.name}.paginate", **paged.case.least
    )
    assert {request.url.host for request in httpx_mock.get_requests()} == {"dss.example.org"}


@every_paged
def test_a_link_back_to_the_same_page_is_refused(
    paged: Paged, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    same = link(paged, query=paged.case.least_query)
    httpx_mock.add_response(status_code=206, headers=same, json=paged.page(1))
    with pytest.raises(DSSError, match=f"{paged.case.name}.*same page"):
        drive(url=BASE).call(f"{paged.case.name}.iterate", **paged.case.least)


@every_paged
@pytest.mark.parametrize("what", ["paginate", "iterate"])
def test_an_error_on_a_later_page_is_raised(
    paged: Paged, what: str, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_response(status_code=206, headers=link(paged), json=paged.page(1))
    httpx_mock.add_response(status_code=404, json={"code": "not_found", "title": "Gone."})
    with pytest.raises(NotFound):
        drive(url=BASE).call(f"{paged.case.name}.{what}", **paged.case.least)


@every_paged
def test_a_later_page_is_repeated_after_a_503(
    paged: Paged, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_response(status_code=206, headers=link(paged), json=paged.page(1))
    httpx_mock.add_response(status_code=503)
    httpx_mock.add_response(json=paged.page(2))
    items = drive(url=BASE).call(f"{paged.case.name}.iterate", **paged.case.least)
    assert [item.mark for item in items] == [1, 2]


def test_a_link_that_is_no_url_is_refused(drive: Driver, httpx_mock: HTTPXMock) -> None:
    paged = evolve(PAGED[0], quotes='"')
    headers = {"Link": '<http://[::1>; rel="next"'}
    httpx_mock.add_response(headers=headers, json=paged.page(1))
    with pytest.raises(DSSError, match="the same page"):
        drive(url=BASE).call("get_bundle.iterate", **paged.case.least)


def test_a_broken_later_page_is_refused(drive: Driver, httpx_mock: HTTPXMock) -> None:
    paged = PAGED[0]
    httpx_mock.add_response(status_code=206, headers=link(paged), json=paged.page(1))
    httpx_mock.add_response(json={"bundle": {}})
    with pytest.raises(DSSDecodeError):
        drive(url=BASE).call("get_bundle.iterate", **paged.case.least)
