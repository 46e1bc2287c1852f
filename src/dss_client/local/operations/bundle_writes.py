"""PUT, PATCH and DELETE /bundles/{uuid} (docs/behaviour.md 8.5-8.7, S3, S7, S10, S11)."""

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from dss_client.types import JSONObject
from dss_client.versions import create_version, is_uuid, is_version

from ..errors import Problem, illegal_arguments, not_found
from ..service import Call, json_response
from ..storage import documents
from ..storage.documents import (
    BadName,
    FileMetadata,
    ManifestFile,
    ObjectKey,
    bundle_manifest,
    check_name,
    manifest_file,
)
from ..storage.store import Replica

_POLL = 0.1  # seconds between two looks for files that are not there yet


def put_bundle(call: Call) -> Response:
    """Store a bundle of files that exist; storing the same one again is not an error."""
    version: str = call.query("version")
    files = _manifest_files(call, call.arguments.body["files"])
    _refuse_duplicates(files)
    manifest = bundle_manifest(version, files, call.arguments.body["creator_uid"])
    content = documents.encode(manifest)
    there = call.replica.store_new(_key(call.uuid, version), content)
    if there not in {None, content}:
        title = (
            f"Version {version} of this bundle is there already, and differs in its files, their "
            "order or the creator_uid; bundles never change, so use a new version."
        )
        raise Problem(409, "bundle_already_exists", title)
    answer = {"version": version, "manifest": manifest}
    return json_response(answer, 201 if there is None else 200)


def patch_bundle(call: Call) -> Response:
    """Store a new version of a bundle, with files removed from the named one, and then added."""
    manifest = call.replica.bundle(call.uuid, call.query("version"))
    if manifest is None:
        raise not_found("There is no such bundle in this version, or it was deleted.")
    removed = {_identity(file) for file in call.arguments.body.get("remove_files", [])}
    kept = [file for file in manifest["files"] if _identity(file) not in removed]
    files = kept + _manifest_files(call, call.arguments.body.get("add_files", []))
    _refuse_duplicates(files)
    version = create_version()
    content = documents.encode({**manifest, "version": version, "files": files})
    call.replica.store(_key(call.uuid, version), content)
    return json_response({"uuid": call.uuid, "version": version})


def delete_bundle(call: Call) -> Response:
    """Lay a tombstone over a version of a bundle, or over all there are and will be."""
    version: str | None = call.query("version")
    if version is not None and not is_version(version):
        title = "Query parameter 'version' is not of the form DSS_VERSION."
        raise Problem(400, "illegal_version", title)
    if not _was_ever_there(call.replica, call.uuid, version):
        raise not_found("There is no such bundle, or not in this version.")
    tombstone: JSONObject = {
        "email": call.caller.email if call.caller else None,
        "reason": call.arguments.body["reason"],
        "admin_deleted": True,
    }
    if version is not None:
        tombstone["version"] = version
    key = ObjectKey(uuid=call.uuid, version=version, dead=True)
    there = call.replica.store_new(f"bundles/{key.name}", documents.encode(tombstone))
    if there is not None and documents.decode(there) != tombstone:
        title = "It was deleted before, by somebody else or for another reason."
        raise Problem(409, "bundle_tombstone_already_exists", title)
    return json_response({})


def _key(uuid: str, version: str) -> str:
    return f"bundles/{uuid}.{version}"


def _was_ever_there(replica: Replica, uuid: str, version: str | None) -> bool:
    """Tell whether there is an object of the bundle, or of the one version of it."""
    return any(version in {None, key.version} for key in replica.listed(f"bundles/{uuid}."))


def _manifest_files(call: Call, asked: list[JSONObject]) -> list[ManifestFile]:
    for file in asked:
        if not is_uuid(file["uuid"]):
            raise illegal_arguments(f"A file's uuid is not valid: {file['uuid']!r:.80}.")
        try:
            check_name(file["name"])
        except BadName as error:
            raise illegal_arguments(f"{error}.") from error
    found = _metadata(call, {(file["uuid"].lower(), file["version"]) for file in asked})
    uuids = [file["uuid"].lower() for file in asked]
    return [
        manifest_file(file["name"], uuid, file["indexed"], found[uuid, file["version"]])
        for file, uuid in zip(asked, uuids, strict=True)
    ]


def _metadata(call: Call, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], FileMetadata]:
    """Return what is stored of files, waiting a while for those that are on their way."""
    found: dict[tuple[str, str], FileMetadata] = {}
    end = time.monotonic() + call.service.settings.missing_files_wait
    while True:
        for identity in wanted - found.keys():
            metadata = call.replica.file(*identity)
            if metadata is not None:
                found[identity] = metadata
        missing = wanted - found.keys()
        if not missing:
            return found
        if time.monotonic() >= end:
            names = ", ".join(".".join(identity) for identity in sorted(missing)[:10])
            title = f"{len(missing)} files are not in replica {call.replica.name}: {names}."
            raise Problem(400, "file_missing", title)
        time.sleep(_POLL)


def _refuse_duplicates(files: Iterable[ManifestFile]) -> None:
    names = Counter(file["name"] for file in files)
    [(name, count)] = names.most_common(1) or [("", 0)]
    if count > 1:
        title = f"{count} files are called {name!r}; a bundle has each name once."
        raise Problem(400, "duplicate_filename", title)


def _identity(file: ManifestFile | dict[str, Any]) -> tuple[str, str, str]:
    return file["name"], file["uuid"].lower(), file["version"]
