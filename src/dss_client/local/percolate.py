"""The queries of elasticsearch subscriptions, matched against one document (§11.2)."""

from .documents import JsonObject
from .query import QueryError, compile_query
from .search import document_matches


def check_es_query(es_query: JsonObject) -> None:
    """Refuse a query that search would refuse, too.

    Raises:
        QueryError: The message names what is wrong.
    """
    compile_query(_query(es_query))


def matches(es_query: JsonObject, fqid: str, source: JsonObject) -> bool:
    """Tell whether a query such as `{"query": {...}}` finds a document.

    Raises:
        QueryError: The query is refused.
    """
    return document_matches(_query(es_query), fqid, source)


def _query(es_query: JsonObject) -> object:
    if "query" not in es_query:
        raise QueryError("it has no [query]")
    return es_query["query"]
