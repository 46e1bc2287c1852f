"""Errors of paths: ours, and at the same time those of the system that users of fsspec expect."""

import errno

from dss_client.errors import DSSError

__all__ = ["PathIsDirectory", "PathNotFound", "ReadOnlyFileSystem"]


class PathNotFound(DSSError, FileNotFoundError):
    """No bundle or file has this path."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.ENOENT, reason)


class PathIsDirectory(DSSError, IsADirectoryError):
    """A path is a directory, and a file was expected."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EISDIR, f"dss://{path} is a directory: name a file in it")


class ReadOnlyFileSystem(DSSError, OSError):
    """Bundles cannot be written to by way of a file system."""

    def __init__(self) -> None:
        super().__init__(
            errno.EROFS,
            "dss:// is read-only, because versions of bundles never change: use DSSClient.upload"
            " or `dss upload` to make a new bundle",
        )
