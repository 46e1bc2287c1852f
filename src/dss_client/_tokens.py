"""The token of a client without the argument ``token``, looked for when it is first needed."""

import threading

from ._fork import reset_after_fork
from ._options import Options, TokenProvider

__all__ = ["Tokens"]


class Tokens:
    """Finds what provides tokens for a deployment, once. Threads share it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._provider: TokenProvider | None = None
        self._looked = False
        reset_after_fork(self)

    def after_fork(self) -> None:
        """Forget who held the lock: that thread is not in this process."""
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Look again the next time: somebody has logged in, or out."""
        with self._lock:
            self._looked = False

    def provider(self) -> TokenProvider | None:
        """Return what provides tokens, if anything does."""
        with self._lock:
            find = self._options.find_tokens
            if not self._looked and find is not None:
                self._provider = find(self._options.base_url)
                self._looked = True
            return self._provider

    def origin(self) -> str:
        """Return where the token comes from that is sent, for messages."""
        given = self._options.token
        if given is not None:
            return "token argument" if isinstance(given, str) else "token function"
        provider = self.provider()
        return "" if provider is None else provider.origin

    def token(self) -> str | None:
        """Return the token to send, if there is one."""
        provider = self.provider()
        return None if provider is None else provider.token()

    def renew(self, refused: str) -> str | None:
        """Return another token than one that was refused, if there is one."""
        provider = self.provider()
        return None if provider is None else provider.renew(refused)
