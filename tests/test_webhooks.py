"""Signed and unsigned notifications: what is taken, and each reason to refuse.

See docs/behaviour.md 11.4.
"""

import base64
import hashlib
import hmac
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from email import message_from_string
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client import DSSError, InvalidArgument, webhooks
from dss_client.webhooks import Headers, Notification, parse, verify
from dss_client.webhooks.headers import HeaderFields
from dss_client.webhooks.signature import Signature

SECRET = "a sécret"
KEY_ID = "hca-dss:6c3e8b1e-4a86-4c53-8f8d-3a1c1a2b3c4d"
NOW = 1_600_000_000.0
UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
VERSION = "2018-01-01T000000.000000Z"
PAYLOAD: dict[str, Any] = {
    "transaction_id": "t1",
    "subscription_id": "s1",
    "match": {"bundle_uuid": UUID, "bundle_version": VERSION},
    "event_type": "CREATE",
}
BODY = json.dumps(PAYLOAD).encode()


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def sign(text: str, secret: str = SECRET) -> str:
    return b64(hmac.digest(secret.encode(), text.encode("latin-1"), "sha256"))


def signed(
    body: bytes = BODY,
    *,
    at: float = NOW,
    names: str = "date digest",
    digest: str | None = None,
    more: Mapping[str, str] | None = None,
    **parameters: str,
) -> dict[str, str]:
    """Return the headers of a signed request; parameters replace those of the signature."""
    headers = {
        "Content-Type": "application/json",
        "Date": formatdate(at, usegmt=True),
        "Digest": digest or f"SHA-256={b64(hashlib.sha256(body).digest())}",
        **(more or {}),
    }
    lower = {name.lower(): value for name, value in headers.items()}
    lines = [f"{name}: {lower.get(name, '')}" for name in names.lower().split(" ")]
    said = {
        "keyId": KEY_ID,
        "algorithm": "hmac-sha256",
        "headers": names,
        "signature": sign("\n".join(lines)),
        **parameters,
    }
    written = ",".join(f'{name}="{value}"' for name, value in said.items())
    return {**headers, "Authorization": f"Signature {written}"}


def check(headers: Headers, body: bytes = BODY, **options: Any) -> Notification:
    return verify(headers, body, **{"secrets": SECRET, "clock": lambda: NOW, **options})


def without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {each: value for each, value in headers.items() if each != name}


def test_a_signed_notification() -> None:
    notification = check(signed())
    assert notification.transaction_id == "t1"
    assert notification.match.fqid.uuid == UUID
    assert notification.form_fields == {}


