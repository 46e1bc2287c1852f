"""The queries of elasticsearch subscriptions, matched against one document (§11.2)."""

from .documents import JsonObject
from .query import Document, Predicate, QueryError, compile_query


def check_es_query(es_query: JsonObject) -> None:
    """Refuse a query that search would refuse, too.

    Raises:
        QueryError: The message names what is wrong.
    """
    _compile(es_query)


def matches(es_query: JsonObject, document_id: str, source: JsonObject) -> bool:
    """Tell whether a query such as `{"query": {...}}` finds a document.

    Raises:
        QueryError: The query is refused.
    """
    return _compile(es_query)(Document(document_id, source))


def _compile(es_query: JsonObject) -> Predicate:
    if "query" not in es_query:
        raise QueryError("it has no [query]")
    return compile_query(es_query["query"])
