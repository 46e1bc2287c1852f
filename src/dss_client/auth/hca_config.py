"""Reads the configuration of the reference client, and never writes it (docs/behaviour.md 14.8)."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from attrs import field, frozen

from dss_client.settings import ConfigError, NoHome, home_directory

from .stored import StoredLogin

__all__ = [
    "DEFAULT_SWAGGER_URL",
    "HCAFiles",
    "hca_config_files",
    "hca_user_directory",
    "read_hca_config",
    "read_hca_file",
]

_MAX_DEPTH = 100

DEFAULT_SWAGGER_URL = "https://dss.data.humancellatlas.org/v1/swagger.json"
"""The reference client's default."""


@frozen
class HCAFiles:
    """The settings that are used.

    Attributes:
        swagger_url: The deployment, where a file names one.
        login: The token that was stored.
    """

    swagger_url: str | None = None
    login: StoredLogin | None = field(default=None, repr=False)

    @property
    def deployment(self) -> str:
        """Base URL of the deployment that the token belongs to."""
        return (self.swagger_url or DEFAULT_SWAGGER_URL).removesuffix("/swagger.json").rstrip("/")


def read_hca_config(environ: Mapping[str, str] = os.environ) -> HCAFiles:
    """Read the files, later ones over earlier.

    Raises:
        ConfigError: A file is damaged.
    """
    url: str | None = None
    token: dict[str, Any] = {}
    secrets: dict[str, Any] = {}
    for path in hca_config_files(environ):
        document = read_hca_file(path)
        for name in ("DSSClient", "oauth2_token", "application_secrets"):
            if not isinstance(document.get(name), dict | None):
                raise ConfigError(f"{path}: {name} is not a JSON object: correct or remove it")
        named = _object(document, "DSSClient").get("swagger_url")
        if not isinstance(named, str | None):
            raise ConfigError(f"{path}: DSSClient.swagger_url is not a text: correct or remove it")
        url = named or url
        token = _object(document, "oauth2_token") or token
        secrets = _object(document, "application_secrets") or secrets
    return HCAFiles(url, _login(token, secrets))


def hca_config_files(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the files in the order they are read, whether they are there or not."""
    files = [Path("/etc/hca/config.json")]
    with suppress(NoHome):
        files.append(hca_user_directory(environ) / "config.json")
    named = environ.get("HCA_CONFIG_FILE", "").split(os.pathsep)
    return files + [Path(name) for name in named if name]


def hca_user_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of the user's own file.

    Raises:
        NoHome: There is no home directory that it could be in.
    """
    named = environ.get("XDG_CONFIG_HOME")
    folder = Path(named) if named else home_directory("XDG_CONFIG_HOME") / ".config"
    return folder / "hca"


def read_hca_file(path: Path) -> dict[str, Any]:
    """Return what a file says: nothing where it is not there.

    Raises:
        ConfigError: It is damaged, or cannot be read.
    """
    try:
        document: object = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON ({error}): correct or remove it") from error
    except RecursionError:
        raise _too_deep(path) from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path} is not a JSON object: correct or remove it")
    found = cast("dict[str, Any]", document)
    if _is_deep(found):
        raise _too_deep(path)
    return found


def _too_deep(path: Path) -> ConfigError:
    return ConfigError(f"{path} is nested too deeply: correct or remove it")


def _is_deep(document: object) -> bool:
    """Tell whether reading it value by value would take too many nested calls."""
    level = [document]
    for _ in range(_MAX_DEPTH):
        inner: list[object] = []
        for value in level:
            if isinstance(value, dict):
                inner += cast("dict[str, object]", value).values()
            elif isinstance(value, list):
                inner += cast("list[object]", value)
        if not inner:
            return False
        level = inner
    return True


def _object(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _login(token: Mapping[str, Any], secrets: Mapping[str, Any]) -> StoredLogin | None:
    access = token.get("access_token")
    if not (isinstance(access, str) and access):
        return None
    installed = _object(secrets, "installed")
    return StoredLogin(
        access_token=access,
        refresh_token=_text(token, "refresh_token"),
        expires_at=_time(token.get("expires_at")),
        token_uri=_text(installed, "token_uri"),
        client_id=_text(installed, "client_id"),
        client_secret=_text(installed, "client_secret"),
    )


def _text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and value else None


def _time(value: object) -> float | None:
    """Read a time; "-1" means that it is not known (docs/behaviour.md C12)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 < seconds < float("inf") else None
