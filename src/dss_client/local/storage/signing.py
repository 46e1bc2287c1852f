"""Signed, expiring URLs of the storage origin, as a cloud's presigned URLs are.

The signature covers the path and every query parameter: nothing can be changed or added.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, urlencode

from attrs import field, frozen

_SIGNATURE = "signature"
_EXPIRES = "expires"


class BadSignature(Exception):
    """A storage URL that was changed, was made by another run, or is too old."""


@frozen
class Signer:
    """Makes and checks query strings with a key of its own."""

    clock: Callable[[], float]
    key: bytes = field(factory=lambda: secrets.token_bytes(32), repr=False)

    def sign(self, path: str, lifetime: float, **parameters: str | None) -> str:
        """Return the percent-encoded path with a signed query.

        Args:
            path: Path of the object, not encoded, with its first slash.
            lifetime: Seconds from now that the URL works.
            **parameters: Further query parameters, ``_`` standing for ``-``; None is left out.
        """
        pairs = {name.replace("_", "-"): text for name, text in parameters.items() if text}
        pairs[_EXPIRES] = str(int(self.clock() + lifetime))
        pairs[_SIGNATURE] = self._signature(path, pairs)
        return f"{quote(path)}?{urlencode(pairs)}"

    def verify(self, path: str, query: str) -> dict[str, str]:
        """Return the parameters of a signed query, without expiry and signature.

        Raises:
            BadSignature: The query was not made here for this path, or has expired.
        """
        parsed = parse_qsl(query, keep_blank_values=True)
        pairs = dict(parsed)
        given = pairs.pop(_SIGNATURE, "")
        expected = self._signature(path, pairs)
        repeated = len(parsed) != len(pairs) + 1
        if repeated or not hmac.compare_digest(given.encode(), expected.encode()):
            raise BadSignature("SignatureDoesNotMatch")
        if self.clock() > int(pairs.pop(_EXPIRES)):
            raise BadSignature("ExpiredToken")
        return pairs

    def _signature(self, path: str, pairs: dict[str, str]) -> str:
        signed = f"{path}?{urlencode(sorted(pairs.items()))}"
        return hmac.new(self.key, signed.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
