"""Logging in and out, for both clients."""

import re
import sys
from collections.abc import Callable

from dss_client._call import authorization_header
from dss_client._options import Options
from dss_client._tokens import Tokens
from dss_client.errors import InvalidArgument

from . import oauth
from .credential import Credential, Origin, describe
from .sources import TokenSource
from .stored import LoginStore, StoredLogin

__all__ = ["credential_of", "log_in", "log_out"]

_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750


def log_in(
    options: Options,
    tokens: Tokens,
    access_token: str,
    remote: bool,
    timeout: float,
    browse: Callable[[str], bool] | None,
) -> str:
    """Log in to a deployment, and keep the login; return where it is kept."""
    if access_token:
        _check(access_token)
        login = StoredLogin(access_token=access_token)
    else:
        prompt = oauth.UserPrompt(show=_show, ask=_ask)
        if browse is not None:
            prompt = oauth.UserPrompt(show=_show, ask=_ask, browse=browse)
        application = oauth.Application.of(options.base_url)
        login = oauth.log_in(application, prompt, remote=remote, timeout=timeout)
    place = LoginStore().write(options.base_url, login)
    tokens.forget()
    return place


def _check(token: str) -> None:
    """Refuse a token here that no service can accept, and not at the first call.

    One that is not a JWT may be an access token of Google, say.

    Raises:
        InvalidArgument: It is not one of RFC 6750.
    """
    authorization_header(token)
    if not _BEARER.fullmatch(token):
        raise InvalidArgument(
            "the token, which is not shown here, holds what no token has, such as quotes: give the"
            " token alone"
        )


def log_out(options: Options, tokens: Tokens) -> list[str]:
    """Remove the stored login of a deployment; return the places that it was in."""
    removed = LoginStore().remove(options.base_url)
    tokens.forget()
    return removed


def credential_of(
    tokens: Tokens, token: str | None = None, origin: Origin = "token argument"
) -> Credential | None:
    """Describe a token; if none is given, the one that is found for the deployment.

    Raises:
        LoginError: There is a credential that cannot be used.
    """
    if token is not None:
        return describe(token, origin)
    provider = tokens.provider()
    return provider.credential() if isinstance(provider, TokenSource) else None


def _show(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _ask(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()
