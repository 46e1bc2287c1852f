"""Logins that are kept between runs: in the system's keyring, else in files for the owner only.

There is one entry for each deployment, so that a token never reaches another one, and two processes
can log in at the same time.
"""

import hashlib
import importlib
import importlib.util
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dss_client._files import write_file
from dss_client.settings import NoHome, config_path

from .errors import LoginError

__all__ = ["LoginStore", "StoredLogin"]

_SERVICE = "dss-client"
_EARLY = 60.0  # seconds before a token's end at which it is renewed


class StoredLogin(BaseModel):
    """The result of a login. Its repr shows none of the secrets.

    Attributes:
        access_token: The token to send.
        refresh_token: The token to get a new one with, if there is one.
        expires_at: When it expires, in seconds since 1970; None if that is not known.
        token_uri: URL to renew it at.
        client_id: The application.
        client_secret: The application's secret; of an installed application it is not secret.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")

    access_token: str = Field(repr=False, min_length=1)
    refresh_token: str | None = Field(default=None, repr=False)
    expires_at: float | None = None
    token_uri: str | None = None
    client_id: str | None = None
    client_secret: str | None = Field(default=None, repr=False)

    @property
    def is_over(self) -> bool:
        """Whether it has expired or is about to, as far as is known."""
        return self.expires_at is not None and self.expires_at - _EARLY <= time.time()

    @property
    def can_be_renewed(self) -> bool:
        """Whether it can be renewed."""
        return bool(self.refresh_token and self.token_uri and self.client_id)


class _Keyring(Protocol):
    """The part of the package ``keyring`` that is used."""

    def get_password(self, service: str, name: str, /) -> str | None: ...
    def set_password(self, service: str, name: str, password: str, /) -> None: ...
    def delete_password(self, service: str, name: str, /) -> None: ...


class LoginStore:
    """The logins of one user.

    Args:
        environ: The environment, which may name the config file; logins are kept next to it.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    def path(self, deployment: str) -> Path:
        """Return the file of a deployment's login if there is no keyring.

        Raises:
            NoHome: There is no home directory for it.
        """
        name = f"{hashlib.sha256(deployment.encode()).hexdigest()[:32]}.json"
        return config_path(self._environ).parent / "logins" / name

    def read(self, deployment: str) -> StoredLogin | None:
        """Return the login of a deployment, if there is a usable one."""
        text = None
        with suppress(NoHome, OSError, UnicodeDecodeError):
            text = self.path(deployment).read_text(encoding="utf-8")
        keyring = _keyring() if text is None else None  # a file is there only if it came last
        if keyring is not None:
            with suppress(Exception):  # locked, or no longer there
                text = keyring.get_password(_SERVICE, deployment)
        if text is None:
            return None
        try:
            return StoredLogin.model_validate_json(text)
        except ValidationError:
            return None

    def write(self, deployment: str, login: StoredLogin) -> str:
        """Store a login, replacing another one; return the place.

        Raises:
            NoHome: There is no place for it.
            LoginError: It cannot be written; the previous one is still there.
        """
        text = login.model_dump_json(exclude_none=True)
        keyring = _keyring()
        if keyring is not None:
            with suppress(Exception):  # one that refuses is as good as none
                keyring.set_password(_SERVICE, deployment, text)
                with suppress(NoHome):
                    self.path(deployment).unlink(missing_ok=True)
                return "keyring"
        path = self.path(deployment)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(path, text, mode=0o600)
        except OSError as error:
            raise LoginError(f"the login cannot be kept in {path}: {error.strerror}") from error
        return str(path)

    def remove(self, deployment: str) -> list[str]:
        """Remove the login of a deployment from all places; return them.

        Raises:
            LoginError: The keyring or the file system refuses, so the login may still be there.
        """
        removed: list[str] = []
        with suppress(NoHome):
            path = self.path(deployment)
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError as error:
                raise LoginError(f"{path} cannot be removed: {error.strerror}") from error
            else:
                removed.append(str(path))
        keyring = _keyring()
        if keyring is None:
            return removed
        try:
            if keyring.get_password(_SERVICE, deployment) is not None:
                keyring.delete_password(_SERVICE, deployment)
                removed.append("keyring")
        except Exception as error:  # of any backend, each has its own
            done = f"removed {removed[0]}, but " if removed else ""
            raise LoginError(
                f"{done}the keyring refuses ({type(error).__name__}) and may still hold the login"
                f" to {deployment}: unlock it, and log out again"
            ) from error
        return removed


def _keyring() -> _Keyring | None:
    """Return the system's keyring, if the extra is installed and there is one."""
    if importlib.util.find_spec("keyring") is None:
        return None
    package: Any = importlib.import_module("keyring")
    with suppress(Exception):
        found = package.get_keyring()
        if found.priority > 0:
            return cast("_Keyring", package)
    return None
