"""The settings of a client: base URL, limits and credentials."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from attrs import field, frozen

from ._environment import Network
from ._retry import RetryPolicy

__all__ = ["AsyncToken", "Options", "Timeout", "Token", "TokenProvider"]


class TokenProvider(Protocol):
    """Provides tokens. Threads share it; it may block."""

    @property
    def origin(self) -> str:
        """Where they come from, for messages."""
        ...

    def token(self) -> str:
        """Return the token to send."""
        ...

    def renew(self, refused: str) -> str | None:
        """Return a token to replace one that was refused; None if there is no other."""
        ...


Token = str | Callable[[], str]
"""A bearer token, or a function that returns one."""

AsyncToken = Token | Callable[[], Awaitable[str]]
"""A bearer token, or a function that returns one, plain or awaited."""


@frozen
class Timeout:
    """Time limits of one attempt, in seconds.

    The defaults are those of the reference client; the service itself gives up after 30 s.

    Attributes:
        connect: To open a connection.
        read: Between two pieces of an answer.
        write: Between two pieces of a request.
        pool: To wait for a free connection of the pool.
    """

    connect: float | None = 20.0
    read: float | None = 40.0
    write: float | None = 40.0
    pool: float | None = 60.0

    @classmethod
    def of(cls, timeout: "Timeout | float | None") -> "Timeout":
        """Accept limits, one limit for all of them, or None for no limit."""
        if isinstance(timeout, Timeout):
            return timeout
        return cls(timeout, timeout, timeout, timeout)


@frozen(kw_only=True)
class Options:
    """The settings of a client, as one value that can be pickled.

    Attributes:
        base_url: Where the API is, without a slash at its end.
        url_from: What names it, for messages.
        timeout: Limits of one attempt; None leaves them to the given HTTP client.
        retries: The retry policy.
        network: How to get to the API and to storage.
        token: The bearer token, or a function that returns one for each request.
        find_tokens: Finds what provides tokens for a base URL where none was given.
    """

    base_url: str
    url_from: str = "url= or --url"
    timeout: Timeout | None = Timeout()
    retries: RetryPolicy = field(factory=RetryPolicy)
    network: Network = field(factory=Network)
    token: AsyncToken | None = field(default=None, repr=False)
    find_tokens: Callable[[str], TokenProvider | None] | None = field(default=None, repr=False)
