"""The API's ASGI application: routes from the specification, one handler per operation."""

import asyncio
import logging
from collections.abc import Mapping
from uuid import uuid4

from attrs import frozen
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dss_client import _spec

from .auth import authorize
from .errors import Problem, is_full, no_room
from .faults.bounds import Bounds, FakeTimeouts
from .operations import bundle_writes, bundles, events, file_writes, files, subscriptions
from .operations import collections as collection_operations
from .operations import search as search_operation
from .operations.pages import page_routes
from .service import Call, Handler, Service, json_response
from .validation import Operation, check, operations

_logger = logging.getLogger(__name__)

BASE = "/v1"
_RETRIED_STATUSES = frozenset({500, 502, 503, 504})
_RETRIED_METHODS = frozenset({"HEAD", "GET", "PUT", "DELETE", "OPTIONS", "TRACE"})

HANDLERS: dict[str, Handler] = {
    "delete_bundle": bundle_writes.delete_bundle,
    "delete_collection": collection_operations.delete_collection,
    "delete_subscription": subscriptions.delete_subscription,
    "get_bundle": bundles.get_bundle,
    "get_bundles_all": bundles.get_bundles_all,
    "get_bundles_checkout": bundles.get_bundles_checkout,
    "get_collection": collection_operations.get_collection,
    "get_collections": collection_operations.get_collections,
    "get_event": events.get_event,
    "get_events": events.get_events,
    "get_file": files.get_file,
    "get_subscription": subscriptions.get_subscription,
    "get_subscriptions": subscriptions.get_subscriptions,
    "head_file": files.head_file,
    "patch_bundle": bundle_writes.patch_bundle,
    "patch_collection": collection_operations.patch_collection,
    "post_bundles_checkout": bundles.post_bundles_checkout,
    "post_search": search_operation.post_search,
    "put_bundle": bundle_writes.put_bundle,
    "put_file": file_writes.put_file,
    "put_collection": collection_operations.put_collection,
    "put_subscription": subscriptions.put_subscription,
}


def api_app(service: Service, *, loopback: bool = False) -> ASGIApp:
    """Return the application that serves the API.

    Args:
        service: The parts it works with.
        loopback: Whether it is bound to loopback, and so has no other name.
    """
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations():
        by_path.setdefault(operation.path, {})[operation.method] = operation
    # Fixed paths go first: /bundles/all is not a bundle.
    paths = sorted(by_path, key=lambda path: (path.count("{"), path))
    app = Starlette(
        routes=[
            Route(f"{BASE}/swagger.json", _swagger, methods=["GET"]),
            *page_routes(BASE, service.settings.application_secrets),
            *(_route(service, path, by_path[path]) for path in paths),
        ],
        exception_handlers={HTTPException: _no_route},
    )
    app.router.redirect_slashes = False
    bounded: ASGIApp = Bounds(app, service.settings.max_body, loopback)
    return _Envelope(FakeTimeouts(bounded) if service.settings.fault_header else bounded)


def _route(service: Service, path: str, by_method: dict[str, Operation]) -> Route:
    if "GET" in by_method:
        by_method = {"HEAD": by_method["GET"], **by_method}

    async def endpoint(request: Request) -> Response:
        operation = by_method[request.method]
        body = await request.body()
        return await asyncio.to_thread(_answer, service, operation, request, body)

    return _Path(f"{BASE}{path}", endpoint, methods=list(by_method))


class _Path(Route):
    """A route that keeps its path: PUT /bundles/all is a wrong method, and no bundle's PUT."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        return (Match.FULL if match is Match.PARTIAL else match), child


def _answer(service: Service, operation: Operation, request: Request, body: bytes) -> Response:
    try:
        caller = None
        if operation.secured:
            caller = service.tokens.caller(request.headers.get("authorization"))
        arguments = check(
            operation,
            request.path_params,
            request.scope["query_string"].decode("latin-1"),
            request.headers.get("content-type", ""),
            body,
        )
        if service.settings.read_only and not _only_reads(operation):
            raise _read_only()
        if caller:
            authorize(operation.id, caller, service.settings)
        call = Call(
            service=service,
            arguments=arguments,
            url=str(request.url),
            base_url=f"{request.url.scheme}://{request.url.netloc}{BASE}",
            caller=caller,
        )
        with service.gate.shared():
            return HANDLERS[operation.id](call)
    except Problem as problem:
        return problem.response()
    except Exception as error:
        _logger.exception("%s %s failed", operation.method, operation.path)
        if is_full(error):
            return no_room().response()
        title = "The service failed; its log tells more."
        return Problem(500, "unhandled_exception", title).response()


def _only_reads(operation: Operation) -> bool:
    return operation.method in {"GET", "HEAD"} or operation.id == "post_search"


def _read_only() -> Problem:
    title = "The service takes no writes at the moment."
    return Problem(503, "read_only", title, {"Retry-After": "600"})


async def _swagger(request: Request) -> Response:
    address = {
        "host": request.url.netloc,
        "basePath": BASE,
        "schemes": [request.url.scheme],
    }
    return json_response({**_spec.load(), **address})


async def _no_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    path = request.scope["path"]
    if status == 405 and request.method == "OPTIONS":
        return _options(headers or {})
    if status == 405:
        title = f"{request.method} is not allowed on {path}."
        return Problem(status, "method_not_allowed", title, headers).response()
    return Problem(status, "not_found", f"There is nothing at {path}.").response()


def _options(headers: Mapping[str, str]) -> Response:
    """Answer OPTIONS, which a browser asks before it calls another origin."""
    allowed = ", ".join(sorted({*headers["Allow"].split(", "), "OPTIONS"}))
    return Response(
        headers={
            "Allow": allowed,
            "Access-Control-Allow-Methods": allowed,
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
        }
    )


@frozen
class _Envelope:
    """Adds to every answer a request id, CORS, and `Retry-After` (docs/behaviour.md 3.3).

    No `Strict-Transport-Security`: over http it means nothing (RFC 6797).
    """

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = str(uuid4())
        method, path = scope["method"], scope["path"]
        if path != "/" and path.endswith("/"):
            scope = {**scope, "path": path.rstrip("/")}  # docs/behaviour.md 1
        retried = method in _RETRIED_METHODS or (method == "POST" and "search" in path)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-AWS-REQUEST-ID"] = request_id
                headers["Access-Control-Allow-Origin"] = "*"
                if message["status"] in _RETRIED_STATUSES and retried:
                    headers.setdefault("Retry-After", "10")
            await send(message)

        await self.app(scope, receive, send_with_headers)
