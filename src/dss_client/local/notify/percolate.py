"""The queries of elasticsearch subscriptions, matched against one document.

See docs/behaviour.md 11.2.
"""

import logging
from collections.abc import Sequence

from dss_client.types import JSONObject

from ..search.conditions import Condition
from ..search.index import document_fulfils
from ..search.query import QueryError, compile_query
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
    compiled: list[tuple[Subscription, Condition]] = []
    for subscription in subscriptions:
        try:
            condition = compile_es_query(subscription.get("es_query", {}))
        except QueryError as error:  # stored by something else
            _logger.warning("subscription %s is skipped: %s", subscription.uuid, error)
        else:
            if condition is not None:
                compiled.append((subscription, condition))
    fulfilled = document_fulfils([condition for _, condition in compiled], fqid, source)
    return [each for (each, _), found in zip(compiled, fulfilled, strict=True) if found]
