"""What a request asks for, told from its address alone."""

import re
from functools import cache
from urllib.parse import parse_qsl

from starlette.types import Scope

from dss_client._endpoints import ENDPOINTS

from ..storage.store import Storage
from .scenario import Target

BASE = "/v1"


def api_target(scope: Scope) -> Target:
    """Return what a request to the API asks for."""
    query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    method, path = scope["method"], scope["path"]
    operation = operation_id(method, path)
    return Target("api", operation, method, path, query.get("replica", ""))


def storage_target(storage: Storage, scope: Scope) -> Target:
    """Return what a request to the storage asks for."""
    path: str = scope["path"]
    bucket = path.split("/")[1]
    names = (
        name
        for name, replica in storage.replicas.items()
        if bucket in {replica.main.name, replica.checkout.name, replica.events.name}
    )
    return Target("storage", "", scope["method"], path, next(names, ""))


def operation_id(method: str, path: str) -> str:
    """Return the operationId of a request's method and path, empty if there is none."""
    path = path.rstrip("/")
    for pattern, by_method in _patterns():
        if pattern.fullmatch(path):
            found = by_method.get(method)
            return found or (by_method.get("GET", "") if method == "HEAD" else "")
    return ""


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], dict[str, str]], ...]:
    by_path: dict[str, dict[str, str]] = {}
    for endpoint in ENDPOINTS.values():
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint.name
    # Fixed paths go first: /bundles/all is not a bundle.
    paths = sorted(by_path, key=lambda path: (path.count("{"), path))
    return tuple(
        (re.compile(BASE + re.sub(r"\{[^}]*\}", "[^/]+", path)), by_path[path]) for path in paths
    )
