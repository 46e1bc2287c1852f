"""What a verification has found, on the terminal."""

from typing import TYPE_CHECKING

import click

from .output import one_line

if TYPE_CHECKING:
    from dss_client.download import VerifyReport

__all__ = ["refuse_faults"]


def refuse_faults(report: "VerifyReport") -> None:
    """Name each file that is not as it should be on standard error.

    Raises:
        click.ClickException: There is one at least.
    """
    for fault in report.faults:
        click.echo(f"failed: {one_line(str(fault))}", err=True)
    if report.faults:
        count = len(report.faults)
        files = "file is" if count == 1 else "files are"
        raise click.ClickException(f"{count} {files} not as they should be")
