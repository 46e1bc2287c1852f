"""How notifications are delivered (docs/behaviour.md 11.4, S29)."""

import base64
import hashlib
import hmac
import json
import logging
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from dss_client.local import LoadedBundle, LocalDSS, LocalSettings
from dss_client.local.notify.delivery import RETRY_DELAYS, Delivery
from dss_client.local.notify.subscription_store import Subscription
from dss_client.local.notify.webhooks import webhook_request
from tests.local.webhook import PATIENCE, Received, Receiver
from tests.local.writing import writer

Load = Callable[..., LoadedBundle]
FILES = {"a.json": {"a": "ü"}}
EVERYTHING: dict[str, Any] = {"query": {"match_all": {}}}
SECRET = "sécret"
KINDS = pytest.mark.parametrize("kind", ["jmespath", "elasticsearch"])


def start(folder: Path, *delays: float, **settings: Any) -> LocalDSS:
    return LocalDSS(folder / "root", settings=LocalSettings(retry_delays=delays, **settings))


def subscribe(dss: LocalDSS, url: str, kind: str = "jmespath", **body: Any) -> str:
    content = {"callback_url": url, **body}
    if kind == "elasticsearch":
        content["es_query"] = EVERYTHING
    with writer(dss) as client:
        response = client.put("/subscriptions", params={"replica": "aws"}, json=content)
    assert response.status_code == 201, response.text
    uuid: str = response.json()["uuid"]
    return uuid


def wait_for(number: int, dss: LocalDSS) -> list[Delivery]:
    """Return the attempts once there are as many."""
    until = time.monotonic() + PATIENCE
    while len(found := dss.deliveries()) < number:
        assert time.monotonic() < until, found
        time.sleep(0.01)
    assert len(found) == number
    return found


def queued(dss: LocalDSS) -> int:
    """Count what waits in the queue of a service that is stopped."""
    connection = sqlite3.connect(dss.root / ".deliveries.sqlite3")
    try:
        [count] = connection.execute("SELECT count(*) FROM notifications").fetchone()
    finally:
        connection.close()
    return int(count)


def signature(request: Received, secret: str) -> tuple[str, str]:
    """Return the signature as a receiver computes it, and the digest of the body."""
    digest = "SHA-256=" + base64.b64encode(hashlib.sha256(request.body).digest()).decode()
    lines = f"date: {request.headers['Date']}\ndigest: {request.headers['Digest']}"
    mac = hmac.digest(secret.encode("utf-8"), lines.encode("utf-8"), "sha256")
    return base64.b64encode(mac).decode(), digest


@pytest.mark.parametrize("method", ["POST", "PUT", None])
def test_json(tmp_path: Path, load: Load, method: str | None) -> None:
    with start(tmp_path) as dss, Receiver() as receiver:
        body = {} if method is None else {"method": method}
        uuid = subscribe(dss, f"{receiver.url}/hook?key=hidden", **body)
        load(dss, FILES)
        request = receiver.next()
        [delivery] = wait_for(1, dss)
    assert request.method == (method or "POST")
    assert request.path == "/hook?key=hidden"
    assert request.payload["subscription_id"] == uuid
    for name in ("Date", "Digest", "Authorization"):
        assert request.headers[name] is None
    assert delivery.ok
    assert (delivery.subscription, delivery.attempt) == (uuid, 0)
    assert (delivery.status, delivery.error) == (200, None)
    assert delivery.transaction_id == request.payload["transaction_id"]
    assert abs(delivery.time - time.time()) < PATIENCE
    assert delivery.url == f"{receiver.url}/hook?key=hidden"
    assert "hidden" not in repr(delivery)


@KINDS
def test_multipart(tmp_path: Path, load: Load, kind: str) -> None:
    fields = {"a": "1", "ü": "ö\r\n", "empty": ""}
    with start(tmp_path) as dss, Receiver() as receiver:
        uuid = subscribe(
            dss,
            receiver.url,
            kind,
            encoding="multipart/form-data",
            form_fields=fields,
            payload_form_field="p",
            hmac_secret_key=SECRET,
        )
        load(dss, FILES)
        request = receiver.next()
        [delivery] = wait_for(1, dss)
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    form = request.form
    payload = form.pop()
    assert payload[0] == {"Content-Disposition": 'form-data; name="p"'}
    assert uuid.encode() in payload[1]
    assert delivery.transaction_id.encode() in payload[1]
    assert [content for _, content in form] == [b"1", "ö\r\n".encode(), b""]
    for headers, _ in form:  # no file names, no types
        assert list(headers) == ["Content-Disposition"]
        assert "filename" not in headers["Content-Disposition"]
    value, digest = signature(request, SECRET)
    assert request.headers["Digest"] == digest
    assert f'signature="{value}"' in request.headers["Authorization"]


