"""An embedded DSS: the service of the pinned specification, over a directory (extra `local`)."""

from .loader import BundleExists, LoadedBundle, LoadError
from .notify.delivery import Delivery
from .server import LocalDSS, load_sample
from .serving import CannotListen
from .settings import LocalSettings
from .storage.documents import BadName
from .storage.layout import RootError

__all__ = [
    "BadName",
    "BundleExists",
    "CannotListen",
    "Delivery",
    "LoadError",
    "LoadedBundle",
    "LocalDSS",
    "LocalSettings",
    "RootError",
    "load_sample",
]
