"""How notifications are delivered (docs/behaviour.md 11.4, S29)."""

import base64
import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from dss_client.local import LoadedBundle, LocalDSS, LocalSettings
from dss_client.local.notify.delivery import RETRY_DELAYS
from tests.local.webhook import PATIENCE, Received, Receiver, queued, settled, subscribe
from tests.local.writing import writer

Load = Callable[..., LoadedBundle]
FILES = {"a.json": {"a": "ü"}}
SECRET = "sécret"
KINDS = pytest.mark.parametrize("kind", ["jmespath", "elasticsearch"])


@pytest.fixture
def dss(notifying_dss: LocalDSS) -> LocalDSS:
    notifying_dss.reset()
    return notifying_dss


@pytest.fixture
def client(dss: LocalDSS) -> Iterator[httpx.Client]:
    with writer(dss) as made:
        yield made


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


@pytest.mark.parametrize("method", ["POST", "PUT", None])
def test_json(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load, method: str | None
) -> None:
    body = {} if method is None else {"method": method}
    uuid = subscribe(client, f"{receiver.url}/hook?key=hidden", **body)
    load(dss, FILES)
    [delivery] = settled(dss)
    request = receiver.next()
    assert request.method == (method or "POST")
    assert request.path == "/hook?key=hidden"
    assert request.payload["subscription_id"] == uuid
    assert not {"Date", "Digest", "Authorization"} & set(request.headers)
    assert delivery.ok
    assert (delivery.subscription, delivery.attempt) == (uuid, 0)
    assert (delivery.status, delivery.error) == (200, None)
    assert delivery.transaction_id == request.payload["transaction_id"]
    assert abs(delivery.time - time.time()) < PATIENCE
    assert delivery.url == f"{receiver.url}/hook?key=hidden"
    assert "hidden" not in repr(delivery)


@KINDS
def test_multipart(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load, kind: str
) -> None:
    encoding = {"encoding": "multipart/form-data"}
    fields = {"a": "1", "ü": "ö\r\n", "empty": ""}
    more = {"form_fields": fields, "payload_form_field": "p", "hmac_secret_key": SECRET}
    uuid = subscribe(client, receiver.url, kind, **encoding, **more)
    load(dss, FILES)
    request = receiver.next()
    [delivery] = settled(dss)
    *form, (headers, payload) = request.form
    assert headers == {"Content-Disposition": 'form-data; name="p"'}
    assert uuid.encode() in payload
    assert delivery.transaction_id.encode() in payload
    assert [content for _, content in form] == [b"1", "ö\r\n".encode(), b""]
    for headers, _ in form:  # no file names, no types
        assert list(headers) == ["Content-Disposition"]
        assert "filename" not in headers["Content-Disposition"]
    assert request.headers["Authorization"] == authorization(request, f"hca-dss:{uuid}")
    client.delete(f"/subscriptions/{uuid}", params={"replica": "aws", "subscription_type": kind})
    subscribe(client, receiver.url, kind, **encoding)
    load(dss, FILES)
    [(headers, _)] = receiver.next().form
    assert headers == {"Content-Disposition": 'form-data; name="payload"'}


@KINDS
@pytest.mark.parametrize("key_id", [None, "my-key"])
def test_the_signature(
    dss: LocalDSS,
    client: httpx.Client,
    receiver: Receiver,
    load: Load,
    kind: str,
    key_id: str | None,
) -> None:
    body = {} if key_id is None else {"hmac_key_id": key_id}
    uuid = subscribe(client, receiver.url, kind, hmac_secret_key=SECRET, **body)
    load(dss, FILES)
    request = receiver.next()
    assert request.headers["Authorization"] == authorization(request, key_id or f"hca-dss:{uuid}")
    sent = parsedate_to_datetime(request.headers["Date"]).timestamp()
    assert abs(sent - time.time()) < PATIENCE
    assert request.headers["Date"] == formatdate(sent, usegmt=True)
    assert SECRET not in request.body.decode()


