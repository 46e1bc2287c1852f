"""Bodies of notifications: JSON, forms, what is in them, and what is refused.

See docs/behaviour.md 11.3, 11.4.
"""

import copy
import json
import pickle
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client import FQID, webhooks
from dss_client.versions import InvalidVersion
from dss_client.webhooks import Notification, parse
from dss_client.webhooks.body import read_form

UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
VERSION = "2018-01-01T000000.000000Z"
PAYLOAD: dict[str, Any] = {
    "transaction_id": "t1",
    "subscription_id": "s1",
    "match": {"bundle_uuid": UUID, "bundle_version": VERSION},
}
FORM = "multipart/form-data; boundary=b"


def sent(payload: dict[str, Any], kind: str = "application/json") -> Notification:
    return parse({"content-type": kind}, json.dumps(payload).encode())


def form(*parts: str, end: str = "--b--\r\n") -> bytes:
    return "".join(f"--b\r\n{part}\r\n" for part in parts).encode() + end.encode()


def field(name: str, content: str) -> str:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{content}'


# What a notification says


def test_the_jmespath_kind() -> None:
    notification = sent(
        {
            **PAYLOAD,
            "event_type": "TOMBSTONE",
            "event_timestamp": VERSION,
            "dss_api": "https://dss",
            "bundle_url": "https://dss/v1/bundles/x?version=y",
            "jmespath_query": "files",
            "unknown": {"a": 1},
        }
    )
    assert notification.kind == "jmespath"
    assert (notification.transaction_id, notification.subscription_id) == ("t1", "s1")
    assert notification.match.fqid == FQID(UUID, VERSION)
    assert notification.event_type == "TOMBSTONE"
    assert notification.event_timestamp == VERSION
    assert (notification.dss_api, notification.jmespath_query) == ("https://dss", "files")
    assert notification.es_query is None
    assert notification.model_extra == {"unknown": {"a": 1}}
    assert (notification.attachments, bool(notification.attachment_errors)) == ({}, False)


def test_the_elasticsearch_kind() -> None:
    notification = sent({**PAYLOAD, "es_query": {"query": {}}, "attachments": {"a": None}})
    assert notification.kind == "elasticsearch"
    assert notification.es_query == {"query": {}}
    assert notification.event_type is None
    assert notification.attachments == {"a": None}


def test_an_event_that_is_not_known_here() -> None:
    assert sent({**PAYLOAD, "event_type": "MOVED"}).event_type == "MOVED"


def test_some_attachments_failed() -> None:
    notification = sent({**PAYLOAD, "attachments": {"a": [1], "_errors": {"b": "why", "c": 3}}})
    assert notification.attachments == {"a": [1]}
    assert notification.attachment_errors.by_name == {"b": "why", "c": "3"}
    assert notification.attachment_errors.whole is None
    assert notification.attachment_errors


def test_all_attachments_are_missing() -> None:
    text = "The attachments have 131073 bytes, more than 131072."
    notification = sent({**PAYLOAD, "attachments": {"_errors": text}})
    assert notification.attachments == {}
    assert notification.attachment_errors.whole == text
    assert notification.attachment_errors.by_name == {}
    assert notification.attachment_errors


def test_what_was_on_the_wire_comes_back() -> None:
    payload = {**PAYLOAD, "attachments": {"a": 1, "_errors": {}}, "more": [None]}
    dumped = sent(payload).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert dumped == payload


def test_a_version_that_is_none_is_found_out_when_it_is_used() -> None:
    match = {"bundle_uuid": UUID, "bundle_version": "../x"}
    notification = sent({**PAYLOAD, "match": match})
    assert notification.match.bundle_version == "../x"
    with pytest.raises(InvalidVersion):
        _ = notification.match.fqid


def test_copies_keep_the_form_fields() -> None:
    notification = parse({"Content-Type": FORM}, form(field("a", "1"), field("payload", DUMPED)))
    for same in (copy.deepcopy(notification), pickle.loads(pickle.dumps(notification))):
        assert same == notification
        assert same.form_fields == {"a": "1"}


# Bodies


DUMPED = json.dumps(PAYLOAD)


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
def test_json(kind: str) -> None:
    assert sent(PAYLOAD, kind).transaction_id == "t1"


@pytest.mark.parametrize("encoding", ["identity", "Identity"])
def test_no_encoding(encoding: str) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding}
    assert parse(headers, DUMPED.encode()).transaction_id == "t1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "multipart/mixed; boundary=b"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "x\r\napplication/json"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_other_bodies_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(webhooks.BodyUnsupported) as caught:
        parse(headers, DUMPED.encode())
    assert caught.value.status == 415


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "json invalid"),
        (b"{", "json invalid"),
        (b"\xff", "json invalid"),
        (b"[" * 100_000, "json invalid"),
        (b"[]", "model type"),
        (b"{}", "at 'transaction_id': missing"),
        (json.dumps({**PAYLOAD, "match": {}}).encode(), "at 'match.bundle_uuid': missing"),
        (json.dumps({**PAYLOAD, "transaction_id": 1}).encode(), "at 'transaction_id': string"),
        (json.dumps({**PAYLOAD, "attachments": "hidden"}).encode(), "at 'attachments': dict"),
    ],
)
def test_json_that_is_no_notification(body: bytes, reason: str) -> None:
    with pytest.raises(webhooks.BodyMalformed) as caught:
        parse({"Content-Type": "application/json"}, body)
    assert caught.value.status == 400
    assert reason in caught.value.reason
    assert "hidden" not in caught.value.reason


