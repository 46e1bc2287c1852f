"""Logging in and out, against an OAuth server and an embedded DSS that takes its tokens."""

import importlib.util
import json
import logging
import os
import pickle
import stat
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from dss_client import AsyncDSSClient, DSSClient, InvalidArgument, LoginError, Unauthorized
from dss_client.auth import oauth, plain_http, sources, stored
from dss_client.auth.stored import LoginStore, StoredLogin
from dss_client.local import LocalDSS
from tests.auth.conftest import PERSON, Place
from tests.conftest import Origins
from tests.drive import Driver
from tests.origin import Reply

Browse = Callable[[str], bool]


def listed(drive: Driver, place: Place) -> Any:
    """Make a call that needs a token."""
    return drive(url=place.dss.url).call("get_collections")


class TestBrowser:
    def test_it_brings_a_token_that_the_service_takes(
        self, place: Place, drive: Driver, browse: Browse, config_folder: Path
    ) -> None:
        kept = drive(url=place.dss.url).call("login", browse=browse)
        assert Path(kept).parent == config_folder / "logins"
        assert listed(drive, place).collections == []
        (asked,) = place.oauth.asked
        assert asked["redirect_uri"].startswith("http://127.0.0.1:")

    def test_the_login_can_be_told_of(self, place: Place, drive: Driver, browse: Browse) -> None:
        assert drive(url=place.dss.url).call("credential") is None
        drive(url=place.dss.url).call("login", browse=browse)
        found = drive(url=place.dss.url).call("credential")
        assert (found.origin, found.email, found.group) == ("stored login", PERSON, "hca")
        assert found.expires_at > time.time()
        assert place.oauth.tokens[0] not in repr(found) + json.dumps(found.to_dict())

    def test_a_refusal_is_told(self, place: Place, browse: Browse) -> None:
        place.oauth.refuse = "access_denied"
        with (
            DSSClient(place.dss.url) as dss,
            pytest.raises(LoginError, match="refused: access_denied: the person said no"),
        ):
            dss.login(browse=browse)

    def test_a_refusal_may_speak_of_another_login(self, place: Place, browse: Browse) -> None:
        place.oauth.refuse = "another login"
        with DSSClient(place.dss.url) as dss, pytest.raises(LoginError, match="refused: another"):
            dss.login(timeout=5, browse=browse)

    def test_nobody_may_come(self, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
        with DSSClient(place.dss.url) as dss, pytest.raises(LoginError, match=r"within 0\.2 s"):
            dss.login(timeout=0.2, browse=lambda _: False)
        assert f"Open this URL yourself: {place.oauth.url}/authorize?" in capsys.readouterr().err

    def test_what_answers_another_question_is_passed_over(
        self, place: Place, browse: Browse
    ) -> None:
        def disturbed(url: str) -> bool:
            home = parse_qs(urlsplit(url).query)["redirect_uri"][0]
            for query in (
                "?error=x&error_description=another+login",
                "?code=evil&state=other",
                "?code=evil",
                "favicon.ico",
            ):
                answer = httpx.get(f"{home}{query}", trust_env=False)
                assert ("another login" in answer.text) is query.startswith("?")
            return browse(url)

        with DSSClient(place.dss.url) as dss:
            dss.login(browse=disturbed)
        assert [asked["code"] != "evil" for asked in place.oauth.asked] == [True]

    def test_a_code_may_be_refused(self, place: Place, browse: Browse) -> None:
        place.oauth.refuse_tokens = "invalid_client"
        with (
            DSSClient(place.dss.url) as dss,
            pytest.raises(LoginError, match="/token: 400 invalid_client"),
        ):
            dss.login(browse=browse)


class TestRemote:
    @pytest.fixture
    def person(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
        """Someone who opens the URL elsewhere, and brings back what `brings` makes of it."""
        someone = SimpleNamespace(said="", led_to="", brings=_code)

        def say(line: str) -> None:
            someone.said = line

        def ask(_: str) -> str:
            url = someone.said.partition(": ")[2]
            someone.led_to = httpx.get(url, trust_env=False).headers["location"]
            return f"{someone.brings(someone.led_to)}\n"

        monkeypatch.setattr("dss_client.auth.session._show", say)
        monkeypatch.setattr("dss_client.auth.session._ask", ask)
        return someone

    @pytest.mark.parametrize("brings", ["code", "url"])
    def test_the_code_is_brought_by_hand(
        self, place: Place, drive: Driver, person: SimpleNamespace, brings: str
    ) -> None:
        if brings == "url":
            person.brings = lambda url: url
        drive(url=place.dss.url).call("login", remote=True)
        assert listed(drive, place).collections == []
        assert person.led_to.startswith(f"{place.oauth.url}/echo?")

    @pytest.mark.parametrize(
        ("brings", "said"),
        [
            (lambda _: "", "no code was given"),
            (lambda _: "https://h/echo?code=a&state=b", "belongs to another login"),
            (lambda url: url.replace("code=", "edoc="), "holds no code"),
            (lambda _: "made-up", "/token: 400 invalid_grant"),
        ],
    )
    def test_what_is_brought_may_be_wrong(
        self, place: Place, person: SimpleNamespace, brings: Callable[[str], str], said: str
    ) -> None:
        person.brings = brings
        with DSSClient(place.dss.url) as dss, pytest.raises(LoginError, match=said):
            dss.login(remote=True)
        assert LoginStore().read(place.dss.url) is None

    def test_standard_input_is_asked(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from dss_client.auth import session

        monkeypatch.setattr(sys, "stdin", SimpleNamespace(readline=lambda: "answer\n"))
        assert session._ask("Code: ") == "answer\n"
        assert capsys.readouterr().err == "Code: "


def _code(url: str) -> str:
    return parse_qs(urlsplit(url).query)["code"][0]


class TestDeployments:
    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"{}", "not a JSON object"),
            (b"[1]", "not a JSON object"),
            (b"<html>", "not a JSON object"),
            (b'{"web": {}}', "no installed application"),
            (b'{"installed": {"client_id": "a", "auth_uri": "https://h/a"}}', "no installed"),
            (
                b'{"installed": {"client_id": "a", "auth_uri": "http://h.example","token_uri":"x"}}',
                "http://h.example/? is not https",
            ),
            (
                b'{"installed": {"client_id": "a", "auth_uri": "http://x.invalid","token_uri":"x"}}',
                "an embedded DSS, which has no accounts: .*dss serve --token-file",
            ),
        ],
    )
    def test_one_that_has_no_logins_is_told(self, origins: Origins, body: bytes, said: str) -> None:
        origin = origins(Reply(body=body))
        with DSSClient(f"{origin.url}/v1") as dss, pytest.raises(LoginError, match=said):
            dss.login()
        (seen,) = origin.seen
        assert seen.target == "/internal/application_secrets"
        assert "authorization" not in seen.headers

    def test_one_that_does_not_answer_is_told(self, origins: Origins) -> None:
        origin = origins(Reply(drop=True))
        with DSSClient(f"{origin.url}/v1") as dss, pytest.raises(LoginError, match="GET http://"):
            dss.login()


