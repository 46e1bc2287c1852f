"""The clients as objects: where they point, what they share, how they travel."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from dss_client import (
    AsyncDSSClient,
    DSSClient,
    DSSError,
    InvalidArgument,
    RetryPolicy,
    Timeout,
    is_version,
)
from tests.conftest import Origins
from tests.drive import INSTANT, Driver
from tests.operations.cases import CONTENT, FILE, FILE_HEADERS, TOKEN
from tests.origin import Reply

COLLECTIONS = Reply(body=b'{"collections": []}')
Kind = type[DSSClient] | type[AsyncDSSClient]
both = pytest.mark.parametrize("kind", [DSSClient, AsyncDSSClient])


def token_of_process() -> str:
    return TOKEN


@both
class TestURL:
    @pytest.mark.parametrize(
        ("given", "url"),
        [
            ("http://h", "http://h/v1"),
            ("http://h/", "http://h/v1"),
            ("https://h:8010/v1", "https://h:8010/v1"),
            ("https://h/v1/", "https://h/v1"),
            (" http://h/v1\n", "http://h/v1"),
            ("https://h/v1/swagger.json", "https://h/v1"),
            ("https://h/v1/swagger.json/", "https://h/v1"),
            ("https://h/swagger.json", "https://h/v1"),
            ("https://h/proxy/dss/v1", "https://h/proxy/dss/v1"),
            ("http://[::1]:8010/v1", "http://[::1]:8010/v1"),
            ("HTTP://Host/v1", "HTTP://Host/v1"),
        ],
    )
    def test_it_is_taken_in_many_forms(self, kind: Kind, given: str, url: str) -> None:
        assert kind(given).url == url

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "h",
            "h:8010/v1",
            "//h/v1",
            "ftp://h/v1",
            "s3://h/v1",
            "http://",
            "http:///v1",
            "http://[::1/v1",
            "http://h:port/v1",
            "http://h:99999/v1",
            "http://h:0/v1",
            "ftp://user:pa55word@h/v1?signature=pa55word",
        ],
    )
    def test_what_is_none_is_refused_with_an_example(self, kind: Kind, given: str) -> None:
        with pytest.raises(InvalidArgument, match="is not a valid URL of a DSS") as caught:
            kind(given)
        assert "HOST[:PORT]/v1" in str(caught.value)
        assert "pa55word" not in str(caught.value)

    @pytest.mark.parametrize(
        "given",
        [
            "http://user@h/v1",
            "http://user:pa55word@h/v1",
            "http://:pa55word@h/v1",
            "http://h/v1?token=pa55word",
            "http://h/v1#pa55word",
        ],
    )
    def test_it_holds_no_credential(self, kind: Kind, given: str) -> None:
        with pytest.raises(InvalidArgument, match="give a token apart") as caught:
            kind(given)
        assert "pa55word" not in str(caught.value)

    def test_it_is_what_repr_shows(self, kind: Kind) -> None:
        assert repr(kind("http://h", token=TOKEN)) == f"{kind.__name__}('http://h/v1')"


@both
class TestTravel:
    @pytest.mark.parametrize(
        "copied",
        [copy.copy, copy.deepcopy, lambda client: pickle.loads(pickle.dumps(client))],
    )
    def test_a_client_travels_as_its_settings(self, kind: Kind, copied: Any) -> None:
        policy = RetryPolicy(attempts=9)
        client = kind(
            "http://h", token=token_of_process, timeout=Timeout(1, 2, 3, 4), retries=policy
        )
        twin = copied(client)
        assert type(twin) is kind
        assert twin._transport is not client._transport
        assert twin._transport.options == client._transport.options

    def test_one_with_an_http_client_of_its_own_does_not(self, kind: Kind) -> None:
        given: Any = httpx.Client() if kind is DSSClient else httpx.AsyncClient()
        for role in ("http_client", "storage_client"):
            client = kind("http://h", **{role: given})
            with pytest.raises(DSSError, match="cannot be pickled"):
                pickle.dumps(client)
            with pytest.raises(DSSError, match="cannot be pickled"):
                pickle.dumps(client.with_options(timeout=1))

    def test_other_limits_leave_the_rest(self, kind: Kind) -> None:
        client = kind("http://h", token=TOKEN, timeout=5, retries=3)
        slower = client.with_options(timeout=50)
        assert (slower.url, type(slower)) == (client.url, kind)
        options = slower._transport.options
        assert (options.timeout, options.retries.attempts) == (Timeout.of(50), 4)
        assert options.token == TOKEN
        once = slower.with_options(retries=0)._transport.options
        assert (once.timeout, once.retries.attempts) == (Timeout.of(50), 1)
        assert client._transport.options.timeout == Timeout.of(5)

    def test_it_makes_versions(self, kind: Kind) -> None:
        first, second = kind("http://h").create_version(), kind("http://h").create_version()
        assert is_version(first)
        assert first < second


def test_a_client_that_travelled_works(origins: Origins) -> None:
    api = origins(COLLECTIONS)
    with DSSClient(api.url, token=token_of_process) as dss:
        data = pickle.dumps(dss)
    with pickle.loads(data) as twin:
        assert twin.get_collections().collections == []
    assert api.seen[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_two_clients_do_not_disturb_each_other(drive: Driver, origins: Origins) -> None:
    """C7: in the reference client the second redirects the first."""
    one, two = origins(COLLECTIONS), origins(COLLECTIONS)
    with DSSClient(one.url, token="first") as first, DSSClient(two.url, token="second") as second:
        operation = first.get_collections
        second.get_collections()
        operation()
        first.get_collections()
    assert [seen.headers["authorization"] for seen in one.seen] == ["Bearer first"] * 2
    assert [seen.headers["authorization"] for seen in two.seen] == ["Bearer second"]


def test_threads_share_a_client(origins: Origins) -> None:
    api = origins(
        script=lambda seen: Reply(body=b'{"journal": "%s"}' % seen.target[11:15].encode())
    )
    with DSSClient(api.url, retries=INSTANT) as dss, ThreadPoolExecutor(8) as pool:

        def ask(n: int) -> Any:
            return dss.get_event(uuid=f"{n:04}", version="v", replica="aws")["journal"]

        assert list(pool.map(ask, range(100))) == [f"{n:04}" for n in range(100)]
    assert len(api.seen) == 100


def test_threads_that_start_together_make_one_http_client(origins: Origins) -> None:
    storage = origins(Reply(body=CONTENT))
    api = origins(Reply(302, {**FILE_HEADERS, "Location": storage.url}))
    with DSSClient(api.url) as dss, ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: dss.get_file(uuid=FILE, replica="aws"), range(16)))
    assert got == [CONTENT] * 16


def test_siblings_share_connections_and_do_not_close_them(origins: Origins) -> None:
    api = origins(COLLECTIONS)
    with DSSClient(api.url) as dss:
        dss.get_collections()
        with dss.with_options(timeout=1, retries=0) as patient:
            patient.get_collections()
        dss.get_collections()
    assert api.connections == 1


def test_siblings_share_the_connections_of_downloads(origins: Origins) -> None:
    storage = origins(Reply(body=CONTENT))

    def read(dss: DSSClient) -> bytes:
        buffer = bytearray(len(CONTENT))
        with dss.as_source().open(storage.url) as content:
            assert content.readinto(memoryview(buffer)) == len(CONTENT)
        return bytes(buffer)

    with DSSClient("http://h") as dss:
        with dss.with_options(timeout=1) as sibling:
            assert read(sibling) == read(dss) == CONTENT
        assert read(dss) == CONTENT
        assert storage.connections == 1


def test_a_given_http_client_stays_open(origins: Origins) -> None:
    storage = origins(Reply(body=CONTENT))
    api = origins(Reply(302, {**FILE_HEADERS, "Location": storage.url}))
    with httpx.Client() as given, httpx.Client() as other:
        with DSSClient(api.url, http_client=given, storage_client=other) as dss:
            assert dss.get_file(uuid=FILE, replica="aws") == CONTENT
        assert not given.is_closed
        assert not other.is_closed


def test_connections_are_closed_with_the_client(origins: Origins) -> None:
    api = origins(COLLECTIONS)
    with DSSClient(api.url) as dss:
        dss.get_collections()
    with pytest.raises(DSSError, match="the client is closed: make a new one"):
        dss.get_collections()


def test_the_blocking_client_wants_a_blocking_token_function() -> None:
    async def token() -> str:
        raise AssertionError("never awaited")

    coroutines: list[Any] = []

    def kept() -> Any:
        coroutines.append(token())
        return coroutines[0]

    with (
        DSSClient("http://h", token=kept) as dss,
        pytest.raises(InvalidArgument, match="expected str; a function that has to be awaited"),
    ):
        dss.get_collections()
    coroutines[0].close()


@pytest.mark.parametrize("kind", [DSSClient, AsyncDSSClient])
def test_everything_public_is_documented(kind: Kind) -> None:
    for name in dir(kind):
        if not name.startswith("_"):
            assert (getattr(kind, name).__doc__ or "").strip(), name
