"""The replay of events."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ..types import Replica
from .operations import AsyncOperations

if TYPE_CHECKING:
    from ..events import BundleEvent

__all__ = ["AsyncEvents"]


class AsyncEvents(AsyncOperations):
    """Events, as methods of the client."""

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
        `after`; see docs/how-to/events.md for how to miss none.

        Args:
            replica: Replica to use.
            from_date: Earliest time at which it was stored, inclusive, as a DSS_VERSION; see
                `dss_client.format_version`.
            to_date: Latest time, exclusive.
            after: The `cursor` of an event; those behind it are yielded.

        Returns:
            An iterator of `dss_client.events.BundleEvent`.

        Raises:
            InvalidArgument: A date or cursor is not valid, or the dates are in wrong order.
            DSSResponseError: The service or storage refused or failed.
            DSSConnectionError, DSSTimeout: One of them could not be reached in time.
            DSSDecodeError: A journal breaks the specification.
        """
        from ..events import Replay
        from .replay import AsyncReplayer

        api = self._transport.options.base_url
        replay = Replay(api, from_date=from_date, to_date=to_date, after=after)
        return AsyncReplayer(self._transport, replay, replica).events()
