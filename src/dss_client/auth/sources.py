"""Where a client's token comes from, and the next one after a refusal.

If the caller gives none: ``DSS_TOKEN``, a service account, a stored login, the reference client's
configuration, in this order. A stored token is only used for the deployment that issued it.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from dss_client._fork import reset_after_fork
from dss_client._options import TokenProvider

from .credential import Credential, Origin, describe
from .errors import LoginError
from .hca_config import read_hca_config
from .plain_http import post_form
from .service_account import AUDIENCE, ServiceAccount
from .stored import LoginStore, StoredLogin

__all__ = ["LoginToken", "TokenSource", "find_token_source", "token_fields"]

_CENTURY = 100 * 365 * 86_400  # seconds; a longer life counts as unknown


@runtime_checkable
class TokenSource(TokenProvider, Protocol):
    """Gives tokens, and describes them."""

    def credential(self) -> Credential:
        """Describe the token without showing it."""
        ...


class EnvironmentToken:
    """``DSS_TOKEN``, read by each client, so that it is not pickled."""

    origin: Origin = "DSS_TOKEN"

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._value = environ["DSS_TOKEN"]

    def token(self) -> str:
        """Return the token."""
        return self._value

    def renew(self, refused: str) -> str | None:
        """Return the token that the environment has now, if it is another one."""
        self._value = self._environ.get("DSS_TOKEN") or refused
        return self._value if self._value != refused else None

    def credential(self) -> Credential:
        """Describe the token."""
        return describe(self._value, self.origin)


class ServiceAccountToken:
    """A service account."""

    origin: Origin = "service account"

    def __init__(self, account: ServiceAccount) -> None:
        self._account = account

    def token(self) -> str:
        """Return a token that stays valid for a while."""
        return self._account.token()

    def renew(self, refused: str) -> str | None:
        """Make another token."""
        value = self._account.renew()
        return value if value != refused else None

    def credential(self) -> Credential:
        """Describe the account."""
        return describe(self.token(), self.origin)


class LoginToken:
    """A stored login, renewed when it has expired: once, also for many threads.

    Args:
        read: Returns the login as it is stored now; None if it is gone.
        keep: Stores the renewed login.
        origin: Where the login comes from.
        place: The deployment, for messages.
    """

    def __init__(
        self,
        read: Callable[[], StoredLogin | None],
        keep: Callable[[StoredLogin], object],
        origin: Origin,
        place: str,
    ) -> None:
        self._read = read
        self._keep = keep
        self.origin: Origin = origin
        self._place = place
        self._lock = threading.Lock()
        self._login: StoredLogin | None = None
        reset_after_fork(self)

    def after_fork(self) -> None:
        """Forget who held the lock: that thread is not in this process."""
        self._lock = threading.Lock()

    def token(self) -> str:
        """Return the token, renewed if it is known to have expired."""
        with self._lock:
            login = self._login = self._login or self._stored()
            if login.is_over:
                stored = self._stored()  # another process may have renewed it
                login = self._login = stored if not stored.is_over else self._renewed(stored)
            return login.access_token

    def renew(self, refused: str) -> str | None:
        """Return another token, unless this one cannot be renewed."""
        with self._lock:
            login = self._login or self._stored()
            if login.access_token == refused:
                login = self._stored()
            if login.access_token == refused:
                if not login.can_be_renewed:
                    return None
                login = self._renewed(login)
            self._login = login
            return login.access_token

    def credential(self) -> Credential:
        """Describe the token."""
        with self._lock:
            login = self._stored()
        return describe(login.access_token, self.origin, expires_at=login.expires_at)

    def _stored(self) -> StoredLogin:
        login = self._read()
        if login is None:
            raise LoginError(f"nobody is logged in to {self._place} any more: run dss login")
        return login

    def _renewed(self, login: StoredLogin) -> StoredLogin:
        if not login.can_be_renewed:
            return login  # the service has the last word
        try:
            fresh = _refreshed(login)
        except LoginError as error:
            stored = self._read()
            if stored is not None and stored.access_token != login.access_token:
                return stored  # another process was faster, and has used the refresh token up
            raise LoginError(
                f"the login to {self._place} could not be renewed ({error}): run dss login"
            ) from error
        self._keep(fresh)
        return fresh


def _refreshed(login: StoredLogin) -> StoredLogin:
    """Ask for a new token with the login's refresh token.

    Raises:
        LoginError: The request was refused.
    """
    fields = {
        "grant_type": "refresh_token",
        "refresh_token": login.refresh_token or "",
        "client_id": login.client_id or "",
        "client_secret": login.client_secret or "",
    }
    answer = post_form(login.token_uri or "", {key: text for key, text in fields.items() if text})
    return login.model_copy(update=token_fields(answer))


def token_fields(answer: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of a login in an answer with a token.

    If it has no refresh token, the present one stays.

    Raises:
        LoginError: The answer has no token.
    """
    access, refresh = answer.get("access_token"), answer.get("refresh_token")
    if not (isinstance(access, str) and access):
        raise LoginError("the answer holds no access_token")
    fields: dict[str, object] = {"access_token": access, "expires_at": None}
    lifetime = answer.get("expires_in")
    if isinstance(lifetime, int | float) and lifetime is not True and 0 < lifetime < _CENTURY:
        fields["expires_at"] = time.time() + lifetime
    if isinstance(refresh, str) and refresh:
        fields["refresh_token"] = refresh
    return fields


def find_token_source(
    deployment: str, environ: Mapping[str, str] = os.environ
) -> TokenSource | None:
    """Return the source of tokens for a client without the argument ``token``, or None.

    Args:
        deployment: Base URL of the deployment.
        environ: The environment.

    Raises:
        LoginError: The environment names a service account that cannot be used.
    """
    if environ.get("DSS_TOKEN"):
        return EnvironmentToken(environ)
    if path := environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        audience = environ.get("DSS_TOKEN_AUDIENCE") or AUDIENCE
        return ServiceAccountToken(ServiceAccount(path, audience))
    store = LoginStore(environ)
    if store.read(deployment) is not None:
        return LoginToken(
            lambda: store.read(deployment),
            lambda login: store.write(deployment, login),
            "stored login",
            deployment,
        )
    return _of_the_reference_client(deployment, environ)


def _of_the_reference_client(deployment: str, environ: Mapping[str, str]) -> TokenSource | None:
    files = read_hca_config(environ)
    if files.login is None or files.deployment != deployment:
        return None
    kept = [files.login]  # its file is not ours to write
    return LoginToken(lambda: kept[-1], kept.append, "configuration of hca", deployment)
