"""Operations as the command line has them: read from their signatures and docstrings."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin

import click
from attrs import frozen

import dss_client

from .json_value import json_object, json_objects

__all__ = ["Operation", "Parameter", "load", "names", "summary"]

_FOLDER = Path(dss_client.__file__).parent / "operations"
_SUMMARY = re.compile(r'^class [A-Z]\w*\(Operation\):\n    """(.+?)\.?$', re.MULTILINE)
_ARGUMENT = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


@frozen
class Parameter:
    """One argument of an operation.

    Attributes:
        name: Its name.
        required: It has no default.
        annotation: Its type.
        text: What its docstring says.
    """

    name: str
    required: bool
    annotation: Any
    text: str

    @property
    def is_list(self) -> bool:
        """Whether it takes several values."""
        return get_origin(self._plain) is Sequence

    @property
    def _plain(self) -> Any:
        """The type without None, and of a union its first member that is no model."""
        if get_origin(self.annotation) in {Union, UnionType}:
            return next(each for each in get_args(self.annotation) if each is not NoneType)
        return self.annotation

    def option(self) -> click.Option:
        """Return the option that takes it."""
        plain = self._plain
        names = [f"--{self.name.replace('_', '-')}", self.name]
        how: dict[str, Any] = {"help": self.text, "required": self.required}
        origin = get_origin(plain)
        if plain is bool:
            # `--directurls` and `--directurls true` are both what people write.
            return click.Option(names, type=bool, is_flag=False, flag_value=True, **how)
        if origin is Literal:
            return click.Option(names, type=click.Choice([str(c) for c in get_args(plain)]), **how)
        if self.is_list:
            return click.Option(names, type=json_objects, multiple=True, metavar="JSON ...", **how)
        if plain is int:
            return click.Option(names, type=int, metavar="N", **how)
        if plain is str:
            return click.Option(names, metavar="TEXT", **how)
        return click.Option(names, type=json_object, metavar="JSON", **how)


@frozen
class Operation:
    """An operation as the command line has it.

    Attributes:
        name: Its name as a method.
        kind: Its class.
        text: What its docstring says, without arguments and errors.
        parameters: Its arguments.
        content_key: Where a page has its items; None where there are no pages.
        is_content: It answers with the content of a file.
    """

    name: str
    kind: type
    text: str
    parameters: tuple[Parameter, ...]
    content_key: str | None
    is_content: bool


def names() -> list[str]:
    """Return the names of all operations, as methods have them; nothing is imported for it."""
    return sorted(module.name for module in iter_modules([str(_FOLDER)]))


def summary(name: str) -> str:
    """Return the first sentence of an operation; nothing is imported for it."""
    found = _SUMMARY.search((_FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    return found[1] if found else ""


def load(name: str) -> Operation:
    """Read an operation."""
    module = import_module(f"dss_client.operations.{name}")
    kind: type = next(
        getattr(module, each) for each in module.__all__ if not each.startswith("Async")
    )
    document = inspect.getdoc(kind) or ""
    text, _, rest = document.partition("\nArgs:\n")
    said = {match[1]: " ".join(match[2].split()) for match in _ARGUMENT.finditer(rest)}
    call = cast("Callable[..., object]", vars(kind)["__call__"])
    return Operation(
        name,
        kind,
        text.strip(),
        tuple(_parameters(inspect.signature(call).parameters, said)),
        getattr(kind, "content_key", None),
        hasattr(kind, "stream"),
    )


def _parameters(
    parameters: Mapping[str, inspect.Parameter], said: Mapping[str, str]
) -> Iterator[Parameter]:
    for name, parameter in parameters.items():
        if name != "self":
            required = parameter.default is inspect.Parameter.empty
            yield Parameter(name, required, parameter.annotation, said.get(name, ""))
