"""``dss replay-events``: every bundle that was stored, in time order."""

import json
from itertools import islice
from typing import TYPE_CHECKING

import click

from dss_client import Replica

from .._app import CliContext, app, pass_cli_context
from ..output import plain
from ..params import replica_option

if TYPE_CHECKING:
    from dss_client import BundleEvent


@app.command("replay-events")
@replica_option
@click.option("--from-date", metavar="DSS_VERSION", help="Earliest time, inclusive.")
@click.option("--to-date", metavar="DSS_VERSION", help="Latest time, exclusive.")
@click.option("--after", metavar="CURSOR", help="Continue after the event with this cursor.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after N events.")
@pass_cli_context
def replay_events(
    cli: CliContext,
    replica: Replica,
    from_date: str | None,
    to_date: str | None,
    after: str | None,
    limit: int | None,
) -> None:
    """Show every bundle that was stored, in time order.

    Prints the cursor of each event, which holds its time and the bundle. With --json each line is a
    JSON document with the cursor and the bundle's metadata.
    """
    with cli.client() as client:
        events = client.replay_events(
            replica=replica, from_date=from_date, to_date=to_date, after=after
        )
        for event in islice(events, limit):
            click.echo(_as_json(event) if cli.as_json else plain(event.cursor))


def _as_json(event: "BundleEvent") -> str:
    return json.dumps(
        {
            "cursor": event.cursor,
            "event_id": str(event.event_id),
            "timestamp": event.timestamp,
            "document": event.document.model_dump(mode="json", exclude_unset=True),
        }
    )
