"""The configuration of the reference client, as its scripts use it: read, and saved when asked."""

import copy
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from .._files import write_file
from ..auth.hca_config import (
    DEFAULT_SWAGGER_URL,
    hca_config_files,
    hca_user_directory,
    read_hca_file,
)
from ..settings import ConfigError

__all__ = ["HCAConfig", "Section", "get_config"]

logger: logging.Logger = logging.getLogger("dss_client.hca")

_DEFAULTS: Mapping[str, Any] = {
    "log_level": "INFO",
    "DSSClient": {"swagger_url": DEFAULT_SWAGGER_URL},
    "AuthClient": {"swagger_url": "https://auth.data.humancellatlas.org/swagger.json"},
}


class Section(MutableMapping[str, Any]):
    """A part of a configuration: ``section.key`` and ``section["key"]`` are the same.

    It knows which of its keys were set after it was made.

    Args:
        values: What it holds.
        changed: Called after each change.
    """

    def __init__(self, values: Mapping[str, Any], changed: Callable[[], None]) -> None:
        self._changed = changed
        self._values: dict[str, Any] = {}
        self._set: set[str] = set()
        self._put(values)

    def _put(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if isinstance(value, Mapping):
                part = cast("Mapping[str, Any]", value)
                self._values[name] = Section(part, self._changed)
            else:
                self._values[name] = value

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._put({name: value})
        self._set.add(name)
        self._changed()

    def __delitem__(self, name: str) -> None:
        del self._values[name]
        self._set.discard(name)
        self._changed()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"the configuration says nothing of {name!r}")
        return self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self[name] = value

    def __repr__(self) -> str:  # values may be secrets
        return f"{type(self).__name__}({', '.join(self)})"

    def was_set(self, *path: str) -> bool:
        """Tell whether the program has set a value, be it the one of the files again."""
        section: object = self
        for name in path:
            if not isinstance(section, Section) or name not in section:
                return False
            if name in section._set:
                return True
            section = section[name]
        return False

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain dicts."""
        return {
            name: value.to_dict() if isinstance(value, Section) else copy.deepcopy(value)
            for name, value in self._values.items()
        }


class HCAConfig(Section):
    """The configuration: its files, later ones over earlier, and what a program sets.

    The files are ``/etc/hca/config.json``, ``hca/config.json`` below ``$XDG_CONFIG_HOME`` or
    ``~/.config``, and those that ``HCA_CONFIG_FILE`` names, separated by colons. None is ever
    written unless `save` is called.

    Args:
        save_on_exit: Accepted for old programs; nothing is saved at exit.
        autosave: Call `save` after each change.

    Raises:
        ConfigError: A file is damaged; the message names it.
    """

    def __init__(
        self,
        *,
        save_on_exit: bool = True,  # noqa: ARG002
        autosave: bool = False,
    ) -> None:
        self._autosave = False
        super().__init__({}, self._save_changes)
        values: dict[str, Any] = copy.deepcopy(dict(_DEFAULTS))
        for path in self.config_files:
            _merge(values, read_hca_file(Path(path)))
        self._put(values)
        self._loaded = self.to_dict()
        self._autosave = autosave

    @property
    def config_files(self) -> list[str]:
        """The files, in the order they are read; the last one is what `save` writes."""
        return [str(path) for path in hca_config_files()]

    @property
    def user_config_dir(self) -> str:
        """The directory of the user's own file.

        Raises:
            NoHome: A `ConfigError`: there is no home directory that it could be in.
        """
        return str(hca_user_directory())

    def save(self, mode: int = 0o600) -> None:
        """Write what the program changed to the last file; the rest of that file stays as it is.

        Args:
            mode: Permissions of the file, which it has from the first moment.

        Raises:
            ConfigError: That file is there and holds something else than a JSON object, or there
                is no place for it, or it cannot be written; the previous one is still there.
        """
        path = self._own_file()
        values = self.to_dict()
        document = read_hca_file(path)
        _apply(document, self._loaded, values)
        text = json.dumps(document, indent=2) + "\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(path, text, mode=mode)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
        self._loaded = values

    def _own_file(self) -> Path:
        if os.environ.get("HCA_CONFIG_FILE", "").strip(os.pathsep):
            return Path(self.config_files[-1])
        return hca_user_directory() / "config.json"  # and never the file of the whole machine

    def _save_changes(self) -> None:
        if self._autosave:
            self.save()


@cache
def get_config() -> HCAConfig:
    """Return the configuration of clients that are given none: one for the whole process."""
    return HCAConfig()


def _merge(values: dict[str, Any], later: Mapping[str, Any]) -> None:
    for name, value in later.items():
        if not isinstance(value, dict):
            values[name] = value
            continue
        changes = cast("dict[str, Any]", value)
        if len(changes) == 1 and changes.keys() <= _LIST_CHANGES.keys():
            _change_list(values, name, *next(iter(changes.items())))
            continue
        if not isinstance(values.get(name), dict):
            values[name] = {}
        _merge(values[name], changes)


def _insert(values: list[Any], what: Mapping[str, Any]) -> list[Any]:
    for place, value in what.items():
        values.insert(int(place), value)
    return values


def _without(values: list[Any], what: Any) -> list[Any]:
    values.remove(what)
    return values


_LIST_CHANGES: Mapping[str, Callable[[list[Any], Any], list[Any]]] = {
    "$append": lambda values, what: [*values, what],
    "$extend": lambda values, what: [*values, *what],
    "$extendleft": lambda values, what: [*what, *values],
    "$insert": _insert,
    "$remove": _without,
}


def _change_list(values: dict[str, Any], name: str, how: str, what: Any) -> None:
    """Change a list of an earlier file; a change that does not fit it is left out."""
    found = values.get(name)
    try:
        if not isinstance(found, list):
            raise TypeError("it is not a list")
        values[name] = _LIST_CHANGES[how]([*cast("Iterable[Any]", found)], what)
    except (AttributeError, TypeError, ValueError) as error:
        logger.debug("%s of %s does not fit: %s", how, name, error)


def _apply(document: dict[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Do to a file's document what was done to the whole configuration."""
    for name in before.keys() - after.keys():
        document.pop(name, None)
    for name, value in after.items():
        old = before.get(name)
        if value == old and name in before:
            continue
        inner = document.get(name)
        if isinstance(value, dict) and isinstance(old, dict) and isinstance(inner, dict | None):
            part = cast("dict[str, Any]", inner or {})
            _apply(part, cast("dict[str, Any]", old), cast("dict[str, Any]", value))
            document[name] = part
        else:
            document[name] = value
