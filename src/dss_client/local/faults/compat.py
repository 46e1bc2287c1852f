"""The answers of the original that a client has to survive: `compat="original"`.

Wraps the API and rewrites its answers, so that no operation knows of it. Sections and numbers are
those of docs/behaviour.md. It brings back:

* page links: single quotes round `next` (7, all but search), `token=None` and `token=` (S2)
* https in the absolute URLs of links and of "not ready yet" redirects, also where the API speaks
  http (1); redirects to storage keep their scheme, so that they work
* `Strict-Transport-Security` (1), which clients must ignore over http
* shape B for a body that is not JSON (400) or declares another type (415) (2)
* 500 of shape B for the refusals that the original's check of its answers replaces (3.4, S31)
* 403 with a gateway's message for an unknown route or method (S14)
* stack traces in error bodies (S15), made up
* read-only mode that refuses HEAD and asks for a retry after 10 s, except for PATCH (S13)

It leaves out what would only complicate the service: S1 (copies that fail forever), S3 (stale
manifests), S4 (checksums not verified), S5 (one subscription too many), S6 (writes without a
group), S7 and S8 (upper-case uuids), S9 to S11 (unchecked ids, versions and names), S12 (tombstones
of files taken for versions), S16 and S18 (500 for bad tokens and bad sources), S17 (negative
pages), S19 (versions lost at page ends), S20 (secrets sent back), S22 to S25, S27 to S30, and the
two rows of 3.4 on malformed manifests.
"""

import json
import re
from typing import Any, Literal

from attrs import evolve, frozen
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from ..storage import documents
from ..validation import NOT_JSON
from .identify import operation_id
from .recorded import Answer, record

Compat = Literal["original"]

_HSTS = "max-age=31536000; includeSubDomains; preload"
_TRACE = 'Traceback (most recent call last):\n  File "app.py", line 1, in dispatch\nDSSException'
_RETRIED = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_NEXT = re.compile(r'<([^>]*)>; rel="next"')


@frozen
class _Replaced:
    """A refusal that became 500 on the wire (docs/behaviour.md 3.4).

    An empty code or title part matches all.
    """

    operations: frozenset[str]
    status: int
    code: str = ""
    words: str = ""

    def holds(self, operation: str, answer: Answer, problem: dict[str, Any]) -> bool:
        return (
            operation in self.operations
            and answer.status == self.status
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
    _Replaced(frozenset({"patch_bundle"}), 503, "service_unavailable"),
    _Replaced(frozenset({"get_file"}), 422, "missing_checksum"),
)


@frozen(eq=False)
class Original:
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
        operation = operation_id(method, scope["path"])
        answer = await record(self.app, scope, receive)
        answer.headers["Strict-Transport-Security"] = _HSTS
        if operation == "head_file" and self.read_only and answer.status == 200:
            answer = _refused_head(answer)
        if answer.status >= 400:
            answer = _problem(answer, operation, method)
        else:
            _links(answer.headers, operation, scope["query_string"])
            answer = _secure(answer, operation)
        await answer.framed(method).send(send)


def _problem(answer: Answer, operation: str, method: str) -> Answer:
    problem = _json_object(answer.body)
    code = problem.get("code")
    if not operation and code in {"not_found", "method_not_allowed"}:
        return _with_json(answer, 403, {"message": "Missing Authentication Token"}, "json")
    if any(rule.holds(operation, answer, problem) for rule in _REPLACED):
        if method in _RETRIED:
            answer.headers["Retry-After"] = "10"
        else:
            del answer.headers["Retry-After"]
        title = "Response body does not conform to specification"
        return _shape_b(answer, 500, title)
    if code == "read_only" and method in _RETRIED:
        answer.headers["Retry-After"] = "10"
    if answer.status == 415:
        return _shape_b(answer, 415, "Unsupported Media Type")
    if problem.get("title") == NOT_JSON:
        return _shape_b(answer, 400, "Bad Request")
    if problem.get("stacktrace") == "" and code != "read_only":
        return _with_json(answer, answer.status, {**problem, "stacktrace": _TRACE}, "problem+json")
    return answer


def _shape_b(answer: Answer, status: int, title: str) -> Answer:
    body = {"type": "about:blank", "title": title, "detail": title, "status": status}
    return _with_json(answer, status, body, "problem+json")


def _with_json(answer: Answer, status: int, content: dict[str, Any], subtype: str) -> Answer:
    answer.headers["Content-Type"] = f"application/{subtype}"
    return evolve(answer, status=status, body=json.dumps(content).encode())


def _refused_head(answer: Answer) -> Answer:
    for name in [name for name in answer.headers if name.startswith("x-dss-")]:
        del answer.headers[name]
    answer.headers["Retry-After"] = "10"
    return evolve(answer, status=503)


def _links(headers: MutableHeaders, operation: str, query: bytes) -> None:
    link = _NEXT.fullmatch(headers.get("link", ""))
    if link is None:
        return
    url = _https(link[1])
    if operation == "get_bundle":
        token = "" if re.search(rb"(presigned|direct)urls=true", query, re.IGNORECASE) else "None"
        url = f"{url}&token={token}"
    quote = '"' if operation == "post_search" else "'"
    headers["Link"] = f"<{url}>; rel={quote}next{quote}"


def _secure(answer: Answer, operation: str) -> Answer:
    if answer.status == 301:
        answer.headers["Location"] = _https(answer.headers["Location"])
    if operation == "get_bundles_all":
        page = _json_object(answer.body)
        changed = {name: _https(page[name]) for name in ("dss_api", "link") if name in page}
        return evolve(answer, body=json.dumps({**page, **changed}, sort_keys=True).encode())
    return answer


def _https(url: str) -> str:
    return re.sub("^http:", "https:", url)


def _json_object(body: bytes) -> dict[str, Any]:
    """Return the parsed object; an empty one for other bodies (HEAD has no body)."""
    return documents.decode(body) or {}
