"""The operations on /bundles, with those of checkouts.

See docs/behaviour.md 8.4-8.9, S3, S7, S10, S11.
"""

import base64
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from attrs import frozen
from starlette.responses import Response

from dss_client.types import JSONObject
from dss_client.versions import create_version, format_version, is_uuid, is_version

from ..errors import Problem, illegal_arguments, not_found
from ..service import Call, json_response
from ..storage import documents
from ..storage.documents import (
    BadName,
    FileMetadata,
    Manifest,
    ManifestFile,
    ObjectKey,
    bundle_manifest,
    check_name,
    manifest_file,
)
from .paging import Token, not_ready, page_response, parse_token, start_of_page, with_query

_POLL = 0.1  # seconds between two looks for files that are not there yet


@frozen
class _Bundle:
    uuid: str
    version: str
    manifest: Manifest

    @property
    def fqid(self) -> str:
        return f"{self.uuid}.{self.version}"


def get_bundle(call: Call) -> Response:
    """Answer with one page of a bundle's files, with URLs where they are asked for."""
    if call.query("directurls") and call.query("presignedurls"):
        raise Problem(400, "only_one_urltype", "Ask for directurls or presignedurls, not both.")
    start_at = start_of_page(call)
    bundle = _find(call)
    if call.query("directurls") or call.query("presignedurls"):
        waiting = _check_out(call, bundle)
        if waiting is not None:
            return waiting
    end = start_at + call.query("per_page")
    files = bundle.manifest["files"]
    changes = {"start_at": end, "version": bundle.version, "token": None}
    next_url = with_query(call.url, changes) if end < len(files) else None
    content = {
        "bundle": {
            "uuid": bundle.uuid,
            "version": bundle.version,
            "creator_uid": bundle.manifest.get("creator_uid", 0),
            "files": [_file(call, bundle, file) for file in files[start_at:end]],
        }
    }
    return page_response("bundle.files", content, next_url)


def get_bundles_all(call: Call) -> Response:
    """Answer with one page of all living bundle versions, in key order."""
    prefix = f"bundles/{(call.query('prefix') or '').lower()}"
    per_page: int = call.query("per_page")
    page = list(islice(call.replica.living_bundles(prefix, _after(call)), per_page))
    content: JSONObject = {
        "object": "list",
        "dss_api": call.base_url.removesuffix("/v1"),
        "bundles": [{"uuid": key.uuid, "version": key.version} for key in page],
        "per_page": per_page,
        "page_count": len(page),
        "search_prefix": prefix,
        "event_timestamp": format_version(datetime.now(UTC)),
        "has_more": len(page) == per_page,
    }
    next_url = None
    if content["has_more"]:
        last = f"bundles/{page[-1].name}"
        token = base64.urlsafe_b64encode(last.encode()).decode()
        next_url = with_query(call.url, {"search_after": last, "token": token})
        content |= {"search_after": last, "token": token, "link": next_url}
    return page_response("bundles", content, next_url)


def post_bundles_checkout(call: Call) -> Response:
    """Start the job that copies a bundle."""
    destination: str | None = call.arguments.body.get("destination")
    if destination is not None and "/" in destination:
        raise illegal_arguments("The destination is the name of a bucket, without '/'.")
    bundle = _find(call)
    job_id = call.service.checkouts.start_bundle(
        call.replica, bundle.fqid, bundle.manifest, destination, call.arguments.body.get("email")
    )
    return json_response({"checkout_job_id": job_id})


def get_bundles_checkout(call: Call) -> Response:
    """Answer with the state of a job."""
    job_id = call.arguments.path["checkout_job_id"].lower()
    status = call.service.checkouts.bundle_status(call.replica, job_id)
    if status is None:
        raise not_found("There is no such checkout job in this replica.")
    return json_response(status)


def _find(call: Call) -> _Bundle:
    version: str | None = call.query("version")
    if version is None:
        version = call.replica.latest_bundle(call.uuid)
    manifest = call.replica.bundle(call.uuid, version) if version else None
    if version is None or manifest is None:
        raise not_found("There is no such bundle, or not in this version, or it was deleted.")
    return _Bundle(uuid=call.uuid, version=version, manifest=manifest)


