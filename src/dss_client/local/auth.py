"""Authentication and authorisation (docs/behaviour.md 6)."""

import secrets
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import jwt
from attrs import frozen
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)

from .errors import Problem
from .settings import LocalSettings

OWN_ISSUER = "https://local-dss.invalid/"
GROUP_CLAIM = "https://auth.data.humancellatlas.org/group"
EMAIL_CLAIM = "https://auth.data.humancellatlas.org/email"
_ALGORITHM = "RS256"
_LOCK = threading.Lock()


@frozen
class Caller:
    """The holder of a valid token.

    Attributes:
        email: The email claim; None where the token has none.
        group: The group claim; None where the token has none.
    """

    email: str | None
    group: str | None


@frozen
class _Rule:
    groups: frozenset[str] = frozenset()
    needs_email: bool = False
    only_admins: bool = False


_WRITES = _Rule(groups=frozenset({"hca"}))
_COLLECTIONS = _Rule(groups=frozenset({"hca"}), needs_email=True)
_SUBSCRIPTIONS = _Rule(groups=frozenset({"hca", "public"}), needs_email=True)

RULES: dict[str, _Rule] = {
    "put_file": _WRITES,
    "put_bundle": _WRITES,
    "patch_bundle": _WRITES,
    "delete_bundle": _Rule(needs_email=True, only_admins=True),
    "get_collections": _COLLECTIONS,
    "put_collection": _COLLECTIONS,
    "get_collection": _COLLECTIONS,
    "patch_collection": _COLLECTIONS,
    "delete_collection": _COLLECTIONS,
    "get_subscriptions": _SUBSCRIPTIONS,
    "put_subscription": _SUBSCRIPTIONS,
    "get_subscription": _SUBSCRIPTIONS,
    "delete_subscription": _SUBSCRIPTIONS,
}
"""What each secured operation requires; PUT and PATCH of bundles as in docs/behaviour.md S6."""


def authorize(operation_id: str, caller: Caller, settings: LocalSettings) -> None:
    """Refuse a caller whose group or email does not allow the operation, or who is not an admin.

    Raises:
        Problem: 403 `Forbidden` or 401 `Unauthorized`.
    """
    rule = RULES[operation_id]
    if rule.groups and caller.group not in rule.groups:
        allowed = " or ".join(sorted(rule.groups))
        raise _forbidden(f"this needs a token with the group claim {allowed}")
    if rule.needs_email and not caller.email:
        raise Problem(401, "Unauthorized", "Authorization token is missing email claims.")
    if rule.only_admins and caller.email not in settings.admins:
        raise _forbidden("this is for admins only")


class Tokens:
    """Makes the tokens of one server, and checks any."""

    def __init__(self, settings: LocalSettings) -> None:
        """Read the keys of the trusted issuers.

        Raises:
            ValueError: The keys of an issuer are not a JSON Web Key Set, or have no RSA key.
        """
        self._audiences = list(settings.audiences)
        self._keys = {
            issuer: _rsa_keys(issuer, jwks) for issuer, jwks in settings.trusted_issuers.items()
        }
        self._own_kid = secrets.token_hex(8)

    def mint(
        self,
        email: str | None,
        group: str | None,
        expires_in: float,
        claims: Mapping[str, object],
    ) -> str:
        """Return a token that this server trusts; see `LocalDSS.mint_token`."""
        now = int(time.time())
        content = {
            "iss": OWN_ISSUER,
            "sub": email,
            "aud": self._audiences,
            "iat": now,
            "exp": int(now + expires_in),
            "scope": "openid email offline_access",
            EMAIL_CLAIM: email,
            GROUP_CLAIM: group,
            **claims,
        }
        content = {name: value for name, value in content.items() if value is not None}
        headers = {"kid": self._own_kid}
        return jwt.encode(content, _own_key(), algorithm=_ALGORITHM, headers=headers)

    def caller(self, authorization: str | None) -> Caller:
        """Return who sent an `Authorization` header.

        Raises:
            Problem: 401 `OAuthProblem` or `Unauthorized`, or 403 `Forbidden` (docs/behaviour.md 6).
        """
        words = (authorization or "").split()
        if len(words) != 2 or words[0].lower() != "bearer":
            needed = "this needs the header 'Authorization: Bearer <token>'"
            raise Problem(401, "OAuthProblem", f"No authorization token provided: {needed}.")
        token = words[1]
        try:
            key = self._key_of(token)
            claims = jwt.decode(token, key, algorithms=[_ALGORITHM], audience=self._audiences)
        except jwt.ExpiredSignatureError:
            raise _invalid("it has expired") from None
        except jwt.InvalidAudienceError:
            raise _invalid("it is for another audience") from None
        except (jwt.PyJWTError, RecursionError, OverflowError):
            raise _invalid("it is not a valid RS256 JSON Web Token") from None
        if "scope" not in claims and "scopes" not in claims:
            raise _invalid("it has no scope claim")
        return Caller(
            email=_text(claims.get(EMAIL_CLAIM)) or _text(claims.get("email")),
            group=_text(claims.get(GROUP_CLAIM)),
        )

    def _key_of(self, token: str) -> RSAPublicKey:
        try:
            parsed = jwt.decode_complete(token, options={"verify_signature": False})
        except (jwt.PyJWTError, RecursionError, OverflowError):
            raise Problem(401, "Unauthorized", "Failed to decode token.") from None
        claims: dict[str, object] = parsed["payload"]
        issuer = claims.get("iss")
        keys = self._keys_of(issuer) if isinstance(issuer, str) else None
        # An issuer with an '@' is a service account, which speaks for itself only.
        if keys is None or ("@" in str(issuer) and issuer != claims.get("sub")):
            raise _forbidden("the issuer of the token is not trusted")
        key = keys.get(parsed["header"].get("kid", ""))
        if key is None:
            raise _invalid("it is signed with an unknown key")
        return key

    def _keys_of(self, issuer: str) -> dict[str, RSAPublicKey] | None:
        if issuer == OWN_ISSUER:
            return {self._own_kid: _own_key().public_key()}
        return self._keys.get(issuer)


def _own_key() -> RSAPrivateKey:
    """Return the key of this process: its services tell their tokens by the kid that is signed."""
    with _LOCK:
        return _generated_key()


@cache
def _generated_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def _rsa_keys(issuer: str, jwks: Mapping[str, Any]) -> dict[str, RSAPublicKey]:
    try:
        found = jwt.PyJWKSet.from_dict(dict(jwks)).keys
    except (jwt.PyJWTError, TypeError, AttributeError) as error:
        raise ValueError(f"The keys of issuer {issuer!r} are not a JSON Web Key Set") from error
    keys = {str(key.key_id): key.key for key in found if isinstance(key.key, RSAPublicKey)}
    if not keys:
        raise ValueError(f"Issuer {issuer!r} has no public RSA key; tokens are signed with RS256")
    return keys


def _text(claim: object) -> str | None:
    return claim if isinstance(claim, str) else None


# Clients look for the beginnings of these.


def _invalid(reason: str) -> Problem:
    return Problem(401, "Unauthorized", f"Authorization token is invalid: {reason}.")


def _forbidden(reason: str) -> Problem:
    title = f"User is not authorized to access this resource: {reason}."
    return Problem(403, "Forbidden", title)
