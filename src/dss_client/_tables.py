"""Bundles, hits and reports as tables of pandas."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from .errors import InvalidArgument, MissingExtra

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["data_frame", "hit_columns", "hit_rows", "values_at"]

_JOINER = " || "  # as the data portal joins several values in one cell


def data_frame(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> "DataFrame":
    """Return rows as a table.

    Args:
        rows: The rows.
        columns: The columns, which a table without rows has, too.

    Raises:
        MissingExtra: pandas is not installed.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise MissingExtra("a table", "pandas", "pandas") from error
    return pd.DataFrame(list(rows), columns=list(columns))


def hit_columns(fields: Iterable[str]) -> tuple[str, ...]:
    """Return the columns of a table of hits: the bundle, and fields of its metadata, each once."""
    return tuple(dict.fromkeys(("bundle_uuid", "bundle_version", *fields)))


def hit_rows(
    hits: Iterable[tuple[str, Mapping[str, object] | None]], fields: Sequence[str]
) -> Iterator[dict[str, object]]:
    """Yield a row for each hit of a search: the bundle, and fields of its metadata.

    Args:
        hits: For each the bundle's fully qualified id, and its metadata.
        fields: Paths in the metadata, with dots.

    Raises:
        InvalidArgument: There are fields, and hits without metadata.
    """
    for fqid, metadata in hits:
        uuid, _, version = fqid.partition(".")
        if fields and metadata is None:
            raise InvalidArgument("fields need the metadata: search with output_format='raw'")
        values: dict[str, object] = {path: values_at(metadata, path) for path in fields}
        yield values | {"bundle_uuid": uuid, "bundle_version": version}


def values_at(document: object, path: str) -> str:
    """Return what a document has at a path, through lists; several values are joined by `` || ``.

    What is null is left out.

    Args:
        document: A JSON value.
        path: Names with dots between, as in queries:
            ``files.donor_organism_json.genus_species.text``.
    """
    found = [document]
    for name in path.split("."):
        held = [cast("Mapping[str, object]", each) for each in _flat(found) if _is_object(each)]
        found = [each[name] for each in held if name in each]
    texts = (
        each if isinstance(each, str) else json.dumps(each)
        for each in _flat(found)
        if each is not None
    )
    return _JOINER.join(dict.fromkeys(texts))


def _flat(values: Iterable[object]) -> Iterator[object]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(cast("list[object]", value))
        else:
            yield value


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)
