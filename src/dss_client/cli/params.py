"""Parameters that several commands share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from attrs import frozen

from dss_client.versions import FQID, InvalidUUID, InvalidVersion, normal_uuid, parse_version

__all__ = [
    "BundleId",
    "RootPath",
    "bundle_argument",
    "bundle_version_option",
    "replica_option",
]

F = TypeVar("F", bound=Callable[..., Any])


class RootPath(click.Path):
    """Where an embedded DSS has its data: a directory, or a URL that stays text."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        """Return the path or the URL."""
        if isinstance(value, str) and "://" in value:
            return value
        return Path(os.fsdecode(super().convert(value, param, ctx)))


@frozen
class BundleId:
    """A bundle as a user names it.

    Attributes:
        uuid: Its id.
        version: Its version, where it is said.
    """

    uuid: str
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> "BundleId":
        """Read a uuid, or a uuid and version joined by a dot, as a search prints them.

        Raises:
            InvalidUUID, InvalidVersion: It is neither.
        """
        if "." not in text:
            return cls(normal_uuid(text))
        fqid = FQID.parse(text)
        return cls(fqid.uuid, fqid.version)

    def at(self, version: str | None) -> "BundleId":
        """Return the bundle in the version that an option says, if it does.

        Raises:
            click.UsageError: Two versions are named.
        """
        if version is None:
            return self
        if self.version not in {None, version}:
            raise click.UsageError(f"--version {version} contradicts the bundle's {self.version}")
        return BundleId(self.uuid, version)


def _bundle_id(_ctx: click.Context, _param: click.Parameter, text: str | None) -> BundleId | None:
    try:
        return None if text is None else BundleId.parse(text)
    except (InvalidUUID, InvalidVersion) as error:
        raise click.BadParameter(str(error)) from error


def _version(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    try:
        if text is not None:
            parse_version(text)
    except InvalidVersion as error:
        raise click.BadParameter(str(error)) from error
    return text


def bundle_argument(*, required: bool = True) -> Callable[[F], F]:
    """Take a bundle, by uuid or by uuid and version, as argument `bundle`."""
    return click.argument(
        "bundle",
        metavar="UUID[.VERSION]" if required else "[UUID[.VERSION]]",
        required=required,
        callback=_bundle_id,
    )


def bundle_version_option(command: F) -> F:
    """Take the version of a bundle."""
    return click.option(
        "--version",
        metavar="VERSION",
        callback=_version,
        help="Version; the latest when not given.",
    )(command)


def replica_option(command: F) -> F:
    """Take a replica; the first when not given."""
    return click.option(
        "--replica",
        type=click.Choice(["aws", "gcp"]),
        default="aws",
        show_default=True,
        help="Where the data is kept.",
    )(command)
