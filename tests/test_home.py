"""A user without a home directory, as in many containers: no settings, and no RuntimeError."""

import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from dss_client import ConfigError, DSSClient, DSSError, LoginError
from dss_client.auth import stored
from dss_client.hca import DSSClient as HCAClient
from dss_client.hca import HCAConfig, get_config
from dss_client.local import LocalDSS
from dss_client.operations import DEFAULT_URL
from tests.cli.conftest import Run, run
from tests.drive import Driver

__all__ = ["run"]

VARIABLES = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "DSS_CONFIG_FILE")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Take the home directory away; return the current directory, which is to stay empty."""

    def nobody(uid: int) -> NoReturn:
        raise KeyError(uid)

    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(stored, "_keyring", lambda: None)
    monkeypatch.chdir(tmp_path)
    get_config.cache_clear()
    yield tmp_path
    get_config.cache_clear()


def test_there_are_no_settings_and_no_login(drive: Driver, local_dss: LocalDSS, here: Path) -> None:
    with DSSClient() as dss:
        assert dss.url == DEFAULT_URL
    ours = drive(url=local_dss.url)
    assert ours.call("credential") is None
    assert ours.call("logout") == []
    with pytest.raises(ConfigError, match=r"no home directory.*: set HOME or DSS_CONFIG_FILE"):
        ours.call("login", access_token="t0ken")
    assert list(here.iterdir()) == []


def test_the_specification_is_compared_and_not_kept(
    drive: Driver, local_dss: LocalDSS, here: Path
) -> None:
    report = drive(url=local_dss.url).call("refresh_swagger")
    assert (report.same, report.path, report.is_new) == (True, None, True)
    assert report.to_dict()["path"] is None
    assert drive(url=local_dss.url).call("clear_cache") is False
    assert list(here.iterdir()) == []


def test_the_facade_works(local_dss: LocalDSS, here: Path) -> None:
    with HCAClient(swagger_url=f"{local_dss.url}/swagger.json") as dss:
        assert dss.post_search(replica="aws", es_query={})["total_hits"] > 0
        assert dss.refresh_swagger().same
        dss.clear_cache()
        dss.logout()
        with pytest.raises(DSSError, match="no home directory"):
            dss.login("t0ken")
    assert list(here.iterdir()) == []


def test_the_facades_configuration_has_no_file_of_the_user(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = HCAConfig()
    assert config.config_files == ["/etc/hca/config.json"]
    config.log_level = "DEBUG"
    for use in (config.save, lambda: config.user_config_dir):
        with pytest.raises(ConfigError, match="set HOME or XDG_CONFIG_HOME"):
            use()
    monkeypatch.setenv("HCA_CONFIG_FILE", str(here / "named.json"))
    config.save()
    assert (here / "named.json").exists()


def test_a_path_in_the_home_is_refused(run: Run, local_dss: LocalDSS, here: Path) -> None:
    outcome = run("download-search", "{}", "--download-dir=~/data", "--url", local_dss.url)
    assert outcome.status == 2
    assert "there is no home directory for '~/data': write the path in full" in outcome.err
    assert list(here.iterdir()) == []


def test_commands_say_that_no_login_is_there(run: Run, local_dss: LocalDSS, here: Path) -> None:
    shown = run("--json", "config", "show")
    assert shown.status == 0, shown.err
    assert shown.document == {
        "url": DEFAULT_URL,
        "url_from": "the specification",
        "config_file": None,
        "exists": False,
    }
    assert "config file  none" in run("config").out
    assert run("--url", local_dss.url, "logout").status == 0
    fetched = run("--url", local_dss.url, "refresh-swagger")
    assert (fetched.status, fetched.err) == (0, "")
    assert "not kept" in fetched.out
    for words in (
        ("config", "set", "url", local_dss.url),
        ("--url", local_dss.url, "login", "--access-token", "t0ken"),
        ("completion", "bash", "--install"),
    ):
        refused = run(*words)
        assert refused.status != 0
        assert "no home directory" in refused.err
        assert "Traceback" not in refused.err
    assert list(here.iterdir()) == []


def test_an_upload_says_what_it_needs(here: Path, local_dss: LocalDSS) -> None:
    (here / "src").mkdir()
    (here / "src" / "a.json").write_text("{}")
    with (
        DSSClient(local_dss.url, token="t0ken") as dss,
        pytest.raises(ConfigError, match="DSS_STATE_DIR"),
    ):
        dss.upload(src_dir="src", replica="aws", staging_bucket="b", creator_uid=0)


class TestUnusable:
    """A home that cannot be written to: a file stands where its directories would be."""

    @pytest.fixture(autouse=True)
    def file(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        file = here / "home"
        file.write_text("", encoding="utf-8")
        monkeypatch.setenv("HOME", str(file))
        return file

    def test_a_login_is_refused_with_its_place(self, drive: Driver, local_dss: LocalDSS) -> None:
        ours = drive(url=local_dss.url)
        with pytest.raises(LoginError, match=r"the login cannot be kept in .*home.*: "):
            ours.call("login", access_token="t0ken")
        assert ours.call("logout") == []

    def test_the_specification_is_compared_and_not_kept(
        self, drive: Driver, local_dss: LocalDSS
    ) -> None:
        report = drive(url=local_dss.url).call("refresh_swagger")
        assert (report.same, report.path) == (True, None)
        assert drive(url=local_dss.url).call("clear_cache") is False

    def test_nor_is_the_configuration_of_hca(self, file: Path) -> None:
        config = get_config()
        config["DSSClient"] = {"swagger_url": "http://h/v1/swagger.json"}
        with pytest.raises(ConfigError, match=rf"{file}.* cannot be written: "):
            config.save()
