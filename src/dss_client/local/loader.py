"""Makes a bundle from a directory on this machine."""

import os
from pathlib import Path
from uuid import UUID, uuid4, uuid5

from attrs import frozen

from dss_client.errors import DSSError
from dss_client.versions import create_version, parse_version

from .storage import documents
from .storage.checksums import checksums_of, pieces_of
from .storage.documents import (
    ManifestFile,
    blob_key,
    bundle_manifest,
    check_name,
    content_type_of,
    file_metadata,
    manifest_file,
)
from .storage.store import Replica

_CREATOR_UID = 0
_INDEXED = ".json"


class LoadError(DSSError, ValueError):
    """A directory cannot become a bundle; the message says why and what to do."""


class BundleExists(LoadError):
    """The bundle is there already, and bundles never change."""


@frozen
class LoadedBundle:
    """A bundle that was just stored."""

    uuid: str
    version: str
    files: int

    @property
    def fqid(self) -> str:
        """The bundle's `<uuid>.<version>`."""
        return f"{self.uuid}.{self.version}"

    def __str__(self) -> str:
        return self.fqid


def load_directory(
    replica: Replica, src_dir: Path, uuid: str | None, version: str | None
) -> LoadedBundle:
    """Store the files of a directory, and a bundle of them.

    File names are relative to the directory, with `/`. Each file's uuid is derived from the
    bundle's and its name, so that a new version of a bundle has new versions of its files.

    Raises:
        LoadError: The directory is empty or has something that cannot be in a bundle, or the uuid
            is not valid.
        BundleExists: The bundle exists in this version.
        BadName: A file's name is not allowed in a bundle.
        dss_client.versions.InvalidVersion: The version is not a valid DSS_VERSION.
        NotADirectoryError: There is no such directory.
    """
    try:
        bundle_uuid = UUID(uuid) if uuid else uuid4()
    except ValueError as error:
        raise LoadError(f"{uuid!r} is not a valid uuid; leave it out to get a new one") from error
    version = version or create_version()
    parse_version(version)
    sources = _files(src_dir)
    if not sources:
        raise LoadError(f"{src_dir} has no files, and a bundle needs at least one")
    key = f"bundles/{bundle_uuid}.{version}"
    if replica.main.info(key):
        raise BundleExists(
            f"Bundle {bundle_uuid}.{version} exists in replica {replica.name}; "
            "bundles never change, so give another version"
        )
    files = [
        _store(replica, name, path, bundle_uuid, version) for name, path in sorted(sources.items())
    ]
    replica.store(key, documents.encode(bundle_manifest(version, files, _CREATOR_UID)))
    return LoadedBundle(uuid=str(bundle_uuid), version=version, files=len(files))


def _files(src_dir: Path) -> dict[str, Path]:
    if not src_dir.is_dir():
        raise NotADirectoryError(f"{src_dir} is not a directory")
    top = src_dir.resolve()
    found: dict[str, Path] = {}
    for path in top.rglob("*"):
        if path.is_dir():
            if path.is_symlink():
                raise LoadError(f"{path} is a symbolic link to a directory; copy it instead")
            continue
        name = path.relative_to(top).as_posix()
        check_name(name)
        if not path.resolve().is_relative_to(top):
            raise LoadError(f"{path} is a symbolic link that leaves {top}; copy the file instead")
        if not path.is_file():
            raise LoadError(f"{path} is not a regular file")
        found[name] = path
    return found


def _store(
    replica: Replica, name: str, path: Path, bundle_uuid: UUID, version: str
) -> ManifestFile:
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        sums = checksums_of(pieces_of(stream), size)
        if stream.tell() != size:
            raise LoadError(f"{path} changed while it was read")
        metadata = file_metadata(version, _CREATOR_UID, content_type_of(name), size, sums)
        if not replica.has_blob(metadata):
            stream.seek(0)
            replica.main.put_stream(blob_key(metadata), stream)
    uuid = str(uuid5(bundle_uuid, name))
    replica.main.put(f"files/{uuid}.{version}", documents.encode(metadata))
    return manifest_file(name, uuid, name.endswith(_INDEXED), metadata)
