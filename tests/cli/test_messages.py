"""What a wrong URL, a wrong token or a service that is down looks like at the keyboard."""

import re
import socket
import threading
from pathlib import Path

import pytest

from dss_client.local import LocalDSS
from tests.conftest import Origins
from tests.origin import Reply

from .conftest import Run

UUID = "00000000-0000-4000-8000-000000000000"
SUBSCRIPTIONS = ("api", "get-subscriptions", "--replica", "aws")


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


class TestNobodyIsThere:
    @pytest.fixture(autouse=True)
    def _no_delay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dss_client._retry.RetryPolicy.delay", lambda *_: 0.0)

    def test_each_try_is_told_at_once_and_the_last_says_what_to_do(self, run: Run) -> None:
        url = closed_port()
        outcome = run("search", "--url", url, "--retries", 2)
        second, third, last = outcome.err.splitlines()
        assert (outcome.status, outcome.out) == (1, "")
        assert re.search(r"^127\.0\.0\.1:\d+: .*refused; try 2 of 3 in 0\.0 s$", second)
        assert "; try 3 of 3 in " in third
        assert "refused (tried 3 times in 0 s). Is " in last
        assert f"Is {url} (from url= or --url) the right URL" in last
        assert "`dss serve`" in last

    def test_a_service_that_fails_is_told_too(self, run: Run, origins: Origins) -> None:
        service = origins(Reply(503, body=b"{}"))
        outcome = run("search", "--url", service.url, "--retries", 1)
        first, last = outcome.err.splitlines()
        assert first.endswith(": it answered 503; try 2 of 2 in 0.0 s")
        assert last.endswith(": 503. It was tried 2 times in 0 s")

    def test_the_place_that_names_the_url_is_told(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url, config = closed_port(), tmp_path / "config.toml"
        config.write_text(f'url = "{url}"\n')
        monkeypatch.setenv("DSS_CONFIG_FILE", str(config))
        words = ("search", "--retries", 0)
        assert f"Is {url} (from {config}) the right URL" in run(*words).err
        monkeypatch.setenv("DSS_URL", url)
        assert f"Is {url} (from DSS_URL) the right URL" in run(*words).err


class TestTheWrongScheme:
    def test_https_on_a_port_of_http(self, run: Run, local_dss: LocalDSS) -> None:
        outcome = run("search", "--url", local_dss.url.replace("http", "https"))
        assert (outcome.status, outcome.err.count("\n")) == (1, 1)  # it is not tried again
        assert ". The server does not speak TLS" in outcome.err
        assert "write http:// in the URL" in outcome.err

    @pytest.mark.parametrize("answer", ["HTTPS port", "You're speaking to an SSL-enabled server"])
    def test_http_on_a_port_of_https_that_says_so(
        self, answer: str, run: Run, origins: Origins
    ) -> None:
        service = origins(Reply(400, body=answer.encode()))
        outcome = run("search", "--url", service.url)
        assert f"write https:// in the URL {service.url}/v1" in outcome.err

    def test_http_on_a_port_of_https_that_hangs_up(self, run: Run) -> None:
        def hang_up() -> None:
            with server.accept()[0] as connection:
                connection.recv(1 << 16)

        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=hang_up)
            thread.start()
            url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
            outcome = run("api", "get-bundles-all", "--replica", "aws", "--url", url, "--retries=0")
            thread.join()
        assert f"write https:// in the URL {url} (from url= or --url)" in outcome.err


class TestNoDSS:
    @pytest.mark.parametrize("words", [("search",), ("get-bundle", UUID)])
    def test_the_port_of_storage(
        self, words: tuple[str, ...], run: Run, local_dss: LocalDSS
    ) -> None:
        outcome = run(*words, "--url", local_dss.storage_url)
        assert outcome.status == 1
        assert "This does not look like the API of a DSS" in outcome.err
        assert f"is {local_dss.storage_url}/v1 (from url= or --url) the right URL" in outcome.err

    @pytest.mark.parametrize("words", [("search",), ("get-bundle", UUID)])
    def test_a_web_site(self, words: tuple[str, ...], run: Run, origins: Origins) -> None:
        site = origins(Reply(body=b"<html>Welcome</html>"))
        outcome = run(*words, "--url", site.url)
        assert outcome.status == 1
        assert f"is {site.url}/v1 (from url= or --url) the right URL" in outcome.err

    def test_what_a_dss_refuses_is_no_such_thing(self, run: Run, local_dss: LocalDSS) -> None:
        assert "look like" not in run("get-bundle", UUID, "--url", local_dss.url).err


class TestNoSuchFile:
    @pytest.mark.parametrize("words", [("download-file", "-o", "x"), ("api", "head-file")])
    def test_a_head_says_it_without_a_body(
        self, words: tuple[str, ...], run: Run, local_dss: LocalDSS
    ) -> None:
        named = ("--uuid", UUID, "--replica", "aws") if words[0] == "api" else (UUID,)
        outcome = run(*words, *named, "--url", local_dss.url)
        assert outcome.status == 1
        assert "There is no such file, or not in this version" in outcome.err
        assert "a bundle's id is not that of a file" in outcome.err


class TestARefusedToken:
    @pytest.mark.parametrize(
        ("status", "said"),
        [
            (401, "The token (DSS_TOKEN) was refused: set another one there, or unset DSS_TOKEN"),
            (403, "The token (DSS_TOKEN) does not allow this: dss whoami shows whose it is"),
        ],
    )
    def test_of_the_environment(
        self,
        status: int,
        said: str,
        run: Run,
        origins: Origins,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("DSS_TOKEN", "abc")
        service = origins(Reply(status, body=b'{"title": "no"}'))
        assert said in run(*SUBSCRIPTIONS, "--url", service.url).err

    def test_of_a_login(
        self, run: Run, local_dss: LocalDSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DSS_CONFIG_FILE", str(tmp_path / "config.toml"))
        assert run("login", "--access-token", "abc", "--url", local_dss.url).status == 0
        outcome = run(*SUBSCRIPTIONS, "--url", local_dss.url)
        assert "The token (stored login) was refused: run dss login again" in outcome.err
