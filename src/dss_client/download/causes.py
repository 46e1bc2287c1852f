"""Failures of many files that have one cause, such as a service that is down, told as one."""

import re
from collections.abc import Iterable, Iterator

from attrs import define, field, frozen

__all__ = ["Failure", "told"]

_NAMED = 3  # files of a cause
_REST = "..."
# What differs where the cause is the same: what follows the host in a URL, checksums, ids,
# versions, sizes and times.
_PARTICULAR = re.compile(
    r"(?P<origin>https?://[^\s/]+/)\S*?(?=[:.,;)]*(?:\s|$))"
    r"|(?:[0-9a-f]{2}/[0-9a-f]{4}/)?\b[0-9a-f]{64}\b"
    r"|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"
    r"|\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{6}\.[0-9]{6}Z"
    r"|\b[0-9]+(?=(?: of [0-9]+)? bytes\b)|(?<=found )[0-9]+\b|(?<=tried )[0-9]+(?= times)"
    r"|\b[0-9]+(?= s\b)"
)


@frozen
class Failure:
    """A file that failed.

    Attributes:
        place: The file, as a message names it.
        reason: Why it failed.
        name: Its own name, which may be part of the reason.
    """

    place: str
    reason: str
    name: str

    @property
    def cause(self) -> str:
        """The reason without what is particular to this file."""
        text = _PARTICULAR.sub(lambda found: (found["origin"] or "") + _REST, self.reason)
        if self.name in text:
            text = re.sub(rf"(?<!\w){re.escape(self.name)}(?!\w)", _REST, text)
        return text


@define
class _Cause:
    """Failures with the same cause; of many only the first are kept."""

    text: str
    count: int = 0
    is_same: bool = True
    first: list[Failure] = field(factory=list[Failure])

    def __str__(self) -> str:
        if self.count == 1:
            return f"{self.first[0].place}: {self.first[0].reason}"
        places = ", ".join(failure.place for failure in self.first)
        more = f" and {self.count - len(self.first):,} more" if self.count > _NAMED else ""
        text = self.first[0].reason if self.is_same else self.text
        return f"{self.count:,} files: {text} ({places}{more})"


def told(failures: Iterable[Failure], *, most: int) -> Iterator[str]:
    """Yield a line for each cause, in the order in which they come first.

    Args:
        failures: What failed.
        most: How many causes to tell; the last line counts what others there are.
    """
    causes: dict[str, _Cause] = {}
    for failure in failures:
        text = failure.cause
        cause = causes.get(text) or causes.setdefault(text, _Cause(text))
        cause.count += 1
        cause.is_same &= not cause.first or failure.reason == cause.first[0].reason
        if len(cause.first) < _NAMED:
            cause.first.append(failure)
    each = list(causes.values())
    yield from map(str, each[:most])
    if left := sum(cause.count for cause in each[most:]):
        yield f"and {left:,} more, for other reasons"
