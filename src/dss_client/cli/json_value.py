"""Options whose values are JSON: as text, from a file, or from standard input."""

import json
import sys
from typing import cast

import click

from .paths import expanded

__all__ = ["json_object", "json_objects"]

_STDIN = "-"
_SHOWN = 40
_EXPECTED = """write it in quotes, such as '{"name": "value"}', or name a file as @FILE"""


def json_object(text: str) -> dict[str, object]:
    """Read a JSON object, given as text, ``@FILE``, or ``-`` for standard input.

    Raises:
        click.BadParameter: It is not a JSON object.
    """
    document = _read(text)
    if not isinstance(document, dict):
        raise click.BadParameter(f"expected a JSON object, got {_shown(document)}")
    return cast("dict[str, object]", document)


def json_objects(text: str) -> list[object]:
    """Read one JSON object of a list, or a list of them.

    Raises:
        click.BadParameter: It is neither.
    """
    document = _read(text)
    each = cast("list[object]", document) if isinstance(document, list) else [document]
    for item in each:
        if not isinstance(item, dict):
            raise click.BadParameter(f"expected JSON objects, got {_shown(item)}")
    return each


def _read(value: str) -> object:
    source, text = "", value
    if value == _STDIN:
        source, text = "standard input: ", sys.stdin.read()
    elif value.startswith("@"):
        source = f"{value[1:]}: "
        try:
            text = expanded(value[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise click.BadParameter(f"{value[1:]} cannot be read: {error}") from error
    try:
        document: object = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{source}not JSON: {error}; {_EXPECTED}") from error
    return document


def _shown(document: object) -> str:
    text = json.dumps(document)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
