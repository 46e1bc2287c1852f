"""The plain form of `query_string` searches: words, `field:value`, "phrases", AND, OR and NOT.

    query := modifier clause ((AND | OR)? modifier clause)*
    modifier := (NOT | ! | + | -)?
    clause := (field:)? (word | "phrase" | '(' query ')')

As in search engines, operators say whether the clauses next to them must match, should or must not,
so `a AND b OR c` is a and b, with or without c.
"""

import re

from attrs import define, field, frozen

_TOKEN = re.compile(
    r'\s*(?:(?P<phrase>"(?:[^"\\]|\\.)*")|(?P<field>(?:[^\s"():\\]|\\.)+):|(?P<sign>[()!+-]|&&|\|\|)'
    r'|(?P<word>(?:[^\s"():\\]|\\.)+))',
    re.DOTALL,
)
_SPECIAL = re.compile(r"(?<!\\)[\[\]{}~^<>/]")
_OPERATORS = {"AND": "AND", "OR": "OR", "NOT": "NOT", "(": "(", ")": ")"} | {
    "&&": "AND",
    "||": "OR",
    "!": "NOT",
    "-": "NOT",
    "+": "+",
}
_MUST, _SHOULD, _MUST_NOT = "must", "should", "must_not"
_DEEPEST = 20


class BadQueryString(ValueError):
    """A query string that is not of the plain form; the message says why."""


@frozen
class Leaf:
    """A word or a phrase, looked for in a field or, without one, anywhere."""

    path: str | None
    text: str
    is_phrase: bool


@define
class Group:
    """Clauses that must match, of which one should match without those, and that must not."""

    must: "list[Node]" = field(factory=list)
    should: "list[Node]" = field(factory=list)
    must_not: "list[Node]" = field(factory=list)


Node = Leaf | Group


def parse(text: str, default_operator: str, default_field: str | None) -> Node:
    """Parse a query string.

    Args:
        text: The query string.
        default_operator: `AND` or `OR`, which stands between clauses that nothing joins.
        default_field: The field of words that name none; None is any field.

    Raises:
        BadQueryString: It is empty, broken, or uses more than the plain form.
    """
    parser = _Parser(_tokens(text), default_operator)
    node = parser.query(default_field, 0)
    if parser.tokens:
        raise BadQueryString(f"unexpected {parser.tokens[0][1]!r}")
    return node


Token = tuple[str, str]  # phrase, field, word, or an operator; and the text


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise BadQueryString(f"it cannot be read from {text[position : position + 20]!r} on")
        found.append(_token(match))
        position = match.end()
    return found


def _token(match: re.Match[str]) -> Token:
    kind = str(match.lastgroup)
    text = match[kind]
    if kind in {"sign", "word"} and text in _OPERATORS:
        return _OPERATORS[text], text
    if kind == "phrase":
        return kind, unescaped(text[1:-1])
    special = _SPECIAL.search(text)
    if special is not None:
        raise BadQueryString(f"{special[0]} is not supported here; a backslash takes it as it is")
    return kind, text if kind == "word" else unescaped(text)


def unescaped(text: str) -> str:
    """Return a text with what backslashes take as it is."""
    return re.sub(r"(?s)\\(.)", r"\1", text)


@define
class _Parser:
    tokens: list[Token]
    default_operator: str

    def query(self, path: str | None, depth: int) -> Node:
        """Parse clauses up to the end, or to the parenthesis that closes them."""
        if depth > _DEEPEST:
            raise BadQueryString("it is nested too deeply")
        found: list[tuple[str, Node]] = []
        while not found or (self.tokens and self._next() != ")"):
            joined = self._take("AND", "OR") if found else None
            modifier = self._take("NOT", "+")
            clause = self._clause(path, depth)
            if found and found[-1][0] != _MUST_NOT:
                before = {"AND": _MUST, "OR": self._unless_required()}.get(joined or "")
                found[-1] = (before or found[-1][0], found[-1][1])
            found.append((self._occurs(joined, modifier), clause))
        if len(found) == 1 and found[0][0] != _MUST_NOT:
            return found[0][1]
        group = Group()
        for occurs, clause in found:
            {_MUST: group.must, _SHOULD: group.should, _MUST_NOT: group.must_not}[occurs].append(
                clause
            )
        return group

    def _unless_required(self) -> str | None:
        return _SHOULD if self.default_operator == "AND" else None

    def _occurs(self, joined: str | None, modifier: str | None) -> str:
        if modifier == "NOT":
            return _MUST_NOT
        if modifier == "+" or joined == "AND":
            return _MUST
        return _MUST if self.default_operator == "AND" and joined != "OR" else _SHOULD

    def _clause(self, path: str | None, depth: int) -> Node:
        kind, text = self.tokens.pop(0) if self.tokens else ("", "")
        if kind == "field":
            path = text
            kind, text = self.tokens.pop(0) if self.tokens else ("", "")
        if kind == "(":
            node = self.query(path, depth + 1)
            if self._take(")") is None:
                raise BadQueryString("a parenthesis is not closed")
            return node
        if kind not in {"word", "phrase"}:
            raise BadQueryString(f"a word should follow, not {text!r}")
        return Leaf(path, text, is_phrase=kind == "phrase")

    def _take(self, *kinds: str) -> str | None:
        return self.tokens.pop(0)[0] if self.tokens and self._next() in kinds else None

    def _next(self) -> str:
        return self.tokens[0][0]
