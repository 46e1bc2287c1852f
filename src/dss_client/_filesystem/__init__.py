"""Bundles as a file system for `fsspec`: ``dss://UUID.VERSION/name``.

fsspec finds `DSSFileSystem` by the entry point, and makes it; nobody needs to import it.
"""

from .filesystem import DSSFileSystem

__all__ = ["DSSFileSystem"]
