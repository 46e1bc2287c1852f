"""Subscriptions as they are stored: JSON files outside of the buckets.

See docs/behaviour.md 8.11, 11.1.

They cannot be rebuilt from a bucket, so they are not in a database that may be deleted.
"""

import json
import logging
import threading
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen

from dss_client._files import write_file
from dss_client.types import JSONObject
from dss_client.types import Replica as ReplicaName

from ..storage import documents

_logger = logging.getLogger(__name__)

SubscriptionKind = Literal["jmespath", "elasticsearch"]


@frozen
class Subscription:
    """A subscription.

    Attributes:
        content: What was sent, with `uuid`, `owner` and `replica`; defaults are not filled in.
    """

    kind: SubscriptionKind
    content: JSONObject = field(repr=False)  # holds the secret

    @property
    def uuid(self) -> str:
        """Its id."""
        return str(self.content["uuid"])

    @property
    def owner(self) -> str:
        """Email of who made it."""
        return str(self.content["owner"])

    @property
    def replica(self) -> str:
        """Name of the replica whose events notify."""
        return str(self.content["replica"])

    @property
    def public(self) -> JSONObject:
        """The content without the secret."""
        return {name: each for name, each in self.content.items() if name != "hmac_secret_key"}

    def get(self, name: str, default: Any = None) -> Any:
        """Return a property that was sent, else a default."""
        return self.content.get(name, default)


class Subscriptions:
    """All subscriptions, read from their folder on the first look."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._found: dict[str, Subscription] | None = None

    def of(self, replica: ReplicaName, kind: SubscriptionKind) -> list[Subscription]:
        """Return the subscriptions of one kind in one replica, by uuid, descending."""
        with self._lock:
            found = [
                each
                for each in self._all().values()
                if each.kind == kind and each.replica == replica
            ]
        return sorted(found, key=lambda each: each.uuid, reverse=True)

    def get(self, uuid: str) -> Subscription | None:
        """Return a subscription, None when there is none or it was deleted."""
        with self._lock:
            return self._all().get(uuid)

    def add(self, subscription: Subscription) -> None:
        """Store a subscription."""
        content = json.dumps({"kind": subscription.kind, "subscription": subscription.content})
        with self._lock:
            known = self._all()
            self._folder.mkdir(parents=True, exist_ok=True)
            write_file(self._path(subscription.uuid), content, mode=0o600)  # it holds a secret
            known[subscription.uuid] = subscription

    def remove(self, uuid: str) -> None:
        """Delete a subscription."""
        with self._lock:
            self._all().pop(uuid, None)
            self._path(uuid).unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete all subscriptions."""
        with self._lock:
            for path in self._folder.glob("*.json"):
                path.unlink()
            self._found = None

    def _path(self, uuid: str) -> Path:
        return self._folder / f"{uuid}.json"

    def _all(self) -> dict[str, Subscription]:
        if self._found is None:
            read = [_read(path) for path in sorted(self._folder.glob("*.json"))]
            self._found = {each.uuid: each for each in read if each is not None}
        return self._found


def _read(path: Path) -> Subscription | None:
    stored = documents.decode(path.read_bytes()) or {}
    kind, content = stored.get("kind"), documents.as_object(stored.get("subscription")) or {}
    needed = ("uuid", "owner", "replica", "callback_url")
    if kind not in {"jmespath", "elasticsearch"} or any(name not in content for name in needed):
        _logger.warning("%s is skipped, it is not a subscription", path.name)
        return None
    return Subscription(kind, content)
