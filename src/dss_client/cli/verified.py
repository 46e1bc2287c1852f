"""The faults that a verification found, on the terminal."""

from typing import TYPE_CHECKING

import click

from .output import MOST_CAUSES, one_line

if TYPE_CHECKING:
    from dss_client.download import VerifyReport

__all__ = ["refuse_faults"]


def refuse_faults(report: "VerifyReport", *, verbose: bool = False, hint: str = "") -> None:
    """Tell on standard error what is wrong, faults of the same kind in one line.

    Args:
        report: What a verification has found.
        verbose: Name each faulty file.
        hint: What to do, for the last line.

    Raises:
        click.ClickException: There is at least one.
    """
    from dss_client.download.tree_report import fault_lines

    faults = report.faults
    for line in map(str, faults) if verbose else fault_lines(faults, most=MOST_CAUSES):
        click.echo(f"failed: {one_line(line)}", err=True)
    if report.faults:
        count = len(report.faults)
        files = "file is" if count == 1 else "files are"
        raise click.ClickException(f"{count} {files} not as they should be{hint}")
