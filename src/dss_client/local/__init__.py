"""An embedded DSS: the service of the pinned specification, over a directory (extra `local`)."""

from dss_client.local.loader import BundleExists, LoadedBundle, LoadError
from dss_client.local.names import BadName
from dss_client.local.sample import load_sample
from dss_client.local.server import LocalDSS
from dss_client.local.settings import LocalSettings

__all__ = [
    "BadName",
    "BundleExists",
    "LoadError",
    "LoadedBundle",
    "LocalDSS",
    "LocalSettings",
    "load_sample",
]
