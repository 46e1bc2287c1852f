"""The storage origin: objects of the buckets behind signed URLs, as a cloud serves them."""

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from urllib.parse import parse_qsl, quote, urlencode
from uuid import uuid4

from attrs import field, frozen
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from .bucket import Bucket
from .store import Storage

_logger = logging.getLogger(__name__)

_PIECE = 512 * 1024
_RANGE = re.compile(r"bytes=([0-9]{0,20})-([0-9]{0,20})", re.IGNORECASE)
_SIGNATURE = "signature"
_EXPIRES = "expires"


class BadSignature(Exception):
    """A storage URL that was changed, was made by another run, or is too old."""


@frozen
class Signer:
    """Makes and checks signed, expiring URLs, as a cloud's presigned URLs are.

    The signature covers the path and every query parameter: nothing can be changed or added.
    """

    clock: Callable[[], float]
    key: bytes = field(factory=lambda: secrets.token_bytes(32), repr=False)

    def sign(self, path: str, lifetime: float, **parameters: str | None) -> str:
        """Return the percent-encoded path with a signed query.

        Args:
            path: Path of the object, not encoded, with its first slash.
            lifetime: Seconds from now that the URL works.
            **parameters: Further query parameters, ``_`` standing for ``-``; None is left out.
        """
        pairs = {name.replace("_", "-"): text for name, text in parameters.items() if text}
        pairs[_EXPIRES] = str(int(self.clock() + lifetime))
        pairs[_SIGNATURE] = self._signature(path, pairs)
        return f"{quote(path)}?{urlencode(pairs)}"

    def verify(self, path: str, query: str) -> dict[str, str]:
        """Return the parameters of a signed query, without expiry and signature.

        Raises:
            BadSignature: The query was not made here for this path, or has expired.
        """
        parsed = parse_qsl(query, keep_blank_values=True)
        pairs = dict(parsed)
        given = pairs.pop(_SIGNATURE, "")
        expected = self._signature(path, pairs)
        repeated = len(parsed) != len(pairs) + 1
        if repeated or not hmac.compare_digest(given.encode(), expected.encode()):
            raise BadSignature("SignatureDoesNotMatch")
        if self.clock() > int(pairs.pop(_EXPIRES)):
            raise BadSignature("ExpiredToken")
        return pairs

    def _signature(self, path: str, pairs: dict[str, str]) -> str:
        signed = f"{path}?{urlencode(sorted(pairs.items()))}"
        return hmac.new(self.key, signed.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def storage_app(storage: Storage, signer: Signer) -> ASGIApp:
    """Return the application that serves the buckets' objects."""

    async def endpoint(request: Request) -> Response:
        try:
            response = await asyncio.to_thread(_answer, storage, signer, request)
        except OSError:
            _logger.exception("%s failed", request.scope["path"])
            response = storage_error(500, "InternalError")
        response.headers["Date"] = formatdate(usegmt=True)
        response.headers["X-Amz-Request-Id"] = str(uuid4())
        return response

    return Starlette(routes=[Route("/{path:path}", endpoint, methods=["GET"])])


def storage_error(status: int, code: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error as object storage spells it."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return Response(body, status, headers, media_type="application/xml")


def header_value(text: str) -> str:
    """Return a text as a header can carry it: no control characters, UTF-8 beyond ASCII."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return printable.strip().encode("utf-8", "replace").decode("latin-1")


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
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Type": overrides.get("response-content-type", "application/octet-stream"),
        "ETag": f'"{info.etag}"',
        "Last-Modified": formatdate(info.modified, usegmt=True),
    }
    if "response-content-disposition" in overrides:
        headers["Content-Disposition"] = overrides["response-content-disposition"]
    headers = {name: header_value(text) for name, text in headers.items()}
    if request.headers.get("if-match", "*") not in {headers["ETag"], "*"}:
        return storage_error(412, "PreconditionFailed")
    validators = {None, headers["ETag"], headers["Last-Modified"]}
    wanted = request.headers.get("range", "")
    part = _range(wanted, info.size) if request.headers.get("if-range") in validators else None
    if part is None:
        part, status = range(info.size), 200
    elif not part:
        return storage_error(416, "InvalidRange", {"Content-Range": f"bytes */{info.size}"})
    else:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{info.size}"
        status = 206
    headers["Content-Length"] = str(len(part))
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(_read(bucket, key, part), status, headers)


def _range(header: str, size: int) -> range | None:
    """Return the bytes that a `Range` header asks of an object, none of them if it has none such.

    None means the whole object, as with object storage: no header, several ranges, or no sense.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return range(max(size - int(last), 0), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)


async def _read(bucket: Bucket, key: str, part: range) -> AsyncIterator[bytes]:
    # A file is opened here, not in a thread: a client that leaves meanwhile would leave it open.
    is_file = bucket.directory is not None
    with bucket.open(key) if is_file else await asyncio.to_thread(bucket.open, key) as stream:
        stream.seek(part.start)
        left = len(part)
        while left and (piece := await asyncio.to_thread(stream.read, min(left, _PIECE))):
            left -= len(piece)
            yield piece
