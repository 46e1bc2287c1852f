"""Which handler answers which request: every operation of the API, by its method and path.

A request passes the middlewares of `api_app` from top to bottom, and ends at its handler.
"""

import asyncio
import logging
from email.utils import formatdate
from ipaddress import ip_address
from typing import cast
from uuid import uuid4

from attrs import frozen
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.server import ServerState

from .auth import authorize
from .errors import Problem, is_full
from .faults.compat import LegacyQuirks
from .faults.deadline import FakeTimeouts
from .faults.fault_app import FaultApp
from .faults.scenario import Faults
from .operations import bundles, events, files, subscriptions
from .operations import collections as collection_operations
from .operations import search as search_operation
from .operations.pages import page_routes
from .service import BASE, Call, Handler, Service, own_url
from .validation import Identified, Operation, check, operations

_logger = logging.getLogger(__name__)

_RETRIED_STATUSES = frozenset({500, 502, 503, 504})
_RETRIED_METHODS = frozenset({"HEAD", "GET", "PUT", "DELETE", "OPTIONS", "TRACE"})
# The last is what an older Starlette makes of "[::1]:80".
_LOOPBACK_HOSTS = ("localhost", "*.localhost", "127.0.0.1", "[::1]", "[")

HANDLERS: dict[str, Handler] = {
    "POST /search": search_operation.post_search,
    "GET /files/{uuid}": files.get_file,
    "HEAD /files/{uuid}": files.head_file,
    "PUT /files/{uuid}": files.put_file,
    "GET /bundles/all": bundles.get_bundles_all,
    "GET /bundles/{uuid}": bundles.get_bundle,
    "PUT /bundles/{uuid}": bundles.put_bundle,
    "PATCH /bundles/{uuid}": bundles.patch_bundle,
    "DELETE /bundles/{uuid}": bundles.delete_bundle,
    "POST /bundles/{uuid}/checkout": bundles.post_bundles_checkout,
    "GET /bundles/checkout/{checkout_job_id}": bundles.get_bundles_checkout,
    "GET /collections": collection_operations.get_collections,
    "PUT /collections": collection_operations.put_collection,
    "GET /collections/{uuid}": collection_operations.get_collection,
    "PATCH /collections/{uuid}": collection_operations.patch_collection,
    "DELETE /collections/{uuid}": collection_operations.delete_collection,
    "GET /subscriptions": subscriptions.get_subscriptions,
    "PUT /subscriptions": subscriptions.put_subscription,
    "GET /subscriptions/{uuid}": subscriptions.get_subscription,
    "DELETE /subscriptions/{uuid}": subscriptions.delete_subscription,
    "GET /events": events.get_events,
    "GET /events/{uuid}": events.get_event,
}


def api_app(service: Service, faults: Faults, state: ServerState, address: str) -> ASGIApp:
    """Return the application that serves the API.

    Args:
        service: The parts it works with.
        faults: What goes wrong on purpose.
        state: Of the HTTP server.
        address: The IP address that it is bound to.
    """
    settings = service.settings
    # Bound to loopback, it has no other name: a request for one comes from a web page that had
    # its name point here (DNS rebinding).
    hosts = [*_LOOPBACK_HOSTS, address] if ip_address(address).is_loopback else ["*"]
    middleware = [
        Middleware(IdentifyOperation),
        Middleware(FaultApp, faults, state),
        Middleware(ResponseHeaders),
        Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
        Middleware(
            CORSMiddleware,
            allow_origins=["*"],
            allow_methods=["*"],
            allow_headers=["Authorization", "Content-Type"],
        ),
    ]
    if settings.compat:
        middleware.insert(2, Middleware(LegacyQuirks, settings.read_only))
    if settings.fault_header:
        middleware.append(Middleware(FakeTimeouts))
    app = Starlette(
        routes=page_routes(settings),
        middleware=middleware,
        exception_handlers={HTTPException: _no_route, Problem: _refused},
    )
    app.router.redirect_slashes = False
    app.router.default = AnswerOperation(service)
    return app


