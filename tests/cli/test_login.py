"""``dss login``, ``logout``, ``whoami`` and ``config``."""

import base64
import io
import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dss_client.auth import stored
from dss_client.local import LocalDSS

from .conftest import Run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DSS_CONFIG_FILE", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").write_text("# mine\n")
    monkeypatch.setattr(stored, "_keyring", lambda: None)
    return tmp_path


@pytest.fixture
def dss(folder: Path) -> Iterator[LocalDSS]:
    with LocalDSS(folder / "root") as dss:
        yield dss


def test_a_token_is_stored_shown_and_removed(run: Run, dss: LocalDSS, folder: Path) -> None:
    token = dss.mint_token(email="me@example.org")
    nobody = run("whoami", "--url", dss.url)
    assert nobody.status == 1
    assert "run dss login" in nobody.out
    done = run("login", "--url", dss.url, "--access-token", token)
    assert done.status == 0
    (kept,) = (folder / "logins").iterdir()
    assert done.out == f"Logged in to {dss.url}; the login is kept in {kept}.\n"
    shown = run("whoami", "--url", dss.url)
    assert shown.status == 0
    assert "me@example.org" in shown.out
    assert "UTC" in shown.out
    document = run("whoami", "--url", dss.url, "--json").document
    assert document["credential"]["group"] == "hca"
    out = run("logout", "--url", dss.url)
    assert out.out == f"Logged out of {dss.url}: removed from {kept}.\n"
    assert run("logout", "--url", dss.url).out == f"Nobody was logged in to {dss.url}.\n"
    assert token not in done.out + shown.out + json.dumps(document) + out.out


def test_a_token_can_come_by_standard_input(
    run: Run, dss: LocalDSS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{dss.mint_token()}\n"))
    assert run("login", "--url", dss.url, "--access-token", "-").status == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    nothing = run("login", "--url", dss.url, "--access-token", "-")
    assert nothing.status == 2
    assert "standard input holds no token" in nothing.err


@pytest.mark.parametrize("token", ["opaque", "a.b.c"])
def test_a_token_may_say_nothing(run: Run, dss: LocalDSS, token: str) -> None:
    done = run("login", "--url", dss.url, "--access-token", token)
    assert done.status == 0
    assert "Warning: the token is not a JWT" in done.err
    assert "not known" in run("whoami", "--url", dss.url).out


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "the token is empty"),
        (" ", "the token is empty"),
        ("Bearer abc", "begins with 'Bearer': leave that out"),
        ("a b", "take that off the token"),
        ("abc\n", "take that off the token"),
        ("'abc'", "holds what no token has, such as quotes"),
    ],
)
def test_what_is_no_token_is_not_stored(run: Run, dss: LocalDSS, token: str, said: str) -> None:
    refused = run("login", "--url", dss.url, "--access-token", token)
    assert refused.status == 2
    assert said in refused.err
    assert run("whoami", "--url", dss.url).status == 1


def test_a_token_that_is_over_is_told(run: Run, dss: LocalDSS) -> None:
    token = dss.mint_token(expires_in=-5)
    done = run("login", "--url", dss.url, "--access-token", token)
    assert (done.status, "Warning: the token has expired" in done.err) == (0, True)


@pytest.mark.parametrize("end", ["1e400", "NaN", "1e17", "-9e13", "9" * 400, "true", '"x"'])
def test_its_end_may_be_no_time(run: Run, dss: LocalDSS, end: str) -> None:
    claims = base64.urlsafe_b64encode(f'{{"exp": {end}, "email": "me@h"}}'.encode()).decode()
    run("login", "--url", dss.url, "--access-token", f"a.{claims.rstrip('=')}.c")
    shown = run("whoami", "--url", dss.url)
    assert (shown.status, "me@h" in shown.out, "not known" in shown.out) == (0, True, True)
    document = run("whoami", "--url", dss.url, "--json").document
    assert document["credential"]["expires_at"] is None


def test_one_that_is_over_is_called_so(run: Run, dss: LocalDSS) -> None:
    run("login", "--url", dss.url, "--access-token", dss.mint_token(expires_in=-5))
    assert "(over)" in run("whoami", "--url", dss.url).out