FORMS: dict[str, Callable[[dict[str, str]], Headers]] = {
    "mapping": dict,
    "upper": lambda them: {name.upper(): value for name, value in them.items()},
    "lower": lambda them: {name.lower(): value for name, value in them.items()},
    "bytes": lambda them: {k.encode(): v.encode() for k, v in them.items()},
    "pairs": lambda them: list(them.items()),
    "asgi": lambda them: [(k.lower().encode(), v.encode()) for k, v in them.items()],
    "iterator": lambda them: iter(them.items()),
    "message": lambda them: message_from_string(
        "".join(f"{name}: {value}\n" for name, value in them.items())
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_headers_in_any_form(form: str) -> None:
    assert check(FORMS[form](signed())).transaction_id == "t1"


def test_headers_of_wsgi() -> None:
    environ: dict[str, object] = {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in signed().items()
    }
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE")
    environ |= {"CONTENT_LENGTH": "", "REQUEST_METHOD": "POST", "wsgi.input": None}
    headers = webhooks.wsgi_headers(environ)
    assert check(headers).transaction_id == "t1"
    assert {name for name, _ in headers} == {"DATE", "DIGEST", "AUTHORIZATION", "CONTENT-TYPE"}


@pytest.mark.parametrize(
    "secrets",
    [
        SECRET,
        SECRET.encode(),
        {KEY_ID: SECRET, "other": "x"},
        {KEY_ID: SECRET.encode()},
        {KEY_ID: SECRET}.get,
    ],
)
def test_secrets_in_any_form(secrets: webhooks.Secrets) -> None:
    assert check(signed(), secrets=secrets).transaction_id == "t1"


def test_more_headers_may_be_signed() -> None:
    names = "host Digest content-type date"
    assert check(signed(names=names, more={"Host": "h:1"})).transaction_id == "t1"


def test_a_key_id_that_is_not_ascii() -> None:
    sent = "schlüssel".encode().decode("latin-1")
    assert check(signed(keyId=sent), secrets={"schlüssel": SECRET}).transaction_id == "t1"
    other = check(signed(keyId="schl\xfcssel"), secrets={"schl\xfcssel": SECRET})
    assert other.transaction_id == "t1"


def test_quotes_and_order_and_blanks_do_not_matter() -> None:
    value = signed()["Authorization"].partition('signature="')[2].rstrip('"')
    written = (
        f'SIGNATURE   Signature="{value}" ,\talgorithm=HMAC-SHA256, '
        f'keyId="a\\"b", extra=1, headers="date digest"'
    )
    headers = {**signed(), "Authorization": written}
    assert check(headers, secrets={'a"b': SECRET}).transaction_id == "t1"


REFUSED: dict[str, tuple[Callable[[], Headers], type[webhooks.WebhookError], str]] = {
    "nothing": (dict, webhooks.SignatureMissing, "authorization was not sent"),
    "basic": (
        lambda: {**signed(), "Authorization": "Basic abc"},
        webhooks.SignatureMissing,
        "no Signature",
    ),
    "no words": (
        lambda: {**signed(), "Authorization": ""},
        webhooks.SignatureMissing,
        "no Signature",
    ),
    "no parameters": (
        lambda: {**signed(), "Authorization": "Signature"},
        webhooks.SignatureMalformed,
        "cannot be read",
    ),
    "junk": (
        lambda: {**signed(), "Authorization": signed()["Authorization"] + " junk"},
        webhooks.SignatureMalformed,
        "cannot be read",
    ),
    "final comma": (
        lambda: {**signed(), "Authorization": signed()["Authorization"] + ","},
        webhooks.SignatureMalformed,
        "cannot be read",
    ),
    "twice the same": (
        lambda: {**signed(), "Authorization": signed()["Authorization"] + ',KEYID="b"'},
        webhooks.SignatureMalformed,
        "two parameters 'keyid'",
    ),
    "too long": (
        lambda: {**signed(), "Authorization": "Signature " + "a" * 9000},
        webhooks.SignatureMalformed,
        "too long",
    ),
    "two of them": (
        lambda: [*signed().items(), ("authorization", signed()["Authorization"])],
        webhooks.HeaderRepeated,
        "authorization was sent 2 times",
    ),
    "no key": (lambda: signed(keyId=""), webhooks.SignatureMalformed, "no keyid"),
    "no signature": (lambda: signed(signature=""), webhooks.SignatureMalformed, "no signature"),
    "no algorithm": (lambda: signed(algorithm=""), webhooks.SignatureMalformed, "no algorithm"),
    "rsa": (
        lambda: signed(algorithm="rsa-sha256"),
        webhooks.SignatureUnsupported,
        "'rsa-sha256', not hmac-sha256",
    ),
    "no base64": (
        lambda: signed(signature="&&&&"),
        webhooks.SignatureMalformed,
        "not base64",
    ),
    "not ascii": (
        lambda: signed(signature="ü"),
        webhooks.SignatureMalformed,
        "not base64",
    ),
    "no headers": (lambda: signed(headers=""), webhooks.SignatureMalformed, "cannot be read"),
    "header twice": (
        lambda: signed(names="date digest date"),
        webhooks.SignatureMalformed,
        "names a header twice",
    ),
    "pseudo-header": (
        lambda: signed(names="(request-target) date digest"),
        webhooks.SignatureUnsupported,
        "'(request-target)', which is not a header",
    ),
    "date alone": (lambda: signed(names="date"), webhooks.HeaderNotSigned, "digest is not signed"),
    "digest alone": (
        lambda: signed(names="digest"),
        webhooks.HeaderNotSigned,
        "date is not signed",
    ),
    "by default": (
        lambda: {
            **signed(),
            "Authorization": signed()["Authorization"].replace('headers="date digest",', ""),
        },
        webhooks.HeaderNotSigned,
        "digest is not signed",
    ),
    "no date": (lambda: without(signed(), "Date"), webhooks.HeaderMissing, "date was not sent"),
    "no digest": (
        lambda: without(signed(), "Digest"),
        webhooks.HeaderMissing,
        "digest was not sent",
    ),
    "two dates": (
        lambda: [*signed().items(), ("date", "x")],
        webhooks.HeaderRepeated,
        "date was sent 2 times",
    ),
    "two digests": (
        lambda: [*signed().items(), ("DIGEST", "x")],
        webhooks.HeaderRepeated,
        "digest was sent 2 times",
    ),
    "other signature": (
        lambda: signed(signature=b64(b"x" * 32)),
        webhooks.SignatureMismatch,
        "the signature is wrong",
    ),
    "short signature": (
        lambda: signed(signature=b64(b"x")),
        webhooks.SignatureMismatch,
        "the signature is wrong",
    ),
    "changed date": (
        lambda: {**signed(), "Date": formatdate(NOW + 1, usegmt=True)},
        webhooks.SignatureMismatch,
        "the signature is wrong",
    ),
    "no real date": (
        lambda: signed(more={"Date": "yesterday"}),
        webhooks.DateMalformed,
        "'yesterday'",
    ),
    "impossible date": (
        lambda: signed(more={"Date": "Sun, 31 Feb 2020 99:00:00 GMT"}),
        webhooks.DateMalformed,
        "not a valid HTTP date in GMT",
    ),
    "date of nowhere": (
        lambda: signed(more={"Date": "Sun, 13 Sep 2020 12:26:40 -0000"}),
        webhooks.DateMalformed,
        "not a valid HTTP date in GMT",
    ),
    "old": (
        lambda: signed(at=NOW - 301),
        webhooks.DateOutOfWindow,
        "is 301 s old, and 300 s are allowed",
    ),
    "future": (lambda: signed(at=NOW + 301), webhooks.DateOutOfWindow, "301 s in the future"),
    "digest of md5": (lambda: signed(digest="MD5=abc"), webhooks.DigestMismatch, "no SHA-256"),
    "digest no base64": (
        lambda: signed(digest="SHA-256=&"),
        webhooks.DigestMismatch,
        "not base64",
    ),
    "digest of another": (
        lambda: signed(digest=f"SHA-256={b64(b'x' * 32)}"),
        webhooks.DigestMismatch,
        "the body was changed",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_each_refusal_has_its_class(case: str) -> None:
    make, kind, reason = REFUSED[case]
    with pytest.raises(webhooks.WebhookError) as caught:
        check(make())
    assert type(caught.value) is kind
    assert reason in caught.value.reason
    assert caught.value.status == 401
    assert isinstance(caught.value, DSSError)
    assert pickle.loads(pickle.dumps(caught.value)).reason == caught.value.reason
    expected = signed()["Authorization"].partition('signature="')[2].rstrip('"')
    for hidden in (SECRET, expected):
        assert hidden not in caught.value.reason


@pytest.mark.parametrize("secrets", [{}, {"x": SECRET}, {}.get], ids=["none", "other", "function"])
def test_an_unknown_key(secrets: webhooks.Secrets) -> None:
    with pytest.raises(webhooks.KeyUnknown, match="no secret for the key 'hca-dss:"):
        check(signed(), secrets=secrets)


def test_what_others_send_is_shortened_and_made_ascii() -> None:
    with pytest.raises(webhooks.KeyUnknown) as caught:
        check(signed(keyId="ü\x1b" * 500), secrets={})
    assert caught.value.reason.isascii()
    assert caught.value.reason.isprintable()
    assert len(caught.value.reason) < 600


@pytest.mark.parametrize("secrets", ["", b"", {KEY_ID: ""}, lambda _: ""])
def test_an_empty_secret_is_a_fault_of_the_receiver(secrets: webhooks.Secrets) -> None:
    with pytest.raises(InvalidArgument, match="is empty: anyone could sign"):
        check(signed(), secrets=secrets)


def test_several_digests() -> None:
    sha = f"sha-256={b64(hashlib.sha256(BODY).digest())}"
    assert check(signed(digest=f"MD5=abc==, {sha}")).transaction_id == "t1"


@pytest.mark.parametrize("offset", [-10.0, 10.0])
def test_the_window(offset: float) -> None:
    assert check(signed(at=NOW + offset), max_age=10).transaction_id == "t1"
    with pytest.raises(webhooks.DateOutOfWindow):
        check(signed(at=NOW + offset), max_age=9)


def test_the_clock_is_the_real_one_unless_told() -> None:
    with pytest.raises(webhooks.DateOutOfWindow):
        verify(signed(), BODY, secrets=SECRET)


def test_a_changed_body() -> None:
    with pytest.raises(webhooks.DigestMismatch):
        check(signed(), BODY + b" ")


def test_a_large_body_is_refused_before_all_else() -> None:
    with pytest.raises(webhooks.BodyTooLarge, match="more than 9 bytes") as caught:
        check({}, b"x" * 10, max_body=9)
    assert caught.value.status == 413
    with pytest.raises(webhooks.BodyTooLarge):
        parse({}, b"x" * 10, max_body=9)
    large = json.dumps({**PAYLOAD, "more": "x" * webhooks.MAX_BODY}).encode()
    with pytest.raises(webhooks.BodyTooLarge):
        check(signed(large), large)


def test_a_signed_body_that_is_not_a_notification() -> None:
    with pytest.raises(webhooks.BodyMalformed):
        check(signed(b"{}"), b"{}")


# Replays


def test_a_processed_notification_is_refused() -> None:
    guard = webhooks.MemoryReplayGuard()
    notification = check(signed(), replay_guard=guard)
    with webhooks.processing(notification, guard) as same:
        assert same is notification
        with pytest.raises(webhooks.StillProcessing) as running:
            check(signed(), replay_guard=guard)
    with pytest.raises(webhooks.AlreadyProcessed) as done:
        check(signed(at=NOW + 60), replay_guard=guard)
    assert (running.value.status, done.value.status) == (503, 200)
    assert check(signed()).transaction_id == "t1"  # without a guard nothing is remembered


def test_a_notification_whose_processing_failed_is_taken_again() -> None:
    guard = webhooks.MemoryReplayGuard()

    def fail() -> None:
        with webhooks.processing(check(signed(), replay_guard=guard), guard):
            raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            fail()
    assert len(guard) == 0
    with webhooks.processing(check(signed(), replay_guard=guard), guard):
        assert len(guard) == 1
    with pytest.raises(webhooks.AlreadyProcessed):
        check(signed(), replay_guard=guard)


def test_what_is_refused_is_not_claimed() -> None:
    guard = webhooks.MemoryReplayGuard()
    for headers in (signed(signature=b64(b"x")), signed(at=NOW - 999), signed(digest="MD5=x")):
        with pytest.raises(webhooks.WebhookError):
            check(headers, replay_guard=guard)
    assert len(guard) == 0


def test_a_claim_lasts_as_long_as_the_request_could_be_replayed() -> None:
    guard = webhooks.MemoryReplayGuard()
    headers = signed(at=NOW + 100)
    check(headers, replay_guard=guard)  # and nobody says what became of it
    with pytest.raises(webhooks.StillProcessing):
        check(headers, replay_guard=guard, clock=lambda: NOW + 400)
    later = signed(at=NOW + 500)  # the next attempt of the service
    assert check(later, replay_guard=guard, clock=lambda: NOW + 500).transaction_id == "t1"


def test_a_guard_is_bounded() -> None:
    guard = webhooks.MemoryReplayGuard(capacity=2)
    assert guard.claim("a", now=0, until=10) == "new"
    assert guard.claim("b", now=0, until=5) == "new"
    with pytest.raises(webhooks.ReplayGuardFull, match="2 notifications") as caught:
        guard.claim("c", now=5, until=15)
    assert caught.value.status == 503
    assert guard.claim("b", now=5, until=15) == "running"  # what is known needs no room
    assert guard.claim("c", now=6, until=16) == "new"  # b is over, behind a
    assert guard.claim("d", now=11, until=16) == "new"  # a is over
    assert len(guard) == 2


def test_an_entry_that_is_over_is_claimed_anew() -> None:
    guard = webhooks.MemoryReplayGuard()
    guard.claim("a", now=0, until=10)
    guard.claim("b", now=0, until=5)
    guard.confirm("b")
    assert guard.claim("b", now=5, until=15) == "done"
    assert guard.claim("b", now=6, until=16) == "new"
    assert guard.claim("b", now=6, until=16) == "running"


def test_confirming_and_releasing_are_harmless_at_any_time() -> None:
    guard = webhooks.MemoryReplayGuard()
    guard.confirm("a")
    guard.release("a")
    guard.claim("a", now=0, until=10)
    guard.confirm("a")
    guard.release("a")
    assert guard.claim("a", now=0, until=10) == "done"


def test_one_of_many_threads_gets_a_claim() -> None:
    guard = webhooks.MemoryReplayGuard()
    barrier = threading.Barrier(8)
    found: list[str] = []

    def claim() -> None:
        barrier.wait()
        found.extend(guard.claim(f"t{number}", now=0, until=1) for number in range(200))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found.count("new"), len(found)) == (200, 1600)


# The parsers


@given(st.text(max_size=200))
def test_any_authorization_is_read_or_refused(text: str) -> None:
    for header in (text, f"Signature {text}", f'Signature keyId="k",algorithm=hmac-sha256,{text}'):
        with suppress(webhooks.WebhookError):
            assert Signature.parse(header).headers


PARAMETER_TEXT = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40
)


@given(PARAMETER_TEXT, st.binary(min_size=1, max_size=64), st.permutations(range(4)))
def test_parameters_come_back(key_id: str, value: bytes, order: list[int]) -> None:
    escaped = key_id.replace("\\", "\\\\").replace('"', '\\"')
    written = [
        f'keyId="{escaped}"',
        'algorithm="hmac-sha256"',
        'headers="date digest host"',
        f'signature="{b64(value)}"',
    ]
    parsed = Signature.parse("Signature " + ",".join(written[each] for each in order))
    assert parsed == Signature(key_id, ("date", "digest", "host"), value)
    assert repr(value) not in repr(parsed)


@given(st.text(max_size=60))
def test_any_date_is_read_or_refused(text: str) -> None:
    headers = signed(more={"Date": text.encode("latin-1", "replace").decode("latin-1")})
    with pytest.raises(webhooks.WebhookError):
        check(headers)


NAMES = st.sampled_from(["Date", "date", "DIGEST", "digest", "authorization", "content-type", "x"])


@given(st.lists(st.tuples(NAMES, st.text(max_size=30)), max_size=8), st.binary(max_size=50))
def test_any_request_is_refused_properly(pairs: Iterable[tuple[str, str]], body: bytes) -> None:
    for take in (check, parse):
        with pytest.raises(webhooks.WebhookError):
            take(pairs, body)


def test_a_header_that_is_needed() -> None:
    with pytest.raises(webhooks.HeaderMissing):
        HeaderFields({}).need("date")


def test_receivers_load_no_http_library() -> None:
    script = "import sys, dss_client.webhooks; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "dss_client.webhooks" in loaded
    assert loaded.isdisjoint({"httpx", "starlette", "dss_client.models"})