@pytest.mark.parametrize(
    "body",
    [
        form(field("a", "1"), field("payload", DUMPED), field("b", "")),
        b"a preamble\r\n" + form(field("a", "1"), field("b", ""), field("payload", DUMPED)),
        form(field("payload", DUMPED), field("a", "1"), field("b", ""), end="--b-- \r\nepilogue"),
        form(field("payload", DUMPED), field("a", "1"), field("b", ""), end="--b--"),
        form(field("payload", DUMPED), field("a", "1"), field("b", "")).replace(
            b"--b\r\n", b"--b \t\r\n"
        ),
        form(
            "content-type: text/plain\r\ncontent-disposition: Form-Data;name=a\r\n\r\n1",
            f"Content-Disposition: form-data; name*=utf-8''%70ayload\r\n\r\n{DUMPED}",
            'Content-Disposition: form-data; filename="x"; name="b"\r\n\r\n',
        ),
    ],
)
def test_forms(body: bytes) -> None:
    notification = parse([(b"Content-Type", FORM.encode())], body)
    assert notification.transaction_id == "t1"
    assert notification.form_fields == {"a": "1", "b": ""}


def test_another_field_for_the_payload() -> None:
    body = form(field("payload", "mine"), field("p", DUMPED))
    notification = parse({"Content-Type": 'multipart/form-data; boundary="b"'}, body, "p")
    assert notification.form_fields == {"payload": "mine"}
    with pytest.raises(webhooks.BodyMalformed, match="no field 'q'"):
        parse({"Content-Type": FORM}, body, payload_form_field="q")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "its last boundary is missing"),
        (b"--b", "followed by something else"),
        (b"--b\r\n", "a part of the form is not a field"),
        (form(end=""), "last boundary is missing"),
        (form(field("payload", DUMPED), end=""), "last boundary is missing"),
        (form(field("a", "1"), field("a", "2")), "has the field 'a' twice"),
        (b"--bc\r\n" + form(field("a", "1")), "followed by something else"),
        (form("Content-Disposition: form-data; name=a"), "a head without an end"),
        (form("\r\n1"), "not a field with a name"),
        (form("Content-Type: text/plain\r\n\r\n1"), "not a field with a name"),
        (form("Content-Disposition: attachment; name=a\r\n\r\n1"), "not a field with a name"),
        (form("Content-Disposition: form-data\r\n\r\n1"), "not a field with a name"),
        (form(f"X: {'x' * 9000}\r\n\r\n1"), "too long a head"),
        (form("Content-Disposition: form-data; name*=x''a\r\n\r\n1"), "cannot be read"),
        (form("Content-Disposition: form-data; name*=ascii''%ff\r\n\r\n1"), "cannot be read"),
        (form(field("a", "1")).replace(b'"a"', b'"\xff"'), "cannot be read"),
        (
            form(field("a", "1"), field("payload", DUMPED)).replace(b"\n1", b"\n\xff"),
            "the field 'a' of the form is not UTF-8",
        ),
        (form(*[field(str(each), "") for each in range(1001)]), "more than 1,000 parts"),
        (form(field("payload", "{")), "json invalid"),
    ],
)
def test_forms_that_are_refused(body: bytes, reason: str) -> None:
    with pytest.raises(webhooks.BodyMalformed, match=reason) as caught:
        parse({"Content-Type": FORM}, body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "kind", ["", "; boundary=", "; boundary=\xfc", f"; boundary={'b' * 71}", "; boundary=b@"]
)
def test_boundaries_that_are_refused(kind: str) -> None:
    with pytest.raises(webhooks.BodyMalformed, match=r"boundary"):
        parse({"Content-Type": f"multipart/form-data{kind}"}, form(field("payload", DUMPED)))


# What others write, this reads

# Of a name with a backslash senders disagree; one with a percent sign can look as if it were
# encoded.
FIELD_NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\\%", exclude_categories=["Cc", "Cs"])
    | st.sampled_from('"\r\n;='),
    min_size=1,
    max_size=20,
)


@given(st.dictionaries(FIELD_NAMES, st.binary(max_size=200), min_size=1, max_size=6))
def test_what_an_http_library_writes_comes_back(fields: dict[str, bytes]) -> None:
    files = [(name, (None, content)) for name, content in fields.items()]
    request = httpx.Request("POST", "http://h/", files=files)
    boundary = request.headers["content-type"].partition("boundary=")[2]
    assert read_form(request.read(), boundary) == fields


@given(st.dictionaries(FIELD_NAMES, st.text(max_size=50), max_size=4), FIELD_NAMES)
def test_a_notification_as_a_form_comes_back(fields: dict[str, str], name: str) -> None:
    fields.pop(name, None)
    files = [(each, (None, text.encode())) for each, text in [*fields.items(), (name, DUMPED)]]
    request = httpx.Request("POST", "http://h/", files=files)
    notification = parse(request.headers, request.read(), name)
    assert notification.form_fields == fields
    assert notification.transaction_id == "t1"


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for body in (content, b"--b\r\n" + content, form(field("payload", DUMPED), end="") + content):
        with suppress(webhooks.BodyMalformed):
            parse({"Content-Type": FORM}, body)


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_head_is_read_or_refused(kind: str, head: str) -> None:
    body = f"--b\r\n{head}\r\n\r\n1\r\n--b--".encode("utf-8", "surrogatepass")
    for each in (kind, f"multipart/form-data;{kind}", FORM):
        with suppress(webhooks.WebhookError):
            parse({"Content-Type": each}, body)
