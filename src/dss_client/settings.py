"""The deployment that the environment or the config file names.

The config file is TOML, ``config.toml`` in the platform's directory for user configuration (on
Linux ``~/.config/dss-client``); ``DSS_CONFIG_FILE`` names another one. It holds settings only;
tokens never.
"""

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, ValidationError

from ._files import write_file
from .errors import DSSError

__all__ = [
    "ConfigError",
    "NoHome",
    "Settings",
    "config_path",
    "home_directory",
    "load_settings",
    "save_url",
    "url_setting",
    "user_directory",
]

_URL_LINE = re.compile(
    r"""^([ \t]*url[ \t]*=[ \t]*)(?:"[^"\n]*"|'[^'\n]*'|[^#\n]*)""", re.MULTILINE
)


class ConfigError(DSSError, ValueError):
    """The config file cannot be used; the message names the file, the key and the remedy."""


class NoHome(ConfigError):
    """The user has no home directory, and no variable names another place."""

    def __init__(self, variable: str = "") -> None:
        remedy = f"set HOME or {variable}" if variable else "set HOME"
        super().__init__(f"the user has no home directory to read from or write to: {remedy}")


_VARIABLES = {"config": "DSS_CONFIG_FILE", "cache": "XDG_CACHE_HOME", "state": "DSS_STATE_DIR"}


def user_directory(kind: Literal["config", "cache", "state"]) -> Path:
    """Return the client's directory among the user's own.

    Args:
        kind: What is in it: settings and logins, copies that can be fetched again, or the state of
            work that was interrupted.

    Raises:
        NoHome: There is no home directory that it could be in.
    """
    find: Callable[..., Path] = getattr(platformdirs, f"user_{kind}_path")
    try:
        path = find("dss-client", appauthor=False)
    except RuntimeError:
        raise NoHome(_VARIABLES[kind]) from None
    if not path.is_absolute():  # "~/..." as it was, of an earlier platformdirs
        raise NoHome(_VARIABLES[kind])
    return path


def home_directory(variable: str = "") -> Path:
    """Return the user's home directory.

    Args:
        variable: What else could name the place that is looked for; the message says so.

    Raises:
        NoHome: The user has no home directory.
    """
    try:
        return Path.home()
    except RuntimeError:
        raise NoHome(variable) from None


class Settings(BaseModel):
    """The contents of the config file.

    Attributes:
        url: Base URL of the deployment, such as ``http://127.0.0.1:8010/v1``.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    url: str | None = None


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the config file is, or would be.

    Raises:
        NoHome: It would be nowhere.
    """
    named = environ.get("DSS_CONFIG_FILE")
    return Path(named) if named else user_directory("config") / "config.toml"


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the config file, if there is one; ``DSS_URL`` replaces its `url`.

    Raises:
        ConfigError: The file is not TOML, holds an unknown or ill-formed key, or was named and is
            not there.
    """
    url = environ.get("DSS_URL")
    if url:
        return Settings(url=url)
    try:
        path = config_path(environ)
    except NoHome:
        return Settings()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if environ.get("DSS_CONFIG_FILE"):
            raise ConfigError(
                f"the config file {path}, which DSS_CONFIG_FILE names, does not exist"
            ) from None
        return Settings()
    except OSError as error:
        raise ConfigError(f"the config file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the config file {path} is not UTF-8, as TOML must be") from error
    try:
        return Settings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the config file {path} is not TOML: {error}") from error
    except RecursionError:
        raise ConfigError(f"the config file {path} is nested too deeply: correct it") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"the config file {path}: key {key!r}: {first['msg']}") from error


def url_setting(environ: Mapping[str, str] = os.environ) -> str:
    """Return what names the deployment, where `load_settings` has found one."""
    return "DSS_URL" if environ.get("DSS_URL") else str(config_path(environ))


def save_url(url: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Write `url` into the config file, and leave all else in it as it is.

    Returns:
        Where the file is.

    Raises:
        ConfigError: The present file is not TOML, or the file cannot be written.
    """
    path = config_path(environ)
    value = json.dumps(url)  # a basic string of TOML is one of JSON, too
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        tomllib.loads(text)
        changed = _URL_LINE.sub(lambda found: found[1] + value, text, count=1)
        if not _URL_LINE.search(text):
            changed = f"url = {value}\n{text}"
        if tomllib.loads(changed).get("url") != url:
            raise ConfigError(f"the config file {path} is too unusual to be changed: do it by hand")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, changed)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the config file {path} is not TOML: {error}") from error
    except RecursionError:
        raise ConfigError(f"the config file {path} is nested too deeply: correct it") from None
    except OSError as error:
        raise ConfigError(f"the config file {path} cannot be written: {error.strerror}") from error
    return path
