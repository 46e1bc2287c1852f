"""How notifications are delivered (docs/behaviour.md 11.4, S29)."""

import base64
import hashlib
import hmac
import socket
import threading
import time
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.notify.delivery import RETRY_DELAYS
from tests.local.calls import AWS, Load
from tests.local.webhook import PATIENCE, Hook, Received, Receiver, queued, settled, subscribe
from tests.local.writing import writer

FILES = {"a.json": {"a": "ü"}}
SECRET = "sécret"
KINDS = pytest.mark.parametrize("kind", ["jmespath", "elasticsearch"])


def authorization(request: Received, key_id: str) -> str:
    """Check the digest of a request, and return the signature as a receiver computes it."""
    digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
    assert request.headers["Digest"] == f"SHA-256={digest}"
    lines = f"date: {request.headers['Date']}\ndigest: {request.headers['Digest']}"
    mac = base64.b64encode(hmac.digest(SECRET.encode(), lines.encode(), "sha256")).decode()
    return (
        f'Signature keyId="{key_id}",algorithm="hmac-sha256",headers="date digest",'
        f'signature="{mac}"'
    )


@pytest.mark.parametrize("method", ["PUT", None])
def test_json(hook: Hook, method: str | None) -> None:
    body = {} if method is None else {"method": method}
    uuid = hook.subscribe(path="/hook?key=hidden", **body)
    [delivery] = hook.happen(FILES)
    request = hook.receiver.next()
    assert (request.method, request.path) == (method or "POST", "/hook?key=hidden")
    assert request.payload["subscription_id"] == uuid
    assert not {"Date", "Digest", "Authorization"} & set(request.headers)
    assert delivery.ok
    assert (delivery.subscription, delivery.attempt) == (uuid, 0)
    assert (delivery.status, delivery.error) == (200, None)
    assert delivery.transaction_id == request.payload["transaction_id"]
    assert abs(delivery.time - time.time()) < PATIENCE
    assert delivery.url == f"{hook.receiver.url}/hook?key=hidden"
    assert "hidden" not in repr(delivery)


@KINDS
def test_multipart(hook: Hook, kind: str) -> None:
    encoding = "multipart/form-data"
    fields = {"a": "1", "ü": "ö\r\n", "empty": ""}
    uuid = hook.subscribe(
        kind,
        encoding=encoding,
        form_fields=fields,
        payload_form_field="p",
        hmac_secret_key=SECRET,
    )
    [delivery] = hook.happen(FILES)
    request = hook.receiver.next()
    *form, (headers, payload) = request.form
    assert headers == {"Content-Disposition": 'form-data; name="p"'}
    assert uuid.encode() in payload
    assert delivery.transaction_id.encode() in payload
    assert [content for _, content in form] == [b"1", "ö\r\n".encode(), b""]
    for headers, _ in form:  # no file names, no types
        assert list(headers) == ["Content-Disposition"]
        assert "filename" not in headers["Content-Disposition"]
    assert request.headers["Authorization"] == authorization(request, f"hca-dss:{uuid}")
    hook.client.delete(f"/subscriptions/{uuid}", params={**AWS, "subscription_type": kind})
    hook.subscribe(kind, encoding=encoding)
    hook.happen(FILES)
    [(headers, _)] = hook.receiver.next().form
    assert headers == {"Content-Disposition": 'form-data; name="payload"'}


@KINDS
def test_the_signature(hook: Hook, kind: str) -> None:
    uuid = hook.subscribe(kind, hmac_secret_key=SECRET)
    named = hook.subscribe(kind, hmac_secret_key=SECRET, hmac_key_id="my-key")
    hook.happen(FILES)
    requests = hook.received()
    for key_id, request in ((f"hca-dss:{uuid}", requests[uuid]), ("my-key", requests[named])):
        assert request.headers["Authorization"] == authorization(request, key_id)
        sent = parsedate_to_datetime(request.headers["Date"]).timestamp()
        assert abs(sent - time.time()) < PATIENCE
        assert request.headers["Date"] == formatdate(sent, usegmt=True)
        assert SECRET not in request.body.decode()


def test_2xx_is_success(hook: Hook) -> None:
    hook.receiver.statuses = [201, 204, 299]
    hook.subscribe()
    for _ in range(3):
        deliveries = hook.happen(FILES)
    assert [delivery.ok for delivery in deliveries] == [True] * 3


@KINDS
def test_all_else_is_failure(hook: Hook, kind: str) -> None:
    uuid = hook.subscribe(kind)
    for status in (300, 302, 404, 503, 0):  # 0: the connection breaks
        hook.receiver.statuses = [status]
        first, second = hook.happen(FILES)[-2:]
        requests = hook.receiver.all()
        assert [request.path for request in requests] == ["/", "/"]  # no redirect is followed
        assert (first.ok, first.status, first.attempt) == (False, status or None, 0)
        assert bool(first.error) == (status == 0)
        assert (second.ok, second.status, second.attempt) == (True, 200, 1)
        assert second.time - first.time >= hook.dss.settings.retry_delays[0]  # type: ignore[index]
        assert {request.payload["subscription_id"] for request in requests} == {uuid}
        ids = [request.payload["transaction_id"] for request in requests]
        assert ids == [first.transaction_id, second.transaction_id]
        assert (ids[0] == ids[1]) == (kind == "elasticsearch")
        numbers = [request.headers["X-dss-notify-attempt"] for request in requests]
        assert numbers == (["0", "1"] if kind == "elasticsearch" else [None, None])


