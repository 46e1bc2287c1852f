"""Subscriptions of both kinds."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import NotFound
from ..types import JSONMapping, Replica
from .operations import AsyncOperations

if TYPE_CHECKING:
    from ..models import Subscription
    from ..subscriptions import Attachment, Encoding, Method, Subscribed, SubscriptionType

__all__ = ["AsyncSubscriptions"]


class AsyncSubscriptions(AsyncOperations):
    """Subscriptions of both kinds, as methods of the client."""

    async def subscribe(
        self,
        *,
        callback_url: str,
        replica: Replica,
        jmespath_query: str | None = None,
        es_query: JSONMapping | None = None,
        method: "Method | None" = None,
        encoding: "Encoding | None" = None,
        form_fields: Mapping[str, str] | None = None,
        payload_form_field: str | None = None,
        hmac_secret_key: str | None = None,
        hmac_key_id: str | None = None,
        attachments: "Mapping[str, Attachment] | None" = None,
    ) -> "Subscribed":
        """Subscribe a URL: the service calls it when a bundle is stored or deleted.

        Like `put_subscription`, but arguments that the service would misunderstand are refused
        first, and a form has all that it needs. Without a query every event notifies.

        Args:
            callback_url: The URL.
            replica: The replica to watch.
            jmespath_query: JMESPath expression on the metadata document of a bundle; true notifies.
            es_query: Elasticsearch query that a new index document must match, or what turns
                itself into one by ``to_dict()``. Not together with `jmespath_query`.
            method: HTTP method of the notifications; POST when not given.
            encoding: JSON when not given, or a form that has the payload as a field.
            form_fields: Further fields of such a form.
            payload_form_field: The field with the payload; ``payload`` when not given.
            hmac_secret_key: Secret to sign notifications with; see `dss_client.webhooks`.
            hmac_key_id: Name of that secret.
            attachments: Values to send along, by name: JMESPath expressions.

        Raises:
            InvalidArgument: It would be refused, or become another subscription than asked for.
            NotAcceptable: You have too many subscriptions.
        """
        from ..subscriptions import Subscribed, subscription_arguments

        sent = subscription_arguments(
            callback_url=callback_url,
            jmespath_query=jmespath_query,
            es_query=es_query,
            method=method,
            encoding=encoding,
            form_fields=form_fields,
            payload_form_field=payload_form_field,
            hmac_secret_key=hmac_secret_key,
            hmac_key_id=hmac_key_id,
            attachments=attachments,
        )
        made = await self.put_subscription(replica=replica, **sent)
        kind: SubscriptionType = "jmespath" if sent["es_query"] is None else "elasticsearch"
        return Subscribed(made.uuid, replica, kind)

    async def list_subscriptions(
        self, *, replica: Replica, subscription_type: "SubscriptionType | None" = None
    ) -> "list[Subscription]":
        """Return your subscriptions, of both kinds unless one is named.

        Args:
            replica: The replica that they are about.
            subscription_type: The kind.
        """
        found: list[Subscription] = []
        for kind in _types(subscription_type):
            answer = await self.get_subscriptions(replica=replica, subscription_type=kind)
            found += answer.subscriptions
        return found

    async def unsubscribe(
        self, *, uuid: str, replica: Replica, subscription_type: "SubscriptionType | None" = None
    ) -> None:
        """End a subscription; what is queued for it is not sent any more.

        Args:
            uuid: Its id.
            replica: The replica that it is about.
            subscription_type: Its kind; looked for when not given.

        Raises:
            NotFound: You have no such subscription.
            Forbidden: It is someone else's.
        """
        *others, last = _types(subscription_type)
        for kind in others:
            try:
                await self.delete_subscription(uuid=uuid, replica=replica, subscription_type=kind)
            except NotFound:
                continue
            return
        await self.delete_subscription(uuid=uuid, replica=replica, subscription_type=last)


def _types(wanted: "SubscriptionType | None") -> "tuple[SubscriptionType, ...]":
    return ("jmespath", "elasticsearch") if wanted is None else (wanted,)
