"""Search queries, evaluated on documents (behaviour reference §10.5).

A query is compiled once into a predicate, so a wrong one is refused whatever documents there are.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .documents import as_list, as_object

_LONGEST_TERM = 256
_EXACT = frozenset({"_id", "uuid", "manifest.version"})
_ANALYSED = ".text"
_WORD = re.compile(r"\w+")

Scalar = str | int | float | bool | None
Predicate = Callable[["Document"], bool]


class QueryError(Exception):
    """A query that cannot be run; the message names the word."""


class Document:
    """A document as the index sees it: every dotted path with all its values."""

    def __init__(self, document_id: str, source: Mapping[str, Any]) -> None:
        self.id = document_id
        self.source = source
        self._fields: dict[str, list[Scalar]] = {"_id": [document_id]}
        for path, value in _scalars(source, ""):
            self._fields.setdefault(path, []).append(value)

    def values(self, path: str) -> list[Scalar]:
        """Return all values at a dotted path."""
        return self._fields.get(path, [])


def compile_query(query: object) -> Predicate:
    """Return the predicate of a query such as `{"match": {...}}`.

    Raises:
        QueryError: The query is of an unknown kind, or wrongly shaped.
    """
    clause = _object(query, "query")
    if len(clause) != 1:
        raise QueryError(f"a query has exactly one kind, not {sorted(map(str, clause))}")
    [(kind, body)] = clause.items()
    compiler = _KINDS.get(kind)
    if compiler is None:
        raise QueryError(f"no [query] registered for [{kind}]; known: {', '.join(_KINDS)}")
    return compiler(body)


def _match_all(body: object) -> Predicate:
    _options(_object(body, "match_all"), "match_all", {"boost"})
    return lambda _: True


def _match(body: object) -> Predicate:
    path, value, options = _field(body, "match", "query", {"operator", "boost"})
    words = _words(value) if path.endswith(_ANALYSED) else []
    operator = str(options.get("operator", "or")).lower()
    if operator not in {"and", "or"}:
        raise QueryError(f"[match] has no operator [{operator}]")
    combine = all if operator == "and" else any

    def predicate(document: Document) -> bool:
        if _has_term(document, path, value):
            return True
        present = _analysed(document, path) if words else set[str]()
        return bool(words) and combine(word in present for word in words)

    return predicate


def _term(body: object) -> Predicate:
    path, value, _ = _field(body, "term", "value", {"boost"})
    return _any_term("term", path, [value])


def _terms(body: object) -> Predicate:
    clause = {key: value for key, value in _object(body, "terms").items() if key != "boost"}
    if len(clause) != 1:
        raise QueryError("[terms] takes exactly one field")
    [(path, values)] = clause.items()
    several = as_list(values)
    if several is None:
        raise QueryError(f"[terms] wants a list of values for field [{path}]")
    return _any_term("terms", path, several)


def _any_term(kind: str, path: str, values: list[Any]) -> Predicate:
    scalars = [_scalar(value, kind, path) for value in values]

    def predicate(document: Document) -> bool:
        return any(_has_term(document, path, scalar) for scalar in scalars) or (
            path.endswith(_ANALYSED) and not _analysed(document, path).isdisjoint(scalars)
        )

    return predicate


def _bool(body: object) -> Predicate:
    clause = _object(body, "bool")
    _options(clause, "bool", {"must", "filter", "must_not", "should", "boost"})
    wanted = [*_clauses(clause, "must"), *_clauses(clause, "filter")]
    unwanted = _clauses(clause, "must_not")
    optional = _clauses(clause, "should")
    # Without must or filter, at least one of should has to match.
    one_needed = bool(optional) and not wanted

    def predicate(document: Document) -> bool:
        return (
            all(matches(document) for matches in wanted)
            and not any(matches(document) for matches in unwanted)
            and (not one_needed or any(matches(document) for matches in optional))
        )

    return predicate


_KINDS: dict[str, Callable[[object], Predicate]] = {
    "match_all": _match_all,
    "match": _match,
    "term": _term,
    "terms": _terms,
    "bool": _bool,
}


def _clauses(clause: Mapping[str, Any], name: str) -> list[Predicate]:
    given = clause.get(name, [])
    several = as_list(given)
    return [compile_query(item) for item in ([given] if several is None else several)]


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


def _options(clause: Mapping[str, Any], kind: str, known: set[str]) -> None:
    for option in clause:
        if option not in known:
            raise QueryError(f"[{kind}] query does not support [{option}]")


def _scalar(value: object, kind: str, path: str) -> Scalar:
    if value is None or not isinstance(value, str | int | float | bool):
        raise QueryError(f"[{kind}] on field [{path}] wants one value, not {value!r:.60}")
    return value


def _has_term(document: Document, path: str, wanted: Scalar) -> bool:
    exact = path in _EXACT
    return any(_equal(value, wanted, exact) for value in document.values(path))


def _equal(value: Scalar, wanted: Scalar, exact: bool) -> bool:
    """Compare as the type of the stored value, which decides the mapping."""
    if isinstance(value, bool):
        return str(wanted).lower() == str(value).lower()
    if isinstance(value, int | float):
        return not isinstance(wanted, bool) and _number(wanted) == value
    if not isinstance(value, str) or len(value) > _LONGEST_TERM:
        return False
    text = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
    return value == text if exact else value.lower() == text.lower()


def _number(value: Scalar) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _analysed(document: Document, path: str) -> set[str]:
    """Return the words at `<field>.text`; where `text` is a property of its own, there are none."""
    texts = document.values(path.removesuffix(_ANALYSED))
    return {word for text in texts if isinstance(text, str) for word in _words(text)}


def _words(value: Scalar) -> list[str]:
    return [word.lower() for word in _WORD.findall(str(value))]


def _scalars(value: Any, path: str) -> Iterator[tuple[str, Scalar]]:
    if (members := as_object(value)) is not None:
        for key, item in members.items():
            yield from _scalars(item, f"{path}.{key}" if path else key)
    elif (items := as_list(value)) is not None:
        for item in items:
            yield from _scalars(item, path)
    else:
        yield path, value
