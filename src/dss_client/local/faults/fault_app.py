"""Makes requests fail as a scenario says: wraps the API and the storage.

An answer that a rule changes is held in memory whole; all others pass through untouched.
"""

import asyncio
import gzip
import json
import re
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Literal
from uuid import uuid4

from attrs import evolve, frozen
from starlette.datastructures import URL, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import Problem
from ..storage.ranges import ByteRange
from ..storage.storage_app import storage_error
from .recorded import Answer, record
from .scenario import DateIn, Faults, Offset, Rule, Target
from .wire import Wire

Identify = Callable[[Scope], Target]
_RANGE_HEADERS = frozenset({b"range", b"if-range"})
_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)")
_FILLER = b"x"


@frozen(eq=False)
class FaultApp:
    """An application some of whose answers go wrong.

    Args:
        app: The application.
        faults: Which requests, and how.
        identify: Tells what a request asks for.
    """

    app: ASGIApp
    faults: Faults
    identify: Identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        request = None if self.faults.idle else self.identify(scope)
        rule = self.faults.due(request) if request else None
        if request is None or rule is None:
            await self.app(scope, receive, send)
            return
        await asyncio.sleep(rule.delay)
        if rule.ignore_range:
            kept = [pair for pair in scope["headers"] if pair[0].lower() not in _RANGE_HEADERS]
            scope = {**scope, "headers": kept}
        answer = _made(rule, request.origin)
        if answer is None:
            answer = await record(self.app, scope, receive)
        if rule.redirect is not None:
            answer.headers["Location"] = _location(rule.redirect, URL(scope=scope))
            answer = evolve(answer, status=rule.status or 302, body=b"")
        answer = _changed(answer, rule).framed(request.method)
        await _play(answer, rule, scope, receive, send)


def _made(rule: Rule, origin: Literal["api", "storage"]) -> Answer | None:
    """Return the answer of a rule that leaves the application out, None for all others."""
    if rule.expired:
        return Answer.of(storage_error(403, "ExpiredToken"))
    if rule.status is None or rule.redirect is not None:
        return None
    if rule.status < 400:
        return Answer.of(Response(None, rule.status))
    if origin == "storage":
        return Answer.of(storage_error(rule.status, "InjectedFault"))
    title = "This answer was asked for by a fault scenario."
    return Answer.of(Problem(rule.status, "injected_fault", title).response())


def _location(redirect: str, url: URL) -> str:
    """Return where a redirect goes: to the same target, unless the rule names another."""
    if redirect == "loop":
        return str(url)
    if redirect in {"http:", "https:"}:
        return str(url.replace(scheme=redirect.removesuffix(":")))
    wanted = URL(redirect)
    if wanted.netloc and not (wanted.path or wanted.query):
        return str(url.replace(scheme=wanted.scheme, netloc=wanted.netloc))
    return redirect


def _changed(answer: Answer, rule: Rule) -> Answer:
    headers = answer.headers
    if rule.body is not None:
        answer = _with_body(answer, rule)
    if rule.retry_after is not None:
        headers["Retry-After"] = _retry_after(rule.retry_after)
    if rule.etag is not None:
        _set(headers, "ETag", _etag(rule.etag, headers.get("etag")))
    if rule.content_range is not None and answer.status == 206:
        given = headers.get("content-range", "")
        _set(headers, "Content-Range", _content_range(rule.content_range, given))
    for name, text in rule.headers.items():
        _set(headers, name, text)
    body = answer.body
    if rule.content_encoding:
        headers["Content-Encoding"] = rule.content_encoding
        body = gzip.compress(body)
    body = _flipped(body, rule.flip)
    if rule.honest_length:
        body = body[: -rule.short] if rule.short else body + _FILLER * (rule.overlong or 0)
    return evolve(answer, body=body)


def _with_body(answer: Answer, rule: Rule) -> Answer:
    if isinstance(rule.body, str):
        answer.headers["Content-Type"] = "text/plain; charset=utf-8"
        return evolve(answer, body=rule.body.encode())
    answer.headers["Content-Type"] = "application/json"
    return evolve(answer, body=json.dumps(rule.body).encode())


def _set(headers: MutableHeaders, name: str, text: str | None) -> None:
    if text is None:
        del headers[name]
    else:
        headers[name] = text


def _retry_after(value: float | str | DateIn) -> str:
    if isinstance(value, DateIn):
        return formatdate(time.time() + value.date_in, usegmt=True)
    if isinstance(value, str):
        return value
    return str(int(value) if value == int(value) else value)


def _etag(wanted: str, given: str | None) -> str | None:
    match wanted:
        case "missing":
            return None
        case "changed":
            return f'"{uuid4().hex}"'
        case "weak":
            return f"W/{given}" if given else None
        case _:
            return wanted


def _content_range(wanted: str, given: str) -> str | None:
    match = _CONTENT_RANGE.fullmatch(given)
    if wanted == "missing":
        return None
    if match is None or wanted not in {"wrong", "size"}:
        return wanted
    first, last, size = map(int, match.groups())
    shift = 1 if wanted == "wrong" else 0
    return ByteRange(first + shift, last + 1 + shift).content_range(size + 1)


def _flipped(body: bytes, flip: int | list[int]) -> bytes:
    changed = bytearray(body)
    for position in [flip] if isinstance(flip, int) else flip:
        if -len(changed) <= position < len(changed):
            changed[position] ^= 0xFF
    return bytes(changed)


async def _play(answer: Answer, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer as far as its rule lets it come."""
    wire = Wire.of(scope)
    end = _end(answer, rule)
    if end is None:
        extra = 0 if rule.honest_length else rule.overlong or 0
        await send(answer.start)
        await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        wire.write(_FILLER * extra)  # before the end, after which the connection may be closed
        await send({"type": "http.response.body"})
        if extra:
            wire.close()
        return
    sent = 0
    if end != "start":
        sent = end + len(answer.body) if end < 0 else end
        await send(answer.start)
        part = answer.body[: max(sent, 0)]
        await send({"type": "http.response.body", "body": part, "more_body": True})
        sent = len(part)
    await wire.flush()
    if rule.stall is None:
        (wire.close if rule.reset is None else wire.reset)()
    if await _is_gone(receive, rule.stall_seconds):
        return
    if end == "start":
        await send(answer.start)
    await send({"type": "http.response.body", "body": answer.body[sent:]})


def _end(answer: Answer, rule: Rule) -> Offset | None:
    """Return where in the body the answer breaks off; None: it does not."""
    if rule.short and not rule.honest_length:
        return max(len(answer.body) - rule.short, 0)
    return next((at for at in (rule.close, rule.reset, rule.stall) if at is not None), None)


async def _is_gone(receive: Receive, seconds: float | None) -> bool:
    """Wait for the end of the connection; return False when the time is over before."""
    gone = asyncio.create_task(_disconnected(receive))
    try:
        done, _ = await asyncio.wait([gone], timeout=seconds)
        return bool(done)
    finally:
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
