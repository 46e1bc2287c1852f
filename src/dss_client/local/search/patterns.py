"""Patterns of search queries as Python's regular expressions."""

import fnmatch
import re

_LONGEST = 256
_ORDINARY = frozenset(".*+?{}|()[]")
_NOT_SUPPORTED = frozenset('~&<>@#"')
_MOST_REPEATS = 6
_PART = re.compile(r"(?s)\\.|\[[^\]]*\]|.")


class BadPattern(ValueError):
    """A pattern that cannot be used; the message says why."""


def wildcard(pattern: str) -> re.Pattern[str]:
    r"""Return the regular expression of a pattern with `*` and `?`, which a `\` takes as they are.

    Raises:
        BadPattern: It is too long.
    """
    _check_length(pattern)
    bracketed = re.sub(r"\\([*?])|\[", lambda it: f"[{it[1] or '['}]", pattern)
    return re.compile(fnmatch.translate(bracketed))


def literal_prefix(pattern: str) -> str:
    """Return what everything of a `*` and `?` form begins with."""
    return re.split(r"[*?\\]", pattern, maxsplit=1)[0]


def regexp(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of one as search engines write it, for whole strings.

    Raises:
        BadPattern: It is too long, broken, uses rare features, or could take forever.
    """
    _check_length(pattern)
    if "(?" in pattern:
        raise BadPattern("a group cannot start with '?'")
    translated = "(?s)" + "".join(map(_translated, _PART.findall(pattern)))
    _check_repeats(pattern)
    try:
        return re.compile(translated)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadPattern(f"it is not a valid regular expression: {error}") from error


def _translated(part: str) -> str:
    if part in _NOT_SUPPORTED:
        raise BadPattern(f"the operator {part} is not supported; a backslash takes it as it is")
    if part in _ORDINARY or part.startswith("["):
        return part
    if part == "\\":
        raise BadPattern("it ends with a backslash")
    return re.escape(part[-1])


def _check_length(pattern: str) -> None:
    if len(pattern) > _LONGEST:
        raise BadPattern(f"it is longer than {_LONGEST} characters")


def _check_repeats(pattern: str) -> None:
    """Refuse what takes time without end on some strings."""
    parts = _PART.findall(pattern)
    if sum(part in {"*", "+", "{"} for part in parts) > _MOST_REPEATS:
        raise BadPattern(f"it holds more than {_MOST_REPEATS} repeats")
    varies = [False]  # for each open group, whether it holds repeats or choices
    closed = False
    for before, part in zip(["", *parts], parts, strict=False):
        if part == "(":
            varies.append(False)
        elif part == ")":
            closed = varies.pop() if len(varies) > 1 else False
            varies[-1] |= closed
        elif part in {"*", "+", "?", "{", "|"}:
            if before == ")" and closed and part in {"*", "+", "{"}:
                raise BadPattern("a group that holds repeats or choices cannot be repeated")
            varies[-1] = True
