"""The credentials of a client: tokens, service accounts and logins."""

from .credential import Credential, Origin
from .errors import LoginError

__all__ = ["Credential", "LoginError", "Origin"]
