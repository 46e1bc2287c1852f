"""What can go wrong with credentials."""

from dss_client.errors import DSSError

__all__ = ["LoginError"]


class LoginError(DSSError):
    """Nobody could be logged in, or a login cannot be used; the message says what to do.

    It never holds a token, a code or a secret.
    """
