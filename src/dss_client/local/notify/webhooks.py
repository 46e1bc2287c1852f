"""The request that delivers a notification, and its signature (docs/behaviour.md 11.4)."""

import base64
import hashlib
import hmac
import json
from email.utils import formatdate

import httpx

from dss_client.types import JSONObject

from .subscription_store import Subscription


def webhook_request(
    subscription: Subscription, payload: JSONObject, attempt: int, now: float
) -> httpx.Request:
    """Return the request that delivers a payload, signed when the subscription has a secret.

    Args:
        subscription: Says where to and how; its defaults are applied here (docs/behaviour.md S29).
        payload: What is sent.
        attempt: How many times it was sent before.
        now: Seconds since 1970, for the `Date` of a signature.

    Raises:
        httpx.InvalidURL: The subscription's URL is not valid.
    """
    method = subscription.get("method", "POST")
    url = subscription.get("callback_url")
    content = json.dumps(payload).encode()
    if subscription.get("encoding") == "multipart/form-data":
        request = httpx.Request(method, url, files=_parts(subscription, content))
    else:
        headers = {"Content-Type": "application/json"}
        request = httpx.Request(method, url, headers=headers, content=content)
    if subscription.kind == "elasticsearch":
        request.headers["X-dss-notify-attempt"] = str(attempt)
    secret = subscription.get("hmac_secret_key")
    if secret:
        key_id = subscription.get("hmac_key_id", f"hca-dss:{subscription.uuid}")
        request.headers.update(_signature(key_id, secret, request.read(), now))
    return request


def _parts(subscription: Subscription, content: bytes) -> list[tuple[str, tuple[None, bytes]]]:
    """Return the form's fields; a part without a file name gets no content type either."""
    fields = {
        name: str(value).encode() for name, value in subscription.get("form_fields", {}).items()
    }
    fields[subscription.get("payload_form_field", "payload")] = content
    return [(name, (None, value)) for name, value in fields.items()]


def _signature(key_id: str, secret: str, body: bytes, now: float) -> dict[str, str]:
    """Return the headers of a draft-cavage signature over date and digest."""
    date = formatdate(now, usegmt=True)
    digest = f"SHA-256={_base64(hashlib.sha256(body).digest())}"
    signed = f"date: {date}\ndigest: {digest}".encode()
    signature = _base64(hmac.new(secret.encode(), signed, hashlib.sha256).digest())
    return {
        "Date": date,
        "Digest": digest,
        "Authorization": (
            f'Signature keyId="{key_id}",algorithm="hmac-sha256",headers="date digest",'
            f'signature="{signature}"'
        ),
    }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
