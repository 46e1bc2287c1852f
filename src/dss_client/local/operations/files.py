"""HEAD, GET and PUT /files/{uuid} (docs/behaviour.md 8.1-8.3, S4, S18)."""

import re

from starlette.responses import Response

from dss_client.types import Replica as ReplicaName

from ..errors import Problem, illegal_arguments, not_found
from ..service import Call, json_response, redirect
from ..storage import documents
from ..storage.checksums import Checksums
from ..storage.copies import copy_blob, invalid_checksum
from ..storage.documents import FileMetadata, blob_key, file_metadata
from ..storage.sources import CHECKSUMS, PREFIX, SourceObject, SourceUrl
from ..storage.storage_app import header_value
from ..storage.store import Replica
from .paging import Token, not_ready, parse_token

_REPLICAS: dict[str, ReplicaName] = {"s3": "aws", "gs": "gcp"}
_LARGEST_CACHED = 12_314  # bytes (docs/behaviour.md 5.4)
_FORMS = {
    "sha256": r"[0-9a-f]{64}",
    "sha1": r"[0-9a-f]{40}",
    "s3_etag": r"[0-9a-f]{32}(-([2-9]|[1-9][0-9]{1,3}|10000))?",
    "crc32c": r"[0-9a-f]{8}",
}


def head_file(call: Call) -> Response:
    """Answer with a file's metadata as headers."""
    return Response(headers=_headers(_find(call)), media_type="text/html")


def get_file(call: Call) -> Response:
    """Redirect to a file's content, or to the same URL while that is being copied."""
    file = _find(call)
    checkouts = call.service.checkouts
    if checkouts.file_is_ready(call.replica, file):
        return _found(call, file)
    jobs = call.service.jobs
    token = parse_token(call.query("token"), ("attempts",))
    if token is None:
        token = Token(checkouts.start_file(call.replica, file), call.service.settings.clock(), 0)
    try:
        ended = jobs.poll(token.job_id)
    except KeyError:  # a token of another run: its copy is gone, so begin again
        job_id = checkouts.start_file(call.replica, file)
        token = Token(job_id, token.start_time, token.attempts)
        ended = jobs.poll(job_id)
    if ended is None:
        return not_ready(call, token.again())
    if cause := ended.result():
        raise Problem(500, "checkout_error", f"The file cannot be copied: {cause}.")
    return _found(call, file)


def _find(call: Call) -> FileMetadata:
    copies = call.service.copies
    running = copies.running(call.replica, call.uuid, call.query("version"))
    file, failure = _look(call)
    if copies.poll(running):
        file, failure = _look(call)
    if file is None and failure:
        raise Problem(422, "missing_checksum", f"The file could not be copied: {failure}.")
    if file is None:
        raise not_found("There is no such file, or not in this version.")
    return file


def _look(call: Call) -> tuple[FileMetadata | None, str | None]:
    """Return the file that is there, and why the copy of one that is not failed."""
    version: str | None = call.query("version")
    failure = call.service.copies.failure(call.uuid, version)
    return call.replica.file(call.uuid, version), failure


def _found(call: Call, file: FileMetadata) -> Response:
    bucket, key = call.replica.place_of(file, copy=blob_key(file))
    if call.query("directurl"):
        url = f"{call.replica.scheme}://{bucket.name}/{key}"
    else:
        url = call.presigned(
            bucket,
            key,
            content_type=file["content-type"],
            content_disposition=call.query("content_disposition"),
        )
    return redirect(url, 302, _headers(file))


def _headers(file: FileMetadata) -> dict[str, str]:
    return {
        "X-DSS-CREATOR-UID": str(file.get("creator_uid", 0)),
        "X-DSS-VERSION": file["version"],
        "X-DSS-CONTENT-TYPE": header_value(file["content-type"]),
        "X-DSS-SIZE": str(file["size"]),
        "X-DSS-CRC32C": file["crc32c"],
        "X-DSS-S3-ETAG": file["s3-etag"],
        "X-DSS-SHA1": file["sha1"],
        "X-DSS-SHA256": file["sha256"],
    }


def put_file(call: Call) -> Response:
    """Copy an object into the replica that its scheme names, and write the file's metadata."""
    url = _source_url(call.arguments.body["source_url"])
    replica = call.service.storage.replicas[_REPLICAS[url.scheme]]
    source = _source(call, url)
    metadata = _metadata_of(call, source)
    answer = {"version": metadata["version"]}
    stored = replica.main.get(f"files/{call.uuid}.{metadata['version']}")
    if stored is None:
        if not replica.has_blob(metadata):
            if source.size > call.service.settings.copy_threshold:
                job_id = call.service.copies.start(replica, call.uuid, metadata, source)
                if job_id is None:
                    raise _taken(metadata)
                return json_response({**answer, "task_id": job_id}, 202)
            copy_blob(replica, metadata, source)
        stored = call.service.copies.write(replica, call.uuid, metadata)
    if stored is not None:
        if documents.decode(stored) != metadata:
            raise _taken(metadata)
        return json_response(answer)
    _cache(call, replica, metadata)
    return json_response(answer, 201)


def _source_url(text: str) -> SourceUrl:
    scheme, _, rest = text.partition("://")
    if scheme not in _REPLICAS:
        title = f"Sources of the scheme {scheme!r} cannot be read; use s3:// or gs://."
        raise Problem(400, "unknown_source_schema", title)
    bucket, _, key = rest.partition("/")
    if not bucket or not key:
        raise illegal_arguments(f"The source_url must have the form {scheme}://<bucket>/<key>.")
    return SourceUrl(scheme, bucket, key)


def _source(call: Call, url: SourceUrl) -> SourceObject:
    for sources in call.service.sources:
        found = sources.find(url)
        if found is not None:
            return found
    raise not_found(f"There is no bucket {url.bucket!r} that this service can read.")


def _metadata_of(call: Call, source: SourceObject) -> FileMetadata:
    sums = {name: text.lower() for name, text in source.checksums.items()}
    missing = [PREFIX + name for name in CHECKSUMS if name not in sums]
    if missing:
        title = f"The source object has no metadata {', '.join(missing)}."
        raise Problem(422, "missing_checksum", title)
    bad = [PREFIX + name for name, form in _FORMS.items() if not re.fullmatch(form, sums[name])]
    if bad:
        raise invalid_checksum(f"the form of its metadata {', '.join(bad)} is wrong")
    return file_metadata(
        version=call.query("version"),
        creator_uid=call.arguments.body["creator_uid"],
        content_type=source.content_type,
        size=source.size,
        sums=Checksums(**sums),
    )


def _cache(call: Call, replica: Replica, metadata: FileMetadata) -> None:
    """Copy a small JSON file to the checkout bucket, for a first GET without 301."""
    is_json = metadata["content-type"].startswith("application/json")
    if is_json and metadata["size"] <= _LARGEST_CACHED:
        call.service.checkouts.copy_file(replica, metadata)


def _taken(metadata: FileMetadata) -> Problem:
    title = (
        f"Version {metadata['version']} of this file is there already, with another content, "
        "type or creator_uid; files never change, so use a new version."
    )
    return Problem(409, "file_already_exists", title)
