"""What the clients know of their deployment's own specification."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._async_transport import AsyncTransport
    from ._transport import Transport
    from .deployment import SpecificationReport

__all__ = ["AsyncRefresh", "Refresh"]


class Refresh:
    """The specification of a blocking client's deployment."""

    __slots__ = ()

    _transport: "Transport"

    def refresh_swagger(self) -> "SpecificationReport":
        """Fetch the deployment's specification, and tell how it differs from this client's.

        A copy is kept in the user's cache directory. The client itself stays as it is: it was
        generated beforehand, and goes on with whatever the deployment has added.

        Raises:
            SpecificationError: The deployment's document is none; the message names the place.
            DSSError: It cannot be had.
        """
        from .deployment.fetch import SWAGGER, report_of

        return report_of(self._transport.options.base_url, self._transport.send(SWAGGER))

    def clear_cache(self) -> bool:
        """Remove the copy of the deployment's specification; tell whether there was one."""
        from .deployment.fetch import clear_cache

        return clear_cache(self._transport.options.base_url)


class AsyncRefresh:
    """The specification of an asynchronous client's deployment."""

    __slots__ = ()

    _transport: "AsyncTransport"

    async def refresh_swagger(self) -> "SpecificationReport":
        """Fetch the deployment's specification, and tell how it differs from this client's.

        A copy is kept in the user's cache directory. The client itself stays as it is: it was
        generated beforehand, and goes on with whatever the deployment has added.

        Raises:
            SpecificationError: The deployment's document is none; the message names the place.
            DSSError: It cannot be had.
        """
        import asyncio

        from .deployment.fetch import SWAGGER, report_of

        answer = await self._transport.send(SWAGGER)
        return await asyncio.to_thread(report_of, self._transport.options.base_url, answer)

    async def clear_cache(self) -> bool:
        """Remove the copy of the deployment's specification; tell whether there was one."""
        import asyncio

        from .deployment.fetch import clear_cache

        return await asyncio.to_thread(clear_cache, self._transport.options.base_url)
