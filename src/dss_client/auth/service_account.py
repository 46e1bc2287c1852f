"""Tokens of a service account, signed with the key in the account's file."""

import threading
import time
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dss_client._fork import reset_after_fork

from .errors import LoginError

__all__ = ["AUDIENCE", "ServiceAccount"]

AUDIENCE = "https://dev.data.humancellatlas.org/"
"""The audience of the reference client's tokens (docs/behaviour.md 14.7)."""
_CLAIMS = "https://auth.data.humancellatlas.org"
_LIFE = 3600  # seconds
_EARLY = 60  # seconds before its end at which a token is renewed


class _KeyFile(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore", hide_input_in_errors=True)

    client_email: str
    private_key: str = Field(repr=False)
    private_key_id: str


class ServiceAccount:
    """A service account. Safe to be used by threads.

    Args:
        path: Its file, as ``GOOGLE_APPLICATION_CREDENTIALS`` names it.
        audience: The audience of the tokens.

    Raises:
        LoginError: The file cannot be used.
    """

    def __init__(self, path: str, audience: str = AUDIENCE) -> None:
        self._audience = audience
        self._lock = threading.Lock()
        self._made = ""
        self._ends = 0.0
        try:
            text = Path(path).read_bytes()
            self._key = _KeyFile.model_validate_json(text)
        except OSError as error:
            raise LoginError(
                f"{path}, which GOOGLE_APPLICATION_CREDENTIALS names, cannot be read:"
                f" {error.strerror}"
            ) from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "it"
            raise LoginError(
                f"{path}, which GOOGLE_APPLICATION_CREDENTIALS names, is not a valid"
                f" service account key: {where}: {first['msg']}"
            ) from None
        reset_after_fork(self)

    def after_fork(self) -> None:
        """Forget who held the lock: that thread is not in this process."""
        self._lock = threading.Lock()

    @property
    def email(self) -> str:
        """The account."""
        return self._key.client_email

    def token(self) -> str:
        """Return a token that stays valid for a while.

        Raises:
            LoginError: The key is not valid, or PyJWT is not installed.
        """
        with self._lock:
            if time.time() >= self._ends - _EARLY:
                self._make()
            return self._made

    def renew(self) -> str:
        """Return a token that was made just now."""
        with self._lock:
            self._make()
            return self._made

    def _make(self) -> None:
        try:
            import jwt
        except ModuleNotFoundError as error:
            raise LoginError(
                "a service account signs its tokens with PyJWT: pip install 'dss-client[auth]'"
            ) from error
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.email,
            "sub": self.email,
            "aud": self._audience,
            "email": self.email,
            "iat": now,
            "exp": now + _LIFE,
            "scope": ["email", "openid", "offline_access"],
            f"{_CLAIMS}/group": "hca",
            f"{_CLAIMS}/email": self.email,
        }
        try:
            self._made = jwt.encode(
                claims,
                self._key.private_key,
                algorithm="RS256",
                headers={"kid": self._key.private_key_id},
            )
        except (ValueError, TypeError, jwt.PyJWTError):
            raise LoginError(
                f"the private key of service account {self.email} is not a valid RSA key (PEM)"
            ) from None
        self._ends = now + _LIFE
