"""POST /search (docs/behaviour.md 8.10, 10.5)."""

import logging
import sqlite3
from urllib.parse import urlencode

from starlette.responses import Response

from dss_client.types import JSONObject

from ..errors import Problem
from ..search.entries import SortKey
from ..search.index import Hit, NotReady, Page
from ..search.query import QueryError, parse_query
from ..search.tree import Query
from ..service import Call
from .paging import page_response

_logger = logging.getLogger(__name__)

_RAW_PAGE = 10
_MOST_SKIPPED = 10_000  # Elasticsearch's own limit
# Replaced by the service, or without effect on its answers.
_IGNORED = frozenset({"sort", "_source", "size", "aggs", "aggregations", "highlight", "version"})


def post_search(call: Call) -> Response:
    """Answer with one page of the bundles that match a query."""
    es_query: JSONObject = call.arguments.body["es_query"]
    raw = call.query("output_format") == "raw"
    per_page: int = _RAW_PAGE if raw else call.query("per_page")
    after = _after(call.query("search_after"))
    try:
        query, skip = _parsed(es_query, paging=after is not None)
        page = Page(after=after, skip=skip, size=per_page, whole=raw)
        hits = call.service.indexes[call.replica.name].find(query, page)
    except (QueryError, RecursionError) as error:
        title = f"The query is refused: {error}."
        raise Problem(400, "elasticsearch_bad_request", title) from error
    except NotReady as error:
        raise Problem(503, "service_unavailable", str(error)) from error
    except sqlite3.Error as error:
        _logger.exception("%s: the search index failed", call.replica.name)
        title = "The search index failed; the service's log tells more."
        raise Problem(500, "internal_server_error", title) from error
    next_url = _next_url(call, hits.page[-1], per_page) if len(hits.page) == per_page else None
    content = {
        "es_query": es_query,
        "results": [_result(call, hit) for hit in hits.page],
        "total_hits": hits.total,
    }
    return page_response("results", content, next_url)


def _parsed(es_query: JSONObject, *, paging: bool) -> tuple[Query, int]:
    for word in es_query:
        if word not in _IGNORED and word not in {"query", "from"}:
            raise QueryError(f"unknown key [{word}]; did you mean [query]?")
    skip = es_query.get("from", 0)
    if not isinstance(skip, int) or not 0 <= skip <= _MOST_SKIPPED or (skip and paging):
        raise QueryError(
            f"[from] wants a whole number from 0 to {_MOST_SKIPPED}, and 0 with search_after"
        )
    return parse_query(es_query.get("query", {"match_all": {}})), skip


def _after(text: str | None) -> SortKey | None:
    """Return the sort values of the page before: uuid, version and, without one, the id."""
    if text is None:
        return None
    values = text.split(",")
    if len(values) not in {2, 3}:
        title = "Query parameter 'search_after' is not from a page of this search."
        raise Problem(400, "elasticsearch_bad_request", title)
    return (values[0], values[1], values[2] if len(values) == 3 else "")


def _next_url(call: Call, last: Hit, per_page: int) -> str:
    uuid, version, document_id = last.sort
    values = [uuid, version, document_id] if document_id else [uuid, version]
    query = {
        "per_page": per_page,
        "replica": call.replica.name,
        "search_after": ",".join(values),
        "output_format": call.query("output_format"),
    }
    return f"{call.base_url}/search?{urlencode(query)}"


def _result(call: Call, hit: Hit) -> JSONObject:
    uuid, _, version = hit.fqid.partition(".")
    query = urlencode({"version": version, "replica": call.replica.name})
    result: JSONObject = {
        "bundle_fqid": hit.fqid,
        "bundle_url": f"{call.base_url}/bundles/{uuid}?{query}",
        "search_score": None,
    }
    if hit.source is not None:
        result["metadata"] = hit.source
    return result
