"""``dss create-collection``, ``update-collection`` and ``clear-cache``."""

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from dss_client import Replica

from .._app import CliContext, app, pass_cli_context
from ..json_value import json_object, json_objects
from ..output import emit
from ..params import BundleId, collection_argument, replica_option

if TYPE_CHECKING:
    from dss_client.collection import CollectionVersion, Item

F = TypeVar("F", bound=Callable[..., Any])
_Items = tuple[list[object], ...]


def _items_option(name: str, text: str) -> Callable[[F], F]:
    return click.option(
        name,
        type=json_objects,
        multiple=True,
        metavar="JSON",
        help=f'{text}, such as \'{{"type": "file", "uuid": ..., "version": ...}}\', a list, or'
        " @FILE; any number.",
    )


@app.command("create-collection")
@click.option("--name", required=True, help="Its name.")
@click.option("--description", default="", help="What it is.")
@click.option("--details", type=json_object, metavar="JSON", help="Anything else.")
@_items_option("--contents", "Items")
@click.option("--uuid", help="Its id; a new one if not given.")
@replica_option
@pass_cli_context
def create_collection(
    cli: CliContext,
    name: str,
    description: str,
    details: dict[str, object] | None,
    contents: _Items,
    uuid: str | None,
    replica: Replica,
) -> None:
    """Store a collection of any number of items."""
    with cli.client() as dss:
        made = dss.create_collection(
            name=name,
            description=description,
            details=details,
            contents=_flat(contents),
            uuid=uuid,
            replica=replica,
        )
    _say(cli, made)


@app.command("update-collection")
@collection_argument
@_items_option("--add", "Items to add")
@_items_option("--remove", "Items to remove")
@click.option("--name", help="Its new name.")
@click.option("--description", help="What it is now.")
@click.option("--details", type=json_object, metavar="JSON", help="Anything else.")
@replica_option
@pass_cli_context
def update_collection(
    cli: CliContext,
    collection: BundleId,
    add: _Items,
    remove: _Items,
    name: str | None,
    description: str | None,
    details: dict[str, object] | None,
    replica: Replica,
) -> None:
    """Make a new version of a collection. Name the version to start from as UUID.VERSION."""
    if collection.version is None:
        raise click.UsageError("name the version to start from: UUID.VERSION")
    with cli.client() as dss:
        made = dss.update_collection(
            uuid=collection.uuid,
            version=collection.version,
            add=_flat(add),
            remove=_flat(remove),
            name=name,
            description=description,
            details=details,
            replica=replica,
        )
    _say(cli, made)


@app.command("clear-cache")
@pass_cli_context
def clear_cache(cli: CliContext) -> None:
    """Remove the copy that refresh-swagger keeps."""
    with cli.client() as dss:
        there = dss.clear_cache()
    line = "The copy was removed." if there else "There was no copy."
    emit({"removed": there}, [line], as_json=cli.as_json)


def _flat(items: _Items) -> "list[Item]":
    return cast("list[Item]", list(itertools.chain.from_iterable(items)))


def _say(cli: CliContext, made: "CollectionVersion") -> None:
    document = {"uuid": made.uuid, "version": made.version}
    emit(document, [f"{made.uuid}.{made.version}"], as_json=cli.as_json)
