"""Errors: what they carry, what they never show, and that they survive a pickle."""

import copy
import importlib
import json
import pickle
import pkgutil
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dss_client
from dss_client import CheckoutFailed, CheckoutTimeout, ConfigError, InvalidVersion, errors
from dss_client._redact import redact_url
from dss_client.errors import (
    DSSConnectionError,
    DSSDecodeError,
    DSSError,
    DSSResponseError,
    DSSTimeout,
    InvalidArgument,
    Problem,
    RequestInfo,
    ResponseInfo,
)
from dss_client.local import BadName, BundleExists, LoadError
from dss_client.versions import InvalidUUID

REQUEST = RequestInfo("GET", "https://h/v1/files/x")
HEADERS = {"x-aws-request-id": "req-1"}


def refusal(status: int, content: bytes = b"") -> DSSResponseError:
    return DSSResponseError.for_response(
        request=REQUEST, response=ResponseInfo(status, HEADERS, content)
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "BadRequest"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "NotFound"),
        (406, "NotAcceptable"),
        (409, "Conflict"),
        (416, "RangeNotSatisfiable"),
        (422, "Unprocessable"),
        (429, "TooManyRequests"),
        (500, "ServerError"),
        (503, "ServerError"),
        (599, "ServerError"),
        (302, "DSSResponseError"),
        (418, "DSSResponseError"),
    ],
)
def test_the_status_chooses_the_class(status: int, kind: str) -> None:
    error = refusal(status)
    assert type(error) is getattr(errors, kind)
    assert str(error) == f"GET https://h/v1/files/x: {status} (request id req-1)"


@pytest.mark.parametrize(
    ("body", "code", "title", "detail"),
    [
        (
            {"status": 404, "code": "not_found", "title": "No file.", "stacktrace": "at x"},
            "not_found",
            "No file.",
            "at x",
        ),
        (
            {"type": "about:blank", "title": "Bad", "detail": "not JSON", "status": 400},
            None,
            "Bad",
            "not JSON",
        ),
        (
            {"status": 504, "code": "timed_out", "title": "Slow", "traces": {"1": ["x"]}},
            "timed_out",
            "Slow",
            None,
        ),
        (
            {"message": "Missing Authentication Token"},
            None,
            "Missing Authentication Token",
            None,
        ),
        ({"code": 7, "title": None, "stacktrace": ""}, None, None, None),
    ],
    ids=["A", "B", "C", "D", "wrong types"],
)
def test_every_shape_of_error_is_read(
    body: dict[str, Any], code: str | None, title: str | None, detail: str | None
) -> None:
    """The shapes of docs/behaviour.md 3.1."""
    error = refusal(500, json.dumps(body).encode())
    assert (error.code, error.title, error.detail) == (code, title, detail)


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (b"", None),
        (b" \n", None),
        (b"<html>\n  Bad   Gateway</html>", None),
        (b"<!DOCTYPE HTML><head><TITLE>\n 502 Bad\tGateway</TITLE>", "502 Bad Gateway"),
        (b"[1]", "[1]"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 1000, "x" * 200),
        (b"[" * 100_000, "[" * 200),
    ],
)
def test_a_body_that_is_no_json_object_becomes_the_title(body: bytes, title: str | None) -> None:
    assert Problem.from_body(body) == Problem(title=title)


@given(st.binary())
def test_no_body_is_unreadable(body: bytes) -> None:
    assert isinstance(str(refusal(502, body)), str)


def test_the_message_has_code_title_request_id_and_hint() -> None:
    body = b'{"code": "not_found", "title": "No file."}'
    error = DSSResponseError.for_response(
        request=REQUEST, response=ResponseInfo(404, HEADERS, body), hint="Look elsewhere"
    )
    assert str(error) == (
        "GET https://h/v1/files/x: 404 not_found: No file. (request id req-1). Look elsewhere"
    )
    assert error.request_id == "req-1"
    assert error.response.content == body


def test_the_body_of_a_redirect_is_not_shown() -> None:
    error = refusal(302, b'<a href="https://s/x?X-Amz-Signature=5ec7e7">')
    assert error.title is None
    assert "5ec7e7" not in str(error) + repr(error) + repr(error.response)


