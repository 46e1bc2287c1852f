"""Readers and writers of tab-separated values, as manifests are."""

import csv
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

__all__ = ["DictReader", "DictWriter"]


def DictReader(f: Iterable[str]) -> "csv.DictReader[str]":  # noqa: N802 - named as there
    """Return a reader that yields the rows below the header as dicts.

    Args:
        f: An open text file, or its lines.
    """
    return csv.DictReader(f, dialect="excel-tab")


def DictWriter(  # noqa: N802 - named as there
    f: "SupportsWrite[str]", fieldnames: Collection[str]
) -> "csv.DictWriter[str]":
    """Return a writer of rows that are dicts.

    Args:
        f: A text file, opened with ``newline=""``.
        fieldnames: The columns, in order.
    """
    return csv.DictWriter(f, fieldnames, dialect="excel-tab")