class TestGivenTokens:
    def test_they_are_stored_and_sent(self, place: Place, drive: Driver) -> None:
        """C12: the reference client could not use a token that it was given."""
        drive(url=place.dss.url).call("login", access_token=place.dss.mint_token(email=PERSON))
        assert listed(drive, place).collections == []
        assert drive(url=place.dss.url).call("credential").email == PERSON

    @pytest.mark.parametrize("token", ["t0k en", "t0k\nen", "t0ken-ä"])
    def test_what_no_header_carries_is_refused(self, place: Place, token: str) -> None:
        with DSSClient(place.dss.url) as dss, pytest.raises(InvalidArgument) as caught:
            dss.login(access_token=token)
        assert token not in str(caught.value)
        assert LoginStore().read(place.dss.url) is None

    def test_they_cannot_be_renewed(self, place: Place, drive: Driver) -> None:
        over = place.dss.mint_token(email=PERSON, expires_in=-10)
        drive(url=place.dss.url).call("login", access_token=over)
        with pytest.raises(Unauthorized):
            listed(drive, place)


class TestRenewal:
    @pytest.fixture
    def logged_in(self, place: Place, browse: Browse) -> Place:
        with DSSClient(place.dss.url) as dss:
            dss.login(browse=browse)
        return place

    @staticmethod
    def spoil(place: Place, **changes: Any) -> None:
        login = LoginStore().read(place.dss.url)
        assert login is not None
        LoginStore().write(place.dss.url, login.model_copy(update=changes))

    def test_a_refused_token_is_replaced_once(self, logged_in: Place, drive: Driver) -> None:
        self.spoil(logged_in, access_token=logged_in.dss.mint_token(expires_in=-10))
        assert listed(drive, logged_in).collections == []
        assert [asked["grant_type"] for asked in logged_in.oauth.asked][1:] == ["refresh_token"]
        login = LoginStore().read(logged_in.dss.url)
        assert login is not None
        assert login.access_token == logged_in.oauth.tokens[-1]

    def test_so_is_one_that_is_known_to_be_over(self, logged_in: Place, drive: Driver) -> None:
        self.spoil(logged_in, expires_at=time.time() - 1)
        assert listed(drive, logged_in).collections == []
        assert len(logged_in.oauth.asked) == 2

    def test_what_cannot_be_repeated_is_sent_again_too(
        self, logged_in: Place, drive: Driver
    ) -> None:
        self.spoil(logged_in, access_token=logged_in.dss.mint_token(expires_in=-10))
        with pytest.raises(Exception, match="404"):
            drive(url=logged_in.dss.url).call(
                "patch_bundle",
                uuid="0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7",
                version="2019-01-01T000000.000000Z",
                replica="aws",
            )
        assert len(logged_in.oauth.asked) == 2

    def test_the_old_refresh_token_stays_where_none_comes(
        self, logged_in: Place, drive: Driver
    ) -> None:
        logged_in.oauth.rotate = False
        logged_in.oauth.expires_in = None
        for _ in range(2):
            self.spoil(logged_in, access_token="refused")
            listed(drive, logged_in)
        assert len({asked["refresh_token"] for asked in logged_in.oauth.asked[1:]}) == 1

    def test_a_refused_renewal_says_what_to_do(self, logged_in: Place, drive: Driver) -> None:
        logged_in.oauth.refuse_tokens = "invalid_grant"
        self.spoil(logged_in, access_token="refused")
        with pytest.raises(LoginError, match=r"could not be renewed .*invalid_grant.*dss login"):
            listed(drive, logged_in)

    def test_one_that_cannot_be_renewed_is_left_to_the_service(
        self, logged_in: Place, drive: Driver
    ) -> None:
        self.spoil(logged_in, refresh_token=None, expires_at=time.time() - 1)
        assert listed(drive, logged_in).collections == []
        assert len(logged_in.oauth.asked) == 1

    def test_secrets_do_not_go_in_the_clear(self, logged_in: Place, drive: Driver) -> None:
        self.spoil(logged_in, access_token="refused", token_uri="http://oauth.example/token")
        with pytest.raises(LoginError, match=r"http://oauth\.example/token is not https"):
            listed(drive, logged_in)

    def test_an_answer_without_a_token_is_refused(self, logged_in: Place, drive: Driver) -> None:
        logged_in.oauth.mint = str
        self.spoil(logged_in, access_token="refused")
        with pytest.raises(LoginError, match="holds no access_token"):
            listed(drive, logged_in)

    def test_many_threads_renew_once(self, logged_in: Place) -> None:
        self.spoil(logged_in, access_token="refused")
        with DSSClient(logged_in.dss.url) as dss, ThreadPoolExecutor(8) as pool:
            together = threading.Barrier(8)

            def ask(_: int) -> object:
                together.wait()
                return dss.get_collections()

            list(pool.map(ask, range(8)))
        assert len(logged_in.oauth.asked) == 2

    def test_another_process_may_be_faster(
        self, logged_in: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It has used the refresh token up; what it stored is taken."""
        self.spoil(logged_in, access_token="refused")
        ask = plain_http.post_form

        def overtaken(url: str, fields: Mapping[str, str]) -> dict[str, Any]:
            self.spoil(logged_in, access_token=ask(url, fields)["access_token"])
            logged_in.oauth.refuse_tokens = "invalid_grant"
            return ask(url, fields)

        monkeypatch.setattr(sources, "post_form", overtaken)
        with DSSClient(logged_in.dss.url) as dss:
            assert dss.get_collections().collections == []
        assert len(logged_in.oauth.asked) == 3

    @pytest.mark.parametrize("lifetime", [float("inf"), float("nan"), 10**400, True, "x", -1])
    def test_a_lifetime_may_be_none(self, logged_in: Place, drive: Driver, lifetime: Any) -> None:
        logged_in.oauth.expires_in = lifetime
        self.spoil(logged_in, access_token="refused")
        assert listed(drive, logged_in).collections == []
        login = LoginStore().read(logged_in.dss.url)
        assert login is not None
        assert login.expires_at is None

    def test_another_process_may_have_renewed_it(self, logged_in: Place) -> None:
        with DSSClient(logged_in.dss.url) as dss:
            dss.get_collections()
            good = LoginStore().read(logged_in.dss.url)
            assert good is not None
            tokens = dss._transport.tokens.provider()
            assert tokens is not None
            tokens._login = good.model_copy(update={"access_token": "refused"})  # type: ignore[attr-defined]
            dss.get_collections()
        assert len(logged_in.oauth.asked) == 1

    def test_the_environment_may_hold_another_one_by_now(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DSS_TOKEN", "refused")
        with DSSClient(place.dss.url) as dss:
            with pytest.raises(Unauthorized):
                dss.get_collections()
            monkeypatch.setenv("DSS_TOKEN", place.dss.mint_token())
            assert dss.get_collections().collections == []

    def test_it_may_be_gone_meanwhile(self, logged_in: Place) -> None:
        with DSSClient(logged_in.dss.url) as dss:
            assert dss._transport.tokens.provider() is not None
            LoginStore().remove(logged_in.dss.url)
            with pytest.raises(LoginError, match="nobody is logged in"):
                dss.get_collections()

    def test_a_token_function_is_asked_again(self, place: Place, drive: Driver) -> None:
        tokens = iter(["refused", place.dss.mint_token()])
        given = drive(url=place.dss.url, options={"token": lambda: next(tokens)})
        assert given.call("get_collections").collections == []

    async def test_it_may_be_an_asynchronous_one(self, place: Place) -> None:
        tokens = iter(["refused", place.dss.mint_token(), place.dss.mint_token(email=PERSON)])

        async def token() -> str:
            return next(tokens)

        async with AsyncDSSClient(place.dss.url, token=token) as dss:
            assert (await dss.get_collections()).collections == []
            found = await dss.credential()
        assert found is not None
        assert (found.origin, found.email) == ("token function", PERSON)

    def test_but_only_where_it_has_another_one(self, place: Place, drive: Driver) -> None:
        with pytest.raises(Unauthorized):
            drive(url=place.dss.url, options={"token": lambda: "refused"}).call("get_collections")


class TestLogout:
    def test_it_says_what_it_removed(self, place: Place, drive: Driver, browse: Browse) -> None:
        kept = drive(url=place.dss.url).call("login", browse=browse)
        assert drive(url=place.dss.url).call("logout") == [kept]
        assert not Path(kept).exists()
        assert drive(url=place.dss.url).call("logout") == []
        with pytest.raises(Unauthorized, match="run dss login"):
            listed(drive, place)

    def test_a_client_notices(self, place: Place) -> None:
        with DSSClient(place.dss.url) as dss:
            with pytest.raises(Unauthorized):
                dss.get_collections()
            dss.login(access_token=place.dss.mint_token())
            dss.get_collections()
            dss.logout()
            with pytest.raises(Unauthorized):
                dss.get_collections()


class TestSecrecy:
    def test_nothing_shows_a_token(
        self,
        place: Place,
        browse: Browse,
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with DSSClient(place.dss.url) as dss:
            dss.login(browse=browse)
            dss.get_collections()
            login = LoginStore().read(dss.url)
            shown = [repr(dss), repr(login), repr(dss._transport.options), caplog.text]
            shown += [*capsys.readouterr(), repr(pickle.dumps(dss))]
        (token,) = place.oauth.tokens
        assert login is not None
        for secret in (token, login.refresh_token, "app-secret-c0ffee"):
            assert secret
            assert secret not in "".join(shown)

    def test_nor_do_the_headers_of_the_library_below(
        self, tmp_path: Path, drive: Driver, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with LocalDSS(tmp_path / "root", sample=True) as server:
            token = server.mint_token()
            client = drive(url=server.url, options={"token": token}, http={})
            listed = client.call("get_bundles_all", replica="aws").bundles[0]
            bundle = client.call("get_bundle", replica="aws", uuid=listed.uuid).bundle
            client.call("get_file", replica="aws", uuid=bundle.files[0].uuid)
            client.call("get_collections")
        assert token not in caplog.text
        assert "signature" not in caplog.text.lower()
        assert "location" not in caplog.text
        assert "return_value=(b'HTTP/1.1', 302 <redacted>" in caplog.text

    def test_a_pickled_client_carries_none_of_the_environment(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = place.dss.mint_token()
        monkeypatch.setenv("DSS_TOKEN", token)
        with DSSClient(place.dss.url) as dss:
            dss.get_collections()
            text = pickle.dumps(dss)
        assert token.encode() not in text
        with pickle.loads(text) as copy:
            assert copy.get_collections().collections == []
            assert copy.credential().origin == "DSS_TOKEN"

    def test_another_deployment_gets_none(
        self, place: Place, browse: Browse, origins: Origins, drive: Driver
    ) -> None:
        drive(url=place.dss.url).call("login", browse=browse)
        other = origins(Reply(401))
        with pytest.raises(Unauthorized):
            drive(url=f"{other.url}/v1").call("get_collections")
        assert all("authorization" not in seen.headers for seen in other.seen)

    def test_a_pickled_client_finds_its_login(self, place: Place, browse: Browse) -> None:
        with DSSClient(place.dss.url) as dss:
            dss.login(browse=browse)
            with pickle.loads(pickle.dumps(dss)) as copy:
                assert copy.get_collections().collections == []


class TestStore:
    LOGIN = StoredLogin(access_token="t0ken")

    def test_files_are_for_their_owner(self, monkeypatch: pytest.MonkeyPatch) -> None:
        modes: list[int] = []
        real = os.fdopen

        def fdopen(descriptor: int, *args: Any, **named: Any) -> Any:
            modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
            return real(descriptor, *args, **named)

        monkeypatch.setattr(os, "fdopen", fdopen)
        old = os.umask(0)
        try:
            path = Path(LoginStore().write("http://h/v1", self.LOGIN))
        finally:
            os.umask(old)
        assert modes == [0o600]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_a_write_that_fails_leaves_the_one_before(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = LoginStore()
        path = Path(store.write("http://h/v1", self.LOGIN))

        def fail(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(LoginError, match=r"cannot be kept in .*: No space"):
            store.write("http://h/v1", StoredLogin(access_token="other"))
        assert store.read("http://h/v1") == self.LOGIN
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"access_token": ""}', "\udcff"])
    def test_what_is_not_a_login_is_left_out(self, text: str) -> None:
        store = LoginStore()
        path = store.path("http://h/v1")
        path.parent.mkdir()
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        assert store.read("http://h/v1") is None


class Keyring:
    """A keyring in memory."""

    priority = 5

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_keyring(self) -> "Keyring":
        return self

    def get_password(self, service: str, name: str) -> str | None:
        self._need_open()
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        self._need_open()
        self.kept[service, name] = password

    def delete_password(self, service: str, name: str) -> None:
        self._need_open()
        del self.kept[service, name]

    def _need_open(self) -> None:
        if self.locked:
            raise RuntimeError("the keyring is locked")


class TestKeyring:
    REAL = staticmethod(stored._keyring)

    @pytest.fixture
    def keyring(self, monkeypatch: pytest.MonkeyPatch, config_folder: Path) -> Keyring:
        found = Keyring()
        monkeypatch.setattr(stored, "_keyring", self.REAL)
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
        monkeypatch.setattr(importlib, "import_module", lambda _: found)
        return found

    def test_it_is_where_logins_go(self, keyring: Keyring, config_folder: Path) -> None:
        store = LoginStore()
        assert store.write("http://h/v1", TestStore.LOGIN) == "keyring"
        assert list(keyring.kept) == [("dss-client", "http://h/v1")]
        assert not (config_folder / "logins").exists()
        assert store.read("http://h/v1") == TestStore.LOGIN
        assert store.remove("http://h/v1") == ["keyring"]
        assert store.read("http://h/v1") is None
        assert store.remove("http://h/v1") == []

    def test_a_file_from_before_is_removed(
        self, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = LoginStore()
        keyring.locked = True
        path = Path(store.write("http://h/v1", TestStore.LOGIN))
        assert store.read("http://h/v1") == TestStore.LOGIN
        keyring.locked = False
        store.write("http://h/v1", TestStore.LOGIN)
        assert not path.exists()

    def test_one_that_is_locked_is_passed_over(self, keyring: Keyring) -> None:
        store = LoginStore()
        keyring.locked = True
        assert store.read("http://h/v1") is None
        assert Path(store.write("http://h/v1", TestStore.LOGIN)).exists()

    def test_but_not_when_a_login_is_to_be_removed(self, keyring: Keyring) -> None:
        store = LoginStore()
        store.write("http://h/v1", TestStore.LOGIN)
        keyring.locked = True
        with pytest.raises(
            LoginError, match=r"^the keyring refuses .*unlock it, and log out again"
        ):
            store.remove("http://h/v1")
        path = store.write("http://h/v1", TestStore.LOGIN)
        with pytest.raises(LoginError, match=f"^removed {path}, but the keyring refuses"):
            store.remove("http://h/v1")
        assert not Path(path).exists()
        keyring.locked = False
        assert store.remove("http://h/v1") == ["keyring"]

    def test_what_was_in_it_before_does_not_come_back(self, keyring: Keyring) -> None:
        store = LoginStore()
        store.write("http://h/v1", StoredLogin(access_token="before"))
        keyring.locked = True
        store.write("http://h/v1", TestStore.LOGIN)
        keyring.locked = False
        assert store.read("http://h/v1") == TestStore.LOGIN

    def test_one_that_keeps_nothing_is_not_used(self, keyring: Keyring) -> None:
        keyring.priority = 0
        assert Path(LoginStore().write("http://h/v1", TestStore.LOGIN)).exists()

    def test_it_is_an_extra(self, keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        assert Path(LoginStore().write("http://h/v1", TestStore.LOGIN)).exists()


def test_a_browser_is_that_of_the_system() -> None:
    import webbrowser

    prompt = oauth.UserPrompt(show=print, ask=input)
    assert prompt.browse is webbrowser.open
