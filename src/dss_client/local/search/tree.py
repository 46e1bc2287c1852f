"""Search queries as trees, and what they mean: the truth that the index is held to.

See docs/behaviour.md 10.5.
"""

import operator
from collections.abc import Callable
from typing import Any, Literal

from attrs import frozen

from .document import Document, Kind, Term, words
from .patterns import Test

Operator = Literal[">", ">=", "<", "<="]
_COMPARE: dict[Operator, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@frozen
class OneOf:
    """Holds where a path has one of these terms; None is any path."""

    path: str | None
    kind: Kind
    terms: frozenset[Term]


@frozen
class Between:
    """Holds where a path has a term of a kind within all bounds."""

    path: str
    kind: Kind
    bounds: tuple[tuple[Operator, Term], ...] = ()


@frozen
class Like:
    """Holds where a path has a text or word that passes a test.

    Attributes:
        prefix: What all that pass begin with.
    """

    path: str
    kind: Kind
    test: Test
    prefix: str


@frozen
class Phrase:
    """Holds where a string at a path has these words in a row; None is any path."""

    path: str | None
    words: tuple[str, ...]

    def is_in(self, text: str) -> bool:
        """Tell whether a string has them."""
        return f" {' '.join(self.words)} " in f" {' '.join(words(text))} "


@frozen
class Exists:
    """Holds where there is a value at a path or below it."""

    path: str


@frozen
class Bool:
    """Holds where all of `must`, none of `must_not` and at least so many of `should` do."""

    must: "tuple[Query, ...]" = ()
    must_not: "tuple[Query, ...]" = ()
    should: "tuple[Query, ...]" = ()
    least: int = 0


Query = OneOf | Between | Like | Phrase | Exists | Bool
ALL = Bool()
NONE = Bool(must_not=(ALL,))


def any_of(*queries: Query) -> Query:
    """Return what holds when one query does, or more."""
    return queries[0] if len(queries) == 1 else Bool(should=queries, least=1)


def matches(query: Query, document: Document) -> bool:
    """Tell whether a document matches a query, by looking at all its values."""
    match query:
        case OneOf():
            return not query.terms.isdisjoint(document.terms(query.path, query.kind))
        case Between():
            return any(within(term, query) for term in document.terms(query.path, query.kind))
        case Like():
            found = document.terms(query.path, query.kind)
            return any(query.test(str(term)) for term in found)
        case Phrase():
            return any(query.is_in(string) for string in document.strings(query.path))
        case Exists():
            return document.exists(query.path)
        case Bool():
            return (
                all(matches(clause, document) for clause in query.must)
                and not any(matches(clause, document) for clause in query.must_not)
                and _enough(query, document)
            )


def within(term: Term, query: Between) -> bool:
    """Tell whether a term is within the bounds of a query."""
    return all(_COMPARE[name](term, bound) for name, bound in query.bounds)


def _enough(query: Bool, document: Document) -> bool:
    found = 0
    for clause in query.should:
        if found >= query.least:
            break
        found += matches(clause, document)
    return found >= query.least