def test_multipart_by_default(tmp_path: Path, load: Load) -> None:
    with start(tmp_path) as dss, Receiver() as receiver:
        subscribe(dss, receiver.url, encoding="multipart/form-data")
        load(dss, FILES)
        [(headers, _)] = receiver.next().form
    assert headers == {"Content-Disposition": 'form-data; name="payload"'}


@KINDS
@pytest.mark.parametrize("key_id", [None, "my-key"])
def test_the_signature(tmp_path: Path, load: Load, kind: str, key_id: str | None) -> None:
    with start(tmp_path) as dss, Receiver() as receiver:
        body = {} if key_id is None else {"hmac_key_id": key_id}
        uuid = subscribe(dss, receiver.url, kind, hmac_secret_key=SECRET, **body)
        load(dss, FILES)
        request = receiver.next()
    value, digest = signature(request, SECRET)
    assert request.headers["Digest"] == digest
    assert request.headers["Authorization"] == (
        f'Signature keyId="{key_id or f"hca-dss:{uuid}"}",algorithm="hmac-sha256",'
        f'headers="date digest",signature="{value}"'
    )
    date = request.headers["Date"]
    sent = parsedate_to_datetime(date).timestamp()
    assert abs(sent - time.time()) < PATIENCE
    assert date == formatdate(sent, usegmt=True)
    assert SECRET not in request.body.decode()


