"""The signature of a notification: draft-cavage HTTP signatures with HMAC-SHA256.

See docs/behaviour.md 11.4.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

from attrs import field, frozen

from dss_client.errors import InvalidArgument

from .errors import (
    DateMalformed,
    DigestMismatch,
    HeaderNotSigned,
    KeyUnknown,
    SignatureMalformed,
    SignatureMismatch,
    SignatureMissing,
    SignatureUnsupported,
    shown,
)
from .headers import HeaderFields, as_utf8

__all__ = ["Secret", "Secrets", "Signature", "check_digest", "check_signature", "signed_date"]

Secret = str | bytes
"""A secret; text is used as UTF-8, as the service does."""

Secrets = Secret | Mapping[str, Secret] | Callable[[str], Secret | None]
"""One secret for all keys, or secrets by key id, or a function that finds one."""

ALGORITHM = "hmac-sha256"
_REQUIRED = ("date", "digest")
_MOST_HEADER = 8_192
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"({_WORD})(?: +(.*))?", re.DOTALL)
_PARAMETER = re.compile(rf'[ \t]*({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))[ \t]*')
_ESCAPED = re.compile(r"\\(.)")
_HEADER_NAME = re.compile(_WORD)


@frozen
class Signature:
    """The content of the ``Authorization`` header.

    Attributes:
        key_id: Names the secret.
        headers: Names of the headers that are signed, in lower case and in their order.
        value: The signature itself.
    """

    key_id: str
    headers: tuple[str, ...]
    value: bytes = field(repr=False)

    @classmethod
    def parse(cls, header: str) -> "Signature":
        """Read an ``Authorization`` header.

        Raises:
            SignatureMissing: It is of another scheme.
            SignatureMalformed: It cannot be read, or says something twice or not at all.
            SignatureUnsupported: The algorithm is another one, or not only headers are signed.
        """
        if len(header) > _MOST_HEADER:
            raise SignatureMalformed("the Authorization header is too long")
        scheme = _SCHEME.fullmatch(header)
        if scheme is None or scheme[1].lower() != "signature":
            raise SignatureMissing("the Authorization header holds no Signature")
        found = _parameters(scheme[2] or "")
        for name in ("keyid", "algorithm", "signature"):
            if not found.get(name):
                raise SignatureMalformed(f"the signature has no {name}")
        if found["algorithm"].lower() != ALGORITHM:
            raise SignatureUnsupported(
                f"the signature's algorithm is {shown(found['algorithm'])}, not {ALGORITHM}"
            )
        return cls(
            as_utf8(found["keyid"]),
            _names(found.get("headers", "date")),  # the scheme's default
            _value(found["signature"]),
        )

    def signed(self, headers: HeaderFields) -> bytes:
        """Return the text that is signed.

        Raises:
            HeaderMissing, HeaderRepeated: A header that is signed is not there, or not just once.
        """
        lines = [f"{name}: {headers.need(name)}" for name in self.headers]
        # What came as bytes was read as Latin-1, and what a server hands out as text was, too.
        return "\n".join(lines).encode("latin-1", "replace")


def _parameters(text: str) -> dict[str, str]:
    """Return the parameters of the scheme by name, in lower case."""
    found: dict[str, str] = {}
    position = 0
    while True:
        match = _PARAMETER.match(text, position)
        if match is None:
            raise SignatureMalformed("the parameters of the signature cannot be read")
        name = match[1].lower()
        if name in found:
            raise SignatureMalformed(f"the signature has two parameters {shown(name)}")
        found[name] = match[3] if match[2] is None else _ESCAPED.sub(r"\1", match[2])
        position = match.end()
        if position == len(text):
            return found
        if text[position] != ",":
            raise SignatureMalformed("the parameters of the signature cannot be read")
        position += 1


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.lower().split(" "))
    for name in names:
        if name.startswith("("):
            raise SignatureUnsupported(
                f"the signature is over {shown(name)}, which is not a header"
            )
        if not _HEADER_NAME.fullmatch(name):
            raise SignatureMalformed("the list of the headers that are signed cannot be read")
    if len(set(names)) < len(names):
        raise SignatureMalformed("the signature names a header twice")
    return names


def _value(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SignatureMalformed("the signature is not base64") from None


def check_signature(headers: HeaderFields, secrets: Secrets) -> None:
    """Make sure that the sender of these headers knows the secret, and signed date and digest.

    Args:
        headers: The headers.
        secrets: The secrets that signatures are made with.

    Raises:
        WebhookError: The signature is refused; the class says why.
        InvalidArgument: The secret is empty.
    """
    authorization = headers.get("authorization")
    if authorization is None:
        raise SignatureMissing("the header authorization was not sent")
    signature = Signature.parse(authorization)
    for name in _REQUIRED:
        if name not in signature.headers:
            raise HeaderNotSigned(f"the header {name} is not signed")
    content = signature.signed(headers)
    expected = hmac.digest(_secret(secrets, signature.key_id), content, "sha256")
    if not hmac.compare_digest(expected, signature.value):
        raise SignatureMismatch(
            "the signature is wrong: the secret differs, or the request was changed"
        )


def _secret(secrets: Secrets, key_id: str) -> bytes:
    found: Secret | None
    if isinstance(secrets, str | bytes):
        found = secrets
    elif callable(secrets):
        found = secrets(key_id)
    else:
        found = secrets.get(key_id)
    if found is None:
        raise KeyUnknown(f"there is no secret for the key {shown(key_id)}")
    if not found:
        raise InvalidArgument(
            f"the secret for the key {shown(key_id)} is empty: anyone could sign with it"
        )
    return found.encode("utf-8") if isinstance(found, str) else found


def signed_date(headers: HeaderFields) -> float:
    """Return when a request was signed, in seconds since 1970.

    Raises:
        DateMalformed: Its date is not valid.
    """
    text = headers.need("date")
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is not None:
            return date.timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        pass
    raise DateMalformed(f"the header date is not a valid HTTP date in GMT: {shown(text)}")


def check_digest(headers: HeaderFields, body: bytes) -> None:
    """Make sure that the digest is that of the body.

    Raises:
        DigestMismatch: It is another one, or of an unknown kind.
    """
    for each in headers.need("digest").split(","):
        algorithm, _, value = each.strip().partition("=")
        if algorithm.lower() == "sha-256":
            break
    else:
        raise DigestMismatch("the header digest holds no SHA-256")
    try:
        given = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise DigestMismatch("the digest is not base64") from None
    if not hmac.compare_digest(given, hashlib.sha256(body).digest()):
        raise DigestMismatch("the digest is not that of the body: the body was changed")
