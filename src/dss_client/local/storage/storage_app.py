"""The storage origin: objects of the buckets behind signed URLs, as a cloud serves them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from email.utils import formatdate
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from .bucket import Bucket, ObjectInfo
from .headers import header_value
from .ranges import ByteRange, Unsatisfiable, parse_range
from .signing import BadSignature, Signer
from .store import Storage

_logger = logging.getLogger(__name__)

_PIECE = 512 * 1024


def storage_app(storage: Storage, signer: Signer) -> ASGIApp:
    """Return the application that serves the buckets' objects."""

    async def endpoint(request: Request) -> Response:
        response = await asyncio.to_thread(_answer, storage, signer, request)
        response.headers["X-Amz-Request-Id"] = str(uuid4())
        return response

    return Starlette(routes=[Route("/{path:path}", endpoint, methods=["GET"])])


def _answer(storage: Storage, signer: Signer, request: Request) -> Response:
    path = request.scope["path"]
    _logger.debug("%s %s", request.method, path)  # never the query: it opens the object
    try:
        # Not request.url: an older Starlette loses the query where a name holds "?" or "#".
        overrides = signer.verify(path, request.scope["query_string"].decode("latin-1"))
    except BadSignature as error:
        return storage_error(403, str(error))
    bucket_name, _, key = path.removeprefix("/").partition("/")
    bucket = storage.bucket(bucket_name)
    info = bucket.info(key) if bucket else None
    if bucket is None or info is None:
        return storage_error(404, "NoSuchKey")
    headers = _headers(info, overrides)
    if request.headers.get("if-match", headers["ETag"]) not in {headers["ETag"], "*"}:
        return storage_error(412, "PreconditionFailed")
    try:
        part = _range(request, info, headers)
    except Unsatisfiable:
        return storage_error(416, "InvalidRange", {"Content-Range": f"bytes */{info.size}"})
    status = 200
    if part is not None:
        status = 206
        headers["Content-Range"] = part.content_range(info.size)
    wanted = part or ByteRange(0, info.size)
    headers["Content-Length"] = str(wanted.length)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(_read(bucket, key, wanted), status, headers)


def _range(request: Request, info: ObjectInfo, headers: dict[str, str]) -> ByteRange | None:
    validators = {headers["ETag"], headers["Last-Modified"]}
    if request.headers.get("if-range", headers["ETag"]) not in validators:
        return None
    return parse_range(request.headers.get("range"), info.size)


def _headers(info: ObjectInfo, overrides: dict[str, str]) -> dict[str, str]:
    content_type = overrides.get("response-content-type", "application/octet-stream")
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Type": header_value(content_type),
        "ETag": f'"{info.etag}"',
        "Last-Modified": formatdate(info.modified, usegmt=True),
    }
    if "response-content-disposition" in overrides:
        disposition = overrides["response-content-disposition"]
        headers["Content-Disposition"] = header_value(disposition)
    return headers


async def _read(bucket: Bucket, key: str, part: ByteRange) -> AsyncIterator[bytes]:
    # Opened here, not in a thread: a client that leaves meanwhile would leave the file open.
    with bucket.open(key) as stream:
        stream.seek(part.start)
        left = part.length
        while left and (piece := await asyncio.to_thread(stream.read, min(left, _PIECE))):
            left -= len(piece)
            yield piece


def storage_error(status: int, code: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error as object storage spells it."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return Response(body, status, headers, media_type="application/xml")
