"""What is in a download directory: the contents of its store, bundles, and files of collections."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from attrs import frozen

from dss_client.transfer.names import BUNDLE_JSON, Settled, settle_names
from dss_client.versions import UUID_FORM

__all__ = [
    "BadDescription",
    "BundleDirectory",
    "ListedFile",
    "bundle_directories",
    "collection_directories",
    "files_below",
    "stored_contents",
]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_BUNDLE = re.compile(rf"{UUID_FORM}\.[0-9-]{{10}}T[0-9]{{6}}\.[0-9]{{6}}Z")
_COLLECTION = re.compile(rf"collection-{UUID_FORM}")


class BadDescription(ValueError):
    """A ``bundle.json`` that does not describe its bundle."""


@frozen
class ListedFile:
    """A file as its bundle lists it: its name there and in the directory, its content."""

    name: Settled
    sha256: str
    size: int

    @property
    def may_be_left_out(self) -> bool:
        """Whether its name clashes with another, and may have been skipped for that."""
        return self.name.reason is not None and not self.name.unsafe


@frozen
class BundleDirectory:
    """The directory of a bundle, as its ``bundle.json`` describes it.

    Attributes:
        sha256: The checksum of the description itself.
        files: The files that it lists.
    """

    sha256: str
    files: tuple[ListedFile, ...]

    @classmethod
    def read(cls, folder: Path) -> "BundleDirectory":
        """Read the description.

        Raises:
            OSError: It cannot be read.
            BadDescription: It does not describe this bundle.
        """
        content = (folder / BUNDLE_JSON).read_bytes()
        try:
            bundle = cast("dict[str, Any]", json.loads(content))["bundle"]
            fqid = f"{bundle['uuid']}.{bundle['version']}".lower()
            settled = settle_names([str(file["name"]) for file in bundle["files"]], "rename")
            files = tuple(
                ListedFile(name, str(file["sha256"]).lower(), int(file["size"]))
                for name, file in zip(settled, bundle["files"], strict=True)
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BadDescription(f"text that describes no bundle ({error!r})") from error
        if fqid != folder.name.lower():
            raise BadDescription(f"the description of bundle {fqid}")
        return cls(hashlib.sha256(content).hexdigest(), files)


def bundle_directories(root: Path) -> Iterator[Path]:
    """Yield the directories of bundles, by their names."""
    return _directories(root, _BUNDLE)


def collection_directories(root: Path) -> Iterator[Path]:
    """Yield the directories with the single files of collections."""
    return _directories(root, _COLLECTION)


def _directories(root: Path, name: re.Pattern[str]) -> Iterator[Path]:
    with os.scandir(root) as entries:
        found = [each.name for each in entries if name.fullmatch(each.name) and each.is_dir()]
    return map(root.joinpath, sorted(found))


def files_below(folder: Path) -> Iterator[Path]:
    """Yield all entries below a directory that are not directories; also links.

    Raises:
        OSError: A directory cannot be read.
    """
    for base, folders, names in os.walk(folder, onerror=_refuse):
        folders.sort()
        for name in sorted(names):
            yield Path(base, name)


def stored_contents(store: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield the files of a store: each path, and its sha256, if it is a content."""
    for path in files_below(store):
        name = path.name
        at_home = path.parts[-3:-1] == (name[:2], name[2:6])
        yield path, name if at_home and _SHA256.fullmatch(name) else None


def _refuse(error: OSError) -> None:
    """Raise for a directory that cannot be read, unless it is gone."""
    if not isinstance(error, FileNotFoundError):
        raise error
