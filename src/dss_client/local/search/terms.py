"""What a search document can be found by: terms, words and dates (docs/behaviour.md 10.5)."""

import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Any

from dss_client.versions import is_uuid

from ..storage.documents import as_list, as_object
from .dates import parse_whole_date

LONGEST_TERM = 256
ANALYSED = ".text"
_EXACT = frozenset({"_id", "uuid", "manifest.version"})
# Of manifests, these alone are split into words: checksums would only make the index large.
_MANIFEST_WORDS = frozenset({"manifest.files.name", "manifest.files.content-type"})
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"[+-]?(?:\d+(?P<fraction>\.\d*)?|\.\d+)(?P<exponent>[eE][+-]?\d+)?", re.ASCII)
_INTEGER_BITS = 63  # of SQLite's integers, without the sign
_SAFE_DIGITS = 18  # so many always fit

Scalar = str | int | float | bool | None
Value = str | int | float


class Kind(IntEnum):
    """How a value stands in the index."""

    TERM = 0  # a whole string in lower case, a number; true and false as text
    WORD = 1  # one word of a string, in lower case
    DATE = 2  # the first microsecond of a date
    HERE = 3  # there is something at this path or below it


Entry = tuple[str, Kind, Value]


def entries(document_id: str, source: Mapping[str, Any]) -> set[Entry]:
    """Return everything that a document can be found by: dotted path, kind and value.

    Lists are flattened: members of one object are not related to each other.
    """
    found: set[Entry] = {("_id", Kind.TERM, document_id)}
    paths: set[str] = set()
    for path, value in _scalars(source):
        paths.add(path)
        found.update((path, kind, each) for kind, each in _values(path, value))
    found.update((above, Kind.HERE, "") for path in paths for above in _above(path))
    return found


def is_exact(path: str) -> bool:
    """Tell whether a field holds ids: compared as they are, and never as dates."""
    return path in _EXACT


def normal(path: str, text: str) -> str:
    """Return a string as terms at a path are compared: in lower case, but for ids."""
    return _clean(text) if is_exact(path) else _clean(text).lower()


def words(text: str) -> list[str]:
    """Return the words of a string, in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def as_text(value: Scalar) -> str:
    """Return a value of a query as the string that it may stand for."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_number(value: Scalar) -> int | float | None:
    """Return the number that a value is, or that its text names; else None."""
    if isinstance(value, str):
        return _parsed(value)
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int) and value.bit_length() > _INTEGER_BITS:
        return float(value) if value.bit_length() < sys.float_info.max_exp else math.inf
    return None if math.isnan(value) else value


def _parsed(text: str) -> int | float | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    whole = "." not in text and match["exponent"] is None
    return int(text) if whole and len(text) <= _SAFE_DIGITS else float(text)


def _values(path: str, value: Scalar) -> Iterator[tuple[Kind, Value]]:
    if isinstance(value, bool):
        yield Kind.TERM, as_text(value)
    elif isinstance(value, str):
        yield from _strings(path, value)
    else:
        number = as_number(value)
        if number is not None:
            yield Kind.TERM, number


def _strings(path: str, text: str) -> Iterator[tuple[Kind, Value]]:
    if len(text) > LONGEST_TERM:
        yield Kind.HERE, ""
    else:
        yield Kind.TERM, normal(path, text)
    if not is_exact(path) and (span := parse_whole_date(text)) is not None:
        yield Kind.DATE, span.start
    if is_uuid(text):
        yield Kind.WORD, text.lower()
    elif not path.startswith("manifest.") or path in _MANIFEST_WORDS:
        for word in words(text):
            yield Kind.WORD, word


def _scalars(source: Mapping[str, Any]) -> Iterator[tuple[str, Scalar]]:
    # Not recursive: documents may be nested deeper than calls.
    pending: list[tuple[str, Any]] = [("", source)]
    while pending:
        path, value = pending.pop()
        if (members := as_object(value)) is not None:
            pending.extend(
                (f"{path}.{name}" if path else name, item) for name, item in members.items()
            )
        elif (items := as_list(value)) is not None:
            pending.extend((path, item) for item in items)
        elif value is not None:
            yield _clean(path), value


def _clean(text: str) -> str:
    """Return a text without the halves of letters that JSON can hold, and no database."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _above(path: str) -> Iterable[str]:
    while "." in path:
        path = path.rpartition(".")[0]
        yield path
