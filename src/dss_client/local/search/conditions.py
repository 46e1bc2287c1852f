"""Conditions on the documents of the search index, as SQL.

A condition is an expression over a row `d` of the table `documents`; the table `terms` holds what
documents can be found by, per field, and `fields` gives each path and kind its number.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from attrs import frozen

from .dates import Span, parse_date
from .patterns import regexp, wildcard
from .terms import (
    ANALYSED,
    LONGEST_TERM,
    Kind,
    Scalar,
    Value,
    as_number,
    as_text,
    is_exact,
    normal,
    words,
)

_AFTER_ALL = "\U0010ffff"
# In SQLite every number sorts before every text, and the empty text before every other.
_IS_TEXT = " AND value >= ''"
_IS_NUMBER = " AND value < ''"
_LIKE = "value REGEXP ?"
_OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@frozen
class Condition:
    """An SQL expression, true or false, and the values of its placeholders."""

    sql: str
    values: tuple[Value, ...] = ()

    @property
    def lookups(self) -> int:
        """How many tables it looks at."""
        return self.sql.count("SELECT")


ALL = Condition("1")
NONE = Condition("0")


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Return what holds when every condition does."""
    return _joined(" AND ", conditions) if conditions else ALL


def any_of(conditions: Sequence[Condition]) -> Condition:
    """Return what holds when one condition does, or more."""
    return _joined(" OR ", conditions) if conditions else NONE


def negated(condition: Condition) -> Condition:
    """Return what holds when a condition does not."""
    return Condition(f"NOT {condition.sql}", condition.values)


def at_least(count: int, conditions: Sequence[Condition]) -> Condition:
    """Return what holds when so many conditions do."""
    if count <= 1:
        return any_of(conditions) if count == 1 else ALL
    if count > len(conditions):
        return NONE
    each = [Condition(f"({condition.sql})", condition.values) for condition in conditions]
    total = _joined(" + ", each)
    return Condition(f"({total.sql} >= {count})", total.values)


def equals(path: str, wanted: Scalar) -> Condition:
    """Return what holds when a field has a value: a whole string, a number or a date."""
    return one_of(path, [wanted])


def one_of(path: str, wanted: Sequence[Scalar]) -> Condition:
    """Return what holds when a field has one of the values."""
    terms: list[Value] = [normal(path, as_text(value)) for value in wanted]
    terms += [number for value in wanted if (number := as_number(value)) is not None]
    found = [_with_terms(path, Kind.TERM, f"value IN ({_marks(terms)})", terms)]
    spans = [span for value in wanted if (span := _span(path, value)) is not None]
    if spans:
        found.append(_in_spans(path, spans))
    return any_of(found)


def _in_spans(path: str, spans: Sequence[Span]) -> Condition:
    """Return what holds when a field has a date in one of the spans, each looked up by itself."""
    terms = (
        "SELECT document FROM json_each(?) span CROSS JOIN terms"
        " WHERE field IN (SELECT id FROM fields WHERE path = ? AND kind = ?) AND terms.value"
        " BETWEEN json_extract(span.value, '$[0]') AND json_extract(span.value, '$[1]')"
    )
    text = json.dumps([(span.start, span.end) for span in spans])
    return Condition(f"d.id IN ({terms})", (text, normal("_id", path), Kind.DATE))


def has_words(path: str, wanted: Sequence[str], *, every: bool = False) -> Condition:
    """Return what holds when a field's strings have one of the words, or every one."""
    if not wanted:
        return NONE
    if not every:
        return _with_terms(path, Kind.WORD, f"value IN ({_marks(wanted)})", wanted)
    return all_of([_with_terms(path, Kind.WORD, "value = ?", [word]) for word in wanted])


def has_phrase(path: str | None, text: str) -> Condition:
    """Return what holds when a field's string has these words in a row; None is any field.

    Looked for in strings of at most 256 characters only.
    """
    wanted = words(normal("", text))
    if not wanted or len(wanted) > LONGEST_TERM:
        return NONE
    in_a_row = r"\W+".join(re.escape(word) for word in wanted)
    pattern = rf"(?s)(?:.*\W)??{in_a_row}(?:\W.*)?"
    if path is not None:
        return _with_terms(path, Kind.TERM, _LIKE + _IS_TEXT, [pattern])
    fields = (
        "SELECT whole.id FROM fields whole JOIN fields split USING (path) WHERE whole.kind = ?"
        " AND split.kind = ? AND EXISTS (SELECT 1 FROM terms WHERE field = split.id AND value = ?)"
    )
    return _in_fields(fields, [Kind.TERM, Kind.WORD, wanted[0]], _LIKE + _IS_TEXT, [pattern])


def anywhere(text: str, *, split: bool = True) -> Condition:
    """Return what holds when any field is the text as a whole, or fields have all its words."""
    whole: list[Value] = [normal("", text)]
    number = as_number(text)
    if number is not None:
        whole.append(number)
    fields = "SELECT id FROM fields WHERE kind = ?"
    found = words(normal("", text)) if split else []
    each = [_in_fields(fields, [Kind.WORD], "value = ?", [word]) for word in found]
    as_term = _in_fields(fields, [Kind.TERM], f"value IN ({_marks(whole)})", whole)
    return any_of([as_term, all_of(each)] if each else [as_term])


