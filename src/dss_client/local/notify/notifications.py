"""The notifications for an object that was stored (docs/behaviour.md 11.2, 11.3)."""

import json
import logging
from collections.abc import Iterator
from typing import Any, Literal
from uuid import uuid4

import jmespath
from attrs import frozen

from dss_client.types import JSONObject

from ..search.document import Document
from ..search.query import parse_query
from ..search.search_documents import bundle_document
from ..search.tree import Query, matches
from ..storage import documents
from ..storage.documents import ObjectKey
from ..storage.store import ObjectCreated, Replica
from .delivery import Deliveries
from .subscription_store import Subscription, Subscriptions

_logger = logging.getLogger(__name__)

_MOST_ATTACHED = 131_072


class _ExpressionError(Exception):
    """A JMESPath expression fails on a document."""


def parse_es_query(es_query: JSONObject) -> Query | None:
    """Return what a query such as `{"query": {...}}` asks of a document.

    Returns:
        None where there is no `query`: the original service stores that, and it matches nothing.

    Raises:
        QueryError: Search would refuse it, too.
    """
    return parse_query(es_query["query"]) if "query" in es_query else None


def _evaluate(expression: str, document: object) -> Any:
    """Return the value of an expression on a document, None when it finds nothing."""
    try:
        value = jmespath.search(expression, document)
        json.dumps(value, allow_nan=False)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise _ExpressionError(str(error) or type(error).__name__) from error
    return value


@frozen
class _Event:
    """Something that happened to one version of a bundle."""

    type: Literal["CREATE", "TOMBSTONE"]
    replica: Replica
    uuid: str
    version: str
    tombstone: JSONObject

    def document(self) -> JSONObject | None:
        """Return what expressions of the jmespath kind see."""
        if self.type == "CREATE":
            return self.replica.metadata_document(self.uuid, self.version)
        bundle = {"uuid": self.uuid, "version": self.version}
        return {**self.tombstone, "event_type": self.type, "bundle_info": bundle}


class Notifier:
    """Queues a notification for each subscription that an object concerns.

    Args:
        subscriptions: The subscriptions.
        deliveries: Where notifications are queued.
        strict: Whether one odd file keeps a bundle from search, and so from its subscriptions.
    """

    def __init__(
        self, subscriptions: Subscriptions, deliveries: Deliveries, *, strict: bool
    ) -> None:
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._strict = strict

    def take(self, stored: ObjectCreated) -> None:
        """Take in an object that was just stored; its writer never sees a failure of this."""
        key = ObjectKey.parse(stored.key) if stored.key.startswith("bundles/") else None
        try:
            if key is not None:
                self._notify(stored.replica, key)
        except Exception:
            _logger.exception("%s: nobody is notified of %s", stored.replica.name, stored.key)

    def _notify(self, replica: Replica, key: ObjectKey) -> None:
        by_expression = self._subscriptions.of(replica.name, "jmespath")
        by_query = self._subscriptions.of(replica.name, "elasticsearch")
        for event in _events(replica, key) if by_expression or by_query else ():
            if by_expression and (document := event.document()):
                for subscription in by_expression:
                    if _wants(subscription, document):
                        self._add(event, subscription, document)
            indexed = None
            if by_query:
                indexed = bundle_document(replica, event.uuid, event.version, strict=self._strict)
            if indexed is not None:
                searched = Document.of(f"{event.uuid}.{event.version}", indexed)
                for subscription in by_query:
                    if _finds(subscription, searched):
                        self._add(event, subscription, indexed)

    def _add(self, event: _Event, subscription: Subscription, document: JSONObject) -> None:
        payload: JSONObject = {
            "subscription_id": subscription.uuid,
            "match": {"bundle_uuid": event.uuid, "bundle_version": event.version},
        }
        attaches = bool(subscription.get("attachments"))
        if subscription.kind == "elasticsearch":
            payload["transaction_id"] = str(uuid4())
            payload["es_query"] = subscription.get("es_query")
        else:
            payload["event_type"] = event.type
            attaches = attaches and event.type == "CREATE"
            if "jmespath_query" in subscription.content:
                payload["jmespath_query"] = subscription.get("jmespath_query")
        if attaches:
            payload["attachments"] = _attachments(subscription, document)
        self._deliveries.add(subscription, payload)


def _wants(subscription: Subscription, document: JSONObject) -> bool:
    query = subscription.get("jmespath_query")
    if query is None:
        return True
    try:
        return bool(_evaluate(query, document))
    except _ExpressionError as error:
        _logger.warning("subscription %s does not notify: %s", subscription.uuid, error)
        return False


def _finds(subscription: Subscription, document: Document) -> bool:
    try:
        query = parse_es_query(subscription.get("es_query", {}))
        return query is not None and matches(query, document)
    except Exception as error:  # noqa: BLE001 - it may harm no other
        _logger.warning("subscription %s is skipped: %s", subscription.uuid, error)
        return False


def _events(replica: Replica, key: ObjectKey) -> Iterator[_Event]:
    """Yield what an object means: its versions that are new, or dead from now on."""
    if not key.dead and key.version:
        yield _Event("CREATE", replica, key.uuid, key.version, {})
        return
    content = documents.decode(replica.main.get(f"bundles/{key.name}")) or {}
    # Of a tombstone of all versions one each, not one for all (docs/behaviour.md S28).
    for version in [key.version] if key.version else _not_dead_alone(replica, key.uuid):
        yield _Event("TOMBSTONE", replica, key.uuid, version, content)


def _not_dead_alone(replica: Replica, uuid: str) -> list[str]:
    """Return the versions of a bundle that have no tombstone of their own."""
    keys = list(replica.listed(f"bundles/{uuid}."))
    dead = {key.version for key in keys if key.dead}
    return [key.version for key in keys if key.version and key.version not in dead]


def _attachments(subscription: Subscription, document: JSONObject) -> JSONObject:
    """Return what a subscription wants attached, with `_errors` for what cannot be."""
    found: JSONObject = {}
    errors: dict[str, str] = {}
    for name, attachment in subscription.get("attachments").items():
        try:
            found[name] = _evaluate(attachment["expression"], document)
        except _ExpressionError as error:
            errors[name] = str(error)
    if errors:
        found["_errors"] = errors
    size = len(json.dumps(found).encode())
    if size > _MOST_ATTACHED:
        return {"_errors": f"Attachments too large ({size} > {_MOST_ATTACHED})"}
    return found
