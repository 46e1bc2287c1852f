"""The replay of events, as methods of the clients."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from .client import AsyncDSSClient, DSSClient
    from .events import BundleEvent

__all__ = ["AsyncEvents", "Events"]

Replica = Literal["aws", "gcp"]


class Events:
    """Events of a blocking client."""

    __slots__ = ()

    def replay_events(
        self,
        *,
        replica: Replica,
        from_date: str | None = None,
        to_date: str | None = None,
        after: str | None = None,
    ) -> "Iterator[BundleEvent]":
        """Yield each bundle that was stored, with its metadata, in the order of time.

        Documents are read from the journals of the service, many with one request. Each event comes
        once, though journals overlap; bundles that were deleted are left out as soon as the service
        has noticed. To go on later, pass the `cursor` of the last event that was dealt with as
        `after`; see docs/events.md for how to miss none.

        Args:
            replica: Replica to use.
            from_date: Earliest time at which it was stored, inclusive, as a DSS_VERSION; see
                `dss_client.format_version`.
            to_date: Latest time, exclusive.
            after: The `cursor` of an event; those behind it are yielded.

        Returns:
            An iterator of `dss_client.events.BundleEvent`.

        Raises:
            InvalidArgument: A date or cursor is not of its form, or the dates are in wrong order.
            DSSResponseError: The service or storage refused or failed.
            DSSConnectionError, DSSTimeout: One of them could not be reached in time.
            DSSDecodeError: A journal breaks the specification.
        """
        from ._replay import replay_events
        from .events import Replay

        client = cast("DSSClient", self)
        replay = Replay(client.url, from_date=from_date, to_date=to_date, after=after)
        return replay_events(client, replay, replica)


class AsyncEvents:
    """Events of an asynchronous client."""

    __slots__ = ()

    def replay_events(
        self,
        *,
        replica: Replica,
        from_date: str | None = None,
        to_date: str | None = None,
        after: str | None = None,
    ) -> "AsyncIterator[BundleEvent]":
        """Yield each bundle that was stored, with its metadata, in the order of time.

        Documents are read from the journals of the service, many with one request. Each event comes
        once, though journals overlap; bundles that were deleted are left out as soon as the service
        has noticed. To go on later, pass the `cursor` of the last event that was dealt with as
        `after`; see docs/events.md for how to miss none.

        Args:
            replica: Replica to use.
            from_date: Earliest time at which it was stored, inclusive, as a DSS_VERSION; see
                `dss_client.format_version`.
            to_date: Latest time, exclusive.
            after: The `cursor` of an event; those behind it are yielded.

        Returns:
            An iterator of `dss_client.events.BundleEvent`.

        Raises:
            InvalidArgument: A date or cursor is not of its form, or the dates are in wrong order.
            DSSResponseError: The service or storage refused or failed.
            DSSConnectionError, DSSTimeout: One of them could not be reached in time.
            DSSDecodeError: A journal breaks the specification.
        """
        from ._replay import replay_events_async
        from .events import Replay

        client = cast("AsyncDSSClient", self)
        replay = Replay(client.url, from_date=from_date, to_date=to_date, after=after)
        return replay_events_async(client, replay, replica)