def exists(path: str) -> Condition:
    """Return what holds when a field, or one below it, has a value that is not null."""
    path = normal("_id", path)
    fields, values = "SELECT id FROM fields WHERE path = ?", [path]
    if path.endswith(ANALYSED):
        fields += f" OR (path = ? AND kind = {Kind.WORD:d})"
        values.append(path.removesuffix(ANALYSED))
    return _in_fields(fields, values, "1", [])


def has_prefix(path: str, prefix: str) -> Condition:
    """Return what holds when a field has a string, or at `.text` a word, with such a beginning."""
    return _on_strings(path, "value >= ? AND value < ?", lambda it: [it, it + _AFTER_ALL], prefix)


def has_form(path: str, pattern: str) -> Condition:
    """Return what holds when a field has a string, or at `.text` a word, of a `*` and `?` form.

    Raises:
        BadPattern: The pattern is too long.
    """
    return _on_strings(path, _LIKE, lambda it: [wildcard(it)], pattern)


def has_regexp(path: str, pattern: str) -> Condition:
    """Return what holds when a field's whole string, or at `.text` a whole word, matches.

    Raises:
        BadPattern: The pattern cannot be used.
    """
    return _on_strings(path, _LIKE, lambda it: [regexp(it)], pattern)


def in_range(path: str, bounds: Mapping[str, Value]) -> Condition:
    """Return what holds when a field has a value within bounds, keys `gt`, `gte`, `lt`, `lte`.

    Numbers are compared as numbers and dates as times. Other strings are compared as strings,
    where the bounds are strings and not all of them dates.
    """
    if not bounds:
        return _with_terms(path, Kind.TERM, "1", [])
    found: list[Condition] = []
    numbers = {name: as_number(bound) for name, bound in bounds.items()}
    spans = {name: _span(path, bound) for name, bound in bounds.items()}
    if None not in numbers.values():
        found.append(_between(path, Kind.TERM, numbers, _IS_NUMBER))
    if None not in spans.values():
        found.append(_between(path, Kind.DATE, {name: _edge(name, spans[name]) for name in spans}))
    elif all(isinstance(bound, str) for bound in bounds.values()):
        texts = {name: normal(path, str(bound)) for name, bound in bounds.items()}
        found.append(_between(path, Kind.TERM, texts, _IS_TEXT))
    return any_of(found)


def matches_regexp(pattern: str, value: Value | None) -> bool:
    """Tell whether a whole string matches: SQL's `value REGEXP pattern`."""
    return isinstance(value, str) and _compiled(pattern).fullmatch(value) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _between(
    path: str, kind: Kind, bounds: Mapping[str, Value | None], which: str = ""
) -> Condition:
    test = " AND ".join(f"value {_OPERATORS[name]} ?" for name in bounds)
    return _with_terms(path, kind, test + which, [it for it in bounds.values() if it is not None])


def _edge(name: str, span: Span | None) -> int | None:
    """Return the end of a date that a bound means: `lte` a day is until the end of that day."""
    if span is None:
        return None
    return span.end if name in {"gt", "lte"} else span.start


def _span(path: str, value: Scalar) -> Span | None:
    return parse_date(value) if isinstance(value, str) and not is_exact(path) else None


def _on_strings(
    path: str, test: str, values: Callable[[str], list[Value]], pattern: str
) -> Condition:
    found = [_with_terms(path, Kind.TERM, test + _IS_TEXT, values(normal(path, pattern)))]
    if path.endswith(ANALYSED):
        field = path.removesuffix(ANALYSED)
        found.append(_with_terms(field, Kind.WORD, test, values(normal(path, pattern))))
    return any_of(found)


def _with_terms(path: str, kind: Kind, test: str, values: Sequence[Value]) -> Condition:
    field = normal("_id", path)
    return _in_fields(
        "SELECT id FROM fields WHERE path = ? AND kind = ?", [field, kind], test, values
    )


def _in_fields(
    fields: str, of_fields: Sequence[Value], test: str, values: Sequence[Value]
) -> Condition:
    terms = f"SELECT document FROM terms WHERE field IN ({fields}) AND {test}"  # noqa: S608 - constants
    return Condition(f"d.id IN ({terms})", (*of_fields, *values))


def _joined(operator: str, conditions: Sequence[Condition]) -> Condition:
    """Join conditions, halves first: SQLite bounds the depth of expressions."""
    if len(conditions) == 1:
        return conditions[0]
    middle = len(conditions) // 2
    left, right = (_joined(operator, half) for half in (conditions[:middle], conditions[middle:]))
    return Condition(f"({left.sql}{operator}{right.sql})", (*left.values, *right.values))


def _marks(values: Sequence[Value]) -> str:
    return ", ".join("?" * len(values))
