"""As whom the clients speak: logging in and out, and what is known of a credential."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._async_transport import AsyncTransport
    from ._options import Options
    from ._transport import Tokens, Transport
    from .auth import Credential

__all__ = ["AsyncSession", "Session"]


class Session:
    """Logins of a blocking client."""

    __slots__ = ()

    _transport: "Transport"

    def login(
        self,
        access_token: str = "",
        remote: bool = False,
        *,
        timeout: float = 300.0,
        browse: Callable[[str], bool] | None = None,
    ) -> str:
        """Log in to the deployment, and keep the login for this user's later programs.

        With `access_token` that token is stored as it is. Otherwise a browser asks the person
        (OAuth 2.0 with PKCE, behaviour reference, section 14.7), and the login can be renewed.

        Args:
            access_token: A token that is there already.
            remote: There is no browser on this machine: the URL is printed, and the code asked for.
            timeout: Seconds that the person gets in the browser.
            browse: Opens a URL; tells whether it could. The system's browser when not given.

        Returns:
            Where the login is kept: ``keyring``, or the path of a file that its owner alone can
            read.

        Raises:
            LoginError: The login was refused, or took too long.
            InvalidArgument: The token is none that a header can carry.
        """
        return _login(
            self._transport.options, self._transport.tokens, access_token, remote, timeout, browse
        )

    def logout(self) -> list[str]:
        """Remove the stored login of the deployment from wherever it is.

        A token that was given to the client, or stands in the environment, is not touched.

        Returns:
            The places that it was removed from; none where nobody was logged in.

        Raises:
            LoginError: The keyring refuses, so that a login may be left there.
        """
        return _logout(self._transport.options, self._transport.tokens)

    def credential(self) -> "Credential | None":
        """Tell as whom this client speaks: what its token says of itself, never the token.

        Returns:
            None where there is no token.

        Raises:
            LoginError: There is a credential that cannot be used.
        """
        token = self._transport.options.token
        value = token() if callable(token) else token
        return _credential(
            self._transport.tokens, value if isinstance(value, str) else None, callable(token)
        )


class AsyncSession:
    """Logins of an asynchronous client."""

    __slots__ = ()

    _transport: "AsyncTransport"

    async def login(
        self,
        access_token: str = "",
        remote: bool = False,
        *,
        timeout: float = 300.0,
        browse: Callable[[str], bool] | None = None,
    ) -> str:
        """Log in to the deployment, and keep the login for this user's later programs.

        With `access_token` that token is stored as it is. Otherwise a browser asks the person
        (OAuth 2.0 with PKCE, behaviour reference, section 14.7), and the login can be renewed.

        Args:
            access_token: A token that is there already.
            remote: There is no browser on this machine: the URL is printed, and the code asked for.
            timeout: Seconds that the person gets in the browser.
            browse: Opens a URL; tells whether it could. The system's browser when not given.

        Returns:
            Where the login is kept: ``keyring``, or the path of a file that its owner alone can
            read.

        Raises:
            LoginError: The login was refused, or took too long.
            InvalidArgument: The token is none that a header can carry.
        """
        import asyncio

        options, tokens = self._transport.options, self._transport.tokens
        return await asyncio.to_thread(
            _login, options, tokens, access_token, remote, timeout, browse
        )

    async def logout(self) -> list[str]:
        """Remove the stored login of the deployment from wherever it is.

        A token that was given to the client, or stands in the environment, is not touched.

        Returns:
            The places that it was removed from; none where nobody was logged in.

        Raises:
            LoginError: The keyring refuses, so that a login may be left there.
        """
        import asyncio

        return await asyncio.to_thread(_logout, self._transport.options, self._transport.tokens)

    async def credential(self) -> "Credential | None":
        """Tell as whom this client speaks: what its token says of itself, never the token.

        Returns:
            None where there is no token.

        Raises:
            LoginError: There is a credential that cannot be used.
        """
        import asyncio
        import inspect

        token = self._transport.options.token
        value = token() if callable(token) else token
        if inspect.isawaitable(value):
            value = await value
        return await asyncio.to_thread(_credential, self._transport.tokens, value, callable(token))


def _login(
    options: "Options",
    tokens: "Tokens",
    access_token: str,
    remote: bool,
    timeout: float,
    browse: Callable[[str], bool] | None,
) -> str:
    from ._transport import bearer
    from .auth.oauth import Application, Dialogue, log_in
    from .auth.stored import LoginStore, StoredLogin

    if access_token:
        bearer(access_token)
        login = StoredLogin(access_token=access_token)
    else:
        talk = Dialogue(say=_say, ask=_ask)
        if browse is not None:
            talk = Dialogue(say=_say, ask=_ask, browse=browse)
        application = Application.of(options.base_url)
        login = log_in(application, talk, remote=remote, timeout=timeout)
    place = LoginStore().write(options.base_url, login)
    tokens.forget()
    return place


def _logout(options: "Options", tokens: "Tokens") -> list[str]:
    from .auth.stored import LoginStore

    removed = LoginStore().remove(options.base_url)
    tokens.forget()
    return removed


def _credential(tokens: "Tokens", given: str | None, is_function: bool) -> "Credential | None":
    from .auth.credential import describe
    from .auth.sources import TokenSource

    if given is not None and is_function:
        return describe(given, "token function")
    if given is not None:
        return describe(given, "token argument")
    giver = tokens.giver()
    return giver.credential() if isinstance(giver, TokenSource) else None


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _ask(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()
