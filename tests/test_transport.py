"""What goes over the wire, to whom, how often: mostly over real sockets, for both clients."""

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dss_client import (
    DSSConnectionError,
    DSSTimeout,
    Forbidden,
    InvalidArgument,
    RetryPolicy,
    ServerError,
    Timeout,
    TooManyRequests,
)
from dss_client._options import Options
from dss_client._sync.transport import Transport
from tests.conftest import Origins
from tests.drive import INSTANT, Driver
from tests.operations.cases import BY_NAME, CONTENT, FILE, FILE_HEADERS, TOKEN
from tests.origin import Origin, Reply

GET_FILE: dict[str, Any] = {"uuid": FILE, "replica": "aws"}
SECRET = "signature=5ec7e7"
LATER = Reply(503, {"Retry-After": "600"}, b'{"code": "read_only", "title": "Not now."}')


def redirecting(storage: Origin, **headers: str) -> Reply:
    return Reply(302, {**FILE_HEADERS, "Location": f"{storage.url}/blobs/x?{SECRET}", **headers})


class TestCredentials:
    def test_storage_never_sees_a_token(self, drive: Driver, origins: Origins) -> None:
        storage = origins(Reply(body=CONTENT))
        api = origins(redirecting(storage))
        client = drive(url=api.url, options={"token": TOKEN})
        for what in ("get_file", "get_file.raw", "get_file.stream"):
            client.call(what, **GET_FILE)
        seen = api.seen + storage.seen
        assert len(seen) == 6
        assert all("authorization" not in request.headers for request in seen)

    def test_not_even_when_a_secured_request_is_redirected(
        self, drive: Driver, origins: Origins
    ) -> None:
        other = origins(Reply(body=b'{"collections": []}'))
        api = origins(Reply(302, {"Location": other.url}))
        drive(url=api.url, options={"token": TOKEN}).call("get_collections")
        assert api.seen[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert "authorization" not in other.seen[0].headers

    @pytest.mark.parametrize("follow_redirects", [False, True])
    def test_nothing_of_a_given_http_client_goes_to_storage(
        self, follow_redirects: bool, drive: Driver, origins: Origins
    ) -> None:
        storage = origins(Reply(body=CONTENT))
        api = origins(redirecting(storage))
        http = {
            "headers": {"X-Api-Key": "k3y"},
            "cookies": {"session": "c00kie"},
            "auth": ("user", "pa55word"),
            "follow_redirects": follow_redirects,
        }
        drive(url=api.url, http=http).call("get_file", **GET_FILE)
        sent = api.seen[0].headers
        assert {"x-api-key", "cookie", "authorization"} <= set(sent)
        assert not {"x-api-key", "cookie", "authorization"} & set(storage.seen[0].headers)

    def test_cookies_of_the_service_do_not_go_to_storage(
        self, drive: Driver, origins: Origins
    ) -> None:
        storage = origins(Reply(body=CONTENT))
        ready = redirecting(storage, **{"Set-Cookie": "session=c00kie; Path=/"})
        api = origins(ready)
        drive(url=api.url).call("get_file", **GET_FILE)
        assert "cookie" not in storage.seen[0].headers

    def test_a_token_function_is_asked_for_each_secured_request(
        self, drive: Driver, origins: Origins
    ) -> None:
        tokens = iter(["one", "two"])
        pages = [
            Reply(206, {"Link": "</x?start_at=1>; rel=next"}, b'{"collections": []}'),
            Reply(200, {}, b'{"collections": []}'),
        ]
        api = origins(*pages)
        client = drive(url=api.url, options={"token": lambda: next(tokens)})
        client.call("get_collections.paginate")
        assert [seen.headers["authorization"] for seen in api.seen] == ["Bearer one", "Bearer two"]

    def test_a_token_comes_from_the_environment(
        self, drive: Driver, origins: Origins, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DSS_TOKEN", TOKEN)
        api = origins(Reply(body=b'{"collections": []}'))
        drive(url=api.url).call("get_collections")
        drive(url=api.url, options={"token": "mine"}).call("get_collections")
        sent = [seen.headers["authorization"] for seen in api.seen]
        assert sent == [f"Bearer {TOKEN}", "Bearer mine"]

    @pytest.mark.parametrize(
        "token", ["", "t0k3n\n", "t0k3n\r\nX: y", "t0k3n t0k3n", "t0k3n\x00", "t0k3nå"]
    )
    @pytest.mark.parametrize("wrap", [lambda token: token, lambda token: lambda: token])
    def test_a_token_that_no_header_can_carry_is_refused_unseen(
        self, token: str, wrap: Callable[[str], Any], drive: Driver
    ) -> None:
        client = drive(url="http://127.0.0.1:9", options={"token": wrap(token)})
        with pytest.raises(InvalidArgument, match="token") as caught:
            client.call("get_collections")
        assert "t0k3n" not in str(caught.value)


class TestLogs:
    def test_one_line_says_what_happened(
        self, drive: Driver, origins: Origins, caplog: pytest.LogCaptureFixture
    ) -> None:
        api = origins(LATER, Reply(body=b'{"collections": []}'))
        with caplog.at_level(logging.DEBUG, "dss_client"):
            drive(url=api.url).call("get_collections", start_at=5)
        lines = [r.getMessage() for r in caplog.records if r.name == "dss_client"]
        assert [line.rpartition(" in ")[0] for line in lines] == [
            f"GET {api.url}/v1/collections?start_at=5 -> 503",
            f"GET {api.url}/v1/collections?start_at=5 -> 200",
        ]

    def test_no_secret_is_in_them(
        self, drive: Driver, origins: Origins, caplog: pytest.LogCaptureFixture
    ) -> None:
        storage = origins(LATER, Reply(body=CONTENT))
        api = origins(
            redirecting(storage), redirecting(storage), Reply(body=b'{"collections": []}')
        )
        client = drive(url=api.url, options={"token": TOKEN})
        with caplog.at_level(logging.DEBUG):
            client.call("get_file", **GET_FILE)
            client.call("get_file.stream", **GET_FILE)
            client.call("get_collections")
        assert {r.name for r in caplog.records} >= {"dss_client", "httpx", "httpcore.http11"}
        assert f"{storage.url}/blobs/x?<redacted>" in caplog.text
        assert SECRET not in caplog.text
        assert TOKEN not in caplog.text

    @pytest.mark.parametrize(
        ("line", "args", "text"),
        [
            ("plain", (), "plain"),
            ("%(a)s", ({"a": 1},), "1"),
            ("%s %s", (1, "x?signature=kept"), "1 x?signature=kept"),
        ],
    )
    def test_other_lines_of_the_http_library_stay_as_they_are(
        self, line: str, args: tuple[Any, ...], text: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, "httpx"):
            logging.getLogger("httpx").info(line, *args)
        assert caplog.messages == [text]


class TestRetries:
    def test_the_last_error_is_the_services_own(self, drive: Driver, origins: Origins) -> None:
        api = origins(LATER)
        with pytest.raises(ServerError, match="503 read_only: Not now") as caught:
            drive(url=api.url).call("get_bundles_all", replica="aws")
        assert caught.value.code == "read_only"
        assert len(api.seen) == INSTANT.attempts

    def test_a_broken_connection_is_made_again(self, drive: Driver, origins: Origins) -> None:
        api = origins(Reply(drop=True), Reply(drop=True), Reply(body=b"{}"))
        assert drive(url=api.url).call("delete_bundle", **BY_NAME["delete_bundle"].all) == {}
        assert len({(seen.method, seen.target, seen.body) for seen in api.seen}) == 1
        assert len(api.seen) == 3

    def test_but_not_to_do_harm(self, drive: Driver, origins: Origins) -> None:
        api = origins(Reply(drop=True))
        with pytest.raises(DSSConnectionError, match=r"PATCH .*/bundles/"):
            drive(url=api.url).call("patch_bundle", **BY_NAME["patch_bundle"].all)
        assert len(api.seen) == 1

    def test_a_body_that_breaks_off_is_asked_for_again(
        self, drive: Driver, origins: Origins
    ) -> None:
        storage = origins(Reply(body=CONTENT, cut=2), Reply(body=CONTENT))
        api = origins(redirecting(storage))
        assert drive(url=api.url).call("get_file", **GET_FILE) == CONTENT
        assert (len(api.seen), len(storage.seen)) == (1, 2)

    def test_a_stream_that_breaks_off_is_an_error(self, drive: Driver, origins: Origins) -> None:
        storage = origins(Reply(body=CONTENT, cut=2))
        api = origins(redirecting(storage))
        with pytest.raises(DSSConnectionError, match="redacted") as caught:
            drive(url=api.url).call("get_file.stream", **GET_FILE)
        assert SECRET not in str(caught.value)

    def test_a_429_is_retried_and_then_raised(self, drive: Driver, origins: Origins) -> None:
        api = origins(Reply(429))
        with pytest.raises(TooManyRequests):
            drive(url=api.url, options={"retries": 0}).call("get_bundles_all", replica="aws")
        assert len(api.seen) == 1

    def test_a_wait_is_capped(self, drive: Driver, origins: Origins) -> None:
        api = origins(Reply(503, {"Retry-After": "600"}), Reply(body=b"{}"))
        policy = RetryPolicy(max_retry_after=0.02)
        assert (
            drive(url=api.url, options={"retries": policy}).call(
                "delete_bundle", **BY_NAME["delete_bundle"].all
            )
            == {}
        )

    def test_a_deadline_ends_it(self, drive: Driver, origins: Origins) -> None:
        api = origins(LATER)
        policy = RetryPolicy(attempts=1000, deadline=1)
        with pytest.raises(ServerError):
            drive(url=api.url, options={"retries": policy}).call("get_bundles_all", replica="aws")
        assert len(api.seen) == 1

    def test_no_answer_in_time_is_a_timeout(self, drive: Driver, origins: Origins) -> None:
        def stall(request: httpx.Request) -> httpx.Response:
            raise httpx.ReadTimeout("slow", request=request)

        client = drive(url="http://h", http={"transport": httpx.MockTransport(stall)})
        with pytest.raises(DSSTimeout, match=r"no answer in time \(ReadTimeout\)"):
            client.call("get_bundles_all", replica="aws")


class TestUnreachable:
    def refuse(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Name or service not known", request=request)

    def test_the_retired_host_says_so_and_what_to_do(self, drive: Driver) -> None:
        client = drive(url=None, http={"transport": httpx.MockTransport(self.refuse)})
        with pytest.raises(DSSConnectionError) as caught:
            client.call("get_bundles_all", replica="aws")
        text = str(caught.value)
        assert text.startswith("GET https://dss.data.humancellatlas.org/v1/bundles/all")
        for word in ("switched off", "DSSClient(url)", "DSS_URL", "config file", "dss serve"):
            assert word in text

    def test_any_other_host_does_not(self, drive: Driver) -> None:
        client = drive(url="http://h", http={"transport": httpx.MockTransport(self.refuse)})
        with pytest.raises(DSSConnectionError) as caught:
            client.call("get_bundles_all", replica="aws")
        assert "switched off" not in str(caught.value)


class TestTimeouts:
    def sent(self, drive: Driver, options: dict[str, Any], **http: Any) -> dict[str, Any]:
        requests: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            return httpx.Response(200, json={})

        client = drive(
            url="http://h",
            options=options,
            http={"transport": httpx.MockTransport(answer), **http},
        )
        client.call("delete_bundle", **BY_NAME["delete_bundle"].all)
        limits: dict[str, Any] = requests[0].extensions["timeout"]
        return limits

    def test_one_number_holds_for_all(self, drive: Driver) -> None:
        assert set(self.sent(drive, {"timeout": 3}).values()) == {3}

    def test_each_phase_can_have_its_own(self, drive: Driver) -> None:
        limits = Timeout(connect=1, read=2, write=3, pool=None)
        assert self.sent(drive, {"timeout": limits}) == {
            "connect": 1,
            "read": 2,
            "write": 3,
            "pool": None,
        }

    def test_those_of_a_given_client_stay(self, drive: Driver) -> None:
        assert set(self.sent(drive, {}, timeout=7).values()) == {7}

    def test_unless_others_are_given(self, drive: Driver) -> None:
        assert set(self.sent(drive, {"timeout": 3}, timeout=7).values()) == {3}


def test_none_means_no_limit() -> None:
    assert Timeout.of(None) == Timeout(None, None, None, None)


class TestOpenStorage:
    """The single, unrepeated request for stored bytes that downloads are made of."""

    @pytest.fixture
    def transport(self) -> Any:
        transport = Transport(Options(base_url="http://h/v1", token=TOKEN))
        yield transport
        transport.close()

    def test_it_reads_from_an_offset(self, transport: Transport, origins: Origins) -> None:
        storage = origins(Reply(206, {"Content-Range": "bytes 2-4/5"}, CONTENT[2:]))
        with transport.open_storage(f"{storage.url}/x?{SECRET}", first=2) as response:
            assert b"".join(response.iter_bytes()) == CONTENT[2:]
            assert response.status_code == 206
            assert response.headers["content-range"] == "bytes 2-4/5"
        (seen,) = storage.seen
        assert (seen.target, seen.headers["range"]) == (f"/x?{SECRET}", "bytes=2-")
        assert seen.headers["accept-encoding"] == "identity"
        assert "authorization" not in seen.headers

    @pytest.mark.parametrize(
        ("reply", "error"),
        [
            (Reply(403, body=b"<Error>Expired</Error>"), Forbidden),
            (Reply(503), ServerError),
            (Reply(403, body=b"cut off", cut=2), DSSConnectionError),
            (Reply(drop=True), DSSConnectionError),
        ],
    )
    def test_it_is_asked_once_and_fails_without_the_query(
        self, reply: Reply, error: type[Exception], transport: Transport, origins: Origins
    ) -> None:
        storage = origins(reply)
        opened = transport.open_storage(f"{storage.url}/x?{SECRET}")
        with pytest.raises(error, match="redacted") as caught, opened:
            pass
        assert SECRET not in str(caught.value)
        assert len(storage.seen) == 1

    def test_a_body_that_breaks_off_is_an_error(
        self, transport: Transport, origins: Origins
    ) -> None:
        storage = origins(Reply(body=CONTENT, cut=1))
        with (
            transport.open_storage(storage.url) as response,
            pytest.raises(DSSConnectionError),
        ):
            list(response.iter_bytes())


def test_proxies_of_the_environment_are_not_for_this_machine(
    drive: Driver, origins: Origins, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    api = origins(redirecting(origins(Reply(body=CONTENT))))
    assert drive(url=api.url).call("get_file", **GET_FILE) == CONTENT
