"""The files of a bundle as a tree of directories."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from dss_client.models import FileVersion
from dss_client.transfer.errors import UnsafeName
from dss_client.transfer.names import safe_relative_path
from dss_client.versions import FQID

__all__ = ["Info", "Listing", "directory_info"]

_logger = logging.getLogger(__name__)

Info = dict[str, Any]
"""What fsspec knows of a path: at least ``name``, ``size`` and ``type``."""


def directory_info(path: str) -> Info:
    """Return what there is to know of a directory."""
    return {"name": path, "size": 0, "type": "directory"}


@frozen
class Listing:
    """The files of one version of a bundle, and the directories that their names make.

    Attributes:
        bundle: The bundle.
        files: The files by path.
        folders: The paths in each directory; that of the bundle itself is ``""``.
        size: The bytes of all files.
    """

    bundle: FQID
    files: Mapping[str, FileVersion]
    folders: Mapping[str, list[str]]
    size: int

    def hint(self, name: str) -> str:
        """Return what to do about a name that is not there; empty where nothing is known."""
        is_flattened = any(path.startswith(f"{name}!") for path in self.files)
        return f", but names that begin with '{name}!': set unflatten='!'" if is_flattened else ""

    @classmethod
    def of(cls, bundle: FQID, files: Iterable[FileVersion], separator: str | None) -> "Listing":
        """Arrange the files of a bundle. Names that cannot be paths are left out, with a warning.

        Args:
            bundle: The bundle.
            files: All of its files.
            separator: What stands for ``/`` in names, if anything does.
        """
        by_path: dict[str, FileVersion] = {}
        left_out: list[str] = []
        for file in files:
            path = file.name.replace(separator, "/") if separator else file.name
            if not _is_path(path) or by_path.setdefault(path, file) is not file:
                left_out.append(file.name)
        if left_out:
            _logger.warning(
                "dss://%s: %d names are unsafe as paths or there twice, and left out, such as %r:"
                " get such files by their uuids (dss api get-file)",
                bundle,
                len(left_out),
                left_out[0],
            )
        size = sum(file.size for file in by_path.values())
        return cls(bundle, by_path, _folders(by_path), size)

    def entries(self, root: str, path: str) -> list[Info]:
        """Return what is in a directory, or the file itself.

        Args:
            root: What the caller calls the bundle.
            path: A path in it.

        Raises:
            KeyError: There is no such path.
        """
        if path not in self.folders:
            return [self._file_info(root, path)]
        found: list[Info] = []
        for each in self.folders[path]:
            if each in self.files:
                found.append(self._file_info(root, each))
            if each in self.folders:
                found.append(directory_info(f"{root}/{each}"))
        return found

    def info(self, root: str, path: str) -> Info:
        """Return what is known of a path; arguments and error as of `entries`."""
        if path in self.files:
            return self._file_info(root, path)
        if path:
            _ = self.folders[path]
            return directory_info(f"{root}/{path}")
        ids = {"uuid": self.bundle.uuid, "version": self.bundle.version}
        return directory_info(root) | ids

    def _file_info(self, root: str, path: str) -> Info:
        file = self.files[path]
        return {
            "name": f"{root}/{path}",
            "size": file.size,
            "type": "file",
            "uuid": file.uuid,
            "version": file.version,
            "sha256": file.sha256,
            "content_type": file.content_type,
        }


def _is_path(name: str) -> bool:
    try:
        safe_relative_path(name)
    except UnsafeName:
        return False
    return True


def _folders(paths: Iterable[str]) -> dict[str, list[str]]:
    folders: dict[str, dict[str, None]] = {"": {}}
    for path in paths:
        child = path
        while child:
            parent = child.rpartition("/")[0]
            is_linked = parent in folders
            folders.setdefault(parent, {})[child] = None
            child = "" if is_linked else parent
    return {folder: list(children) for folder, children in folders.items()}