def test_a_deployment_without_logins_is_one_line(run: Run, dss: LocalDSS) -> None:
    failed = run("login", "--url", "http://127.0.0.1:1/v1")
    assert failed.status == 1
    assert failed.err.startswith("Error: GET http://127.0.0.1:1/internal/application_secrets:")
    assert failed.err.count("\n") == 1


class TestConfig:
    def test_it_shows_where_the_deployment_is_from(
        self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "from the specification" in run("config", "show").out
        assert "from --url" in run("config", "show", "--url", "http://h/v1").out
        set_ = run("config", "set", "url", "http://127.0.0.1:9/v1/swagger.json")
        assert set_.out == f"url = http://127.0.0.1:9/v1, in {folder / 'config.toml'}.\n"
        assert (folder / "config.toml").read_text() == 'url = "http://127.0.0.1:9/v1"\n# mine\n'
        document = run("config", "show", "--json").document
        assert document["url"] == "http://127.0.0.1:9/v1"
        assert document["url_from"] == str(folder / "config.toml")
        run("config", "set", "url", "http://h/v1")
        assert (folder / "config.toml").read_text() == 'url = "http://h/v1"\n# mine\n'
        monkeypatch.setenv("DSS_URL", "http://i/v1")
        assert "from DSS_URL" in run("config", "show").out

    def test_alone_it_shows(self, run: Run, folder: Path) -> None:
        assert run("config").out == run("config", "show").out
        shown = run("config", "--url", "http://h/v1", "--json")
        assert shown.document["url_from"] == "--url"
        (folder / "config.toml").write_text("=")
        failed = run("config")
        assert (failed.status, failed.err.count("\n")) == (1, 1)

    def test_only_the_value_is_changed(self, run: Run, folder: Path) -> None:
        real = folder / "real.toml"
        real.write_text('# mine\n url = "http://a/v1#x"  # why\n')
        real.chmod(0o600)
        (folder / "config.toml").unlink()
        (folder / "config.toml").symlink_to(real)
        assert run("config", "set", "url", "http://b/v1").status == 0
        assert (folder / "config.toml").is_symlink()
        assert real.read_text() == '# mine\n url = "http://b/v1"  # why\n'
        assert stat.S_IMODE(real.stat().st_mode) == 0o600

    def test_the_file_need_not_be_there(self, run: Run, folder: Path) -> None:
        (folder / "config.toml").unlink()
        assert run("config", "set", "url", "http://b/v1").status == 0
        assert (folder / "config.toml").read_text() == 'url = "http://b/v1"\n'

    def test_that_may_be_the_reference_client(
        self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = folder / "hca.json"
        path.write_text('{"DSSClient": {"swagger_url": "http://j/v1/swagger.json"}}')
        monkeypatch.setenv("HCA_CONFIG_FILE", str(path))
        assert run("config", "show").out.startswith("url          http://j/v1 (from the config")

    @pytest.mark.parametrize("url", ["nonsense", "ftp://h/v1"])
    def test_what_is_no_deployment_is_refused(self, run: Run, folder: Path, url: str) -> None:
        assert run("config", "set", "url", url).status == 2
        assert (folder / "config.toml").read_text() == "# mine\n"

    @pytest.mark.parametrize("text", ["=", '[url]\nurl = "x"\n', 'x = """\nurl = 1\n"""\n'])
    def test_what_is_no_plain_toml_stays(self, run: Run, folder: Path, text: str) -> None:
        (folder / "config.toml").write_text(text)
        failed = run("config", "set", "url", "http://h/v1")
        assert failed.status == 1
        assert str(folder / "config.toml") in failed.err
        assert (folder / "config.toml").read_text() == text

    def test_it_may_not_be_writable(self, run: Run, folder: Path) -> None:
        (folder / "config.toml").unlink()
        (folder / "config.toml").mkdir()
        failed = run("config", "set", "url", "http://h/v1")
        assert failed.status == 1
        assert "cannot be written" in failed.err
