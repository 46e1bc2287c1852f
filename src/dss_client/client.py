"""The two clients."""

from ._async.client import AsyncDSSClient
from ._sync.client import DSSClient

__all__ = ["AsyncDSSClient", "DSSClient"]
