"""Secrets that the other side sends back: never in an error, a log or what a command prints."""

import html
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dss_client import (
    CheckoutFailed,
    CheckoutJob,
    DownloadError,
    DSSClient,
    DSSDecodeError,
    DSSResponseError,
)
from dss_client.auth import LoginError
from dss_client.auth.plain_http import post_form
from dss_client.cli import main
from dss_client.hca.dss import DSSClient as Facade
from dss_client.hca.util.exceptions import SwaggerAPIException
from tests.conftest import Origins
from tests.drive import Driver
from tests.origin import Origin, Reply, Seen

TOKEN = "s3cr3t/t0k3n+that=only&the<owner>knows~0123456789"
SIGNATURE = "c0ffee/c0ffee+c0ffee="
QUERY = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&X-Amz-Signature={quote(SIGNATURE, '')}"
REPLICA = {"uuid": "00000000-0000-4000-8000-000000000001", "replica": "aws"}
PARTS = ("s3cr3t", "t0k3n+that", "0123456789", "c0ffee")  # of the two, in any of their forms


def gson(text: str) -> str:
    """Write a text as JSON in the way of a library that escapes what HTML would mind."""
    written = json.dumps(text)[1:-1]
    for letter in "<>&='":
        written = written.replace(letter, f"\\u{ord(letter):04x}")
    return written


FORMS: dict[str, Callable[[str], Reply]] = {
    "message": lambda s: problem({"message": f"invalid: Authorization=Bearer {s}"}),
    "token alone": lambda s: problem({"code": s, "title": f"{s} is bad", "detail": s}),
    "escaped JSON": lambda s: Reply(403, body=f'{{"message": "{gson(s)} is bad"}}'.encode()),
    "escaped slashes": lambda s: Reply(
        403, body=json.dumps({"message": s}).replace("/", "\\/").encode()
    ),
    "JSON in JSON": lambda s: problem({"message": json.dumps({"header": f"/{s}"})}),
    "UTF-16": lambda s: Reply(403, body=json.dumps({"message": s}).encode("utf-16")),
    "text": lambda s: Reply(403, body=f"Bearer {s} is not allowed".encode()),
    "HTML": lambda s: Reply(403, body=f"<html>{html.escape(s)}</html>".encode()),
    "XML": lambda s: Reply(403, body=f"<e>{s.replace('&', '&#38;')}</e>".encode()),
    "quoted": lambda s: Reply(403, body=f"?auth={quote(s, safe='')}".encode()),
    "quoted in small letters": lambda s: Reply(
        403, body=quote(s, safe="").replace("%2F", "%2f").replace("%3D", "%3d").encode()
    ),
    "quoted twice": lambda s: Reply(403, body=quote(quote(s, safe=""), safe="").encode()),
    "cut off": lambda s: Reply(403, body=f"header {s[:20]}... is bad".encode()),
    "header": lambda s: Reply(403, {"X-Echo": s, "X-Aws-Request-Id": f"id-{s}"}),
}


def problem(document: dict[str, Any]) -> Reply:
    return Reply(403, body=json.dumps(document).encode())


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Callable[[str], Reply]:
    """Return one of the ways to send a text back."""
    return FORMS[request.param]


@pytest.fixture
def gateway(form: Callable[[str], Reply], origins: Origins) -> Origin:
    """Return an API that refuses everything, and sends back the credential."""

    def script(seen: Seen) -> Reply:
        return form(seen.headers.get("authorization", "").removeprefix("Bearer "))

    return origins(script=script)


@pytest.fixture
def storage(form: Callable[[str], Reply], origins: Origins) -> Origin:
    """Return an API that redirects to storage, which sends the presigned query back."""
    bucket = origins(script=lambda seen: form(seen.target.partition("?")[2]))
    return origins(Reply(302, {"Location": f"{bucket.url}/key?{QUERY}"}))


