"""Requests to a service, and what their answers have to be."""

from collections.abc import Callable
from typing import Any

import httpx

from dss_client.local import LoadedBundle

Load = Callable[..., LoadedBundle]

UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
UNKNOWN = "11111111-2222-4333-8444-555555555555"
V1, V2, V3 = (f"{year}-01-01T000000.000000Z" for year in (2018, 2019, 2020))
AWS, GCP = {"replica": "aws"}, {"replica": "gcp"}
NOT_FOUND = (404, "not_found")
OF_ALL_KINDS = {  # files that are indexed, and files that are not
    "process_0.json": {"n": 0},
    "process_1.json": {"n": 1},
    "list.json": [],
    "broken.json": b"{",
    "data.txt": b"{}",
}
ILLEGAL = (400, "illegal_arguments")


def problem(response: httpx.Response) -> tuple[int, str]:
    """Check that an answer has shape A, and return its status and code."""
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert sorted(body) == ["code", "stacktrace", "status", "title"]
    assert body["status"] == response.status_code
    assert body["stacktrace"] == ""
    assert response.headers["x-aws-request-id"]
    return response.status_code, body["code"]


def expect(
    client: httpx.Client, method: str, path: str, status: int, code: str = "", **sent: Any
) -> httpx.Response:
    """Send a request, and check the status of its answer, and the code where one is named."""
    response = client.request(method, path, **sent)
    assert response.status_code == status, f"{sent} {response.text}"
    if code:
        assert problem(response) == (status, code), f"{sent} {response.text}"
    return response


def version(number: int) -> str:
    """Return one of the versions of a bundle that has many."""
    return f"2018-01-01T000000.{number:06}Z"
