"""File content: redirects to storage, streams, locations (docs/behaviour.md 8.1, 8.2)."""

import json
from typing import Any

import pytest
from pytest_httpx import HTTPXMock

from dss_client import (
    AsyncDSSClient,
    DSSClient,
    DSSConnectionError,
    DSSDecodeError,
    DSSResponseError,
    DSSTimeout,
    Forbidden,
    NotFound,
    RetryPolicy,
)
from tests.conftest import Origins
from tests.drive import Driver
from tests.operations.cases import BASE, CONTENT, FILE, FILE_HEADERS, STORAGE
from tests.origin import Reply, Seen

ARGUMENTS: dict[str, Any] = {"uuid": FILE, "replica": "aws"}
URL = f"{BASE}/files/{FILE}?replica=aws"


def found(mock: HTTPXMock, location: str = STORAGE, *, url: str = URL) -> None:
    mock.add_response(
        url=url,
        status_code=302,
        headers={**FILE_HEADERS, "Location": location},
        html=f'<a href="{location}">here</a>',
    )


def test_content_is_bytes_whatever_its_type(drive: Driver, httpx_mock: HTTPXMock) -> None:
    found(httpx_mock)
    httpx_mock.add_response(url=STORAGE, json={"a": 1})
    content = drive(url=BASE).call("get_file", **ARGUMENTS)
    assert json.loads(content) == {"a": 1}
    assert isinstance(content, bytes)


def test_storage_is_asked_for_the_stored_bytes(drive: Driver, httpx_mock: HTTPXMock) -> None:
    found(httpx_mock)
    httpx_mock.add_response(url=STORAGE, content=CONTENT)
    drive(url=BASE).call("get_file", **ARGUMENTS)
    assert httpx_mock.get_requests()[1].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("what", ["get_file", "get_file.raw", "get_file.stream"])
def test_encoded_content_is_refused(what: str, drive: Driver, httpx_mock: HTTPXMock) -> None:
    found(httpx_mock)
    httpx_mock.add_response(url=STORAGE, content=CONTENT, headers={"Content-Encoding": "identity2"})
    with pytest.raises(DSSDecodeError, match="'identity2'"):
        drive(url=BASE).call(what, **ARGUMENTS)


def test_the_metadata_is_that_of_the_service(drive: Driver, httpx_mock: HTTPXMock) -> None:
    found(httpx_mock)
    theirs = {"X-DSS-SIZE": "99", "ETag": '"x"', "Content-Type": "binary/octet-stream"}
    httpx_mock.add_response(url=STORAGE, content=CONTENT, headers=theirs)
    raw = drive(url=BASE).call("get_file.raw", **ARGUMENTS)
    assert raw.headers["X-DSS-SIZE"] == "5"
    assert raw.headers["ETag"] == '"x"'
    assert raw.headers["content-type"] == "binary/octet-stream"


def test_a_stream_has_metadata_and_content(drive: Driver, httpx_mock: HTTPXMock) -> None:
    found(httpx_mock)
    httpx_mock.add_response(url=STORAGE, content=CONTENT)
    streamed = drive(url=BASE).call("get_file.stream", **ARGUMENTS)
    assert streamed.content == CONTENT
    assert streamed.status_code == 200
    assert (streamed.headers.size, streamed.headers.sha256) == (5, FILE_HEADERS["X-DSS-SHA256"])


def test_a_stream_comes_in_pieces(httpx_mock: HTTPXMock) -> None:
    found(httpx_mock)
    httpx_mock.add_response(url=STORAGE, content=CONTENT)
    with DSSClient(BASE) as dss, dss.get_file.stream(uuid=FILE, replica="aws") as stream:
        assert list(stream.iter_bytes(2)) == [b"he", b"ll", b"o"]


async def test_an_async_stream_comes_in_pieces(httpx_mock: HTTPXMock) -> None:
    found(httpx_mock)
    httpx_mock.add_response(url=STORAGE, content=CONTENT)
    async with AsyncDSSClient(BASE) as dss, dss.get_file.stream(uuid=FILE, replica="aws") as stream:
        assert [piece async for piece in stream.iter_bytes(2)] == [b"he", b"ll", b"o"]


