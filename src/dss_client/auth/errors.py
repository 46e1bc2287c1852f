"""Errors of credentials."""

from dss_client.errors import DSSError

__all__ = ["LoginError"]


class LoginError(DSSError):
    """A login failed or cannot be used; the message says what to do.

    It never holds a token, a code or a secret.
    """
