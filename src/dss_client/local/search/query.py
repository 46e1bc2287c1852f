"""Search queries as JSON, parsed to trees (docs/behaviour.md 10.5)."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, frozen

from ..storage.documents import as_list, as_object
from .document import ID, Scalar, as_text
from .fields import any_term, exists, has_form, has_prefix, has_regexp, in_range, match, phrase
from .patterns import BadPattern
from .query_string import BadQueryString, parse_query_string
from .tree import ALL, NONE, Bool, Query

_DEEPEST = 24
_MOST_CLAUSES = 1024
_MOST_TERMS = 10_000
_MOST_MEMBERS = 30_000
_MOST_CHARACTERS = 1_000_000
_MOST_SECONDS = 10  # to read one
_BOUNDS = frozenset({"gt", "gte", "lt", "lte"})


class QueryError(Exception):
    """A query that cannot be run; the message names the word."""


@frozen
class _Place:
    """Where in a query a part of it is.

    Attributes:
        end: When it is enough.
        depth: How many queries are around it.
        filters: Whether it only filters: there, one of `should` has to match beside `must`, too.
    """

    end: float
    depth: int = 0
    filters: bool = False


def parse_query(query: object) -> Query:
    """Return the tree of a query such as `{"match": {...}}`.

    Args:
        query: The query, as parsed from JSON.

    Raises:
        QueryError: The query is of an unknown kind, wrongly shaped, or asks for too much.
    """
    _check_size(query)
    return _parsed(query, _Place(time.monotonic() + _MOST_SECONDS))


def _check_size(query: object) -> None:
    members = characters = 0
    pending = [query]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            characters += len(item)
        elif (several := as_list(item)) is not None:
            pending += several
        else:
            pending += (as_object(item) or {}).values()
        members += 1
        if members > _MOST_MEMBERS or characters > _MOST_CHARACTERS:
            raise QueryError(
                f"it holds more than {_MOST_MEMBERS} conditions and values,"
                f" or {_MOST_CHARACTERS} characters: split it"
            )


def _parsed(query: object, place: _Place) -> Query:
    if place.depth > _DEEPEST:
        raise QueryError(f"queries are nested more than {_DEEPEST} deep")
    if time.monotonic() > place.end:
        raise QueryError(f"it takes more than {_MOST_SECONDS} seconds to read: ask for less")
    clause = _object(query, "query")
    if len(clause) != 1:
        raise QueryError(f"a query has exactly one kind, not {sorted(map(str, clause))}")
    [(kind, body)] = clause.items()
    if kind in _COMPOUND:
        return _COMPOUND[kind](body, evolve(place, depth=place.depth + 1))
    if kind not in _SIMPLE:
        known = ", ".join(sorted([*_SIMPLE, *_COMPOUND]))
        raise QueryError(f"no [query] registered for [{kind}]; known: {known}")
    try:
        return _SIMPLE[kind](body)
    except (BadPattern, BadQueryString) as error:
        raise QueryError(f"[{kind}] cannot be used: {error}") from error


def _match_all(body: object) -> Query:
    _options(_object(body, "match_all"), "match_all", {"boost"})
    return ALL


def _match_none(body: object) -> Query:
    _options(_object(body, "match_none"), "match_none", set())
    return NONE


def _match(body: object) -> Query:
    path, value, options = _field(body, "match", "query", {"operator", "boost"})
    operator = _operator("match", options.get("operator", "or"))
    return match(path, value, every=operator == "AND")


def _match_phrase(body: object) -> Query:
    path, value, _ = _field(body, "match_phrase", "query", {"boost"})
    return phrase(path, as_text(value))


def _term(body: object) -> Query:
    path, value, _ = _field(body, "term", "value", {"boost"})
    return any_term(path, [value])


def _terms(body: object) -> Query:
    clause = {key: value for key, value in _object(body, "terms").items() if key != "boost"}
    if len(clause) != 1:
        raise QueryError("[terms] takes exactly one field")
    [(path, values)] = clause.items()
    return any_term(path, _list("terms", path, values))


def _ids(body: object) -> Query:
    clause = _object(body, "ids")
    _options(clause, "ids", {"values", "type", "boost"})
    return any_term(ID, _list("ids", "values", clause.get("values")))


def _exists(body: object) -> Query:
    clause = _object(body, "exists")
    _options(clause, "exists", {"field", "boost"})
    return exists(_text("exists", "field", clause.get("field")))


def _prefix(body: object) -> Query:
    path, value, _ = _field(body, "prefix", "value", {"boost", "rewrite"})
    return has_prefix(path, _text("prefix", path, value))


def _wildcard(body: object) -> Query:
    path, value, _ = _field(body, "wildcard", "value", {"boost", "rewrite"})
    return has_form(path, _text("wildcard", path, value))


def _regexp(body: object) -> Query:
    options = {"boost", "rewrite", "max_determinized_states"}
    path, value, _ = _field(body, "regexp", "value", options)
    return has_regexp(path, _text("regexp", path, value))


def _range(body: object) -> Query:
    clause = _object(body, "range")
    if len(clause) != 1:
        raise QueryError(f"[range] takes exactly one field, not {len(clause)}")
    [(path, given)] = clause.items()
    bounds = _object(given, "range")
    _options(bounds, "range", {*_BOUNDS, "boost"})
    return in_range(
        path,
        {
            name: _bound(path, bound)
            for name, bound in bounds.items()
            if name in _BOUNDS and bound is not None
        },
    )


def _query_string(body: object) -> Query:
    clause = _object(body, "query_string")
    ignored = {"analyze_wildcard", "boost", "lenient"}
    _options(clause, "query_string", {"query", "default_field", "default_operator", *ignored})
    text = _text("query_string", "query", clause.get("query"))
    operator = _operator("query_string", clause.get("default_operator", "or"))
    field = _text("query_string", "default_field", clause.get("default_field", "_all"))
    return parse_query_string(text, operator, None if field in {"_all", "*"} else field)


def _bool(body: object, place: _Place) -> Query:
    clause = _object(body, "bool")
    groups = ("must", "filter", "must_not", "should")
    _options(clause, "bool", {*groups, "minimum_should_match", "boost", "adjust_pure_negative"})
    must, filters, must_not, should = (_clauses(clause, name, place) for name in groups)
    wanted = must + filters
    least = _minimum(clause.get("minimum_should_match", int(place.filters)), len(should))
    # Without must or filter, at least one of should has to match.
    needed = max(least, 0 if wanted else 1) if should else 0
    return Bool(wanted, must_not, should, needed)


def _nested(body: object, place: _Place) -> Query:
    clause = _object(body, "nested")
    _options(clause, "nested", {"path", "query", "score_mode", "ignore_unmapped", "boost"})
    _text("nested", "path", clause.get("path"))
    return _parsed(clause.get("query"), place)


def _constant_score(body: object, place: _Place) -> Query:
    clause = _object(body, "constant_score")
    _options(clause, "constant_score", {"filter", "boost"})
    return _parsed(clause.get("filter"), evolve(place, filters=True))


_SIMPLE: dict[str, Callable[[object], Query]] = {
    "exists": _exists,
    "ids": _ids,
    "match": _match,
    "match_all": _match_all,
    "match_none": _match_none,
    "match_phrase": _match_phrase,
    "prefix": _prefix,
    "query_string": _query_string,
    "range": _range,
    "regexp": _regexp,
    "term": _term,
    "terms": _terms,
    "wildcard": _wildcard,
}
_COMPOUND: dict[str, Callable[[object, _Place], Query]] = {
    "bool": _bool,
    "constant_score": _constant_score,
    "nested": _nested,
}


def _clauses(clause: Mapping[str, Any], name: str, place: _Place) -> tuple[Query, ...]:
    given = clause.get(name, [])
    several = as_list(given)
    clauses = [given] if several is None else several
    if len(clauses) > _MOST_CLAUSES:
        raise QueryError(f"[bool] takes at most {_MOST_CLAUSES} clauses in [{name}]")
    if name in {"filter", "must_not"}:
        place = evolve(place, filters=True)
    return tuple(_parsed(item, place) for item in clauses)


def _minimum(given: object, clauses: int) -> int:
    """Return how many of the clauses must match: `2`, `-1` is all but one, `75%`, `-25%`."""
    text = str(given)
    digits = text.removesuffix("%").removeprefix("-")
    if isinstance(given, bool) or not (digits.isascii() and digits.isdigit()) or len(digits) > 6:
        raise QueryError(
            f"[bool] wants a number or percentage as [minimum_should_match], not {text:.60}"
        )
    count = int(digits)
    if text.endswith("%"):
        count = clauses * count // 100
    return max(clauses - count if text.startswith("-") else count, 0)


def _operator(kind: str, given: object) -> str:
    operator = str(given).upper()
    if operator not in {"AND", "OR"}:
        raise QueryError(f"[{kind}] has no operator [{given!s:.60}]")
    return operator


def _field(
    body: object, kind: str, value_key: str, options: set[str]
) -> tuple[str, Scalar, Mapping[str, Any]]:
    """Take apart `{"path": value}` or `{"path": {value_key: value, option: ...}}`."""
    clause = _object(body, kind)
    if len(clause) != 1:
        raise QueryError(f"[{kind}] takes exactly one field, not {len(clause)}")
    [(path, value)] = clause.items()
    given = as_object(value)
    if given is None:
        return path, _scalar(value, kind, path), {}
    if value_key not in given:
        raise QueryError(f"[{kind}] on field [{path}] has no [{value_key}]")
    _options(given, kind, {value_key, *options})
    return path, _scalar(given[value_key], kind, path), given


def _object(body: object, kind: str) -> dict[str, Any]:
    clause = as_object(body)
    if clause is None:
        raise QueryError(f"[{kind}] wants an object, not {type(body).__name__}")
    return clause


def _list(kind: str, path: str, values: object) -> list[Scalar]:
    several = as_list(values)
    if several is None:
        raise QueryError(f"[{kind}] wants a list of values for field [{path}]")
    if len(several) > _MOST_TERMS:
        raise QueryError(f"[{kind}] takes at most {_MOST_TERMS} values for field [{path}]")
    return [_scalar(value, kind, path) for value in several]


def _options(clause: Mapping[str, Any], kind: str, known: set[str]) -> None:
    for option in clause:
        if option not in known:
            raise QueryError(f"[{kind}] query does not support [{option}]")


def _scalar(value: object, kind: str, path: str) -> Scalar:
    if value is None or not isinstance(value, str | int | float | bool):
        raise QueryError(f"[{kind}] on field [{path}] wants one value, not {value!r:.60}")
    return value


def _text(kind: str, path: str, value: object) -> str:
    if not isinstance(value, str):
        raise QueryError(f"[{kind}] on field [{path}] wants a string, not {value!r:.60}")
    return value


def _bound(path: str, value: object) -> str | int | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise QueryError(f"[range] on field [{path}] wants a string or number, not {value!r:.60}")
    return value
