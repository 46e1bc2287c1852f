"""HEAD and GET /files/{uuid} (docs/behaviour.md 8.1, 8.2)."""

from starlette.responses import Response

from ..errors import Problem, not_found
from ..service import Call, redirect
from ..storage.documents import FileMetadata, blob_key
from ..storage.storage_app import header_value
from .waiting import Token, not_ready, parse_token


def head_file(call: Call) -> Response:
    """Answer with a file's metadata as headers."""
    return Response(headers=_headers(_find(call)), media_type="text/html")


def get_file(call: Call) -> Response:
    """Redirect to a file's content, or to the same URL while that is being copied."""
    file = _find(call)
    checkouts = call.service.checkouts
    if checkouts.file_is_ready(call.replica, file):
        return _found(call, file)
    token = parse_token(call.query("token"), ("attempts",))
    if token is None:
        token = Token(_start(call, file), call.service.settings.clock(), 0)
    try:
        outcome = checkouts.poll(token.job_id)
    except KeyError:  # a token of another run: its copy is gone, so begin again
        token = Token(_start(call, file), token.start_time, token.attempts)
        outcome = checkouts.poll(token.job_id)
    if outcome is None:
        return not_ready(call, token.again())
    if outcome.cause:
        raise Problem(500, "checkout_error", f"The file cannot be copied: {outcome.cause}.")
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


def _start(call: Call, file: FileMetadata) -> str:
    return call.service.checkouts.start_file(call.replica, file)


def _found(call: Call, file: FileMetadata) -> Response:
    bucket, key = call.replica.checkout, blob_key(file)
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