def texts_of(error: BaseException) -> Iterator[str]:
    """Yield all that a program may show of an error."""
    yield from (str(error), repr(error), "".join(traceback.format_exception(error)))
    yield pickle.dumps(error).decode("latin-1")
    for value in vars(error).values():
        yield repr(value)
        for name in ("content", "text", "headers"):
            yield repr(getattr(value, name, ""))


def assert_unseen(*texts: str) -> None:
    for text in texts:
        for part in PARTS:
            assert part not in text


def test_of_the_api(drive: Driver, gateway: Origin, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DSSResponseError) as caught:
        drive(url=gateway.url, options={"token": TOKEN}).call("get_collections")
    assert gateway.seen[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert_unseen(*texts_of(caught.value), caplog.text)


@pytest.mark.parametrize("name", ["get_file", "get_file.stream"])
def test_of_storage(
    name: str, drive: Driver, storage: Origin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DSSResponseError) as caught:
        drive(url=storage.url).call(name, **REPLICA)
    assert_unseen(*texts_of(caught.value), caplog.text)


@pytest.mark.parametrize("options", [(), ("--json",), ("--debug",)])
def test_on_the_command_line(
    options: tuple[str, ...],
    gateway: Origin,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DSS_TOKEN", TOKEN)
    with pytest.raises(SystemExit) as ended:
        main(["--url", gateway.url, "--retries=0", *options, "api", "get-collections"])
    assert ended.value.code == 1
    assert_unseen(*capsys.readouterr())


def test_in_the_facade(gateway: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSS_URL", gateway.url)
    monkeypatch.setenv("DSS_TOKEN", TOKEN)
    with pytest.raises(SwaggerAPIException) as caught:
        Facade().get_collections()
    assert_unseen(*texts_of(caught.value))
    assert_unseen(*texts_of(pickle.loads(pickle.dumps(caught.value))))
    assert isinstance(caught.value.__cause__, DSSResponseError)


class TestAnswersThatBreakTheSpecification:
    def test_of_the_api(self, drive: Driver, origins: Origins) -> None:
        api = origins(Reply(200, {"X-Echo": TOKEN}, json.dumps({"collections": TOKEN}).encode()))
        with pytest.raises(DSSDecodeError) as caught:
            drive(url=api.url, options={"token": TOKEN}).call("get_collections")
        assert_unseen(*texts_of(caught.value))
        assert caught.value.__cause__ is caught.value.__context__ is None  # pydantic's has the body

    @pytest.mark.parametrize("name", ["get_file.stream", "get_file.locate", "head_file"])
    def test_in_headers(self, name: str, drive: Driver, origins: Origins) -> None:
        bucket = origins(Reply(200, {"X-Echo": SIGNATURE}))
        headers = {"Location": f"{bucket.url}/key?{QUERY}", "X-DSS-SIZE": "many"}
        api = origins(Reply(200 if name == "head_file" else 302, headers))
        with pytest.raises(DSSDecodeError) as caught:
            drive(url=api.url).call(name, **REPLICA)
        assert_unseen(*texts_of(caught.value))

    def test_an_encoding_that_storage_names(self, drive: Driver, origins: Origins) -> None:
        bucket = origins(Reply(200, {"Content-Encoding": SIGNATURE, "X-Echo": SIGNATURE}))
        api = origins(Reply(302, {"Location": f"{bucket.url}/key?{QUERY}"}))
        with pytest.raises(DSSDecodeError) as caught:
            drive(url=api.url).call("get_file", **REPLICA)
        assert_unseen(*texts_of(caught.value))


def test_a_second_token_hides_the_first(drive: Driver, origins: Origins) -> None:
    tokens = iter([TOKEN, "0therT0ken"])
    api = origins(script=lambda _: Reply(401, body=f"{TOKEN} and 0therT0ken".encode()))
    with pytest.raises(DSSResponseError) as caught:
        drive(url=api.url, options={"token": lambda: next(tokens)}).call("get_collections")
    assert len(api.seen) == 2
    assert_unseen(*texts_of(caught.value))
    assert "0therT0ken" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_that_is_not_followed(status: int, drive: Driver, origins: Origins) -> None:
    location = f"https://bucket.example/key?{QUERY}"
    body = json.dumps({"to": SIGNATURE, "url": gson(location)}).encode()
    api = origins(Reply(status, {"Location": location, "X-Echo": SIGNATURE}, body))
    with pytest.raises(DSSResponseError) as caught:
        drive(url=api.url).call("post_search", es_query={}, replica="aws")
    assert "https://bucket.example/key" in str(caught.value)
    assert_unseen(*texts_of(caught.value))


class TestDownloads:
    def test_a_report(
        self, drive: Driver, form: Callable[[str], Reply], origins: Origins, tmp_path: Path
    ) -> None:
        bucket = origins(script=lambda seen: form(seen.target.partition("?")[2]))
        url = f"{bucket.url}/key?{QUERY}"
        listed = {
            "uuid": REPLICA["uuid"],
            "version": "2019-01-01T000000.000000Z",
            "creator_uid": 1,
            "files": [
                {
                    "name": "a",
                    "uuid": REPLICA["uuid"],
                    "version": "2019-01-01T000000.000000Z",
                    "content-type": "text/plain",
                    "indexed": False,
                    "size": 3,
                    "crc32c": "00000000",
                    "s3_etag": "x",
                    "sha1": "0" * 40,
                    "sha256": "0" * 64,
                    "url": url,
                }
            ],
        }

        def script(seen: Seen) -> Reply:
            if "/files/" in seen.target:
                return Reply(302, {"Location": url})
            return Reply(body=json.dumps({"bundle": listed}).encode())

        api = origins(script=script)
        options = {**REPLICA, "download_dir": tmp_path, "num_retries": 0}
        options["bundle_uuid"] = options.pop("uuid")
        with pytest.raises(DownloadError) as caught:
            drive(url=api.url).call("download", **options)
        (failed,) = caught.value.report.errors
        assert_unseen(*texts_of(caught.value), repr(caught.value.report), *texts_of(failed))


def test_the_cause_of_a_checkout(origins: Origins) -> None:
    cause = f"S3 refused ?X-Amz-Signature={SIGNATURE} of Bearer t0k3n+that~0123456789=="
    api = origins(Reply(body=json.dumps({"status": "FAILED", "cause": cause}).encode()))
    with DSSClient(api.url) as dss, pytest.raises(CheckoutFailed) as caught:
        CheckoutJob.attach(dss, "job", replica="aws").wait()
    assert "S3 refused" in str(caught.value)
    assert_unseen(*texts_of(caught.value))


@pytest.mark.parametrize("reply", ["JSON", "text", "broken"])
def test_an_issuer_of_tokens(reply: str, origins: Origins) -> None:
    def script(seen: Seen) -> Reply:
        if reply == "JSON":
            text = f"what is {seen.body.decode()}, or {TOKEN}?"
            return Reply(400, body=json.dumps({"error": TOKEN, "error_description": text}).encode())
        return Reply(400 if reply == "text" else 200, body=seen.body)

    issuer = origins(script=script)
    with pytest.raises(LoginError) as caught:
        post_form(f"{issuer.url}/token", {"grant_type": "refresh", "refresh_token": TOKEN})
    assert_unseen(*texts_of(caught.value))


def test_words_without_a_secret_stay(drive: Driver, origins: Origins) -> None:
    title = "No bundle 1?replica=aws of token=7, basic=x; signatures differ, Bearer tokens too"
    api = origins(problem({"code": "not_found", "title": title}))
    with pytest.raises(DSSResponseError) as caught:
        drive(url=api.url).call("get_bundle", **REPLICA)
    assert caught.value.title == title.replace("Bearer tokens", "Bearer <redacted>")


def test_a_long_body_is_masked_in_time(drive: Driver, origins: Origins) -> None:
    body = b"\\" * 200_000 + TOKEN.encode()
    api = origins(Reply(403, body=body))
    with pytest.raises(DSSResponseError) as caught:
        drive(url=api.url, options={"token": "%/\"&'" + TOKEN}).call("get_collections")
    assert len(caught.value.response.content) <= 1 << 16
