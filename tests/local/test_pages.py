"""Routes outside the specification (docs/behaviour.md 8.14)."""

import httpx
import pytest

from dss_client import __version__
from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.validation import operations


@pytest.fixture
def origin(api: httpx.Client) -> str:
    return str(api.base_url.copy_with(path="/")).rstrip("/")


def test_version(origin: str) -> None:
    assert httpx.get(f"{origin}/version").json() == {"version_info": {"version": __version__}}


def test_health(origin: str) -> None:
    assert httpx.get(f"{origin}/internal/health").json() == {"Healthy": True}


def test_application_secrets(origin: str) -> None:
    secrets = httpx.get(f"{origin}/internal/application_secrets").json()
    assert {"client_id", "client_secret", "auth_uri", "token_uri"} <= set(secrets["installed"])


def test_a_page_names_the_operations(origin: str) -> None:
    page = httpx.get(f"{origin}/v1/ui/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert 'href="/v1/swagger.json"' in page.text
    for operation in operations():
        assert f"<td>{operation.id}</td>" in page.text


def test_the_page_for_people_has_nothing_from_elsewhere(origin: str) -> None:
    page = httpx.get(f"{origin}/v1/", follow_redirects=True)
    assert (page.url.path, page.headers["content-type"]) == ("/", "text/html; charset=utf-8")
    assert "://" not in page.text.replace("`${location.origin}/v1`", "")
    policy = page.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    assert "unsafe" not in page.headers["content-security-policy"]


def test_they_answer_head_too(origin: str) -> None:
    response = httpx.head(f"{origin}/version")
    assert (response.status_code, response.content) == (200, b"")


def test_a_slow_request_meets_the_deadline() -> None:
    with LocalDSS(settings=LocalSettings(deadline=0.01)) as dss:
        response = httpx.get(f"{dss.url.removesuffix('/v1')}/internal/slow_request")
    assert (response.status_code, response.json()["code"]) == (504, "timed_out")
    assert response.headers["retry-after"] == "10"


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
def test_other_methods_are_not_allowed(origin: str, method: str) -> None:
    response = httpx.request(method, f"{origin}/version")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in response.headers["allow"]