def test_a_stream_without_metadata_is_refused(drive: Driver, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(url=URL, status_code=302, headers={"Location": STORAGE})
    httpx_mock.add_response(url=STORAGE, content=CONTENT)
    with pytest.raises(DSSDecodeError) as caught:
        drive(url=BASE).call("get_file.stream", **ARGUMENTS)
    assert caught.value.field == "X-DSS-CREATOR-UID"


@pytest.mark.parametrize("what", ["get_file", "get_file.stream"])
def test_an_expired_url_is_forbidden_and_not_shown(
    what: str, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    found(httpx_mock)
    httpx_mock.add_response(url=STORAGE, status_code=403, text="<Error>Expired</Error>")
    with pytest.raises(Forbidden, match="Expired") as caught:
        drive(url=BASE).call(what, **ARGUMENTS)
    assert caught.value.request.url == "https://storage.example.net/blobs/x?<redacted>"
    assert "5ec7e7" not in str(caught.value) + repr(caught.value)


def test_storage_failures_are_retried(drive: Driver, httpx_mock: HTTPXMock) -> None:
    found(httpx_mock)
    httpx_mock.add_response(url=STORAGE, status_code=503)
    httpx_mock.add_response(url=STORAGE, content=CONTENT)
    assert drive(url=BASE).call("get_file", **ARGUMENTS) == CONTENT


def test_a_missing_file_is_not_found(drive: Driver, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(url=URL, status_code=404, json={"code": "not_found", "title": "No."})
    with pytest.raises(NotFound, match="not_found: No"):
        drive(url=BASE).call("get_file.stream", **ARGUMENTS)


class TestLocation:
    def test_locate_asks_storage_for_nothing(self, drive: Driver, httpx_mock: HTTPXMock) -> None:
        found(httpx_mock)
        place = drive(url=BASE).call("get_file.locate", **ARGUMENTS)
        assert place.url == STORAGE
        assert place.headers.size == 5
        assert "5ec7e7" not in repr(place)

    def test_a_relative_location_is_made_whole(self, drive: Driver, httpx_mock: HTTPXMock) -> None:
        found(httpx_mock, "/blobs/x?signature=1")
        place = drive(url=BASE).call("get_file.locate", **ARGUMENTS)
        assert place.url == "https://dss.example.org/blobs/x?signature=1"

    def test_locate_waits_for_content(self, drive: Driver, httpx_mock: HTTPXMock) -> None:
        httpx_mock.add_response(
            url=URL,
            status_code=301,
            headers={"Location": f"{URL}&token=t", "Retry-After": "0"},
        )
        found(httpx_mock, url=f"{URL}&token=t")
        assert drive(url=BASE).call("get_file.locate", **ARGUMENTS).url == STORAGE

    def test_c9_it_waits_as_long_with_a_token(self, drive: Driver, origins: Origins) -> None:
        waits = [Reply(301, {"Location": "/v1/x?token=t", "Retry-After": "0"})] * 60
        origin = origins(
            *waits, Reply(302, {"Location": "http://127.0.0.1:1/blob", **FILE_HEADERS})
        )
        made = drive(url=f"{origin.url}/v1", options={"token": "t0ken"})
        assert made.call("get_file.locate", **ARGUMENTS).url == "http://127.0.0.1:1/blob"
        assert len(origin.seen) == 61

    @pytest.mark.parametrize("scheme", ["s3", "gs"])
    def test_directurl_returns_the_storage_url(
        self, scheme: str, drive: Driver, httpx_mock: HTTPXMock
    ) -> None:
        found(httpx_mock, f"{scheme}://bucket/blobs/x", url=f"{URL}&directurl=true")
        place = drive(url=BASE).call("get_file", **ARGUMENTS, directurl=True)
        assert place == f"{scheme}://bucket/blobs/x"

    def test_raw_directurl_returns_the_redirect_itself(
        self, drive: Driver, httpx_mock: HTTPXMock
    ) -> None:
        found(httpx_mock, "s3://bucket/blobs/x", url=f"{URL}&directurl=true")
        raw = drive(url=BASE).call("get_file.raw", **ARGUMENTS, directurl=True)
        assert (raw.status_code, raw.parsed) == (302, "s3://bucket/blobs/x")

    def test_an_answer_without_redirect_is_refused(
        self, drive: Driver, httpx_mock: HTTPXMock
    ) -> None:
        httpx_mock.add_response(url=URL, content=CONTENT)
        with pytest.raises(DSSDecodeError, match="redirect"):
            drive(url=BASE).call("get_file.locate", **ARGUMENTS)


@pytest.mark.parametrize("what", ["get_file", "get_file.locate"])
class TestRedirects:
    @pytest.mark.parametrize(
        ("location", "reason"),
        [
            ("http://storage.example.net/x?signature=5ec7e7", "https to http"),
            ("https://storage.example.net:99999/?signature=5ec7e7", "not a URL"),
        ],
    )
    def test_a_bad_location_is_refused(
        self, location: str, reason: str, what: str, drive: Driver, httpx_mock: HTTPXMock
    ) -> None:
        found(httpx_mock, location)
        with pytest.raises(DSSResponseError, match=reason) as caught:
            drive(url=BASE).call(what, **ARGUMENTS)
        assert caught.value.status_code == 302
        assert "5ec7e7" not in str(caught.value) + repr(caught.value)

    def test_a_redirect_to_nowhere_is_refused(
        self, what: str, drive: Driver, httpx_mock: HTTPXMock
    ) -> None:
        httpx_mock.add_response(url=URL, status_code=302)
        with pytest.raises(DSSResponseError, match="names no Location"):
            drive(url=BASE).call(what, **ARGUMENTS)

    def test_waiting_for_content_ends(
        self, what: str, drive: Driver, httpx_mock: HTTPXMock
    ) -> None:
        headers = {"Location": f"{URL}&token=t", "Retry-After": "10"}
        httpx_mock.add_response(url=URL, status_code=301, headers=headers)
        impatient = RetryPolicy(ready_timeout=9)
        with pytest.raises(DSSTimeout, match="after 1 polls"):
            drive(url=BASE, options={"retries": impatient}).call(what, **ARGUMENTS)


@pytest.mark.parametrize("what", ["get_file", "get_file.stream"])
class TestFollowed:
    @pytest.mark.parametrize("location", ["s3://bucket/x", "ftp://h/x", "file:///x"])
    def test_other_schemes_are_not_followed(
        self, location: str, what: str, drive: Driver, httpx_mock: HTTPXMock
    ) -> None:
        found(httpx_mock, location)
        with pytest.raises(DSSResponseError, match="only http and https"):
            drive(url=BASE).call(what, **ARGUMENTS)

    def test_a_loop_ends(self, what: str, drive: Driver, httpx_mock: HTTPXMock) -> None:
        found(httpx_mock)
        httpx_mock.add_response(
            url=STORAGE, status_code=302, headers={"Location": STORAGE}, is_reusable=True
        )
        with pytest.raises(DSSResponseError, match="20 redirects"):
            drive(url=BASE).call(what, **ARGUMENTS)
        assert len(httpx_mock.get_requests()) == 21

    @pytest.mark.parametrize(
        "location",
        ["http://[::1?sig=5ec7e7", "https://h:x/?sig=5ec7e7", "https://h/" + "a" * 70_000],
    )
    def test_what_the_http_library_takes_for_no_url_is_a_connection_error(
        self, location: str, what: str, drive: Driver, httpx_mock: HTTPXMock
    ) -> None:
        headers = {"Location": location}
        httpx_mock.add_response(url=URL, status_code=302, headers=headers, is_reusable=True)
        with pytest.raises(DSSConnectionError, match="Invalid URL in location header") as caught:
            drive(url=BASE).call(what, **ARGUMENTS)
        assert "5ec7e7" not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_of_a_change_is_not_followed(
    status: int, drive: Driver, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_response(
        status_code=status, headers={"Location": "https://evil.example.com/", "Retry-After": "0"}
    )
    with pytest.raises(DSSResponseError, match="was not followed, because only GET and HEAD"):
        drive(url=BASE).call("delete_collection", uuid=FILE, replica="aws")


def test_a_bundle_waits_for_its_checkout(drive: Driver, httpx_mock: HTTPXMock) -> None:
    url = f"{BASE}/bundles/{FILE}?replica=aws&presignedurls=true"
    for turn, place in enumerate([url, f"{url}&token=0"]):
        # The service may name a scheme and host that it is not reached by.
        theirs = f"{url}&token={turn}".replace("dss.example.org", "internal.example.org")
        httpx_mock.add_response(
            url=place, status_code=301, headers={"Location": theirs, "Retry-After": "0"}
        )
    body = {"bundle": {"uuid": FILE, "version": "v", "creator_uid": 0, "files": []}}
    httpx_mock.add_response(url=f"{url}&token=1", json=body)
    result = drive(url=BASE).call("get_bundle", **ARGUMENTS, presignedurls=True)
    assert result.bundle.files == []


# Ranges


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, None), (1, 3), (-2, None), (-4, -1), (2, 99), (5, None), (9, 12), (3, 1), (0, 0)],
)
@pytest.mark.parametrize("ranged", [True, False], ids=["206", "200"])
def test_a_range_is_a_slice(
    drive: Driver, origins: Origins, start: int, end: int | None, ranged: bool
) -> None:
    def answer(seen: Seen) -> Reply:
        if "/files/" in seen.target:
            return Reply(302, {**FILE_HEADERS, "Location": "/stored"})
        if not ranged:
            return Reply(body=CONTENT)
        first, _, last = seen.headers.get("range", "bytes=0-")[6:].partition("-")
        part = CONTENT[int(first) : int(last or len(CONTENT)) + 1]
        place = f"bytes {first}-{int(first) + len(part) - 1}/{len(CONTENT)}"
        return Reply(206, {"Content-Range": place}, part)

    service = origins(script=answer)
    client = drive(url=f"{service.url}/v1")
    found = client.call("get_file.read_range", **ARGUMENTS, start=start, end=end)
    assert found == CONTENT[start:end]
    assert len(service.seen) == (2 if found else 1)  # storage is not asked for nothing


def test_a_range_of_an_expired_url_is_asked_for_again(drive: Driver, httpx_mock: HTTPXMock) -> None:
    found(httpx_mock)
    httpx_mock.add_response(url=STORAGE, status_code=403)
    found(httpx_mock, f"{STORAGE}2", url=f"{URL}&version={FILE_HEADERS['X-DSS-VERSION']}")
    httpx_mock.add_response(url=f"{STORAGE}2", status_code=503)
    httpx_mock.add_response(url=f"{STORAGE}2", content=CONTENT)
    assert drive(url=BASE).call("get_file.read_range", **ARGUMENTS, start=1, end=3) == CONTENT[1:3]


@pytest.mark.parametrize("given", ["bytes 0-1/5", "bytes 1-2/6", "chars", "bytes 1-1/5"])
def test_another_range_is_refused(drive: Driver, httpx_mock: HTTPXMock, given: str) -> None:
    found(httpx_mock)
    httpx_mock.add_response(
        url=STORAGE, status_code=206, headers={"Content-Range": given}, content=b"e"
    )
    client = drive(url=BASE, options={"retries": 0})
    with pytest.raises(DSSConnectionError, match="asked storage for the bytes 1-2/5, and was"):
        client.call("get_file.read_range", **ARGUMENTS, start=1, end=3)


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_no_range_is_read_over_http_after_https(
    drive: Driver, httpx_mock: HTTPXMock, scheme: str
) -> None:
    place = STORAGE.replace("https", scheme)
    httpx_mock.add_response(
        url=URL, status_code=302, headers={**FILE_HEADERS, "Location": place, "X-DSS-SIZE": "9"}
    )
    httpx_mock.add_response(status_code=307, headers={"Location": "http://h/x?key=5ec7e7"})
    with pytest.raises(DSSResponseError, match=r"The redirect to .* was not followed") as caught:
        drive(url=BASE).call("get_file.read_range", **ARGUMENTS, start=1, end=3)
    assert "5ec7e7" not in str(caught.value)


def test_a_range_needs_the_size(drive: Driver, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(url=URL, status_code=302, headers={"Location": STORAGE})
    with pytest.raises(DSSDecodeError, match="X-DSS-SIZE"):
        drive(url=BASE).call("get_file.read_range", **ARGUMENTS, start=1)