class IdentifyOperation:
    """Finds the operation of a request, once: faults, checks and handlers use what it found."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in operations():
            by_path.setdefault(operation.path, {})[operation.method] = operation
        for by_method in by_path.values():
            if "GET" in by_method:
                by_method.setdefault("HEAD", by_method["GET"])
        # Fixed paths go first: /bundles/all is not a bundle.
        paths = sorted(by_path, key=lambda path: (path.count("{"), path))
        self._paths = [(compile_path(BASE + path)[0], by_path[path]) for path in paths]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        path: str = scope["path"]
        if path != "/":
            path = path.rstrip("/")
        state = {**scope.get("state", {}), "identified": self._identify(scope["method"], path)}
        await self._app({**scope, "path": path, "state": state}, receive, send)

    def _identify(self, method: str, path: str) -> Identified:
        for pattern, by_method in self._paths:
            if found := pattern.match(path):
                return Identified(by_method.get(method), found.groupdict(), tuple(by_method))
        return Identified()


@frozen
class ResponseHeaders:
    """Adds to every answer the date, a request id, and `Retry-After` (docs/behaviour.md 3.3).

    No `Strict-Transport-Security`: over http it means nothing (RFC 6797).
    """

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        method = scope["method"]
        retried = method in _RETRIED_METHODS or (method == "POST" and "search" in scope["path"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Date"] = formatdate(usegmt=True)
                headers["X-AWS-REQUEST-ID"] = str(uuid4())
                if message["status"] in _RETRIED_STATUSES and retried:
                    headers.setdefault("Retry-After", "10")
            await send(message)

        await self.app(scope, receive, send_with_headers)


@frozen
class AnswerOperation:
    """Answers the operation that was identified: reads and checks its request, in the right order.

    See docs/behaviour.md 2.
    """

    service: Service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        request = Request(scope, receive)
        identified: Identified = request.state.identified
        if not identified.methods:
            raise HTTPException(404)
        if identified.operation is None:
            raise HTTPException(405, headers={"Allow": ", ".join(identified.methods)})
        try:
            body = await _body(request, self.service.settings.max_body)
        except ClientDisconnect:
            return
        response = await asyncio.to_thread(
            self._answer, request, identified.operation, identified.arguments, body
        )
        await response(scope, receive, send)

    def _answer(
        self, request: Request, operation: Operation, path: dict[str, str], body: bytes
    ) -> Response:
        try:
            handler = HANDLERS.get(f"{operation.method} {operation.path}")
            if handler is None:
                title = f"This service does not serve {operation.method} {operation.path} yet."
                raise Problem(501, "not_implemented", title)
            call = self._check(request, operation, path, body)
            with self.service.gate.shared():
                return handler(call)
        except Problem as problem:
            return problem.response()
        except Exception as error:
            _logger.exception("%s %s failed", operation.method, operation.path)
            if is_full(error):
                title = "The disk is full, and nothing was stored: make room, and send it again."
                return Problem(507, "insufficient_storage", title).response()
            title = "The service failed; its log tells more."
            return Problem(500, "unhandled_exception", title).response()

    def _check(
        self, request: Request, operation: Operation, path: dict[str, str], body: bytes
    ) -> Call:
        settings = self.service.settings
        caller = None
        if operation.secured:
            caller = self.service.tokens.caller(request.headers.get("authorization"))
        query = request.scope["query_string"].decode("latin-1")
        content_type = request.headers.get("content-type", "")
        arguments = check(operation, path, query, content_type, body)
        reads = operation.method in {"GET", "HEAD"} or operation.id == "post_search"
        if settings.read_only and not reads:
            title = "The service takes no writes at the moment."
            raise Problem(503, "read_only", title, {"Retry-After": "600"})
        if caller:
            authorize(operation.id, caller, settings)
        url = own_url(request, settings)
        return Call(
            service=self.service,
            arguments=arguments,
            url=str(url),
            base_url=f"{url.scheme}://{url.netloc}{BASE}",
            email=(caller and caller.email) or "",
        )


async def _body(request: Request, limit: int) -> bytes:
    too_large = Problem(413, "request_entity_too_large", f"The body is larger than {limit} bytes.")
    if int(request.headers.get("content-length", "0")) > limit:
        raise too_large
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise too_large
    return bytes(body)


async def _no_route(request: Request, error: Exception) -> Response:
    refusal, path = cast("HTTPException", error), request.scope["path"]
    if refusal.status_code == 405:
        title = f"{request.method} is not allowed on {path}."
        return Problem(405, "method_not_allowed", title, refusal.headers).response()
    return Problem(404, "not_found", f"There is nothing at {path}.").response()


async def _refused(_: Request, error: Exception) -> Response:
    return cast("Problem", error).response()
