"""A small OAuth server: it asks nobody, and checks what an installed application must send."""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from attrs import define, field

from tests.origin import Origin, Reply, Seen


@define
class OAuthServer:
    """Gives out tokens that `mint` makes.

    Attributes:
        mint: Makes a token.
        origin: Where it listens; set once it does.
        refuse: The error to answer the question of a browser with.
        refuse_tokens: The error to answer requests for tokens with.
        rotate: Give a new refresh token each time.
        expires_in: Seconds that are announced, if any.
        asked: The fields of each request for a token.
        tokens: Those that were given out.
    """

    mint: Callable[[], str]
    origin: Origin | None = None
    refuse: str = ""
    refuse_tokens: str = ""
    rotate: bool = True
    expires_in: float | None = 3600
    asked: list[dict[str, str]] = field(factory=list)
    tokens: list[str] = field(factory=list)
    _codes: dict[str, dict[str, str]] = field(factory=dict)
    _refresh: set[str] = field(factory=set)

    @property
    def url(self) -> str:
        assert self.origin is not None
        return self.origin.url

    @property
    def document(self) -> dict[str, Any]:
        """What a deployment tells its clients."""
        return {
            "installed": {
                "client_id": "app",
                "client_secret": "app-secret-c0ffee",
                "auth_uri": f"{self.url}/authorize",
                "token_uri": f"{self.url}/token",
            }
        }

    def answer(self, seen: Seen) -> Reply:
        parts = urlsplit(seen.target)
        if parts.path == "/authorize":
            return self._authorize(_fields(parts.query))
        if parts.path == "/token":
            assert "authorization" not in seen.headers
            return self._token(_fields(seen.body.decode()))
        return Reply(404)

    def _authorize(self, fields: dict[str, str]) -> Reply:
        assert fields["response_type"] == "code"
        assert fields["code_challenge_method"] == "S256"
        assert "offline_access" in fields["scope"].split()
        answer = {"state": fields["state"]}
        if self.refuse:
            answer |= {"error": self.refuse, "error_description": "the person said no"}
        else:
            answer["code"] = secrets.token_urlsafe(8)
            self._codes[answer["code"]] = fields
        return Reply(302, {"Location": f"{fields['redirect_uri']}?{urlencode(answer)}"})

    def _token(self, fields: dict[str, str]) -> Reply:
        self.asked.append(fields)
        if self.refuse_tokens or not self._is_right(fields):
            error = {"error": self.refuse_tokens or "invalid_grant"}
            return Reply(400, body=json.dumps(error).encode())
        answer: dict[str, object] = {"access_token": self.mint(), "token_type": "Bearer"}
        self.tokens.append(str(answer["access_token"]))
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        if self.rotate or fields["grant_type"] == "authorization_code":
            answer["refresh_token"] = secrets.token_urlsafe(8)
            self._refresh.add(str(answer["refresh_token"]))
        return Reply(body=json.dumps(answer).encode())

    def _is_right(self, fields: dict[str, str]) -> bool:
        if (fields["client_id"], fields["client_secret"]) != ("app", "app-secret-c0ffee"):
            return False
        if fields["grant_type"] == "refresh_token":
            return fields["refresh_token"] in self._refresh
        question = self._codes.pop(fields["code"], None)
        if question is None or question["redirect_uri"] != fields["redirect_uri"]:
            return False
        digest = hashlib.sha256(fields["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return challenge == question["code_challenge"]


def _fields(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
