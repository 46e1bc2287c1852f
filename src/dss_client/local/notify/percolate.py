"""The queries of elasticsearch subscriptions, matched against one document.

See docs/behaviour.md 11.2.
"""

import logging
from collections.abc import Sequence

from dss_client.types import JSONObject

from ..search.conditions import Condition
from ..search.index import one_document
from ..search.query import compile_query
from .subscription_store import Subscription

_logger = logging.getLogger(__name__)


def compile_es_query(es_query: JSONObject) -> Condition | None:
    """Return what a query such as `{"query": {...}}` asks of a document.

    Returns:
        None where there is no `query`: the original service stores that, and it matches nothing.

    Raises:
        QueryError: Search would refuse it, too.
    """
    return compile_query(es_query["query"]) if "query" in es_query else None


def matching(
    subscriptions: Sequence[Subscription], fqid: str, source: JSONObject
) -> list[Subscription]:
    """Return the subscriptions whose query finds a document."""
    found: list[Subscription] = []
    with one_document(fqid, source) as fulfils:
        for subscription in subscriptions:
            try:
                condition = compile_es_query(subscription.get("es_query", {}))
                if condition is not None and fulfils(condition):
                    found.append(subscription)
            except Exception as error:  # noqa: BLE001 - it may harm no other
                _logger.warning("subscription %s is skipped: %s", subscription.uuid, error)
    return found
