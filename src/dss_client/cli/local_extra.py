"""The embedded DSS, for the commands that need its extra."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import USAGE_ERROR

if TYPE_CHECKING:
    from dss_client.local import LocalDSS

__all__ = ["MissingExtra", "local_dss"]


class MissingExtra(click.ClickException):
    """A command needs packages that are not installed."""

    exit_code = USAGE_ERROR


def local_dss(
    root: Path | str | None = None,
    *,
    sample: bool = False,
    host: str = "127.0.0.1",
    port: int = 0,
    storage_port: int = 0,
    checkout_polls: int = 0,
    faults: Path | None = None,
) -> "LocalDSS":
    """Return an embedded DSS that is not started yet.

    Args:
        root: Its directory or URL; a temporary directory when not given.
        sample: Put the sample bundles in.
        host: Address to listen on.
        port: Port of the API; 0 takes a free one.
        storage_port: Port of the storage; 0 takes a free one.
        checkout_polls: How many times work that takes its time says that it still runs.
        faults: JSON file of a fault scenario.

    Raises:
        MissingExtra: The packages it stands on are not installed.
        ValueError: The scenario is none; the message names each place in it.
        OSError: The scenario cannot be read.
    """
    try:
        from dss_client.local import LocalDSS, LocalSettings
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise MissingExtra(
            f"the embedded DSS needs {package}: pip install 'dss-client[local]'"
        ) from error
    try:
        return LocalDSS(
            root,
            sample=sample,
            host=host,
            port=port,
            storage_port=storage_port,
            faults=faults,
            settings=LocalSettings(checkout_polls=checkout_polls, retry_after=0),
        )
    except RuntimeError as error:  # the packages that read a root's URL
        raise MissingExtra(str(error)) from error
