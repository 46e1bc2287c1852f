"""The notifications for an object that was stored (docs/behaviour.md 11.2, 11.3)."""

import json
import logging
from collections.abc import Iterator
from typing import Literal
from uuid import uuid4

from attrs import frozen

from dss_client.types import JSONObject

from ..search.search_documents import bundle_document
from ..storage import documents
from ..storage.documents import ObjectKey
from ..storage.metadata import metadata_document
from ..storage.store import ObjectCreated, Replica
from .delivery import Deliveries
from .expressions import ExpressionError, evaluate
from .percolate import matching
from .subscription_store import Subscription, Subscriptions

_logger = logging.getLogger(__name__)

_MOST_ATTACHED = 131_072


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
            return metadata_document(self.replica, self.uuid, self.version)
        bundle = {"uuid": self.uuid, "version": self.version}
        return {**self.tombstone, "event_type": self.type, "bundle_info": bundle}

    def payload(self, subscription: Subscription) -> JSONObject:
        """Return what every notification of this event says."""
        match = {"bundle_uuid": self.uuid, "bundle_version": self.version}
        return {"subscription_id": subscription.uuid, "match": match}


class Notifier:
    """Queues a notification for each subscription that an object concerns."""

    def __init__(self, subscriptions: Subscriptions, deliveries: Deliveries) -> None:
        self._subscriptions = subscriptions
        self._deliveries = deliveries

    def take(self, stored: ObjectCreated) -> None:
        """Take in an object that was just stored; its writer never sees a failure of this."""
        key = ObjectKey.parse(stored.key) if stored.key.startswith("bundles/") else None
        if key is None:
            return
        try:
            self._notify(stored.replica, key)
        except Exception:
            _logger.exception("%s: nobody is notified of %s", stored.replica.name, stored.key)

    def _notify(self, replica: Replica, key: ObjectKey) -> None:
        by_expression = self._subscriptions.of(replica.name, "jmespath")
        by_query = self._subscriptions.of(replica.name, "elasticsearch")
        for event in _events(replica, key) if by_expression or by_query else ():
            if by_expression and (document := event.document()) is not None:
                for subscription in by_expression:
                    self._by_expression(event, subscription, document)
            if by_query and (indexed := bundle_document(replica, event.uuid, event.version)):
                for subscription in matching(by_query, f"{event.uuid}.{event.version}", indexed):
                    self._by_query(event, subscription, indexed)

    def _by_expression(
        self, event: _Event, subscription: Subscription, document: JSONObject
    ) -> None:
        query: str | None = subscription.get("jmespath_query")
        payload = {**event.payload(subscription), "event_type": event.type}
        if query is not None:
            try:
                if not evaluate(query, document):
                    return
            except ExpressionError as error:
                _logger.warning("subscription %s does not notify: %s", subscription.uuid, error)
                return
            payload["jmespath_query"] = query
        if subscription.get("attachments") and event.type == "CREATE":
            payload["attachments"] = attachments(subscription, document)
        self._deliveries.add(subscription, payload)

    def _by_query(self, event: _Event, subscription: Subscription, indexed: JSONObject) -> None:
        payload = {
            **event.payload(subscription),
            "transaction_id": str(uuid4()),
            "es_query": subscription.get("es_query"),
        }
        if subscription.get("attachments"):
            payload["attachments"] = attachments(subscription, indexed)
        self._deliveries.add(subscription, payload)


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
    parsed = [ObjectKey.parse(key) for key in replica.main.keys(f"bundles/{uuid}.")]
    keys = [key for key in parsed if key is not None]
    dead = {key.version for key in keys if key.dead}
    return [key.version for key in keys if key.version and key.version not in dead]


def attachments(subscription: Subscription, document: JSONObject) -> JSONObject:
    """Return what a subscription wants attached, with `_errors` for what cannot be."""
    found: JSONObject = {}
    errors: dict[str, str] = {}
    for name, attachment in subscription.get("attachments").items():
        try:
            found[name] = evaluate(attachment["expression"], document)
        except ExpressionError as error:
            errors[name] = str(error)
    if errors:
        found["_errors"] = errors
    size = len(json.dumps(found).encode())
    if size > _MOST_ATTACHED:
        return {"_errors": f"Attachments too large ({size} > {_MOST_ATTACHED})"}
    return found
