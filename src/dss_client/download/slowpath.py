"""Contents by way of httpx: slower, and right whatever the answer looks like.

For proxies, for answers in chunks or of HTTP/1.0, and for a client that was handed in.
"""

import re
import time

from .attempts import Attempt
from .http1 import BLOCK, Head
from .source import ContentStream, Source

__all__ = ["fetch_over_httpx"]

_LENGTH = re.compile("[0-9]{1,18}")


def fetch_over_httpx(attempt: Attempt, source: Source) -> None:
    """Make a request, and give what comes to the attempt. Never raises."""
    started = time.monotonic()
    fault: Exception | None = None
    try:
        with source.open(attempt.url, first=attempt.first, last=attempt.last) as content:
            attempt.begin(_head_of(content))
            _pass_on(content, attempt)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this file's alone
        fault = error
    attempt.end(fault, time.monotonic() - started)


def _head_of(content: ContentStream) -> Head:
    headers = content.headers
    length = headers.get("content-length", "")
    known = _LENGTH.fullmatch(length) and "transfer-encoding" not in headers
    return Head(content.status_code, int(length) if known else None, False, lambda: dict(headers))


def _pass_on(content: ContentStream, attempt: Attempt) -> None:
    buffer = memoryview(bytearray(BLOCK + 1))
    if attempt.is_whole:
        filled = 0
        while filled < len(buffer) and (count := content.readinto(buffer[filled:])):
            filled += count
        attempt.take(buffer[:filled])
        return
    wanted = True
    while wanted and (count := content.readinto(buffer)):
        wanted = attempt.take(buffer[:count])
    if attempt.last is None and not wanted and (count := content.readinto(buffer[:1])):
        attempt.take(buffer[:count])  # more than the content has
