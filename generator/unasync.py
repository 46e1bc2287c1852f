"""From the asynchronous client to the blocking one: a list of substitutions, in this order.

What differs in kind is in ``src/dss_client/_backend``. Comments and docstrings are converted like
code. A rule that nothing uses any more is an error, so that the list stays as short as it can be.
"""

import re
from collections.abc import Mapping

from .errors import GeneratorError

__all__ = ["RULES", "unasync"]

RULES: tuple[tuple[str, str], ...] = (
    (r"\.\._backend\.asynchronous\b", ".._backend.blocking"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\b(Abstract)Async(ContextManager)\b", r"\1\2"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\banext\(", "next("),
    (r"\ba(close|read|iter_bytes|iter_raw)\b", r"\1"),
    (r"\b(new|send)_async_", r"\1_"),
    (r"\b(_?)Async(?=[A-Z])", r"\1"),
    (r"\b(A|a)n asynchronous\b", r"\1 blocking"),
    (r"\basynchronous\b", "blocking"),
    (r"\ban (``with)", r"a \1"),
    (r"It belongs to one event loop;", "Threads can share it;"),
    (r", plain or awaited", ""),
)
"""Pattern and replacement."""


def unasync(files: Mapping[str, str]) -> dict[str, str]:
    """Return the modules of the blocking client.

    Args:
        files: Those of the asynchronous client: path below its package, and text.

    Raises:
        GeneratorError: A rule is used nowhere.
    """
    used = [0] * len(RULES)
    blocking: dict[str, str] = {}
    for path, text in files.items():
        converted = text
        for index, (pattern, replacement) in enumerate(RULES):
            converted, count = re.subn(pattern, replacement, converted)
            used[index] += count
        blocking[path] = converted
    unused = [pattern for (pattern, _), count in zip(RULES, used, strict=True) if not count]
    if unused:
        raise GeneratorError(f"unasync: no module uses the rule {unused[0]!r}: remove it")
    return blocking
