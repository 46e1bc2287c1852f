"""A report as JSON text, line by line: that of a million files need not be in memory at once."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from .report import DownloadReport

__all__ = ["head_of", "report_lines"]


def report_lines(
    report: DownloadReport, first: Mapping[str, object] | None = None
) -> Iterator[str]:
    """Yield a report as lines of one JSON document: its totals, then a line for each file.

    Args:
        report: The report.
        first: Further members, before the totals.
    """
    head = json.dumps({**(first or {}), **report.totals(), "files": []}, ensure_ascii=False)
    yield head.removesuffix("]}")
    last = len(report.entries) - 1
    for index, entry in enumerate(report.entries):
        text = json.dumps(entry.to_dict(), ensure_ascii=False)
        yield text if index == last else f"{text},"
    yield "]}"


def head_of(line: str) -> dict[str, Any]:
    """Return the content of a report's first line: all but the files.

    Raises:
        ValueError: It is not the first line of a report.
    """
    head = cast("dict[str, Any]", json.loads(f"{line.rstrip()}]}}"))  # so it can be no other
    head.pop("files", None)
    return head
