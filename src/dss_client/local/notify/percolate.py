"""The queries of elasticsearch subscriptions, matched against one document.

See docs/behaviour.md 11.2.
"""

import logging
from collections.abc import Sequence

from dss_client.types import JSONObject

from ..search.document import Document
from ..search.query import parse_query
from ..search.tree import Query, matches
from .subscription_store import Subscription

_logger = logging.getLogger(__name__)


def parse_es_query(es_query: JSONObject) -> Query | None:
    """Return what a query such as `{"query": {...}}` asks of a document.

    Returns:
        None where there is no `query`: the original service stores that, and it matches nothing.

    Raises:
        QueryError: Search would refuse it, too.
    """
    return parse_query(es_query["query"]) if "query" in es_query else None


def matching(
    subscriptions: Sequence[Subscription], fqid: str, source: JSONObject
) -> list[Subscription]:
    """Return the subscriptions whose query finds a document."""
    document = Document.of(fqid, source)
    found: list[Subscription] = []
    for subscription in subscriptions:
        try:
            query = parse_es_query(subscription.get("es_query", {}))
            if query is not None and matches(query, document):
                found.append(subscription)
        except Exception as error:  # noqa: BLE001 - it may harm no other
            _logger.warning("subscription %s is skipped: %s", subscription.uuid, error)
    return found
