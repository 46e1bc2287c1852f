"""Patterns of search queries, as tests of texts."""

import fnmatch
import re
from collections.abc import Callable, Iterable
from functools import partial

import regex

_LONGEST = 256
_LARGEST = 10_000  # signs, where what is repeated is written out
_MOST_SECONDS = 1.0  # for one text; ordinary expressions take microseconds
_NOT_SUPPORTED = frozenset('~&<>@#"[{')
_OPERATORS = frozenset(".|()")
_PART = re.compile(
    r"(?s)\\.|\[(?P<letters>\^?(?:\\.|[^\\\]])+)\]"
    r"|(?P<repeat>[*+?]|\{(?P<count>\d{1,4})(?:,\d{0,4})?\})|.",
    re.ASCII,
)

Test = Callable[[str], object]
"""Tells whether the whole of a text matches."""


class BadPattern(ValueError):
    """A pattern that cannot be used; the message says why."""


def wildcard(pattern: str) -> Test:
    r"""Return the test of a pattern with `*` and `?`; a `\` takes what follows as it is.

    Raises:
        BadPattern: It is too long.
    """
    _check_length(pattern)
    bracketed = re.sub(r"(?s)\\(.)|(\[)", lambda it: _alone(it[1] or it[2]), pattern)
    return re.compile(fnmatch.translate(bracketed)).fullmatch


def literal_prefix(pattern: str) -> str:
    """Return what everything of a `*` and `?` form begins with."""
    return re.split(r"[*?\\]", pattern, maxsplit=1)[0]


def regexp(pattern: str) -> Test:
    """Return the test of a regular expression as search engines write it.

    The test raises `TimeoutError` on a text that it takes too long for.

    Raises:
        BadPattern: It is too long or large, broken, or uses rare features.
    """
    _check_length(pattern)
    parts = list(_PART.finditer(pattern))
    _check_repeats(parts)
    try:
        compiled = regex.compile("(?s)" + "".join(map(_translated, parts)))
    except (regex.error, OverflowError, RecursionError) as error:
        raise BadPattern(f"it is not a valid regular expression: {error}") from error
    return partial(compiled.fullmatch, timeout=_MOST_SECONDS, concurrent=True)


def _alone(letter: str) -> str:
    return f"[{letter}]" if letter in "*?[" else letter


def _translated(part: re.Match[str]) -> str:
    text = part[0]
    if part["letters"]:
        return f"[{_letters(part['letters'])}]"
    if text in _NOT_SUPPORTED:
        raise BadPattern(f"the operator {text} is not supported; a backslash takes it as it is")
    if text == "\\":
        raise BadPattern("it ends with a backslash")
    return text if part["repeat"] or text in _OPERATORS else regex.escape(text[-1])


def _letters(text: str) -> str:
    listed = re.findall(r"(?s)\\.|.", text.removeprefix("^"))
    escaped = (sign if sign == "-" else regex.escape(sign[-1]) for sign in listed)
    return ("^" if text.startswith("^") else "") + "".join(escaped)


def _check_length(pattern: str) -> None:
    if len(pattern) > _LONGEST:
        raise BadPattern(f"it is longer than {_LONGEST} characters")


def _check_repeats(parts: Iterable[re.Match[str]]) -> None:
    """Refuse repeats that take much memory, or mean something else in Python."""
    sizes = [0]  # of the groups that are open
    last, before = 0, ""
    for part in parts:
        if part["repeat"]:
            if before == "(":
                raise BadPattern(f"a group cannot start with '{part[0]}'")
            if before == "repeat":
                raise BadPattern(f"put parentheses around what {part[0]} repeats")
            sizes[-1] += last * max(int(part["count"] or 1) - 1, 0)
        elif part[0] == "(":
            sizes.append(0)
        elif part[0] == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        else:
            last = 1
            sizes[-1] += last
        before = "repeat" if part["repeat"] else part[0]
        if sizes[-1] > _LARGEST:
            raise BadPattern(f"it stands for more than {_LARGEST} signs")
