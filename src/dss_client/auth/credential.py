"""The facts about a credential that can be shown."""

import base64
import json
from typing import Any, Literal, cast

from attrs import asdict, frozen

__all__ = ["Credential", "Origin", "describe", "is_jwt"]

Origin = Literal[
    "token argument",
    "token function",
    "DSS_TOKEN",
    "service account",
    "stored login",
    "configuration of hca",
]
"""Where a token comes from."""

_YEAR_10000 = 253_402_300_800
_CLAIMS = "https://auth.data.humancellatlas.org"


@frozen
class Credential:
    """The account that a client uses, as its token states it. Nothing here verifies the token.

    Attributes:
        origin: Where the token comes from.
        email: The account that it was issued to.
        group: The group of that account.
        issuer: The issuer of the token.
        expires_at: When it expires, in seconds since 1970.
    """

    origin: Origin
    email: str | None = None
    group: str | None = None
    issuer: str | None = None
    expires_at: float | None = None

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON values."""
        return asdict(self)


def describe(token: str, origin: Origin, *, expires_at: float | None = None) -> Credential:
    """Return the claims of a token; only its origin if it is not a JWT."""
    claims = _claims(token)
    ends = _moment(claims.get("exp"))
    return Credential(
        origin,
        _text(claims.get(f"{_CLAIMS}/email")) or _text(claims.get("email")),
        _text(claims.get(f"{_CLAIMS}/group")),
        _text(claims.get("iss")),
        _moment(expires_at) if ends is None else ends,
    )


def is_jwt(token: str) -> bool:
    """Tell whether a token states an account, as those of a DSS do."""
    return bool(_claims(token))


def _claims(token: str) -> dict[str, Any]:
    part = [*token.split("."), ""][1]
    try:
        document: object = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def _moment(value: object) -> float | None:
    """Return a time; None if it is out of range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _YEAR_10000 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
