"""The specification of the client's deployment."""

from typing import TYPE_CHECKING

from .operations import AsyncOperations

if TYPE_CHECKING:
    from ..deployment import SpecificationReport

__all__ = ["AsyncDeployment"]


class AsyncDeployment(AsyncOperations):
    """The specification of the deployment, as methods of the client."""

    async def refresh_swagger(self) -> "SpecificationReport":
        """Fetch the deployment's specification, and tell how it differs from this client's.

        A copy is kept in the user's cache directory. The client itself stays as it is: it was
        generated beforehand, and goes on with whatever the deployment has added.

        Raises:
            SpecificationError: The deployment's document is not valid; the message names the place.
            DSSError: It cannot be fetched.
        """
        from .._backend.asynchronous import run_blocking
        from ..deployment.fetch import SWAGGER, report_of

        answer = await self._transport.send(SWAGGER)
        return await run_blocking(report_of, self._transport.options.base_url, answer)

    async def clear_cache(self) -> bool:
        """Remove the copy of the deployment's specification; tell whether there was one."""
        from .._backend.asynchronous import run_blocking
        from ..deployment.fetch import clear_cache

        return await run_blocking(clear_cache, self._transport.options.base_url)
