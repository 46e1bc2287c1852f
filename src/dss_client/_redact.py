"""Keeps secrets out of texts: tokens, and the queries of presigned URLs."""

import html
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit, urlunsplit

__all__ = ["REDACTED", "mask", "mask_error", "redact_url", "secret_values_in", "secrets_in"]

REDACTED = "<redacted>"

_SECRET_KEYS = frozenset(
    {"access_token", "awsaccesskeyid", "googleaccessid", "sig", "signature"}
    | {f"x-{cloud}-{key}" for cloud in ("amz", "goog") for key in ("credential", "signature")}
    | {"x-amz-security-token"}
)
_SHORTEST = 4  # shorter texts are not secrets, and would be found everywhere
_QUOTED = 16  # characters of a secret by which it is known where it was cut off
_LETTER = r"[^\s\"'<>\\,;&)]"  # of a word in whatever text
_BEARER = re.compile(rf"(\bbearer(?:\s|\+|%20)+){_LETTER}+", re.IGNORECASE)
_TOKEN = re.compile(r"\b(?:eyJ[\w-]{8,}(?:\.[\w-]*){0,4}|ya29\.[\w.-]+)")  # JWT; Google's
_PARAMETER = re.compile(
    rf"((?:(?<![\w-])|(?<=\\u0026)|(?<=%26))(?:{'|'.join(sorted(_SECRET_KEYS))})"
    rf"(?:=|%3D|\\u003D)){_LETTER}+",
    re.IGNORECASE,
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
        return urlsplit(url).query, *secret_values_in(url)
    except ValueError:
        return ()


def secret_values_in(url: str) -> tuple[str, ...]:
    """Return the secret values in the query of a URL that may be a plain one."""
    try:
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return ()
    return tuple(value for name, value in pairs if name.lower() in _SECRET_KEYS)


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text of the other side without secrets.

    Args:
        text: The text.
        secrets: What was sent. Whatever else looks like a token or a presigned query goes, too.
    """
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            text = _pattern(secret).sub(REDACTED, text)
    for looks_secret in (_BEARER, _PARAMETER):
        text = looks_secret.sub(rf"\1{REDACTED}", text)
    return _TOKEN.sub(REDACTED, text)


def mask_error(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """Return the text of a library's error without secrets, and take them out of it and its causes.

    Such an error may quote what came. It is kept as the cause of ours, which a traceback shows.
    """
    known = tuple(secrets)
    each: BaseException | None = error
    while each is not None:
        each.args = tuple(mask(arg, known) if isinstance(arg, str) else arg for arg in each.args)
        each = each.__cause__  # not its context: that may be the caller's
    return mask(str(error), known) or type(error).__name__


@lru_cache(maxsize=64)
def _pattern(secret: str) -> re.Pattern[str]:
    """Return what finds a secret, whole or cut off, as it is or escaped for JSON, HTML or a URL."""
    forms = [_forms(letter) for letter in secret]
    found = "".join(forms)
    if len(secret) > _QUOTED:
        found += f"|{''.join(forms[:_QUOTED])}{_LETTER}*"
    return re.compile(found, re.IGNORECASE)


def _forms(letter: str) -> str:
    if letter.isalnum():
        return letter
    code = ord(letter)
    named = html.escape(letter)[1:] if letter in "&<>\"'" else f"#{code};"
    return (
        rf"(?:\\{{0,8}}(?:{re.escape(letter)}|u00{code:02x})|%(?:25){{0,4}}{code:02x}"
        rf"|&(?:amp;){{0,4}}(?:{named}|#0{{0,4}}{code};|#x0{{0,4}}{code:x};))"
    )
