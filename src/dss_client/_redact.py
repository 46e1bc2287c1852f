"""Keeps secrets out of texts: tokens, and the queries of presigned URLs."""

import html
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

__all__ = ["REDACTED", "mask", "redact_url", "secrets_in"]

REDACTED = "<redacted>"

_SECRET_KEYS = frozenset(
    {"access_token", "awsaccesskeyid", "googleaccessid", "sig", "signature"}
    | {f"x-{cloud}-{key}" for cloud in ("amz", "goog") for key in ("credential", "signature")}
    | {"x-amz-security-token"}
)
_SHORTEST = 4  # shorter texts are not secrets, and would be found everywhere
_BEARER = re.compile(r"(\bbearer\s+)[^\s\"'\\<>,;]+", re.IGNORECASE)
_PARAMETER = re.compile(
    rf"([?&;](?:{'|'.join(sorted(_SECRET_KEYS))})(?:=|%3D))[^&\s\"'<>\\]+", re.IGNORECASE
)


def redact_url(url: str, *, presigned: bool = False) -> str:
    """Return `url` fit for a log: without user info, and without its query where that is a secret.

    Args:
        url: Any URL.
        presigned: The URL is known to grant access to whoever holds it: always drop the query.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "<unreadable URL>"
    query = parts.query
    names = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
    if query and (presigned or names & _SECRET_KEYS):
        query = REDACTED
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def secrets_in(url: str) -> tuple[str, ...]:
    """Return what gives access in a presigned URL: its query, and the secret values in it."""
    try:
        query = urlsplit(url).query
    except ValueError:
        return ()
    pairs = parse_qsl(query, keep_blank_values=True)
    return (query, *(value for name, value in pairs if name.lower() in _SECRET_KEYS))


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text of the other side without secrets.

    Args:
        text: The text.
        secrets: What was sent. Whatever else looks like a token or a presigned query goes, too.
    """
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            for form in {secret, quote(secret, safe=""), html.escape(secret)}:
                text = text.replace(form, REDACTED).replace(form.replace("/", r"\/"), REDACTED)
    return _PARAMETER.sub(rf"\1{REDACTED}", _BEARER.sub(rf"\1{REDACTED}", text))
