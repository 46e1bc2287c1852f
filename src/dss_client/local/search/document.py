"""A search document, and what it can be found by (docs/behaviour.md 10.5)."""

import math
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

from attrs import define

from ..storage.documents import as_list, as_object
from .dates import parse_whole_date

Scalar = str | int | float | bool
Term = str | int | float
Kind = Literal["d", "h", "n", "t", "w"]
DATE: Kind = "d"  # the first microsecond of a date
HERE: Kind = "h"  # something else is at this path or below it
NUMBER: Kind = "n"
TEXT: Kind = "t"  # a whole string in lower case; true and false as text
WORD: Kind = "w"  # one word of a string, in lower case

ID = "_id"
ANALYSED = ".text"
_LONGEST_TEXT = 256
_EXACT = frozenset({ID, "uuid", "manifest.version"})
# Of manifests, these alone are split into words: checksums would only make the index large.
_MANIFEST_WORDS = frozenset({"manifest.files.name", "manifest.files.content-type"})
_WORD = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\w{1,255}")  # a uuid is one
_NUMBER = re.compile(r"[+-]?(?:\d+(?P<fraction>\.\d*)?|\.\d+)(?P<exponent>[eE][+-]?\d+)?", re.ASCII)
_INTEGER_BITS = 63
_SAFE_DIGITS = 18  # so many always fit


@define(slots=False)
class Document:
    """The values of a search document.

    Attributes:
        values: The values at each dotted path. Lists are flattened: members of one object are not
            related to each other.
    """

    values: dict[str, list[Scalar]]

    @classmethod
    def of(cls, fqid: str, source: Mapping[str, Any]) -> "Document":
        """Return the values of a document, whose id is the bundle's FQID."""
        values: dict[str, list[Scalar]] = {ID: [fqid]}
        # Not recursive: documents may be nested deeper than calls.
        pending: list[tuple[str, Any]] = [("", source)]
        while pending:
            path, value = pending.pop()
            if isinstance(value, str):
                values.setdefault(path, []).append(_clean(value))
            elif (members := as_object(value)) is not None:
                above = f"{path}." if path else ""
                pending += [(above + _clean(name), item) for name, item in members.items()]
            elif (items := as_list(value)) is not None:
                pending += [(path, item) for item in items]
            elif value is not None:
                values.setdefault(path, []).append(value)
        return cls(values)

    def terms(self, path: str | None, kind: Kind) -> set[Term]:
        """Return the terms of a kind at a path; None is any path."""
        paths = self.values if path is None else [path]
        empty = frozenset[Term]()
        found = (terms_at(at, self.values.get(at, [])) for at in paths)
        return set[Term]().union(*(terms.get(kind, empty) for terms in found))

    def strings(self, path: str | None) -> Iterator[str]:
        """Yield the strings at a path that are split into words; None is any path."""
        for at in self.values if path is None else [path]:
            if _is_analysed(at):
                yield from (value for value in self.values.get(at, ()) if isinstance(value, str))

    def exists(self, path: str) -> bool:
        """Tell whether there is a value at a path or below it."""
        return path in self.values or path in self.above

    @cached_property
    def above(self) -> set[str]:
        """All paths that have others below them."""
        found: set[str] = set()
        for path in self.values:
            while "." in path:
                path = path.rpartition(".")[0]  # noqa: PLW2901 - upwards
                if path in found:
                    break
                found.add(path)
        return found


def terms_at(path: str, values: Iterable[Scalar]) -> dict[Kind, set[Term]]:
    """Return everything that values at a path can be found by."""
    found: dict[Kind, set[Term]] = defaultdict(set)
    exact, analysed = path in _EXACT, _is_analysed(path)
    for value in values:
        if isinstance(value, bool):
            found[TEXT].add(as_text(value))
        elif not isinstance(value, str):
            number = as_number(value)
            if number is None:
                found[HERE].add("")  # NaN
            else:
                found[NUMBER].add(number)
        elif exact:
            found[TEXT].add(value)
        else:
            text = value.lower()
            if len(value) <= _LONGEST_TEXT:
                found[TEXT].add(text)
            else:
                found[HERE].add("")
            if analysed:
                found[WORD].update(_WORD.findall(text))
            if (span := parse_whole_date(value)) is not None:
                found[DATE].add(span.start)
    return found


def is_exact(path: str) -> bool:
    """Tell whether a field holds ids: compared as they are, and never as dates."""
    return path in _EXACT


def normal(path: str, text: str) -> str:
    """Return a string as texts at a path are compared: in lower case, but for ids."""
    return text if path in _EXACT else text.lower()


def words(text: str) -> list[str]:
    """Return the words of a string, in lower case."""
    return _WORD.findall(text.lower())


def as_text(value: Scalar) -> str:
    """Return a value as the string that it may stand for."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_number(value: Scalar) -> int | float | None:
    """Return the number that a value is, or that its text names; else None."""
    if isinstance(value, str):
        return _parsed(value)
    if isinstance(value, bool):
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


def _is_analysed(path: str) -> bool:
    if path.startswith("manifest."):
        return path in _MANIFEST_WORDS
    return path not in _EXACT


def _clean(text: str) -> str:
    """Return a text without the halves of letters that JSON can hold, and no database."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
