"""The example receivers, on sockets of their own, take what the embedded DSS delivers."""

import importlib.util
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import pytest
import uvicorn

from dss_client import DSSClient, NotFound, Unauthorized, is_version
from dss_client.local import Delivery, LocalDSS, LocalSettings
from dss_client.local.notify.subscription_store import Subscription
from dss_client.local.notify.webhooks import webhook_request
from dss_client.webhooks import Notification
from tests.drive import Driver

EXAMPLES = Path(__file__).parent.parent / "examples" / "webhooks"
PATIENCE = 20.0
SECRET = "a sécret of the tests"

Taken = queue.Queue[Notification]


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def over_asgi(module: ModuleType) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(module.app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + PATIENCE
        while not server.started:
            assert time.monotonic() < until
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()


class Silent(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def over_wsgi(module: ModuleType) -> Iterator[str]:
    with make_server("127.0.0.1", 0, module.app, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


RECEIVERS: dict[str, Callable[[ModuleType], AbstractContextManager[str]]] = {
    "starlette_receiver": over_asgi,
    "wsgi_receiver": over_wsgi,
}


class Running:
    """An example that runs, and what it took."""

    def __init__(self, name: str, module: ModuleType, url: str) -> None:
        self.url = url
        self.failures = 0
        self.taken: Taken = queue.Queue()
        if name == "starlette_receiver":

            async def handle(notification: Notification) -> None:
                self.handle(notification)

            vars(module)["handle"] = handle
        else:
            vars(module)["handle"] = self.handle

    def handle(self, notification: Notification) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the work failed")
        self.taken.put(notification)

    def next(self) -> Notification:
        return self.taken.get(timeout=PATIENCE)


Start = Callable[[str | None], AbstractContextManager[Running]]


@pytest.fixture(params=list(RECEIVERS))
def start(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return a starter of the example with or without a secret."""

    @contextmanager
    def run(secret: str | None) -> Iterator[Running]:
        if secret is not None:
            monkeypatch.setenv("WEBHOOK_SECRET", secret)
        module = loaded(request.param)
        with RECEIVERS[request.param](module) as url:
            yield Running(request.param, module, url)

    return run


@pytest.fixture
def dss(tmp_path: Path) -> Iterator[LocalDSS]:
    with LocalDSS(tmp_path / "root", settings=LocalSettings(retry_delays=(0, 0, 0))) as running:
        yield running


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "cell_0.json").write_text(json.dumps({"name": "ü", "size": 3}))
    return folder


def subscribe(dss: LocalDSS, running: Running, **options: Any) -> str:
    with DSSClient(dss.url, token=dss.mint_token()) as client:
        return client.put_subscription(replica="aws", callback_url=running.url, **options).uuid


def attempts(dss: LocalDSS, number: int) -> list[Delivery]:
    until = time.monotonic() + PATIENCE
    while len(found := dss.deliveries()) < number:
        assert time.monotonic() < until, found
        time.sleep(0.01)
    return found


ATTACHMENTS: dict[str, Any] = {
    "names": {"type": "jmespath", "expression": "files.cell_json[].name"},
    "nothing": {"type": "jmespath", "expression": "files.cell_json[0].missing"},
    "broken": {"type": "jmespath", "expression": "abs(bundle_info.uuid)"},
}


@pytest.mark.parametrize("secret", [None, SECRET], ids=["unsigned", "signed"])
@pytest.mark.parametrize("encoding", ["application/json", "multipart/form-data"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_delivery_is_received(
    dss: LocalDSS, bundle: Path, start: Start, method: str, encoding: str, secret: str | None
) -> None:
    signing = {} if secret is None else {"hmac_secret_key": secret}
    form = {"form_fields": {"a": "1", "ö": "ä\r\n"}} if "form" in encoding else {}
    query = "files.cell_json"
    with start(secret) as running:
        uuid = subscribe(
            dss,
            running,
            method=method,
            encoding=encoding,
            jmespath_query=query,
            attachments=ATTACHMENTS,
            **signing,
            **form,
        )
        loaded_bundle = dss.load_bundle(bundle)
        notification = running.next()
        [delivery] = attempts(dss, 1)
    assert (delivery.status, delivery.attempt) == (200, 0)
    assert notification.kind == "jmespath"
    assert notification.subscription_id == uuid
    assert notification.transaction_id == delivery.transaction_id
    assert str(notification.match.fqid) == loaded_bundle.fqid
    assert notification.event_type == "CREATE"
    assert notification.jmespath_query == query
    assert notification.dss_api == dss.url.removesuffix("/v1")
    assert notification.bundle_url is not None
    assert loaded_bundle.uuid in notification.bundle_url
    assert notification.attachments == {"names": ["ü"], "nothing": None}
    assert list(notification.attachment_errors.by_name) == ["broken"]
    assert notification.form_fields == form.get("form_fields", {})


def test_the_other_kind_is_received(dss: LocalDSS, bundle: Path, start: Start) -> None:
    query: dict[str, Any] = {"query": {"match_all": {}}}
    with start(SECRET) as running:
        subscribe(dss, running, es_query=query, hmac_secret_key=SECRET, hmac_key_id="mine")
        fqid = dss.load_bundle(bundle).fqid
        notification = running.next()
        attempts(dss, 1)
    assert notification.kind == "elasticsearch"
    assert (notification.event_type, notification.es_query) == (None, query)
    assert str(notification.match.fqid) == fqid
    assert notification.attachments == {}


@pytest.mark.parametrize("kind", ["jmespath", "elasticsearch"])
def test_what_failed_is_taken_when_it_comes_again(
    dss: LocalDSS, bundle: Path, start: Start, kind: str
) -> None:
    query: dict[str, Any] = (
        {"es_query": {"query": {"match_all": {}}}} if kind == "elasticsearch" else {}
    )
    with start(SECRET) as running:
        running.failures = 2
        subscribe(dss, running, hmac_secret_key=SECRET, **query)
        dss.load_bundle(bundle)
        notification = running.next()
        found = attempts(dss, 3)
    assert [each.status for each in found] == [500, 500, 200]
    same = len({each.transaction_id for each in found}) == 1
    assert same == (kind == "elasticsearch")
    assert notification.transaction_id == found[-1].transaction_id


@pytest.mark.parametrize("kind", ["jmespath", "elasticsearch"])
def test_subscriptions_come_and_go(dss: LocalDSS, drive: Driver, kind: str) -> None:
    """As the blocking and the asynchronous client see them."""
    options = {"token": dss.mint_token()}
    calls = drive(url=dss.url, options=options)
    body: dict[str, Any] = {
        "callback_url": "https://receiver.example/",
        "method": "PUT",
        "encoding": "multipart/form-data",
        "form_fields": {"a": "1"},
        "payload_form_field": "p",
        "attachments": {"a": {"type": "jmespath", "expression": "files"}},
        "hmac_key_id": "mine",
    }
    if kind == "elasticsearch":
        body["es_query"] = {"query": {"match_all": {}}}
    else:
        body["jmespath_query"] = "files"
    made = calls.call("put_subscription", replica="aws", hmac_secret_key=SECRET, **body)
    which = {"replica": "aws", "subscription_type": kind}
    found = calls.call("get_subscription", uuid=made.uuid, **which)
    sent = found.model_dump(exclude_unset=True)
    assert sent == {**body, "uuid": made.uuid, "owner": "someone@example.org", "replica": "aws"}
    assert calls.call("get_subscriptions", **which).subscriptions == [found]
    other = "jmespath" if kind == "elasticsearch" else "elasticsearch"
    elsewhere = calls.call("get_subscriptions", replica="aws", subscription_type=other)
    assert elsewhere.subscriptions == []
    gone = calls.call("delete_subscription", uuid=made.uuid, **which)
    assert is_version(gone.time_deleted)
    with pytest.raises(NotFound):
        calls.call("get_subscription", uuid=made.uuid, **which)
    with pytest.raises(Unauthorized, match="pass token="):
        drive(url=dss.url).call("get_subscriptions", **which)


def test_a_form_without_options(dss: LocalDSS, bundle: Path, start: Start) -> None:
    """The service applies its defaults (docs/behaviour.md S29)."""
    with start(SECRET) as running:
        subscribe(dss, running, encoding="multipart/form-data", hmac_secret_key=SECRET)
        fqid = dss.load_bundle(bundle).fqid
        notification = running.next()
    assert str(notification.match.fqid) == fqid
    assert notification.form_fields == {}


def test_each_version_of_a_deleted_bundle_is_told_of(tmp_path: Path, start: Start) -> None:
    """One notification each for a tombstone of all versions (docs/behaviour.md S28)."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "cell_0.json").write_text("{}")
    admin = "admin@example.org"
    settings = LocalSettings(admins=frozenset({admin}))
    with (
        start(SECRET) as running,
        LocalDSS(tmp_path / "root", settings=settings) as dss,
        DSSClient(dss.url, token=dss.mint_token(email=admin)) as client,
    ):
        first = dss.load_bundle(folder)
        second = dss.load_bundle(folder, first.uuid)
        query = "event_type=='TOMBSTONE'"
        subscribe(dss, running, jmespath_query=query, hmac_secret_key=SECRET)
        client.delete_bundle(uuid=first.uuid, replica="aws", reason="a test")
        found = [running.next(), running.next()]
    assert {str(each.match.fqid) for each in found} == {first.fqid, second.fqid}
    assert {each.event_type for each in found} == {"TOMBSTONE"}


def test_another_secret_is_refused(dss: LocalDSS, bundle: Path, start: Start) -> None:
    with start(SECRET) as running:
        subscribe(dss, running, hmac_secret_key="another")
        dss.load_bundle(bundle)
        found = attempts(dss, 4)
        assert running.taken.empty()
    assert {each.status for each in found} == {401}


def test_a_replay_is_answered_and_not_processed(start: Start) -> None:
    content = {"uuid": "s1", "callback_url": "http://h/", "hmac_secret_key": SECRET}
    match = {"bundle_uuid": "u", "bundle_version": "v"}
    payload = {"transaction_id": "t1", "subscription_id": "s1", "match": match}
    subscription = Subscription(content)
    request = webhook_request(subscription, payload, 0, time.time())
    for name in ("host", "content-length"):
        del request.headers[name]
    with start(SECRET) as running, httpx.Client() as client:
        sent = [
            client.post(running.url, headers=request.headers, content=request.read())
            for _ in range(2)
        ]
        changed = client.post(running.url, headers=request.headers, content=b" " + request.read())
        assert running.next().transaction_id == "t1"
        assert running.taken.empty()
    assert [each.status_code for each in sent] == [200, 200]
    assert sent[1].text == "this notification was processed before"
    assert changed.status_code == 401


def test_too_large_a_body_is_refused(start: Start) -> None:
    with start(None) as running:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        answer = httpx.post(running.url, content=b" " * ((1 << 20) + 1), headers=headers)
    assert answer.status_code == 413
    assert answer.text == "the body has more than 1,048,576 bytes"
