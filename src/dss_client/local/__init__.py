"""An embedded DSS: the service of the pinned specification, over a directory (extra `local`)."""

from .delivery import Delivery
from .loader import BundleExists, LoadedBundle, LoadError
from .names import BadName
from .sample import load_sample
from .server import LocalDSS
from .settings import LocalSettings

__all__ = [
    "BadName",
    "BundleExists",
    "Delivery",
    "LoadError",
    "LoadedBundle",
    "LocalDSS",
    "LocalSettings",
    "load_sample",
]