RESPONSE = ResponseInfo(200, {"a": "b"}, b"body")
EVERY_ERROR: list[DSSError] = [
    DSSError("plain"),
    InvalidArgument("bad"),
    InvalidUUID("bad"),
    InvalidVersion("bad", "why"),
    BadName("bad"),
    BundleExists("bad"),
    ConfigError("bad"),
    DSSConnectionError("gone", request=REQUEST),
    DSSTimeout("slow", request=REQUEST),
    DSSDecodeError("odd", request=REQUEST, response=RESPONSE, field="a.b"),
    CheckoutFailed("job", "cause"),
    CheckoutTimeout("job", 1.5),
    *(refusal(status, b'{"code": "c"}') for status in (400, 401, 403, 404, 406, 409, 416, 422)),
    *(refusal(status, b'{"code": "c"}') for status in (302, 429, 500)),
]


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_an_error_survives_a_pickle(error: DSSError, copied: Any) -> None:
    error.add_note("seen")
    twin = copied(error)
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)


def public_modules() -> list[str]:
    """Name the modules that users import from: those of the package, and its packages."""
    found = pkgutil.walk_packages(dss_client.__path__, "dss_client.")
    public = [
        module.name
        for module in found
        if "._" not in module.name and (module.ispkg or module.name.count(".") == 1)
    ]
    return [
        "dss_client",
        *public,
        "dss_client.hca.util.exceptions",
        "dss_client.local.faults.scenario",
    ]


@pytest.mark.parametrize("module", public_modules())
def test_every_public_error_is_a_dss_error(module: str) -> None:
    names = vars(importlib.import_module(module))
    kinds = [getattr(importlib.import_module(module), name) for name in names.get("__all__", names)]
    strangers = [
        kind
        for kind in kinds
        if isinstance(kind, type)
        and issubclass(kind, BaseException)
        and kind.__module__.startswith("dss_client.")
        and not issubclass(kind, DSSError)
    ]
    assert not strangers


@pytest.mark.parametrize(
    ("error", "also"),
    [
        (InvalidArgument, ValueError),
        (InvalidUUID, ValueError),
        (InvalidVersion, ValueError),
        (ConfigError, ValueError),
        (CheckoutTimeout, TimeoutError),
        (LoadError, ValueError),
        (BadName, ValueError),
    ],
)
def test_errors_are_caught_by_their_usual_kind(error: type, also: type) -> None:
    assert issubclass(error, also)


class TestRedaction:
    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("https://h/v1/x?a=1&b=2", "https://h/v1/x?a=1&b=2"),
            ("https://u:p@h/x", "https://h/x"),
            ("https://h/x?a=1#frag", "https://h/x?a=1"),
            ("https://h/x?X-Amz-Signature=5ec7e7&a=1", "https://h/x?<redacted>"),
            ("https://h/x?X-Goog-Signature=5ec7e7", "https://h/x?<redacted>"),
            ("https://h/x?AWSAccessKeyId=k&Signature=5ec7e7&Expires=1", "https://h/x?<redacted>"),
            ("https://h/x?GoogleAccessId=k&Expires=1", "https://h/x?<redacted>"),
            ("https://h/x?expires=1&signature=5ec7e7", "https://h/x?<redacted>"),
            ("https://h/x?sig=", "https://h/x?<redacted>"),
            ("https://h/x?access_token=5ec7e7", "https://h/x?<redacted>"),
            ("http://[::1", "<unreadable URL>"),
            ("s3://bucket/key", "s3://bucket/key"),
            ("", ""),
        ],
    )
    def test_what_is_shown(self, url: str, shown: str) -> None:
        assert redact_url(url) == shown

    def test_a_presigned_url_never_shows_its_query(self) -> None:
        assert redact_url("https://h/x?unknown=5ec7e7", presigned=True) == "https://h/x?<redacted>"
        assert redact_url("https://h/x", presigned=True) == "https://h/x"

    @given(
        st.dictionaries(st.text(min_size=1), st.text(), max_size=4),
        st.sampled_from(["X-Amz-Signature", "signature", "SIG", "x-goog-credential"]),
    )
    def test_no_secret_is_shown(self, others: dict[str, str], secret: str) -> None:
        query = urlencode({**others, secret: "5ec7e7-5ec7e7"})
        assert "5ec7e7-5ec7e7" not in redact_url(f"https://h/x?{query}")

    @given(st.dictionaries(st.sampled_from("abcd"), st.text()))
    def test_other_queries_are_shown(self, values: dict[str, str]) -> None:
        shown = redact_url(f"https://h/x?{urlencode(values)}")
        assert dict(parse_qsl(urlsplit(shown).query, keep_blank_values=True)) == values

    @given(st.text())
    def test_any_text_can_be_redacted(self, url: str) -> None:
        assert isinstance(redact_url(url), str)
