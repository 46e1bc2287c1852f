"""The contents of a download directory: the store, bundles and the rest."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from attrs import frozen

from dss_client.transfer.names import BUNDLE_JSON, settle_names
from dss_client.versions import FQID, InvalidUUID, InvalidVersion, is_uuid

from .filestore import sha256_of

__all__ = [
    "BadDescription",
    "Described",
    "Description",
    "bundle_directories",
    "collection_directories",
    "contents_of_files",
    "files_below",
    "stored_contents",
]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COLLECTION = "collection-"


class BadDescription(ValueError):
    """A ``bundle.json`` that does not describe its bundle."""


@frozen
class Described:
    """A file as its bundle's description lists it.

    Attributes:
        name: Its name.
        target: Its name in the directory; None if it cannot have one.
        sha256: Its checksum, in lower case.
        size: Its size, in bytes.
        clashes: Whether its name clashes with another, so that it may have been left out.
        reason: Why `target` is None.
    """

    name: str
    target: str | None
    sha256: str
    size: int
    clashes: bool = False
    reason: str = ""


@frozen
class Description:
    """The ``bundle.json`` of a bundle's directory.

    Attributes:
        sha256: The checksum of the description itself.
        size: Its size, in bytes.
        files: The files that it lists.
    """

    sha256: str
    size: int
    files: tuple[Described, ...]

    @classmethod
    def read(cls, folder: Path) -> "Description":
        """Read the description in the directory of a bundle.

        Raises:
            OSError: It cannot be read.
            BadDescription: It does not describe this bundle.
        """
        content = (folder / BUNDLE_JSON).read_bytes()
        try:
            document = cast("dict[str, Any]", json.loads(content))
            bundle: dict[str, Any] = document["bundle"]
            fqid = f"{bundle['uuid']}.{bundle['version']}".lower()
            files = [
                (str(file["name"]), str(file["sha256"]).lower(), int(file["size"]))
                for file in bundle["files"]
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise BadDescription(f"text that describes no bundle ({error!r})") from error
        if fqid != folder.name.lower():
            raise BadDescription(f"the description of bundle {fqid}")
        settled = settle_names([name for name, _, _ in files], "rename")
        described = tuple(
            Described(
                name,
                each.target,
                sha256,
                size,
                clashes=each.reason is not None and not each.unsafe,
                reason=each.reason or "",
            )
            for (name, sha256, size), each in zip(files, settled, strict=True)
        )
        return cls(hashlib.sha256(content).hexdigest(), len(content), described)


def bundle_directories(root: Path) -> Iterator[Path]:
    """Yield the directories of bundles, by their names."""
    for path in _directories(root):
        try:
            FQID.parse(path.name)
        except (InvalidUUID, InvalidVersion):
            continue
        yield path


def collection_directories(root: Path) -> Iterator[Path]:
    """Yield the directories with the single files of collections."""
    for path in _directories(root):
        kind, mark, uuid = path.name.partition(_COLLECTION)
        if mark and not kind and is_uuid(uuid):
            yield path


def _directories(root: Path) -> Iterator[Path]:
    with os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir())
    return (root / name for name in names)


def files_below(folder: Path) -> Iterator[Path]:
    """Yield all entries below a directory that are not directories; also links."""
    for base, folders, names in os.walk(folder, onerror=_refuse):
        folders.sort()
        for name in sorted(names):
            yield Path(base, name)


def contents_of_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files in a directory that are not hard links, and their sha256."""
    for path in files_below(folder):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            yield path, sha256_of(path)


def stored_contents(store: Path) -> Iterator[tuple[str, str | None]]:
    """Yield the files of the store: each path, and its sha256, if it is a content."""
    for base, folders, names in os.walk(store, onerror=_refuse):
        folders.sort()
        for name in sorted(names):
            at_home = base.endswith(f"{os.sep}{name[:2]}{os.sep}{name[2:6]}")
            known = at_home and _SHA256.fullmatch(name) is not None
            yield f"{base}{os.sep}{name}", name if known else None


def _refuse(error: OSError) -> None:
    """Raise for a directory that cannot be read, unless it is gone."""
    if not isinstance(error, FileNotFoundError):
        raise error
