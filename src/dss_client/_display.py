"""Short texts and tables for people: terminals, notebooks, logs."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice

__all__ = ["html_table", "human_size"]

_STEP = 1000
_SHOWN = 20  # rows of a table in a notebook


def human_size(size: int) -> str:
    """Return a number of bytes with a decimal unit: ``999 bytes``, ``1.0 kB``, ``2.3 GB``."""
    if size < _STEP:
        return f"{size} byte" if size == 1 else f"{size} bytes"
    value = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= _STEP
        if round(value, 1) < _STEP:
            return f"{value:.1f} {unit}"
    return f"{value / _STEP:.1f} PB"


def html_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, total: int
) -> str:
    """Return the first rows of a table as HTML, for notebooks.

    Args:
        title: What stands above it.
        columns: Its columns.
        rows: Its rows; only the first are taken.
        total: How many there are.
    """
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>"
        for row in islice(rows, _SHOWN)
    )
    more = f"<p>and {total - _SHOWN:,} more</p>" if total > _SHOWN else ""
    # Notebooks and sites know the class, which is that of pandas, and colour such tables well.
    table = f'<table class="dataframe"><tr>{head}</tr>{body}</table>'
    return f"<p>{escape(title)}</p>{table}{more}"
