"""`query_string` searches: the syntax of Lucene, read by `luqum`, as trees.

As in Lucene, operators say whether the clauses next to them must match, should or must not, so
`a AND b OR c` is a and b, with or without c.
"""

import re
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO

from luqum import tree as lucene
from luqum.exceptions import ParseError

with redirect_stderr(StringIO()):  # where it makes its parser anew, it tells of that
    from luqum.thread import parse as parse_lucene

from .fields import anywhere, exists, has_form, has_regexp, in_range, match, phrase
from .tree import ALL, Bool, Query

_MOST_WORDS = 1024
_LONGEST = 50_000
_DEEPEST = 20
_SIGNS = re.compile(
    r'(?s)"(?:[^"\\]|\\.)*"|(?<![^\s:(])/(?:[^/\\]|\\.)*/|\\.'  # which hold no operators
    r'|(?<![^\s()"])(?:&&|\|\|)(?![^\s()"])|!'
)
_WORDS = {"&&": " AND ", "||": " OR ", "!": " NOT "}  # for signs that luqum does not know


class BadQueryString(ValueError):
    """A query string that cannot be run; the message says why."""


def parse_query_string(text: str, default_operator: str, default_field: str | None) -> Query:
    """Return what a query string asks for.

    Args:
        text: The query string.
        default_operator: `AND` or `OR`, which stands between clauses that nothing joins.
        default_field: The field of words that name none; None is any field.

    Raises:
        BadQueryString: It is empty, broken, or asks for what is not supported.
        BadPattern: A regular expression or a form cannot be used.
    """
    if len(text.split()) > _MOST_WORDS:
        raise BadQueryString(f"it has more than {_MOST_WORDS} words")
    if len(text) > _LONGEST:
        raise BadQueryString(f"it is longer than {_LONGEST} characters")
    try:
        parsed = parse_lucene(_SIGNS.sub(lambda it: _WORDS.get(it[0], it[0]), text))
    except ParseError as error:
        raise BadQueryString(str(error).rstrip("!")) from error
    return _group(parsed, default_operator == "AND", default_field, 0)


def _group(item: lucene.Item, and_is_default: bool, path: str | None, depth: int) -> Query:
    """Return what the clauses of a query, or of its part in parentheses, ask for."""
    if depth > _DEEPEST:
        raise BadQueryString("it is nested too deeply")
    found: list[tuple[str, Query]] = []
    for operator, clause in _clauses(item):
        if found and found[-1][0] != "must_not":  # an operator tells of the clause before, too
            before = {"AND": "must", "OR": "should" if and_is_default else ""}.get(operator)
            found[-1] = (before or found[-1][0], found[-1][1])
        required = operator == "AND" or (and_is_default and operator != "OR")
        sign, inner = _sign(clause)
        occurs = sign or ("must" if required else "should")
        found.append((occurs, _clause(inner, and_is_default, path, depth)))
    must, should, must_not = (
        tuple(query for occurs, query in found if occurs == name)
        for name in ("must", "should", "must_not")
    )
    return Bool(must, must_not, should, least=0 if must or not should else 1)


def _clauses(item: lucene.Item) -> Iterator[tuple[str, lucene.Item]]:
    """Yield clauses in their order, each with the operator before it.

    Lucene knows no precedence, so what the parser has grouped by it is made flat again.
    """
    if not isinstance(item, lucene.BaseOperation):
        yield "", item
        return
    operator = ""
    for child in item.children:
        for inner, clause in _clauses(child):
            yield inner or operator, clause
            operator = ""
        operator = _operator(item)


def _operator(item: lucene.BaseOperation) -> str:
    if isinstance(item, lucene.AndOperation):
        return "AND"
    return "OR" if isinstance(item, lucene.OrOperation) else ""


def _sign(clause: lucene.Item) -> tuple[str, lucene.Item]:
    """Return how the sign before a clause has it occur, and the rest."""
    if isinstance(clause, lucene.Not | lucene.Prohibit):
        return "must_not", clause.a
    if isinstance(clause, lucene.Plus):
        return "must", clause.a
    return "", clause


def _clause(item: lucene.Item, and_is_default: bool, path: str | None, depth: int) -> Query:
    match item:
        case lucene.SearchField():
            inner = _unescaped(item.name)
            if isinstance(item.expr, lucene.SearchField):
                raise BadQueryString(f"{item} names two fields; a backslash takes : as it is")
            return _clause(item.expr, and_is_default, inner, depth)
        case lucene.BaseGroup():
            return _group(item.expr, and_is_default, path, depth + 1)
        case lucene.Boost():
            return _clause(item.expr, and_is_default, path, depth)
        case lucene.Phrase():
            return phrase(path, _unescaped(item.value[1:-1]))
        case lucene.Word():
            return _word(item.value, path)
        case lucene.Regex() if path is not None:
            return has_regexp(path, item.value[1:-1])
        case lucene.Range() | lucene.OpenRange() if path is not None:
            return in_range(path, _bounds(item))
        case lucene.Range() | lucene.OpenRange() | lucene.Regex():
            raise BadQueryString(f"{item} wants a field, as field:{item}")
        case _:
            title = f"{item} is not supported here; a backslash takes a sign as it is"
            raise BadQueryString(title)


def _word(text: str, path: str | None) -> Query:
    if path == "_exists_":
        return exists(_unescaped(text))
    if text == "*":
        return ALL if path in {None, "*"} else exists(path or "")
    has_wildcard = any(sign in text.replace("\\*", "").replace("\\?", "") for sign in "*?")
    if path is None and has_wildcard:
        raise BadQueryString(f"{text} wants a field, as field:{text}")
    if path is None:
        return anywhere(_unescaped(text))
    return has_form(path, text) if has_wildcard else match(path, _unescaped(text))


def _bounds(item: lucene.Range | lucene.OpenRange) -> dict[str, str]:
    given: dict[str, lucene.Item]
    if isinstance(item, lucene.OpenRange):
        name = "gt" if isinstance(item, lucene.From) else "lt"
        given = {f"{name}e" if item.include else name: item.a}
    else:
        given = {
            "gte" if item.include_low else "gt": item.low,
            "lte" if item.include_high else "lt": item.high,
        }
    texts = {
        name: _unescaped(bound.value.strip('"'))
        for name, bound in given.items()
        if isinstance(bound, lucene.Term)
    }
    return {name: text for name, text in texts.items() if text != "*"}


def _unescaped(text: str) -> str:
    """Return a text with what backslashes take as it is."""
    return re.sub(r"(?s)\\(.)", r"\1", text)