def _check_out(call: Call, bundle: _Bundle) -> Response | None:
    """Return the answer to send instead while the bundle is not checked out."""
    checkouts = call.service.checkouts
    if checkouts.bundle_is_ready(call.replica, bundle.fqid, bundle.manifest):
        return None
    token = parse_token(call.query("token"), ("execution_id", "attempts"))
    if token is None:
        job_id = checkouts.start_bundle(call.replica, bundle.fqid, bundle.manifest)
        token = Token(job_id, call.service.settings.clock(), 0)
    status = checkouts.bundle_status(call.replica, token.job_id)
    if status is None:
        title = "The token names an unknown checkout job; leave it out to start again."
        raise Problem(500, "unhandled_exception", title)
    match status["status"]:
        case "RUNNING":
            return not_ready(call, token.again())
        case "FAILED":
            raise Problem(500, "checkout_error", f"The checkout failed: {status['cause']}.")
        case _:
            return None


def _file(call: Call, bundle: _Bundle, file: ManifestFile) -> JSONObject:
    """Return a file as GET spells it: `s3_etag`, and its URL where one is asked for."""
    entry: JSONObject = {**file}
    entry["s3_etag"] = entry.pop("s3-etag")
    bucket, key = call.replica.place_of(file, copy=f"bundles/{bundle.fqid}/{file['name']}")
    if call.query("directurls"):
        entry["url"] = f"{call.replica.scheme}://{bucket.name}/{key}"
    if call.query("presignedurls"):
        entry["url"] = call.presigned(bucket, key, content_type=file["content-type"])
    return entry


def _after(call: Call) -> str:
    after: str = call.query("search_after") or ""
    if after and not after.startswith("bundles/"):
        raise illegal_arguments("Query parameter 'search_after' is not from a page of this list.")
    return after


def put_bundle(call: Call) -> Response:
    """Store a bundle of files that exist; storing the same one again is not an error."""
    version: str = call.query("version")
    files = _manifest_files(call, call.arguments.body["files"])
    _refuse_duplicates(files)
    manifest = bundle_manifest(version, files, call.arguments.body["creator_uid"])
    content = documents.encode(manifest)
    there = call.replica.store_new(f"bundles/{call.uuid}.{version}", content)
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
    manifest = _find(call).manifest
    removed = {_identity(file) for file in call.arguments.body.get("remove_files", [])}
    kept = [file for file in manifest["files"] if _identity(file) not in removed]
    files = kept + _manifest_files(call, call.arguments.body.get("add_files", []))
    _refuse_duplicates(files)
    version = create_version()
    content = documents.encode({**manifest, "version": version, "files": files})
    call.replica.store(f"bundles/{call.uuid}.{version}", content)
    return json_response({"uuid": call.uuid, "version": version})


def delete_bundle(call: Call) -> Response:
    """Lay a tombstone over a version of a bundle, or over all there are and will be."""
    version: str | None = call.query("version")
    if version is not None and not is_version(version):
        title = "Query parameter 'version' is not of the form DSS_VERSION."
        raise Problem(400, "illegal_version", title)
    keys = call.replica.listed(f"bundles/{call.uuid}.")
    if not any(version in {None, key.version} for key in keys):
        raise not_found("There is no such bundle, or not in this version.")
    tombstone: JSONObject = {
        "email": call.email,
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


def _manifest_files(call: Call, asked: list[JSONObject]) -> list[ManifestFile]:
    for file in asked:
        if not is_uuid(file["uuid"]):
            raise illegal_arguments(f"A file's uuid is not valid: {file['uuid']!r:.80}.")
        try:
            check_name(file["name"])
        except BadName as error:
            raise illegal_arguments(f"{error}.") from error
    identities = [(file["uuid"].lower(), file["version"]) for file in asked]
    found = _metadata(call, set(identities))
    return [
        manifest_file(file["name"], identity[0], file["indexed"], found[identity])
        for file, identity in zip(asked, identities, strict=True)
    ]


def _metadata(call: Call, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], FileMetadata]:
    """Return what is stored of files, waiting a while for those that are on their way."""
    end = time.monotonic() + call.service.settings.missing_files_wait
    while True:
        looked_up = {identity: call.replica.file(*identity) for identity in wanted}
        found = {identity: file for identity, file in looked_up.items() if file is not None}
        missing = sorted(wanted - found.keys())
        if not missing:
            return found
        if time.monotonic() >= end:
            names = ", ".join(".".join(identity) for identity in missing[:10])
            title = f"{len(missing)} files are not in replica {call.replica.name}: {names}."
            raise Problem(400, "file_missing", title)
        time.sleep(_POLL)


def _refuse_duplicates(files: Iterable[ManifestFile]) -> None:
    for name, count in Counter(file["name"] for file in files).items():
        if count > 1:
            title = f"{count} files are called {name!r}; a bundle has each name once."
            raise Problem(400, "duplicate_filename", title)


def _identity(file: ManifestFile | dict[str, Any]) -> tuple[str, str, str]:
    return file["name"], file["uuid"].lower(), file["version"]
