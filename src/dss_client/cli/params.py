"""Parameters that several commands share."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, get_args

import click
from attrs import frozen

from dss_client.types import Replica
from dss_client.versions import FQID, InvalidUUID, InvalidVersion, normal_uuid, parse_version

from .paths import UserPath, expanded

__all__ = [
    "BundleId",
    "RootPath",
    "bundle_argument",
    "bundle_version_option",
    "bundles_argument",
    "collection_argument",
    "file_argument",
    "query_argument",
    "replica_option",
]

F = TypeVar("F", bound=Callable[..., Any])

_STDIN = "-"
_EXAMPLE = '{"query": {"match": {"files.specimen_from_organism_json.organ.text": "brain"}}}'
_EXPECTED = f"expected a query such as '{_EXAMPLE}', in quotes as here, or @FILE"


class RootPath(UserPath):
    """Where an embedded DSS has its data: a directory, or a URL that stays text."""

    def __init__(self) -> None:
        super().__init__(directory=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path or the URL."""
        if isinstance(value, str) and "://" in value:
            return value
        return super().convert(value, param, ctx)


@frozen
class BundleId:
    """A bundle as the user names it.

    Attributes:
        uuid: Its id.
        version: Its version, if given.
    """

    uuid: str
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> "BundleId":
        """Read a uuid, or a uuid and version joined by a dot, as a search prints them.

        Raises:
            InvalidUUID, InvalidVersion: The uuid or the version is not valid.
        """
        if "." not in text:
            return cls(normal_uuid(text))
        fqid = FQID.parse(text)
        return cls(fqid.uuid, fqid.version)

    def at(self, version: str | None) -> "BundleId":
        """Return the bundle in the version that an option names, if any.

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


def _bundle_ids(
    ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]
) -> tuple[BundleId | None, ...]:
    return tuple(_bundle_id(ctx, param, text) for text in texts)


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


def bundles_argument(command: F) -> F:
    """Take bundles, one at least, as argument `bundles`."""
    return click.argument(
        "bundles", metavar="UUID[.VERSION]...", required=True, nargs=-1, callback=_bundle_ids
    )(command)


def collection_argument(command: F) -> F:
    """Take a collection, by uuid or by uuid and version, as argument `collection`."""
    return click.argument("collection", metavar="UUID[.VERSION]", callback=_bundle_id)(command)


def file_argument(command: F) -> F:
    """Take a file, by uuid or by uuid and version, as argument `file`."""
    return click.argument("file", metavar="UUID[.VERSION]", callback=_bundle_id)(command)


def query_argument(*, required: bool) -> Callable[[F], F]:
    """Take a search query, as argument `query`; without one every bundle is found."""
    if required:
        return click.argument("query", metavar="QUERY", callback=_query)
    return click.argument("query", metavar="[QUERY]", default="{}", callback=_query)


def _query(_ctx: click.Context, _param: click.Parameter, text: str) -> Mapping[str, object]:
    place, text = _query_text(text)
    try:
        document: object = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{place} is not JSON ({error}): {_EXPECTED}") from error
    if not isinstance(document, dict):
        raise click.BadParameter(f"{place} is not a JSON object: {_EXPECTED}")
    return cast("dict[str, object]", document)


def _query_text(text: str) -> tuple[str, str]:
    """Return where a query is from, and its text."""
    if text == _STDIN:
        return "standard input", sys.stdin.read()
    if not text.startswith("@"):
        return "the query", text
    path = expanded(text[1:])
    try:
        return str(path), path.read_text(encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read: {error.strerror}; {_EXPECTED}") from error
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{path} is not UTF-8 text: {error}") from error


def bundle_version_option(command: F) -> F:
    """Take the version of a bundle or collection."""
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
        type=click.Choice(get_args(Replica)),
        default="aws",
        show_default=True,
        help="Where the data is kept.",
    )(command)
