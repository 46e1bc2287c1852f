"""Whether what storage sends is what it was asked for."""

import re

from attrs import frozen

from dss_client.errors import RangeNotSatisfiable

from .errors import SizeMismatch, WrongRange
from .source import Content
from .task import FileTask

__all__ = ["Answered", "Asked", "check_answer", "short_content"]

_NUMBER = "[0-9]{1,32}"  # what is longer, int() may refuse
_LENGTH = re.compile(_NUMBER)
_WHOLE = re.compile(rf"bytes \*/({_NUMBER})")
_CONTENT_RANGE = re.compile(rf"bytes ({_NUMBER})-({_NUMBER})/({_NUMBER}|\*)")


@frozen
class Asked:
    """The bytes that are asked for.

    Attributes:
        first: The first of them.
        end: The one after the last.
        size: Size of the whole content.
    """

    first: int
    end: int
    size: int

    @property
    def last(self) -> int | None:
        """The last byte as a Range header names it; None where that is the content's last."""
        return None if self.end >= self.size else self.end - 1


@frozen
class Answered:
    """What comes.

    Attributes:
        whole: The content from its first byte on.
        etag: What storage calls the content, where it says so.
    """

    whole: bool
    etag: str


def check_answer(task: FileTask, asked: Asked, content: Content) -> Answered:
    """Make sure that what comes belongs where it is to be written (docs/behaviour.md C4).

    Raises:
        WrongRange: It is another part than the one asked for.
        SizeMismatch: It is part of a content of another size.
    """
    etag = content.headers.get("etag", "")
    if content.status_code == 206:
        given = content.headers.get("content-range", "no Content-Range")
        match = _CONTENT_RANGE.fullmatch(given)
        if match is None or int(match[1]) != asked.first:
            raise wrong_range(task, asked.first, given)
        if match[3] not in {"*", str(task.size)}:
            raise SizeMismatch(task.name, task.size, int(match[3]))
        return Answered(whole=False, etag=etag)
    length = content.headers.get("content-length", "")
    if _LENGTH.fullmatch(length) and int(length) > task.size:
        raise SizeMismatch(task.name, task.size, int(length))
    return Answered(whole=True, etag=etag)


def short_content(task: FileTask, error: Exception) -> Exception:
    """Return what an error says of the size, if storage has less than the task; else the error.

    With a 416, storage tells how much there is.
    """
    if not isinstance(error, RangeNotSatisfiable):
        return error
    match = _WHOLE.fullmatch(error.response.headers.get("content-range", ""))
    if match is None or int(match[1]) >= task.size:
        return error
    mismatch = SizeMismatch(task.name, task.size, int(match[1]))
    mismatch.cause = mismatch.__cause__ = error
    return mismatch


def wrong_range(task: FileTask, first: int, given: str) -> WrongRange:
    """Return the error for a range that was not asked for."""
    return WrongRange(
        task.name,
        f"asked storage for the content from byte {first} of {task.size} on,"
        f" and was given {given!r}",
    )
