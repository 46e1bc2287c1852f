"""Scripted answers for the rows of the table."""

from collections.abc import Mapping

from pytest_httpx import HTTPXMock

from tests.operations.cases import BASE, CONTENT, FILE_HEADERS, STORAGE, Case


def url_of(case: Case, query: str) -> str:
    """Return the whole URL of a case."""
    return f"{BASE}{case.path}?{query}" if query else f"{BASE}{case.path}"


def answer(mock: HTTPXMock, case: Case, headers: Mapping[str, str] | None = None) -> None:
    """Have the next request of a case answered, and storage's part of it too."""
    sent = {"X-AWS-REQUEST-ID": "req-1", **(headers or {})}
    if case.name == "head_file":
        mock.add_response(method="HEAD", headers={**sent, **FILE_HEADERS})
    elif case.name == "get_file":
        mock.add_response(status_code=302, headers={**sent, **FILE_HEADERS, "Location": STORAGE})
        mock.add_response(url=STORAGE, content=CONTENT)
    else:
        mock.add_response(
            method=case.method, status_code=case.status, headers=sent, json=case.answer
        )
