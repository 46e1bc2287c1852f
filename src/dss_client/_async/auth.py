"""Logging in and out, and a description of the credential in use."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .operations import AsyncOperations

if TYPE_CHECKING:
    from ..auth import Credential

__all__ = ["AsyncAuth"]


class AsyncAuth(AsyncOperations):
    """Logins, as methods of the client."""

    async def login(
        self,
        access_token: str = "",
        remote: bool = False,
        *,
        timeout: float = 300.0,
        browse: Callable[[str], bool] | None = None,
    ) -> str:
        """Log in to the deployment, and keep the login for this user's later programs.

        With `access_token` that token is stored as it is. Otherwise a browser asks the user
        (OAuth 2.0 with PKCE), and the login can be renewed.

        Args:
            access_token: A token that you have already.
            remote: There is no browser on this machine: the URL is printed, and the code asked for.
            timeout: Seconds to wait for the user in the browser.
            browse: Opens a URL; tells whether it could. The system's browser when not given.

        Returns:
            Where the login is kept: ``keyring``, or the path of a file that its owner alone can
            read.

        Raises:
            LoginError: The login was refused, or took too long.
            InvalidArgument: The token is not one that a header can carry.
        """
        from .._backend.asynchronous import run_blocking
        from ..auth.session import log_in

        options, tokens = self._transport.options, self._transport.tokens
        return await run_blocking(log_in, options, tokens, access_token, remote, timeout, browse)

    async def logout(self) -> list[str]:
        """Remove the stored login of the deployment from wherever it is.

        A token that was given to the client, or stands in the environment, is not touched.

        Returns:
            The places that it was removed from; empty if nobody was logged in.

        Raises:
            LoginError: The keyring refuses, so that a login may be left there.
        """
        from .._backend.asynchronous import run_blocking
        from ..auth.session import log_out

        return await run_blocking(log_out, self._transport.options, self._transport.tokens)

    async def credential(self) -> "Credential | None":
        """Describe the credential in use, without showing the token.

        Returns:
            None if the client has no token.

        Raises:
            LoginError: There is a credential that cannot be used.
        """
        from .._backend.asynchronous import call_token_function, run_blocking
        from ..auth.session import credential_of

        tokens, token = self._transport.tokens, self._transport.options.token
        if token is None:
            return await run_blocking(credential_of, tokens)
        if isinstance(token, str):
            return await run_blocking(credential_of, tokens, token, "token argument")
        value = await call_token_function(token)
        return await run_blocking(credential_of, tokens, value, "token function")
