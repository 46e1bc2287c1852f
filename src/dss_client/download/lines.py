"""A report as JSON text, line by line: that of a million files need not be in memory at once."""

import json
from collections.abc import Iterator

from .report import DownloadReport

__all__ = ["report_lines"]


def report_lines(report: DownloadReport) -> Iterator[str]:
    """Yield a report as lines of one JSON document: its totals, then a line for each file."""
    head = json.dumps({**report.totals(), "files": []}, ensure_ascii=False)
    yield head.removesuffix("]}")
    last = len(report.entries) - 1
    for index, entry in enumerate(report.entries):
        text = json.dumps(entry.to_dict(), ensure_ascii=False)
        yield text if index == last else f"{text},"
    yield "]}"
