"""What commands print: one JSON document, or short aligned text."""

import json
import re
from collections.abc import Iterable, Sequence
from itertools import islice

import click

from dss_client._display import human_size

__all__ = [
    "MOST_CAUSES",
    "counted",
    "echo_lines",
    "emit",
    "human_size",
    "one_line",
    "plain",
    "table",
]

MOST_CAUSES = 20  # of failures, that standard error tells
_BATCH = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def emit(document: object, lines: Iterable[str], *, as_json: bool) -> None:
    """Print a result on standard output.

    Args:
        document: The result as plain JSON values.
        lines: The same for people.
        as_json: Which of the two to print.
    """
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    echo_lines(lines)


def echo_lines(lines: Iterable[str]) -> None:
    """Print lines on standard output, many at once: each call flushes."""
    left = iter(lines)
    while batch := list(islice(left, _BATCH)):
        click.echo("\n".join(batch))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 file``, ``2,000 files``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def plain(text: str) -> str:
    """Return a text without control characters: names from a service must not steer a terminal."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """Return a message as one line, fit for a terminal."""
    return plain("; ".join(line.strip() for line in text.splitlines() if line.strip()))


def table(rows: Iterable[Sequence[str | int]]) -> list[str]:
    """Return rows as aligned lines: numbers to the right, texts to the left."""
    cells = [tuple(_cell(cell) for cell in row) for row in rows]
    widths = [max(len(text) for text, _ in column) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for (text, right), width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]


def _cell(cell: str | int) -> tuple[str, bool]:
    """Return a cell's text, and whether it belongs to the right."""
    return (f"{cell:,}", True) if isinstance(cell, int) else (plain(cell), False)
