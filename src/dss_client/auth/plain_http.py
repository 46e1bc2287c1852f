"""Requests to the issuer of tokens: outside the API, and never with a token."""

import json
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from dss_client._environment import is_loopback
from dss_client._http import NETWORK_ERRORS, Route, new_client
from dss_client._redact import mask, mask_error, redact_url

from .errors import LoginError

__all__ = ["get_object", "need_protection", "post_form"]

_TIMEOUT = 30.0
_MAX_BODY = 1 << 20
_PUBLIC = ("error", "error_description")  # of a refusal (RFC 6749, section 5.2)


def need_protection(url: str) -> None:
    """Refuse a URL over which a secret would be sent in the clear.

    Raises:
        LoginError: The URL is not https.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        place = redact_url(url, presigned=True)
        raise LoginError(f"{place} is not https: a login is sent over https only")


def get_object(url: str) -> dict[str, Any]:
    """Ask for a JSON object.

    Raises:
        LoginError: There is no such answer.
    """
    return _object("GET", url, None)


def post_form(url: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """Send a form, and return the JSON object that answers it.

    Raises:
        LoginError: The server refused it; the message has its reason. Or the form, which holds
            secrets, would be sent in the clear.
    """
    need_protection(url)
    return _object("POST", url, fields)


def _object(method: str, url: str, fields: Mapping[str, str] | None) -> dict[str, Any]:
    place = f"{method} {redact_url(url, presigned=True)}"
    sent = tuple(fields.values()) if fields else ()
    try:
        with new_client(Route.to(url)) as client:
            response = client.request(method, url, data=fields, timeout=_TIMEOUT)
    except NETWORK_ERRORS as error:
        raise LoginError(f"{place}: {mask_error(error, sent)}") from error
    try:
        document: object = json.loads(response.content[:_MAX_BODY])
    except ValueError:
        document = None
    answer = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    if response.status_code != 200:
        said = ": ".join(str(answer[name]) for name in _PUBLIC if answer.get(name))
        reason = mask(said, sent)  # some say back what they got
        raise LoginError(f"{place}: {response.status_code} {reason}".rstrip())
    if not answer:
        raise LoginError(f"{place}: the answer is not a JSON object")
    return answer
