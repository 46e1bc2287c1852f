"""The faults that a verification found, on the terminal."""

from typing import TYPE_CHECKING

import click

from .output import one_line

if TYPE_CHECKING:
    from dss_client.download import VerifyReport

__all__ = ["refuse_faults"]


def refuse_faults(report: "VerifyReport", *, hint: str = "") -> None:
    """Name each faulty file on standard error.

    Args:
        report: What a verification has found.
        hint: What to do, for the last line.

    Raises:
        click.ClickException: There is at least one.
    """
    for fault in report.faults:
        click.echo(f"failed: {one_line(str(fault))}", err=True)
    if report.faults:
        count = len(report.faults)
        files = "file is" if count == 1 else "files are"
        raise click.ClickException(f"{count} {files} not as they should be{hint}")