def test_a_signature_that_is_known() -> None:
    """The same request as another implementation of the scheme signs it."""
    content = {"uuid": "u", "callback_url": "http://x/", "hmac_secret_key": "k"}
    request = webhook_request(Subscription(content), {"a": 1}, 0, 0.0)
    assert request.read() == b'{"a": 1}'
    assert request.headers["Date"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    digest = base64.b64encode(hashlib.sha256(b'{"a": 1}').digest()).decode()
    assert request.headers["Digest"] == f"SHA-256={digest}"


@KINDS
@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_2xx_is_success(tmp_path: Path, load: Load, kind: str, status: int) -> None:
    with start(tmp_path, 0) as dss, Receiver([status]) as receiver:
        subscribe(dss, receiver.url, kind)
        load(dss, FILES)
        [delivery] = wait_for(1, dss)
        load(dss, FILES)
        assert len(wait_for(2, dss)) == 2
    assert (delivery.ok, delivery.status) == (True, status)


@KINDS
@pytest.mark.parametrize("status", [300, 302, 307, 400, 404, 410, 500, 503])
def test_all_else_is_failure(tmp_path: Path, load: Load, kind: str, status: int) -> None:
    with start(tmp_path, 0, 0) as dss, Receiver([status]) as receiver:
        uuid = subscribe(dss, receiver.url, kind)
        load(dss, FILES)
        first, second = wait_for(2, dss)
        requests = [receiver.next() for _ in range(2)]
        assert receiver.received.empty()
    assert [request.path for request in requests] == ["/", "/"]  # no redirect is followed
    assert (first.ok, first.status, first.attempt) == (False, status, 0)
    assert (second.ok, second.status, second.attempt) == (True, 200, 1)
    assert {request.payload["subscription_id"] for request in requests} == {uuid}
    numbers = [request.headers["X-dss-notify-attempt"] for request in requests]
    ids = [request.payload["transaction_id"] for request in requests]
    assert ids == [first.transaction_id, second.transaction_id]
    if kind == "jmespath":
        assert ids[0] != ids[1]
        assert numbers == [None, None]
    else:
        assert ids[0] == ids[1]
        assert numbers == ["0", "1"]


def test_tries_end(tmp_path: Path, load: Load) -> None:
    with start(tmp_path, 0, 0) as dss, Receiver([500] * 9) as receiver:
        subscribe(dss, receiver.url)
        load(dss, FILES)
        deliveries = wait_for(3, dss)
        assert [each.attempt for each in deliveries] == [0, 1, 2]
        receiver.statuses.clear()
        load(dss, FILES)
        assert [each.attempt for each in wait_for(4, dss)] == [0, 1, 2, 0]
    assert queued(dss) == 0


def test_retries_wait(tmp_path: Path, load: Load) -> None:
    with start(tmp_path, 0.05) as dss, Receiver([500]) as receiver:
        subscribe(dss, receiver.url)
        load(dss, FILES)
        first, second = wait_for(2, dss)
    assert second.time - first.time >= 0.05


def test_a_connection_that_breaks(tmp_path: Path, load: Load) -> None:
    with start(tmp_path, 0) as dss, Receiver([0]) as receiver:
        subscribe(dss, receiver.url)
        load(dss, FILES)
        first, second = wait_for(2, dss)
    assert (first.ok, first.status) == (False, None)
    assert first.error
    assert second.ok


def test_a_receiver_that_does_not_answer(tmp_path: Path, load: Load) -> None:
    with start(tmp_path, 0, delivery_timeout=0.05) as dss, Receiver([-1]) as receiver:
        subscribe(dss, receiver.url)
        load(dss, FILES)
        first, second = wait_for(2, dss)
    assert first.error == "no answer within 0.05 s"
    assert second.ok


def test_the_answer_is_read_whole(tmp_path: Path, load: Load) -> None:
    with start(tmp_path) as dss, Receiver(pauses=[0.05]) as receiver:
        subscribe(dss, receiver.url)
        load(dss, FILES)
        assert receiver.done.get(timeout=PATIENCE) == 200
        [delivery] = wait_for(1, dss)
    assert delivery.ok


def test_an_answer_that_takes_too_long_is_a_failure(tmp_path: Path, load: Load) -> None:
    with start(tmp_path, 0, delivery_timeout=0.3) as dss, Receiver(pauses=[PATIENCE]) as receiver:
        subscribe(dss, receiver.url)
        load(dss, FILES)
        first, second = wait_for(2, dss)
    assert first.error == "no answer within 0.3 s"
    assert second.ok


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{closed}/", "http://127.0.0.1:99999999/", "http://a\nb/"]
)
def test_receivers_that_are_not_there(tmp_path: Path, load: Load, url: str) -> None:
    folder = tmp_path / "root/.subscriptions"
    folder.mkdir(parents=True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        content = {
            "uuid": "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7",
            "owner": "someone@example.org",
            "replica": "aws",
            "callback_url": url.format(closed=taken.getsockname()[1]),
        }
        (folder / f"{content['uuid']}.json").write_text(json.dumps(content))
        with start(tmp_path) as dss, Receiver() as receiver:
            subscribe(dss, receiver.url)
            load(dss, FILES)
            deliveries = {each.subscription: each for each in wait_for(2, dss)}
    broken = deliveries.pop(content["uuid"])
    assert not broken.ok
    assert broken.error
    [good] = deliveries.values()
    assert good.ok


def test_a_key_id_that_no_header_can_hold(tmp_path: Path, load: Load) -> None:
    with start(tmp_path) as dss, Receiver() as receiver:
        subscribe(dss, receiver.url, hmac_secret_key=SECRET, hmac_key_id="a\r\nX-Evil: 1")
        load(dss, FILES)
        [delivery] = wait_for(1, dss)
        assert receiver.received.empty()
    assert not delivery.ok
    assert SECRET not in f"{delivery}"


def test_a_slow_receiver_keeps_no_other_waiting(tmp_path: Path, load: Load) -> None:
    with start(tmp_path) as dss, Receiver([-1] * 3) as slow, Receiver() as fast:
        for _ in range(3):
            subscribe(dss, slow.url)
        quick = subscribe(dss, fast.url)
        load(dss, FILES)
        assert fast.next().payload["subscription_id"] == quick


def test_more_at_a_time_than_are_sent_at_once(tmp_path: Path, load: Load) -> None:
    with start(tmp_path) as dss, Receiver() as receiver:
        uuids = {subscribe(dss, receiver.url) for _ in range(40)}
        load(dss, FILES)
        assert {each.subscription for each in wait_for(40, dss)} == uuids


def test_deletion_ends_retries(tmp_path: Path, load: Load) -> None:
    with start(tmp_path, 0.2, 0) as dss, Receiver([500]) as receiver, writer(dss) as client:
        uuid = subscribe(dss, receiver.url)
        load(dss, FILES)
        wait_for(1, dss)
        client.delete(f"/subscriptions/{uuid}", params={"replica": "aws"}).raise_for_status()
        until = time.monotonic() + PATIENCE
        while queued(dss) and time.monotonic() < until:
            time.sleep(0.02)
        assert len(dss.deliveries()) == 1
    assert queued(dss) == 0


def test_stop_does_not_wait_and_loses_nothing(tmp_path: Path, load: Load) -> None:
    before = threading.active_count()
    with Receiver([-1]) as receiver:
        dss = start(tmp_path).start()
        uuid = subscribe(dss, receiver.url, "elasticsearch")
        load(dss, FILES)
        sent = receiver.next().payload
        started = time.monotonic()
        dss.stop()
        assert time.monotonic() - started < PATIENCE / 2
        assert queued(dss) == 1
        assert dss.deliveries() == []
        with start(tmp_path) as again:
            assert receiver.next().payload == sent
            [delivery] = wait_for(1, again)
            assert (delivery.subscription, delivery.attempt) == (uuid, 0)
    assert queued(dss) == 0
    assert threading.active_count() == before


def test_what_happens_before_the_start_is_sent_then(tmp_path: Path, load: Load) -> None:
    with Receiver() as receiver:
        with start(tmp_path) as dss:
            subscribe(dss, receiver.url)
        bundle = load(dss, FILES)
        assert receiver.received.empty()
        with dss:
            payload = receiver.next().payload
            assert payload["match"]["bundle_uuid"] == bundle.uuid
            assert payload["bundle_url"].startswith(dss.url)


def test_a_payload_that_is_broken_is_dropped(
    tmp_path: Path, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver() as receiver:
        with start(tmp_path) as dss:
            uuid = subscribe(dss, receiver.url)
        load(dss, FILES)
        connection = sqlite3.connect(dss.root / ".deliveries.sqlite3")
        with connection:
            connection.execute("UPDATE notifications SET payload = '{}'")
        connection.close()
        with caplog.at_level(logging.ERROR), dss:
            load(dss, FILES)
            assert receiver.next().payload["subscription_id"] == uuid
            wait_for(1, dss)
    assert "notification 1 is dropped" in caplog.text
    assert queued(dss) == 0


def test_a_service_without_subscriptions_makes_no_file(tmp_path: Path, load: Load) -> None:
    with start(tmp_path) as dss:
        load(dss, FILES)
        assert dss.deliveries() == []
    assert not (dss.root / ".deliveries.sqlite3").exists()
    assert not (dss.root / ".subscriptions").exists()


def test_storage_does_not_serve_them(tmp_path: Path) -> None:
    with start(tmp_path) as dss:
        uuid = subscribe(dss, "http://127.0.0.1:9/")
        for path in (f".subscriptions/{uuid}.json", ".deliveries.sqlite3"):
            assert httpx.get(f"{dss.storage_url}/{path}").status_code in {403, 404}


def test_the_times_of_the_original() -> None:
    assert RETRY_DELAYS["jmespath"][:3] == (900, 21_600, 21_600)
    assert sum(RETRY_DELAYS["jmespath"]) <= 3 * 86_400
    assert RETRY_DELAYS["elasticsearch"][:5] == (60, 600, 3600, 21_600, 60_540)
    assert len(RETRY_DELAYS["elasticsearch"]) + 1 == 12
    assert sum(RETRY_DELAYS["elasticsearch"]) <= 7 * 86_400 + 3600


def test_the_original_times_are_the_default(tmp_path: Path, load: Load) -> None:
    with LocalDSS(tmp_path / "root") as dss, Receiver([500]) as receiver:
        subscribe(dss, receiver.url)
        load(dss, FILES)
        [first] = wait_for(1, dss)
    connection = sqlite3.connect(dss.root / ".deliveries.sqlite3")
    [row] = connection.execute("SELECT due, attempt FROM notifications").fetchall()
    connection.close()
    assert row[1] == 1
    assert row[0] - first.time == pytest.approx(900, abs=5)
