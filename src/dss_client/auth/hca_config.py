"""Reads the configuration of the reference client, and never writes it (docs/behaviour.md 14.8)."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from attrs import field, frozen

from .stored import StoredLogin

__all__ = ["HCAFiles", "read_hca_config"]

DEFAULT_SWAGGER_URL = "https://dss.data.humancellatlas.org/v1/swagger.json"
"""What the reference client takes where its configuration says nothing."""


@frozen
class HCAFiles:
    """What is of use in them.

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
    """Read the files, later ones over earlier; what cannot be read is left out."""
    client: dict[str, Any] = {}
    token: dict[str, Any] = {}
    secrets: dict[str, Any] = {}
    for document in _documents(environ):
        client |= _object(document, "DSSClient")
        token = _object(document, "oauth2_token") or token
        secrets = _object(document, "application_secrets") or secrets
    url = client.get("swagger_url")
    return HCAFiles(url if isinstance(url, str) else None, _login(token, secrets))


def _documents(environ: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    named = environ.get("HCA_CONFIG_FILE", "").split(os.pathsep)
    for path in (Path("/etc/hca/config.json"), home / "hca" / "config.json", *map(Path, named)):
        try:
            document: object = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(document, dict):
            yield cast("dict[str, Any]", document)


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
