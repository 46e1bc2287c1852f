"""A report as JSON text, line by line: that of a million files need not be in memory at once."""

from collections.abc import Iterator

from dss_client._json import json_text

from .report import DownloadReport

__all__ = ["report_lines"]


def report_lines(report: DownloadReport) -> Iterator[str]:
    """Yield a report as lines of one JSON document: its totals, then a line for each file."""
    head = json_text({**report.totals(), "files": []})
    yield head.removesuffix("]}")
    last = len(report.entries) - 1
    for index, entry in enumerate(report.entries):
        text = json_text(entry.to_dict())
        yield text if index == last else f"{text},"
    yield "]}"
