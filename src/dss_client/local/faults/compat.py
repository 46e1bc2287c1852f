"""The answers of the original that a client has to survive: `compat="original"`.

Wraps the API and rewrites its answers, so that no operation knows of it. Sections and numbers are
those of docs/behaviour.md. It brings back:

* page links: single quotes round `next` (7, all but search), `token=None` and `token=` (S2)
* https in all URLs of the API itself (links, "not ready yet" redirects, `dss_api`, `bundle_url`,
  notifications), also where the API speaks http (1), unless `LocalSettings.url_scheme` says
  ``"http"``; redirects to storage keep their scheme, so that they work
* `Strict-Transport-Security` (1), which clients must ignore over http
* shape B for a body that is not JSON (400) or declares another type (415) (2)
* 500 of shape B for the refusals that the original's check of its answers replaces (3.4, S31)
* 403 with a gateway's message for an unknown route or method (S14)
* stack traces in error bodies (S15), made up
* bundles with an odd metadata file are not searched (S25); the index sees to that
* read-only mode that refuses HEAD and asks for a retry after 10 s, except for PATCH (S13)

It leaves out what would only complicate the service: S1 (copies that fail forever), S3 (stale
manifests), S4 (checksums not verified), S5 (one subscription too many), S6 (writes without a
group), S7 and S8 (upper-case uuids), S9 to S11 (unchecked ids, versions and names), S12 (tombstones
of files taken for versions), S16 and S18 (500 for bad tokens and bad sources), S17 (negative
pages), S19 (versions lost at page ends), S20 (secrets sent back), S22 to S24, S27 to S30, and the
two rows of 3.4 on malformed manifests.
"""

import json
import re
from typing import Any, Literal

from attrs import frozen
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..storage import documents
from ..validation import NOT_JSON, Identified
from .recorded import record, replace_body

Compat = Literal["original"]

_HSTS = "max-age=31536000; includeSubDomains; preload"
_TRACE = 'Traceback (most recent call last):\n  File "app.py", line 1, in dispatch\nDSSException'
_RETRIED = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_NEXT = re.compile(r'<([^>]*)>; rel="next"')


@frozen
class _Replaced:
    """A refusal that became 500 on the wire (3.4); an empty code, or no words, are any."""

    operations: frozenset[str]
    status: int
    code: str = ""
    words: str = ""

    def holds(self, operation: str, status: int, problem: dict[str, Any]) -> bool:
        return (
            operation in self.operations
            and status == self.status
            and self.code in {"", problem.get("code")}
            and self.words in str(problem.get("title", ""))
        )


_REPLACED = (
    _Replaced(
        frozenset({"get_collection", "patch_collection", "delete_collection"}), 403, words="owner"
    ),
    _Replaced(frozenset({"patch_collection"}), 401, words="email claim"),
    _Replaced(frozenset({"patch_collection"}), 500, "unhandled_exception"),
    _Replaced(frozenset({"patch_bundle"}), 400, "file_missing"),
    _Replaced(frozenset({"patch_bundle", "post_bundles_checkout"}), 503, "read_only"),
    _Replaced(frozenset({"get_file"}), 422, "missing_checksum"),
)


@frozen(eq=False)
class LegacyQuirks:
    """Answers as the deployed service did.

    Args:
        app: The API.
        read_only: Whether it takes no writes.
    """

    app: ASGIApp
    read_only: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        method: str = scope["method"]
        identified: Identified = scope["state"]["identified"]
        operation = identified.operation_id
        response = await record(self.app, scope, receive)
        response.headers["Strict-Transport-Security"] = _HSTS
        if operation == "head_file" and self.read_only and response.status_code == 200:
            for name in [name for name in response.headers if name.startswith("x-dss-")]:
                del response.headers[name]
            response.headers["Retry-After"] = "10"
            response.status_code = 503
        elif response.status_code >= 400:
            _problem(response, operation, method)
        else:
            _link(response.headers, operation, scope["query_string"])
        await response(scope, receive, send)


def _problem(response: Response, operation: str, method: str) -> None:
    problem = documents.decode(bytes(response.body)) or {}  # HEAD has no body
    code, status = problem.get("code"), response.status_code
    if not operation and code in {"not_found", "method_not_allowed"}:
        response.status_code = 403
        _set_json(response, method, {"message": "Missing Authentication Token"}, "json")
    elif any(rule.holds(operation, status, problem) for rule in _REPLACED):
        if method in _RETRIED:
            response.headers["Retry-After"] = "10"
        else:
            del response.headers["Retry-After"]
        title = "Response body does not conform to specification"
        _set_shape_b(response, method, 500, title)
    elif status == 415:
        _set_shape_b(response, method, 415, "Unsupported Media Type")
    elif problem.get("title") == NOT_JSON:
        _set_shape_b(response, method, 400, "Bad Request")
    elif code == "read_only":
        if method in _RETRIED:
            response.headers["Retry-After"] = "10"
    elif problem.get("stacktrace") == "":
        _set_json(response, method, {**problem, "stacktrace": _TRACE}, "problem+json")


def _set_shape_b(response: Response, method: str, status: int, title: str) -> None:
    response.status_code = status
    body = {"type": "about:blank", "title": title, "detail": title, "status": status}
    _set_json(response, method, body, "problem+json")


def _set_json(response: Response, method: str, content: dict[str, Any], subtype: str) -> None:
    response.headers["Content-Type"] = f"application/{subtype}"
    replace_body(response, method, json.dumps(content).encode())


def _link(headers: MutableHeaders, operation: str, query: bytes) -> None:
    link = _NEXT.fullmatch(headers.get("link", ""))
    if link is None:
        return
    url = link[1]
    if operation == "get_bundle":
        token = "" if re.search(rb"(presigned|direct)urls=true", query, re.IGNORECASE) else "None"
        url = f"{url}&token={token}"
    quote = '"' if operation == "post_search" else "'"
    headers["Link"] = f"<{url}>; rel={quote}next{quote}"
