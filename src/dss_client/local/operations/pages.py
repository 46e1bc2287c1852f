"""Routes outside the specification (docs/behaviour.md 8.14)."""

import asyncio
import base64
import hashlib
from functools import cache
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from dss_client import _spec
from dss_client._version import __version__

from ..faults.deadline import timed_out
from ..service import BASE, json_response, own_url, redirect
from ..settings import LocalSettings
from ..validation import operations

_SECRETS = {
    "installed": {
        "client_id": "local-dss.apps.invalid",
        "client_secret": "not-a-secret",
        "project_id": "local-dss",
        "auth_uri": "https://local-dss.invalid/authorize",
        "token_uri": "https://local-dss.invalid/oauth/token",
        "auth_provider_x509_cert_url": "https://local-dss.invalid/certs",
        "redirect_uris": ["urn:ietf:wg:oauth:2.0:oob", "http://localhost"],
    }
}
"""Of the form that clients read; nobody can log in with it, tokens come from `mint_token`."""


def page_routes(settings: LocalSettings) -> list[Route]:
    """Return the routes."""

    async def application_secrets(_: Request) -> Response:
        secrets = settings.application_secrets
        return json_response(_SECRETS if secrets is None else dict(secrets))

    async def swagger(request: Request) -> Response:
        url = own_url(request, settings)
        address = {"host": url.netloc, "basePath": BASE, "schemes": [url.scheme]}
        return json_response({**_spec.load(), **address})

    async def slow_request(_: Request) -> Response:
        await asyncio.sleep(settings.deadline)
        return timed_out()

    return [
        Route("/", _front_page),
        Route(BASE, _to_front_page),
        Route(f"{BASE}/swagger.json", swagger),
        Route(f"{BASE}/ui", _operations_page),
        Route("/version", _version),
        Route("/internal/health", _health),
        Route("/internal/application_secrets", application_secrets),
        Route("/internal/slow_request", slow_request),
    ]


async def _version(_: Request) -> Response:
    return json_response({"version_info": {"version": __version__}})


async def _health(_: Request) -> Response:
    return json_response({"Healthy": True})


async def _front_page(_: Request) -> Response:
    text, policy = _page()
    return HTMLResponse(
        text,
        headers={
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        },
    )


async def _to_front_page(_: Request) -> Response:
    return redirect("/", 302)


@cache
def _page() -> tuple[str, str]:
    """Return the page for people, and the policy that lets nothing but its own parts work."""
    text = (Path(__file__).parent.parent / "page.html").read_text("utf-8")
    policy = [
        "default-src 'none'",
        f"script-src '{_hash_of_part(text, 'script')}'",
        f"style-src '{_hash_of_part(text, 'style')}'",
        "connect-src 'self'",
        "img-src data:",  # its icon
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return text, "; ".join(policy)


def _hash_of_part(page: str, tag: str) -> str:
    part = page.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return f"sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}"


async def _operations_page(_: Request) -> Response:
    rows = "".join(
        f"<tr><td>{each.method}</td><td><code>{escape(each.path)}</code></td>"
        f"<td>{escape(each.id)}</td></tr>"
        for each in operations()
    )
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Embedded DSS</title>'
        "<h1>An embedded Data Storage System</h1>"
        f'<p>Its <a href="{BASE}/swagger.json">specification</a> tells the parameters.</p>'
        f"<table><tr><th>Method<th>Path<th>Operation</tr>{rows}</table></html>"
    )