def test_tries_end(hook: Hook) -> None:
    hook.receiver.statuses = [500] * 3
    hook.subscribe()
    assert [each.attempt for each in hook.happen(FILES)] == [0, 1, 2]
    assert [each.attempt for each in hook.happen(FILES)] == [0, 1, 2, 0]


def test_the_answer_is_read_whole(hook: Hook) -> None:
    hook.receiver.pause = 0.05
    hook.subscribe()
    [delivery] = hook.happen(FILES)
    assert hook.receiver.done.get(timeout=PATIENCE) == 200
    assert delivery.ok


@pytest.mark.parametrize(("status", "pause"), [(-1, 0), (200, PATIENCE)])
def test_an_answer_that_takes_too_long_is_a_failure(
    receiver: Receiver, load: Load, status: int, pause: float
) -> None:
    settings = LocalSettings(retry_delays=(0,), delivery_timeout=0.3)
    receiver.statuses, receiver.pause = [status], pause
    with LocalDSS(settings=settings) as dss, writer(dss) as client:
        subscribe(client, receiver.url)
        load(dss, FILES)
        first, *_ = settled(dss)
    assert first.error == "no answer within 0.3 s"


def test_receivers_that_cannot_be_reached(hook: Hook) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        broken = {
            subscribe(hook.client, f"http://127.0.0.1:{taken.getsockname()[1]}/"),
            subscribe(hook.client, "http://a\nb/"),
            # What no header can hold:
            hook.subscribe(hmac_secret_key=SECRET, hmac_key_id="a\r\nX-Evil: 1"),
        }
        good = hook.subscribe()
        deliveries = hook.happen(FILES)
    assert [each.subscription for each in deliveries if each.ok] == [good]
    failed = [each for each in deliveries if not each.ok]
    assert {each.subscription for each in failed} == broken
    assert all(each.error and SECRET not in f"{each}" for each in failed)
    assert set(hook.received()) == {good}


def test_slow_receivers_keep_no_other_waiting(hook: Hook) -> None:
    with Receiver(-1, -1, -1) as slow:
        for _ in range(3):
            subscribe(hook.client, slow.url)
        uuids = {hook.subscribe() for _ in range(40)}
        hook.load(hook.dss, FILES)
        assert {hook.receiver.next().payload["subscription_id"] for _ in uuids} == uuids


def test_deletion_ends_retries(hook: Hook) -> None:
    hook.receiver.statuses, hook.receiver.pause = [500], 0.1
    uuid = hook.subscribe()
    hook.load(hook.dss, FILES)
    hook.receiver.next()
    hook.client.delete(f"/subscriptions/{uuid}", params=AWS).raise_for_status()
    [delivery] = settled(hook.dss)
    assert delivery.status == 500
    assert hook.receiver.received.empty()


def test_stop_does_not_wait_and_loses_nothing(tmp_path: Path, receiver: Receiver) -> None:
    before = threading.active_count()
    receiver.statuses = [-1]
    dss = LocalDSS(tmp_path / "root").start()
    with writer(dss) as client:
        uuid = subscribe(client, receiver.url, "elasticsearch")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.json").write_text("{}")
    dss.load_bundle(tmp_path / "src")
    sent = receiver.next().payload
    started = time.monotonic()
    dss.stop()
    assert time.monotonic() - started < PATIENCE / 2
    assert queued(dss) == 1
    assert dss.deliveries() == []
    dss.load_bundle(tmp_path / "src")  # what happens while it is stopped is sent later, too
    with LocalDSS(tmp_path / "root") as again:
        received = [receiver.next().payload for _ in range(2)]  # in any order
        assert sent in received
        assert {payload["subscription_id"] for payload in received} == {uuid}
        assert [each.attempt for each in settled(again)] == [0, 0]
    assert threading.active_count() <= before + 1  # that of the receiver


def test_storage_does_not_serve_them(hook: Hook) -> None:
    uuid = hook.subscribe()
    hook.happen(FILES)
    for path in (f".subscriptions/{uuid}.json", ".deliveries.sqlite3"):
        assert httpx.get(f"{hook.dss.storage_url}/{path}").status_code in {403, 404}


def test_the_times_of_the_original() -> None:
    assert LocalSettings().retry_delays is None
    assert RETRY_DELAYS["jmespath"][:3] == (900, 21_600, 21_600)
    assert sum(RETRY_DELAYS["jmespath"]) <= 3 * 86_400
    assert RETRY_DELAYS["elasticsearch"][:5] == (60, 600, 3600, 21_600, 60_540)
    assert len(RETRY_DELAYS["elasticsearch"]) + 1 == 12
    assert sum(RETRY_DELAYS["elasticsearch"]) <= 7 * 86_400 + 3600