def test_2xx_is_success(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    receiver.statuses = [200, 201, 204, 299]
    subscribe(client, receiver.url)
    for number in range(4):
        load(dss, FILES)
        assert len(settled(dss)) == number + 1
    assert all(delivery.ok for delivery in dss.deliveries())


@KINDS
def test_all_else_is_failure(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load, kind: str
) -> None:
    uuid = subscribe(client, receiver.url, kind)
    for status in (300, 302, 307, 400, 404, 410, 500, 503, 0):  # 0: the connection breaks
        receiver.statuses = [status]
        load(dss, FILES)
        first, second = settled(dss)[-2:]
        requests = receiver.all()
        assert [request.path for request in requests] == ["/", "/"]  # no redirect is followed
        assert (first.ok, first.status, first.attempt) == (False, status or None, 0)
        assert bool(first.error) == (status == 0)
        assert (second.ok, second.status, second.attempt) == (True, 200, 1)
        assert second.time - first.time >= dss.settings.retry_delays[0]  # type: ignore[index]
        assert {request.payload["subscription_id"] for request in requests} == {uuid}
        ids = [request.payload["transaction_id"] for request in requests]
        assert ids == [first.transaction_id, second.transaction_id]
        assert (ids[0] == ids[1]) == (kind == "elasticsearch")
        numbers = [request.headers["X-dss-notify-attempt"] for request in requests]
        assert numbers == (["0", "1"] if kind == "elasticsearch" else [None, None])


def test_tries_end(dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load) -> None:
    receiver.statuses = [500] * 3
    subscribe(client, receiver.url)
    load(dss, FILES)
    assert [each.attempt for each in settled(dss)] == [0, 1, 2]
    load(dss, FILES)
    assert [each.attempt for each in settled(dss)] == [0, 1, 2, 0]


def test_the_answer_is_read_whole(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    receiver.pause = 0.05
    subscribe(client, receiver.url)
    load(dss, FILES)
    assert receiver.done.get(timeout=PATIENCE) == 200
    [delivery] = settled(dss)
    assert delivery.ok


@pytest.mark.parametrize(("status", "pause"), [(-1, 0), (200, PATIENCE)])
def test_an_answer_that_takes_too_long_is_a_failure(
    tmp_path: Path, load: Load, status: int, pause: float
) -> None:
    settings = LocalSettings(retry_delays=(0,), delivery_timeout=0.3)
    with (
        LocalDSS(tmp_path, settings=settings) as dss,
        writer(dss) as client,
        Receiver(status, pause=pause) as receiver,
    ):
        subscribe(client, receiver.url)
        load(dss, FILES)
        first, *_ = settled(dss)
    assert first.error == "no answer within 0.3 s"


def test_receivers_that_cannot_be_reached(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        broken = {
            subscribe(client, f"http://127.0.0.1:{taken.getsockname()[1]}/"),
            subscribe(client, "http://a\nb/"),
            # What no header can hold:
            subscribe(client, receiver.url, hmac_secret_key=SECRET, hmac_key_id="a\r\nX-Evil: 1"),
        }
        good = subscribe(client, receiver.url)
        load(dss, FILES)
        deliveries = settled(dss)
    assert [each.subscription for each in deliveries if each.ok] == [good]
    failed = [each for each in deliveries if not each.ok]
    assert {each.subscription for each in failed} == broken
    assert all(each.error and SECRET not in f"{each}" for each in failed)
    assert receiver.next().payload["subscription_id"] == good
    assert receiver.received.empty()


def test_slow_receivers_keep_no_other_waiting(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    with Receiver(-1, -1, -1) as slow:
        for _ in range(3):
            subscribe(client, slow.url)
        uuids = {subscribe(client, receiver.url) for _ in range(40)}
        load(dss, FILES)
        assert {receiver.next().payload["subscription_id"] for _ in uuids} == uuids


def test_deletion_ends_retries(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    receiver.statuses, receiver.pause = [500], 0.1
    uuid = subscribe(client, receiver.url)
    load(dss, FILES)
    receiver.next()
    client.delete(f"/subscriptions/{uuid}", params={"replica": "aws"}).raise_for_status()
    [delivery] = settled(dss)
    assert delivery.status == 500
    assert receiver.received.empty()


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
        assert receiver.next().payload == sent
        assert receiver.next().payload["subscription_id"] == uuid
        assert [each.attempt for each in settled(again)] == [0, 0]
    assert threading.active_count() <= before + 1  # that of the receiver


def test_storage_does_not_serve_them(
    dss: LocalDSS, client: httpx.Client, receiver: Receiver, load: Load
) -> None:
    uuid = subscribe(client, receiver.url)
    load(dss, FILES)
    settled(dss)
    for path in (f".subscriptions/{uuid}.json", ".deliveries.sqlite3"):
        assert httpx.get(f"{dss.storage_url}/{path}").status_code in {403, 404}


def test_the_times_of_the_original() -> None:
    assert LocalSettings().retry_delays is None
    assert RETRY_DELAYS["jmespath"][:3] == (900, 21_600, 21_600)
    assert sum(RETRY_DELAYS["jmespath"]) <= 3 * 86_400
    assert RETRY_DELAYS["elasticsearch"][:5] == (60, 600, 3600, 21_600, 60_540)
    assert len(RETRY_DELAYS["elasticsearch"]) + 1 == 12
    assert sum(RETRY_DELAYS["elasticsearch"]) <= 7 * 86_400 + 3600
