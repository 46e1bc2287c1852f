"""The content of a subscription, checked before it is sent: the service checks too little."""

import re
from collections.abc import Mapping
from typing import Literal, TypedDict
from urllib.parse import urlsplit

from attrs import frozen

from ._redact import redact_url
from .errors import InvalidArgument
from .models import SubscriptionAttachment, SubscriptionAttachmentDict
from .types import JSONMapping, Replica

__all__ = [
    "Attachment",
    "Encoding",
    "Method",
    "Subscribed",
    "SubscriptionType",
    "subscription_arguments",
]

SubscriptionType = Literal["jmespath", "elasticsearch"]
Method = Literal["POST", "PUT"]
Encoding = Literal["application/json", "multipart/form-data"]

Attachment = str | SubscriptionAttachment | SubscriptionAttachmentDict
"""How to compute an attachment; a text is a JMESPath expression."""

_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f]")  # urlsplit takes some of these away
_FORM: Encoding = "multipart/form-data"


@frozen
class Subscribed:
    """A subscription that was made.

    Attributes:
        uuid: Its id.
        replica: The replica that it is about.
        subscription_type: Its kind; it decides where the subscription is found again.
    """

    uuid: str
    replica: Replica
    subscription_type: SubscriptionType


class SubscriptionArguments(TypedDict):
    """The arguments of `put_subscription`, except the replica."""

    callback_url: str
    method: Method | None
    encoding: Encoding | None
    form_fields: Mapping[str, str] | None
    payload_form_field: str | None
    jmespath_query: str | None
    es_query: Mapping[str, object] | None
    hmac_secret_key: str | None
    hmac_key_id: str | None
    attachments: Mapping[str, SubscriptionAttachment | SubscriptionAttachmentDict] | None


def subscription_arguments(
    *,
    callback_url: str,
    jmespath_query: str | None,
    es_query: "JSONMapping | None",
    method: Method | None,
    encoding: Encoding | None,
    form_fields: Mapping[str, str] | None,
    payload_form_field: str | None,
    hmac_secret_key: str | None,
    hmac_key_id: str | None,
    attachments: Mapping[str, Attachment] | None,
) -> SubscriptionArguments:
    """Return what is sent for a subscription.

    Raises:
        InvalidArgument: The service would refuse it, or silently do something else.
    """
    _check_callback(callback_url)
    _check_secret(hmac_secret_key, hmac_key_id)
    if (
        encoding == _FORM
    ):  # the original sends nothing where these are missing (docs/behaviour.md S29)
        form_fields = {} if form_fields is None else form_fields
        payload_form_field = "payload" if payload_form_field is None else payload_form_field
    elif form_fields or payload_form_field:
        raise InvalidArgument(
            f"form_fields and payload_form_field are part of a form: say encoding={_FORM!r}"
        )
    return SubscriptionArguments(
        callback_url=callback_url,
        method=method,
        encoding=encoding,
        form_fields=form_fields,
        payload_form_field=payload_form_field,
        jmespath_query=jmespath_query,
        es_query=_query(jmespath_query, es_query),
        hmac_secret_key=hmac_secret_key,
        hmac_key_id=hmac_key_id,
        attachments=_attachments(attachments),
    )


def _check_callback(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        usable = usable and not _UNSEEN.search(url)
    except ValueError:
        usable = False
    if not usable:
        shown = redact_url(url, presigned=True)
        raise InvalidArgument(
            f"callback_url {shown!r} cannot be called: it must be http(s)://HOST[:PORT]/..."
        )


def _check_secret(secret: str | None, key_id: str | None) -> None:
    if secret == "":
        raise InvalidArgument("hmac_secret_key is empty: notifications would prove nothing")
    if key_id is not None and secret is None:
        raise InvalidArgument(
            "hmac_key_id names a key, but nothing is signed: give hmac_secret_key"
        )


def _query(jmespath: str | None, es: "JSONMapping | None") -> Mapping[str, object] | None:
    if jmespath == "":
        raise InvalidArgument("jmespath_query is empty: leave it out to be notified of everything")
    if es is None:
        return None
    if jmespath is not None:
        raise InvalidArgument(
            "give jmespath_query or es_query, not both: the service would leave out the former"
        )
    query = es if isinstance(es, Mapping) else es.to_dict()
    if not query:
        raise InvalidArgument(
            "an empty es_query makes a jmespath subscription to everything: leave it out for that,"
            " or give {'query': {'match_all': {}}}"
        )
    return query


def _attachments(
    attachments: Mapping[str, Attachment] | None,
) -> dict[str, SubscriptionAttachment | SubscriptionAttachmentDict] | None:
    if attachments is None:
        return None
    for name in attachments:
        if name.startswith("_"):
            raise InvalidArgument(
                f"the name of attachment {name!r} must not start with an underscore"
            )
    return {
        name: {"type": "jmespath", "expression": each} if isinstance(each, str) else each
        for name, each in attachments.items()
    }
