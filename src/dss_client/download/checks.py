"""Whether what storage sends is what it was asked for."""

import re

from dss_client._environment import tls_hint
from dss_client._redact import mask_error, secrets_in
from dss_client.errors import (
    DSSConnectionError,
    DSSError,
    DSSTimeout,
    RangeNotSatisfiable,
    RequestInfo,
)

from .errors import ShortBody, SizeMismatch, WrongRange
from .http1 import Head
from .task import FileTask

__all__ = ["check_response", "network_error", "short_content"]

_NUMBER = "[0-9]{1,32}"  # what is longer, int() may refuse
_WHOLE = re.compile(rf"bytes \*/({_NUMBER})")
_CONTENT_RANGE = re.compile(rf"bytes ({_NUMBER})-({_NUMBER})/({_NUMBER}|\*)")


def check_response(task: FileTask, first: int, end: int, head: Head) -> bool:
    """Make sure that what comes belongs where it is to be written (docs/behaviour.md C4).

    Args:
        task: What is wanted.
        first: The first byte that was asked for.
        end: The one after the last.
        head: The head of the answer.

    Returns:
        Whether the whole content comes, from its first byte on.

    Raises:
        WrongRange: It is another part than the one asked for.
        SizeMismatch: The content has another size.
        ShortBody: It is less than was asked for.
    """
    if head.status == 206:
        given = head.headers().get("content-range", "no Content-Range")
        match = _CONTENT_RANGE.fullmatch(given)
        too_long = head.length is not None and head.length > end - first
        if match is None or int(match[1]) != first or too_long:
            raise WrongRange(
                task.name,
                f"asked storage for the content from byte {first} of {task.size} on,"
                f" and was given {given!r}" + (f" with {head.length} bytes" if too_long else ""),
            )
        if match[3] not in {"*", str(task.size)}:
            raise SizeMismatch(task.name, task.size, int(match[3]))
        return False
    coding = head.headers().get("content-encoding") if head.length not in {None, task.size} else ""
    if head.length is not None and (head.length > task.size or coding):
        raise SizeMismatch(task.name, task.size, head.length, coding=coding or "")
    if head.length is not None and head.length < task.size:
        raise ShortBody(
            task.name, f"storage announces {head.length} bytes of {task.size}", cause=None
        )
    return True


def short_content(task: FileTask, error: Exception) -> Exception:
    """Return what an error says of the size, if storage has less than the task; else the error.

    With a 416, storage tells how much there is.
    """
    if not isinstance(error, RangeNotSatisfiable):
        return error
    match = _WHOLE.fullmatch(error.response.headers.get("content-range", ""))
    if match is None or int(match[1]) >= task.size:
        return error
    return SizeMismatch(task.name, task.size, int(match[1]))


def network_error(error: Exception, url: str) -> DSSError:
    """Turn a fault of a connection into one of ours."""
    text = mask_error(error, secrets_in(url))
    request = RequestInfo.of_storage(url)
    if isinstance(error, TimeoutError):
        fault: DSSError = DSSTimeout(f"no answer in time ({text})", request=request)
    else:
        hint = tls_hint(error)
        fault = DSSConnectionError(f"{text}. {hint}" if hint else text, request=request)
    fault.__cause__ = error
    return fault
