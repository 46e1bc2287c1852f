"""What may be asked of a field, as trees (docs/behaviour.md 10.5)."""

from collections.abc import Iterable, Mapping, Sequence

from .dates import Span, has_arithmetic, parse_date, parse_epoch
from .document import (
    ANALYSED,
    DATE,
    NUMBER,
    TEXT,
    WORD,
    Kind,
    Scalar,
    Term,
    as_number,
    as_text,
    is_exact,
    normal,
    words,
)
from .patterns import BadPattern, Test, literal_prefix, regexp, wildcard
from .tree import Between, Bool, Exists, Like, OneOf, Operator, Phrase, Query, any_of

_OPERATORS: dict[str, Operator] = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def one_of(path: str, wanted: Sequence[Scalar]) -> Query:
    """Return what holds when a field is one of the values: a whole string, a number or a date."""
    texts = {normal(path, as_text(value)) for value in wanted}
    numbers = {number for value in wanted if (number := as_number(value)) is not None}
    spans = {span for value in wanted if (span := _span(path, value)) is not None}
    found: list[Query] = [OneOf(path, TEXT, frozenset(texts))]
    if numbers:
        found.append(OneOf(path, NUMBER, frozenset(numbers)))
    found += [Between(path, DATE, ((">=", span.start), ("<=", span.end))) for span in spans]
    return any_of(*found)


def match(path: str, value: Scalar, *, every: bool = False) -> Query:
    """Return what holds when a field is a value or, at `.text`, has one or all of its words."""
    whole = one_of(path, [value])
    if not path.endswith(ANALYSED):
        return whole
    field, wanted = path.removesuffix(ANALYSED), words(as_text(value))
    if every and wanted:
        return any_of(whole, Bool(must=tuple(_word(field, word) for word in wanted)))
    return any_of(whole, OneOf(field, WORD, frozenset(wanted)))


def any_term(path: str, values: Sequence[Scalar]) -> Query:
    """Return what holds when a field is one of the values or, at `.text`, has one as a word.

    A term is not analysed: with a capital letter it matches no word.
    """
    whole = one_of(path, values)
    if not path.endswith(ANALYSED):
        return whole
    field = path.removesuffix(ANALYSED)
    return any_of(whole, OneOf(field, WORD, frozenset(map(as_text, values))))


def phrase(path: str | None, text: str) -> Query:
    """Return what holds when a field is a text or, at `.text`, has its words in a row.

    Args:
        path: The field; None is any, and its words.
        text: The words.
    """
    if path is None:
        return any_of(anywhere(text, split=False), _in_a_row(None, text))
    whole = one_of(path, [text])
    if not path.endswith(ANALYSED):
        return whole
    return any_of(whole, _in_a_row(path.removesuffix(ANALYSED), text))


def anywhere(text: str, *, split: bool = True) -> Query:
    """Return what holds when any field is the text as a whole, or fields have all its words."""
    number = as_number(text)
    whole: list[Query] = [OneOf(None, TEXT, frozenset({text.lower()}))]
    if number is not None:
        whole.append(OneOf(None, NUMBER, frozenset({number})))
    found = words(text) if split else []
    if found:
        whole.append(Bool(must=tuple(_word(None, word) for word in found)))
    return any_of(*whole)


def exists(path: str) -> Query:
    """Return what holds when a field, or one below it, has a value that is not null."""
    if not path.endswith(ANALYSED):
        return Exists(path)
    return any_of(Exists(path), Between(path.removesuffix(ANALYSED), WORD))


def has_prefix(path: str, prefix: str) -> Query:
    """Return what holds when a field has a string, or at `.text` a word, with such a beginning."""
    prefix = normal(path, prefix)
    return _like(path, lambda text: text.startswith(prefix), prefix)


def has_form(path: str, pattern: str) -> Query:
    """Return what holds when a field has a string, or at `.text` a word, of a `*` and `?` form.

    Raises:
        BadPattern: The pattern is too long.
    """
    pattern = normal(path, pattern)
    return _like(path, wildcard(pattern), literal_prefix(pattern))


def has_regexp(path: str, pattern: str) -> Query:
    """Return what holds when a field's whole string, or at `.text` a whole word, matches.

    Raises:
        BadPattern: The pattern cannot be used.
    """
    return _like(path, regexp(normal(path, pattern)), "")


def in_range(path: str, bounds: Mapping[str, Scalar]) -> Query:
    """Return what holds when a field has a value within bounds, keys `gt`, `gte`, `lt`, `lte`.

    Numbers are compared as numbers and dates as times, for which bounds may also be milliseconds
    since 1970. Other strings are compared as strings, where the bounds are strings and not all of
    them dates.

    Raises:
        BadPattern: A bound is a date to be worked out.
    """
    for bound in bounds.values():
        if isinstance(bound, str) and has_arithmetic(bound):
            raise BadPattern(f"{bound!a} is to be worked out, which is not supported: give a date")
    numbers = {name: as_number(bound) for name, bound in bounds.items()}
    spans = {name: _span(path, bound) for name, bound in bounds.items()}
    moments = {name: parse_epoch(bound) for name, bound in bounds.items()}
    found: list[Query] = []
    if bounds and None not in moments.values() and not is_exact(path):
        found.append(
            _between(path, DATE, ((name, _edge(name, it)) for name, it in moments.items()))
        )
    if None not in numbers.values():
        found.append(_between(path, NUMBER, numbers.items()))
    if bounds and None not in spans.values():
        edges = [(name, _edge(name, span)) for name, span in spans.items()]
        found.append(_between(path, DATE, edges))
    elif all(isinstance(bound, str) for bound in bounds.values()):
        texts = [(name, normal(path, str(bound))) for name, bound in bounds.items()]
        found.append(_between(path, TEXT, texts))
    return any_of(*found)


def _word(path: str | None, word: str) -> Query:
    return OneOf(path, WORD, frozenset({word}))


def _in_a_row(path: str | None, text: str) -> Query:
    wanted = words(text)
    return Phrase(path, tuple(wanted)) if len(wanted) > 1 else OneOf(path, WORD, frozenset(wanted))


def _between(path: str, kind: Kind, bounds: Iterable[tuple[str, Term | None]]) -> Between:
    given: list[tuple[Operator, Term]] = [
        (_OPERATORS[name], bound) for name, bound in bounds if bound is not None
    ]
    return Between(path, kind, tuple(given))


def _edge(name: str, span: Span | None) -> int | None:
    """Return the end of a date that a bound means: `lte` a day is until the end of that day."""
    if span is None:
        return None
    return span.end if name in {"gt", "lte"} else span.start


def _span(path: str, value: Scalar) -> Span | None:
    return parse_date(value) if isinstance(value, str) and not is_exact(path) else None


def _like(path: str, test: Test, prefix: str) -> Query:
    whole = Like(path, TEXT, test, prefix)
    if not path.endswith(ANALYSED):
        return whole
    return any_of(whole, Like(path.removesuffix(ANALYSED), WORD, test, prefix))
