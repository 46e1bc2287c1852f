"""The embedded DSS, for the commands that need its extra."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dss_client.errors import MissingExtra

if TYPE_CHECKING:
    from dss_client.local import LocalDSS

__all__ = ["local_dss"]


def local_dss(
    root: Path | str | None = None,
    *,
    create: bool = False,
    sample: bool = False,
    host: str = "127.0.0.1",
    port: int = 0,
    storage_port: int = 0,
    faults: Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> "LocalDSS":
    """Return an embedded DSS that is not started yet.

    Args:
        root: Its directory or URL; a temporary directory when not given.
        create: Whether a root that is not there is begun as a new one.
        sample: Put the sample bundles in.
        host: Address to listen on.
        port: Port of the API; 0 takes a free one.
        storage_port: Port of the storage; 0 takes a free one.
        faults: JSON file of a fault scenario.
        settings: Fields of `LocalSettings`.

    Raises:
        MissingExtra: The packages that it needs are not installed.
        DSSError: The root or the scenario cannot be used; the message says what is wrong.
        OSError: The scenario cannot be read.
    """
    try:
        from dss_client.local import LocalDSS, LocalSettings
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise MissingExtra("the embedded DSS", package, "local") from error
    values: dict[str, Any] = {"retry_after": 0, **(settings or {})}
    return LocalDSS(
        root,
        create=create,
        sample=sample,
        host=host,
        port=port,
        storage_port=storage_port,
        faults=faults,
        settings=LocalSettings(**values),
    )
