"""Subscriptions as they are stored: JSON files outside of the buckets.

See docs/behaviour.md 8.11, 11.1.

They cannot be rebuilt from a bucket, so they are not in a database that may be deleted.
"""

import logging
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen

from dss_client._files import write_file
from dss_client.types import JSONObject
from dss_client.types import Replica as ReplicaName

from ..storage import documents

_logger = logging.getLogger(__name__)
_NEEDED = frozenset({"uuid", "owner", "replica", "callback_url"})

SubscriptionKind = Literal["jmespath", "elasticsearch"]


@frozen
class Subscription:
    """A subscription.

    Attributes:
        content: What was sent, with `uuid`, `owner` and `replica`; defaults are not filled in.
    """

    content: JSONObject = field(repr=False)  # holds the secret

    @property
    def kind(self) -> SubscriptionKind:
        """What selects events; a non-empty `es_query` decides."""
        return "elasticsearch" if self.content.get("es_query") else "jmespath"

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
    """All subscriptions: a file for each, read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, Subscription] = {}
        for path in sorted(folder.glob("*.json")):
            content = documents.decode(path.read_bytes()) or {}
            if content.keys() >= _NEEDED:
                self._found[str(content["uuid"])] = Subscription(content)
            else:
                _logger.warning("%s is skipped, it is not a subscription", path.name)

    def of(self, replica: ReplicaName, kind: SubscriptionKind) -> list[Subscription]:
        """Return the subscriptions of one kind in one replica, by uuid, descending."""
        found = sorted(self._found.values(), key=lambda each: each.uuid, reverse=True)
        return [each for each in found if (each.kind, each.replica) == (kind, replica)]

    def get(self, uuid: str) -> Subscription | None:
        """Return a subscription, None when there is none or it was deleted."""
        return self._found.get(uuid)

    def add(self, subscription: Subscription) -> None:
        """Store a subscription."""
        self._folder.mkdir(parents=True, exist_ok=True)
        content = documents.encode(subscription.content)
        write_file(self._path(subscription.uuid), content, mode=0o600)  # it holds a secret
        self._found[subscription.uuid] = subscription

    def remove(self, uuid: str) -> None:
        """Delete a subscription."""
        self._found.pop(uuid, None)
        self._path(uuid).unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete all subscriptions."""
        for uuid in list(self._found):
            self.remove(uuid)

    def _path(self, uuid: str) -> Path:
        return self._folder / f"{uuid}.json"
