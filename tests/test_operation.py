"""The values that operations return beside models."""

import pickle
from collections.abc import Iterator

import httpx
import pytest

from dss_client import AsyncDSSClient, ContentLocation, DSSClient, RawResponse
from dss_client.models import FileHeaders
from tests.conftest import Origins
from tests.operations.cases import CONTENT, FILE, FILE_HEADERS, STORAGE
from tests.origin import Reply

HEADERS = FileHeaders.from_headers(FILE_HEADERS)


def test_a_raw_response_can_be_pickled_and_shows_no_secret() -> None:
    raw = RawResponse(200, httpx.Headers({"X-AWS-REQUEST-ID": "r", "Location": STORAGE}), b"{}", 1)
    twin = pickle.loads(pickle.dumps(raw))
    assert twin == raw
    assert twin.request_id == "r"
    assert repr(raw) == "RawResponse(status_code=200, parsed=1)"


def test_a_location_can_be_pickled_and_shows_no_secret() -> None:
    place = ContentLocation(STORAGE, HEADERS)
    assert pickle.loads(pickle.dumps(place)) == place
    assert "5ec7e7" not in repr(place)


@pytest.fixture
def api(origins: Origins) -> str:
    storage = origins(Reply(body=CONTENT))
    return origins(Reply(302, {**FILE_HEADERS, "Location": storage.url})).url


def test_a_stream_is_iterated_over(api: str) -> None:
    with DSSClient(api) as dss, dss.get_file.stream(uuid=FILE, replica="aws") as stream:
        pieces: Iterator[bytes] = iter(stream)
        assert b"".join(pieces) == CONTENT
        assert stream.headers == HEADERS


async def test_an_async_stream_is_iterated_over(api: str) -> None:
    async with AsyncDSSClient(api) as dss, dss.get_file.stream(uuid=FILE, replica="aws") as stream:
        assert b"".join([piece async for piece in stream]) == CONTENT
        assert stream.headers == HEADERS


def test_an_operation_cannot_be_given_attributes() -> None:
    """A misspelt setting is an error, not a new attribute."""
    with DSSClient("http://h") as dss, pytest.raises(AttributeError):
        dss.get_file.timeout = 5  # type: ignore[attr-defined]
